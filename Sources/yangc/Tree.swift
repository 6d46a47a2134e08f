// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Glibc
import YANG

struct Tree: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows the tree of modules in the form of RFC 8340.")

  @OptionGroup var options: ModuleOptions

  func run() throws {
    let (loader, names) = options.load()
    var compiler = SchemaCompiler(loader)
    compiler.keepsWritings = true
    do throws(YANGErrors) {
      let schema = try compiler.compile(implementing: names).schema
      print(TreeDiagram(schema: schema, modules: names).text, terminator: "")
    } catch {
      for diagnostic in error.diagnostics where diagnostic.severity == .error { printError("\(diagnostic)") }
      throw ExitCode(1)
    }
  }
}
