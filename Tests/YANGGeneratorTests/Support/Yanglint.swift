// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation

/// Debian's yanglint: one process judges and prints many documents.
struct Yanglint {
  let folders: [String]
  let modules: [String]

  static let program = ["/usr/bin/yanglint", "/usr/local/bin/yanglint"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  struct Answer {
    /// Nil for a document that is refused.
    let output: String?
    let complaint: String
  }

  /// Whether it compiles the modules.
  func loadsModules() throws -> Bool {
    let folder = try Self.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    // Warnings have a sign of their own.
    let log = try run(preparation, in: folder)
    return !log.contains("libyang[0]") && !log.contains("YANGLINT[E]")
  }

  private var preparation: String {
    folders.map { "searchpath \($0)\n" }.joined() + modules.map { "add \($0)\n" }.joined()
  }

  private static func temporaryFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("yanglint-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  /// What it makes of configurations, each printed in the other format too where `converting` asks for it.
  func judge(_ documents: [String], suffix: String, output: String) throws -> [Answer] {
    let folder = try Self.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    var script = preparation
    for (index, document) in documents.enumerated() {
      try document.write(to: folder.appendingPathComponent("\(index).\(suffix)"), atomically: false, encoding: .utf8)
      script += "data -t config -f \(output) -o \(index).out \(index).\(suffix)\n"
    }
    let log = try run(script, in: folder)
    // What is said stands before the line that names the file.
    var complaints: [Int: String] = [:]
    var said = ""
    for line in log.split(separator: "\n") {
      guard line.contains("Failed to parse input data file") else {
        said += line + "\n"
        continue
      }
      let name = line.split(separator: "\"").dropFirst().first.flatMap { $0.split(separator: ".").first } ?? ""
      if let index = Int(name) { complaints[index] = said }
      said = ""
    }
    return documents.indices.map { index in
      if let complaint = complaints[index] { return Answer(output: nil, complaint: complaint) }
      let output = try? String(contentsOf: folder.appendingPathComponent("\(index).out"), encoding: .utf8)
      return Answer(output: output, complaint: output == nil ? log : "")
    }
  }

  private func run(_ script: String, in folder: URL) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Self.program ?? "yanglint")
    process.currentDirectoryURL = folder
    // It keeps a history in the home directory.
    process.environment = ["HOME": folder.path, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
    let log = folder.appendingPathComponent("log")
    let commands = folder.appendingPathComponent("commands")
    try script.write(to: commands, atomically: false, encoding: .utf8)
    FileManager.default.createFile(atPath: log.path, contents: nil)
    process.standardInput = try FileHandle(forReadingFrom: commands)
    process.standardOutput = try FileHandle(forWritingTo: log)
    process.standardError = process.standardOutput
    try process.run()
    process.waitUntilExit()
    return String(decoding: try Data(contentsOf: log), as: UTF8.self)
  }
}

/// Modules that documents are generated for.
struct ModuleSet: Sendable {
  let name: String
  let folders: [String]
  /// Files of the modules to implement.
  let files: [String]

  /// The project's own, and each of the folders in AGENTD_YANG_FOLDERS (by default those that pyang brings).
  static let all: [ModuleSet] = {
    var sets = [
      ModuleSet(
        name: "harness", folders: [Schemas.harnessFolder],
        files: ["harness", "harness-more"].map { "\(Schemas.harnessFolder)/\($0).yang" })
    ]
    let own = ["cisco", "ietf", "agentd"].map { "\(Schemas.project)/yang/\($0)" }
    let unserved = ["cisco", "ietf"].map { "\(Schemas.project)/yang-unserved/\($0)" }
    sets += singly(own + unserved)
    let asked = ProcessInfo.processInfo.environment["AGENTD_YANG_FOLDERS"]?.split(separator: ":").map(String.init)
    sets += singly(asked ?? pyangFolders())
    return sets
  }()

  private static func pyangFolders() -> [String] {
    let python = ProcessInfo.processInfo.environment["AGENTD_PYTHON"] ?? ""
    let root = URL(fileURLWithPath: python).deletingLastPathComponent().deletingLastPathComponent().path
    return ["iana", "ietf"].map { "\(root)/share/yang/modules/\($0)" }.filter {
      FileManager.default.fileExists(atPath: $0)
    }
  }

  /// Each module with the modules that derive identities for it.
  private static func singly(_ folders: [String]) -> [ModuleSet] {
    var files: [String] = []
    for folder in folders {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      files += names.filter { $0.hasSuffix(".yang") }.sorted().map { "\(folder)/\($0)" }
    }
    let texts = Dictionary(
      uniqueKeysWithValues: files.map { ($0, (try? String(contentsOfFile: $0, encoding: .utf8)) ?? "") })
    return files.compactMap { file in
      let module = String(URL(fileURLWithPath: file).lastPathComponent.prefix { $0 != "@" && $0 != "." })
      let text = texts[file] ?? ""
      guard text.contains("\n"), !text.contains("\nsubmodule ") && !text.hasPrefix("submodule ") else { return nil }
      let companions = files.filter { other in
        let text = texts[other] ?? ""
        return other != file && text.contains("import \(module)") && text.contains("\n  identity ")
          && text.count < 200_000
      }
      return ModuleSet(name: module, folders: folders, files: [file] + companions.prefix(2))
    }
  }
}
