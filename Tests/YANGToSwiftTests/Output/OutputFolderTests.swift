// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import YANGToSwift

@Suite struct OutputFolderTests {
  private let place = FileManager.default.temporaryDirectory.appending(path: "output-\(UUID().uuidString)")
  private func file(_ name: String, _ text: String) -> Generator.GeneratedFile {
    .init(name: name, text: "// \(Translator.header[0])\n\(text)")
  }

  @Test func filesAreWrittenOnlyWhenTheyChange() throws {
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: place) }
    let folder = OutputFolder(path: place.path)
    #expect(try folder.write(file("a.swift", "1")))
    #expect(try !folder.write(file("a.swift", "1")))
    #expect(try folder.write(file("a.swift", "2")))
    #expect(try OutputFolder.read(place.path + "/a.swift") == Array(file("a.swift", "2").text.utf8))
  }

  @Test func whatIsNoLongerAskedForIsRemoved() throws {
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: place) }
    let folder = OutputFolder(path: place.path)
    for name in ["a.swift", "b.swift"] { try folder.write(file(name, "")) }
    try "// By hand.".write(to: place.appending(path: "c.swift"), atomically: true, encoding: .utf8)
    try "text".write(to: place.appending(path: "d.txt"), atomically: true, encoding: .utf8)
    try folder.removeAll(but: [file("b.swift", "")])
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: place.path).sorted() == ["b.swift", "c.swift", "d.txt"])
  }

  @Test func aFolderThatIsNotThereIsAnError() {
    #expect(throws: OutputFolder.Failure.self) { try OutputFolder(path: place.path).removeAll(but: []) }
  }
}
