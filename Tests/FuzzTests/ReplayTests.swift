// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import FuzzTargets
import Testing

/// Every input of the corpus, and every one that ever crashed a fuzz target, with all that lies between it and nothing.
@Suite struct ReplayTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fuzz")

  @Test(arguments: FuzzTarget.allCases)
  func corpus(_ target: FuzzTarget) throws {
    let files = try FileManager.default.contentsOfDirectory(
      at: Self.folder.appendingPathComponent("corpus/\(target.rawValue)"), includingPropertiesForKeys: nil)
    #expect(!files.isEmpty, "\(target.rawValue) has no corpus")
    for file in files {
      let bytes = [UInt8](try Data(contentsOf: file))
      target.run(bytes)
      for length in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 50)) {
        target.run(Array(bytes[..<length]))
      }
    }
  }

  @Test func everyCrash() throws {
    let files = try FileManager.default.contentsOfDirectory(
      at: Self.folder.appendingPathComponent("crashes"), includingPropertiesForKeys: nil)
    for file in files where file.pathExtension != "md" {
      let name = file.lastPathComponent.prefix { $0 != "-" }
      let target = try #require(FuzzTarget(rawValue: String(name)), "the name of \(file.path) begins with no target's")
      target.run([UInt8](try Data(contentsOf: file)))
    }
  }
}
