// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Glibc
import YANG
import YANGGenerator

/// Makes instance documents of YANG modules.
@main
struct YANGGeneratorTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "yang-gen",
    abstract:
      "Makes instance documents of YANG modules, valid ones and such as break a rule, and drives NETCONF servers.",
    discussion: """
      Documents go to the folder of --out as 00001.xml and so on; with --broken, index.tsv in that folder says which \
      rule each breaks. The same modules, seed and count give the same documents.

      With --drive, edits of all kinds go to a NETCONF server over OpenSSH's ssh, --count of them, and its replies and \
      its running datastore are compared with those of a model; what the server has of the modules is changed. The \
      exit status is 1 at the first difference.
      """)

  @Option(
    name: [.customShort("p"), .customLong("path")],
    help: "A folder to search for imported modules, with all below it; may be given several times.")
  var paths: [String] = []

  @Option(help: "How many documents to make.")
  var count = 10

  @Option(help: "The seed of the random numbers. Default: any; it is printed.")
  var seed: UInt64?

  @Flag(help: "Make documents that break one rule each.")
  var broken = false

  @Option(help: "xml or json.")
  var format = Format.xml

  @Option(help: "The folder to write to. Default: all documents go to standard output, one a line.")
  var out: String?

  @OptionGroup(title: "Driving a server") var server: ServerOptions

  @Argument(help: "Modules: file names, or names of modules in the search path.")
  var modules: [String]

  enum Format: String, ExpressibleByArgument, CaseIterable { case xml, json }

  func run() throws {
    let seed = seed ?? .random(in: 0...UInt64(UInt32.max))
    printError("seed \(seed)")
    let (schema, names) = try load()
    if server.drive { return try server.run(schema: schema, modules: names, edits: count, seed: seed) }
    var generator = DocumentGenerator(schema: schema, modules: names, seed: seed)
    var output = DocumentOutput(folder: out, suffix: format.rawValue)
    try output.open()
    for _ in 0..<count {
      if broken {
        guard let document = try generator.broken() else { continue }
        try output.write(text(document.root, schema), note: document.rule)
      } else {
        guard let document = try generator.valid() else { continue }
        try output.write(text(document, schema), note: nil)
      }
    }
    try output.close()
    if output.count < count {
      printError("made \(output.count) of \(count) documents: the conditions of the modules allow no more to be found")
      if output.count == 0 { throw ExitCode(1) }
    }
  }

  private func text(_ document: Instance, _ schema: Schema) -> String {
    switch format {
    case .xml: XMLText(document, schema: schema).text
    case .json: JSONText(document).text
    }
  }

  private func load() throws -> (schema: Schema, names: [String]) {
    var loader = SchemaLoader(searchPaths: paths)
    var names: [String] = []
    for module in modules {
      if module.hasSuffix(".yang") {
        if let name = loader.load(file: module) { names.append(name) }
      } else {
        let parts = module.split(separator: "@", maxSplits: 1).map(String.init)
        if loader.load(parts[0], revision: parts.count == 2 ? parts[1] : nil) { names.append(parts[0]) }
      }
    }
    do throws(YANGErrors) {
      return (try SchemaCompiler(loader).compile(implementing: names).schema, names)
    } catch {
      for diagnostic in error.diagnostics where diagnostic.severity == .error { printError("\(diagnostic)") }
      throw ExitCode(1)
    }
  }
}

/// A line on standard error.
func printError(_ text: String) {
  let line = Array("\(text)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
}
