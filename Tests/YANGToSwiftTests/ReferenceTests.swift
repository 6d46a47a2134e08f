// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing
import YANG

@testable import YANGToSwift

/// Generates from the modules in each folder of `References` and compares with what is written there:
/// `MODULE.swift.expected` for each file, or `diagnostics.expected`. With AGENTD_UPDATE_REFERENCES set, writes them
/// instead; what has changed is then to be read in the version control.
@Suite struct ReferenceTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "References")
  private static let isUpdating = ProcessInfo.processInfo.environment["AGENTD_UPDATE_REFERENCES"] != nil

  static var cases: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
  }

  @Test(arguments: try ReferenceTests.cases) func output(_ name: String) throws {
    let folder = Self.folder.appending(path: name)
    var actual: [String: String] = [:]
    let (files, diagnostics) = try Self.generate(folder)
    for file in files { actual[file.name + ".expected"] = file.text }
    if !diagnostics.isEmpty {
      #expect(files.isEmpty)
      actual["diagnostics.expected"] = diagnostics.map { $0.description + "\n" }.joined()
    }
    let expected = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".expected") }.sorted()
    if Self.isUpdating {
      for file in expected { try FileManager.default.removeItem(at: folder.appending(path: file)) }
      for (file, text) in actual {
        try text.write(to: folder.appending(path: file), atomically: true, encoding: .utf8)
      }
      return
    }
    #expect(actual.keys.sorted() == expected)
    for file in expected {
      let text = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
      let difference = Self.firstDifference(text, actual[file] ?? "")
      #expect(difference == nil, "\(name)/\(file): \(difference ?? "")")
    }
  }

  /// The order in which the compiler sees modules must not show in the output.
  @Test(arguments: try ReferenceTests.cases) func orderOfModulesDoesNotMatter(_ name: String) throws {
    let folder = Self.folder.appending(path: name)
    let sources = try Self.sources(folder)
    let configuration = try Self.configuration(folder)
    let generator = Generator(configuration: configuration, swiftModule: "References")
    let forward = generator.generate(try Schema.compile(sources: sources).schema)
    let backward = generator.generate(try Schema.compile(sources: sources.reversed()).schema)
    #expect(forward.files == backward.files)
    #expect(forward.diagnostics == backward.diagnostics)
  }

  /// Names do not depend on what else is asked for.
  @Test func aPartHasTheNamesOfTheWhole() throws {
    let folder = Self.folder.appending(path: "07-parts")
    let schema = try Schema.compile(sources: try Self.sources(folder)).schema
    var configuration = Configuration()
    configuration.wants = [.module("example-parts")]
    let whole = Generator(configuration: configuration, swiftModule: "M").generate(schema).files
    configuration.wants = [.subtree("/example-parts:top/middle/wanted")]
    let part = Generator(configuration: configuration, swiftModule: "M").generate(schema).files
    func names(_ files: [Generator.GeneratedFile]) -> Set<Substring> {
      Set(files.flatMap { $0.text.split(separator: "\n") }.filter { $0.hasPrefix("extension ") })
    }
    #expect(!names(part).isEmpty)
    #expect(names(part).isSubset(of: names(whole)))
  }

  private static func generate(_ folder: URL) throws -> (files: [Generator.GeneratedFile], diagnostics: [Diagnostic]) {
    // From memory, so that messages do not name the folder.
    let schema = try Schema.compile(sources: try sources(folder)).schema
    return Generator(configuration: try configuration(folder), swiftModule: "References").generate(schema)
  }

  private static func configuration(_ folder: URL) throws -> Configuration {
    var parser = ConfigurationParser(file: "generate.conf")
    let text = try String(contentsOf: folder.appending(path: "generate.conf"), encoding: .utf8)
    let configuration = parser.parse(text)
    #expect(parser.diagnostics.isEmpty)
    return configuration
  }

  private static func sources(_ folder: URL) throws -> [SourceText] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yang") }.sorted()
      .map { SourceText(file: $0, bytes: Array(try Data(contentsOf: folder.appending(path: $0)))) }
  }

  private static func firstDifference(_ expected: String, _ actual: String) -> String? {
    let expected = expected.split(separator: "\n", omittingEmptySubsequences: false)
    let actual = actual.split(separator: "\n", omittingEmptySubsequences: false)
    for line in 0..<max(expected.count, actual.count) {
      let left = line < expected.count ? expected[line] : "(end)"
      let right = line < actual.count ? actual[line] : "(end)"
      if left != right { return "line \(line + 1): expected \(left), got \(right)" }
    }
    return nil
  }
}
