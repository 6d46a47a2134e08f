// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Glibc
import YANG
import YANGToSwift

/// Prints the Swift types that the package's build would generate.
struct ShowSwift: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift", abstract: "Prints the Swift types of a subtree or a module.",
    discussion: "docs/yang-to-swift.md says how names and types come about.")

  @Option(
    name: [.customShort("p"), .customLong("path")],
    help: "A folder with modules, all below it included; may be given several times.")
  var paths: [String] = ["yang"]

  @Option(help: "A generator configuration; its acronyms, namespaces and names are used.")
  var names: String?

  @Option(help: "The Swift module that the types are to be compiled in.")
  var swiftModule = "Models"

  @Argument(help: "Schema paths such as /module:a/b, or names of modules.")
  var roots: [String]

  func run() throws {
    var configuration = Configuration()
    if let names {
      var parser = ConfigurationParser(file: names)
      configuration = parser.parse(String(decoding: try OutputFolder.read(names), as: UTF8.self))
      try stop(parser.diagnostics.map(\.description))
    }
    configuration.exclusions = []
    configuration.wants = roots.map { $0.hasPrefix("/") ? .subtree($0) : .module($0) }
    let schema: Schema
    do throws(YANGErrors) {
      schema = try Schema.compile(directories: paths).schema
    } catch {
      try stop(error.diagnostics.filter { $0.severity == .error }.map(\.description))
      return
    }
    // The file may name nodes of modules that are not here.
    configuration.names = configuration.names.filter { subject, _ in
      schema.module(named: String(subject.drop { $0 == "/" }.prefix { $0 != ":" && $0 != "/" })) != nil
    }
    let (files, diagnostics) = Generator(configuration: configuration, swiftModule: swiftModule).generate(schema)
    try stop(diagnostics.map(\.description))
    for file in files where file.hasTypes { print(file.text) }
  }

  private func stop(_ messages: [String]) throws {
    guard !messages.isEmpty else { return }
    let bytes = Array((messages.joined(separator: "\n") + "\n").utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
    throw ExitCode(1)
  }
}
