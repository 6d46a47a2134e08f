// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import YANG
import YANGToSwift

/// The tool that the package's build plugin runs: compiles a folder of YANG modules and writes Swift types.
@main
struct Main {
  static func main() {
    do {
      let diagnostics = try run(Arguments(Array(CommandLine.arguments.dropFirst())))
      guard diagnostics.isEmpty else {
        for diagnostic in diagnostics { report(diagnostic.description) }
        exit(1)
      }
    } catch {
      report("error: \(error)")
      exit(1)
    }
  }

  private static func run(_ arguments: Arguments) throws -> [Diagnostic] {
    var parser = ConfigurationParser(file: arguments.configuration)
    let configuration = parser.parse(
      String(decoding: try OutputFolder.read(arguments.configuration), as: UTF8.self))
    guard parser.diagnostics.isEmpty else { return parser.diagnostics }

    let schema: Schema
    do {
      // Warnings are for those who write modules: a subset of a module warns of what it leaves out at every build.
      schema = try Schema.compile(directory: arguments.modules).schema
    } catch {
      for diagnostic in error.diagnostics where diagnostic.severity == .error { report(diagnostic.description) }
      exit(1)
    }
    let generator = Generator(configuration: configuration, swiftModule: arguments.swiftModule)
    let (files, diagnostics) = generator.generate(schema)
    guard diagnostics.isEmpty else { return diagnostics }
    let folder = OutputFolder(path: arguments.output)
    for file in files { try folder.write(file) }
    try folder.removeAll(but: files)
    return []
  }

  private static func report(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = write(STDERR_FILENO, bytes, bytes.count)
  }
}
