// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Glibc
import YANG

/// The everyday tool for YANG modules.
@main
struct YANGCompiler: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "yangc", abstract: "Checks and shows YANG modules, and checks and converts their data.",
    subcommands: [Check.self, Tree.self, Validate.self, Convert.self, ShowSwift.self])
}

/// Where modules come from; shared by all commands.
struct ModuleOptions: ParsableArguments {
  @Option(
    name: [.customShort("p"), .customLong("path")],
    help: "A folder to search for imported modules, with all below it; may be given several times.")
  var paths: [String] = []

  @Argument(help: "Modules: file names, or names of modules in the search path.")
  var modules: [String]

  /// Brings the modules in. The names of those given are the ones to implement.
  func load() -> (loader: SchemaLoader, names: [String]) {
    var loader = SchemaLoader(searchPaths: paths, fallbackPaths: InstalledModules.folders)
    var names: [String] = []
    for module in modules {
      if module.hasSuffix(".yang") {
        if let name = loader.load(file: module) { names.append(name) }
      } else {
        let parts = module.split(separator: "@", maxSplits: 1).map(String.init)
        if loader.load(parts[0], revision: parts.count == 2 ? parts[1] : nil) { names.append(parts[0]) }
      }
    }
    return (loader, names)
  }
}

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compiles modules and reports everything that is wrong with them.",
    discussion: "All findings go to standard error. The exit status is 0 when there is no error, else 1.")

  @OptionGroup var options: ModuleOptions

  @Flag(help: "Leave warnings out.")
  var quiet = false

  func run() throws {
    let (loader, names) = options.load()
    do throws(YANGErrors) {
      let warnings = try SchemaCompiler(loader).compile(implementing: names).warnings
      report(warnings)
    } catch {
      report(error.diagnostics)
      throw ExitCode(1)
    }
  }

  private func report(_ diagnostics: [YANGDiagnostic]) {
    for diagnostic in diagnostics where !quiet || diagnostic.severity == .error {
      printError("\(diagnostic)")
    }
  }
}

/// A line on standard error.
func printError(_ text: String) {
  let line = Array("\(text)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
}
