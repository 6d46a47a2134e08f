// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import ArgumentParser
import Datastore
import Glibc
import YANG

extension InstanceDocument.Format: ExpressibleByArgument {}
extension InstanceDocument.Kind: ExpressibleByArgument {}

/// What the commands that read instance documents have in common.
struct DocumentOptions: ParsableArguments {
  @Option(
    name: [.customShort("p"), .customLong("path")],
    help: "A folder to search for modules, with all below it; may be given several times.")
  var paths: [String] = []

  @Option(
    name: [.customShort("m"), .customLong("module")],
    help: "A module to implement: its name or file; may be given several times. Without, all in the search path.")
  var modules: [String] = []

  @Option(
    name: [.customShort("t"), .customLong("type")],
    help: "What documents hold: data, config, get, getconfig, edit, rpc, reply or notif.")
  var kind = InstanceDocument.Kind.data

  @Option(
    name: [.customShort("F"), .customLong("features")],
    help: "Features that are supported, as module:feature,…; without, all. A module that is named has only these.")
  var features: [String] = []

  @Option(
    name: .customLong("from"), help: "The encoding of documents: xml or json; without, their first character tells.")
  var format: InstanceDocument.Format?

  @Argument(help: "Instance documents; - is standard input.")
  var files: [String]

  /// Compiles the modules; errors are printed.
  func schema() throws -> Schema {
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
    if modules.isEmpty { loader.loadAll() }
    do throws(YANGErrors) {
      return try SchemaCompiler(loader).compile(
        implementing: modules.isEmpty ? nil : names, features: selection
      ).schema
    } catch {
      for diagnostic in error.diagnostics where diagnostic.severity == .error { printError("\(diagnostic)") }
      throw ExitCode(1)
    }
  }

  private var selection: FeatureSelection {
    var selection = FeatureSelection.all
    for text in features {
      let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let names = parts.count == 2 ? parts[1].split(separator: ",").map(String.init) : []
      if names != ["*"] { selection.only[parts[0], default: []].formUnion(names) }
    }
    return selection
  }

  /// Reads a document; what is wrong with it is printed.
  func read(_ file: String, _ schema: Schema, _ kind: InstanceDocument.Kind) throws -> InstanceDocument {
    guard let bytes = Self.contents(of: file) else {
      printError("\(file): error: it cannot be read: \(String(cString: strerror(errno)))")
      throw ExitCode(1)
    }
    let first = bytes.first { !($0 <= 0x20 || $0 == 0xEF || $0 == 0xBB || $0 == 0xBF) }
    let format = format ?? (first == nil || first == UInt8(ascii: "<") ? .xml : .json)
    do throws(DatastoreFailure) {
      return try InstanceDocument.read(bytes, format, kind, reader: ValueReader(schema: schema, sealer: nil))
    } catch {
      Self.report(error.errors, file)
      throw ExitCode(1)
    }
  }

  static func report(_ errors: [DatastoreError], _ file: String) {
    for error in errors {
      let place = error.line.map { "\(file):\($0)" } ?? file
      let path = error.path.map { " \($0.description):" } ?? ""
      let tag = error.appTag.map { "\(error.tag.rawValue), \($0)" } ?? error.tag.rawValue
      let rule = error.rule.map { " (\($0))" } ?? ""
      printError("\(place): error:\(path) \(error.message)\(rule) [\(tag)]")
    }
  }

  private static func contents(of file: String) -> [UInt8]? {
    let descriptor = file == "-" ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { if descriptor != STDIN_FILENO { close(descriptor) } }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0 { return nil }
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[..<count])
    }
  }
}

/// Checks instance documents against modules.
struct Validate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Checks instance documents, XML or JSON, against modules.",
    discussion: """
      Everything that is wrong goes to standard error: the line or the path of the instance, the rule, and the value. The \
      exit status is 0 when all documents are valid, else 1. Parts of a datastore (get, getconfig, edit) are checked for \
      what each node has to be, not for what has to be there.
      """)

  @OptionGroup var options: DocumentOptions

  @Option(
    name: [.customShort("O"), .customLong("operational")],
    help: "A document of type data that an operation or notification may refer to.")
  var operational: String?

  func run() throws {
    let schema = try options.schema()
    var surroundings: InteriorNode?
    if let operational, case .tree(let tree) = try options.read(operational, schema, .data).content {
      surroundings = tree
    }
    var isValid = true
    for file in options.files {
      guard let document = try? options.read(file, schema, options.kind) else {
        isValid = false
        continue
      }
      let violations = document.violations(operational: surroundings, schema: schema)
      DocumentOptions.report(violations, file)
      if !violations.isEmpty { isValid = false }
    }
    if !isValid { throw ExitCode(1) }
  }
}

/// Turns instance documents into the other encoding.
struct Convert: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes instance documents as XML (RFC 7950) or JSON (RFC 7951), with canonical values.",
    discussion: "A document has to fit the schema; whether its constraints hold is not asked (see validate).")

  @OptionGroup var options: DocumentOptions

  @Option(name: [.customShort("f"), .customLong("to")], help: "The encoding to write: xml or json.")
  var target: InstanceDocument.Format

  @Flag(help: "Write everything on one line.")
  var compact = false

  func run() throws {
    let schema = try options.schema()
    for file in options.files {
      let document = try options.read(file, schema, options.kind)
      switch target {
      case .xml: try writeXML(document, schema, file)
      case .json: try writeJSON(document, schema, file)
      }
    }
  }

  private func plain(_ edit: Edit, _ file: String) throws -> InteriorNode {
    guard edit.root.edits.isEmpty else {
      printError("\(file): error: an edit with operations has no form in JSON")
      throw ExitCode(1)
    }
    return edit.root.plain ?? InteriorNode(schema: edit.root.schema)
  }

  private func writeXML(_ document: InstanceDocument, _ schema: Schema, _ file: String) throws {
    var printer = XMLPrinter(schema: schema, sealer: nil, indentation: compact ? nil : 2, flush: printBytes)
    switch document.content {
    case .tree(let tree): printer.print(content: tree, annotations: document.annotations)
    case .edit(let edit): printer.print(content: try plain(edit, file), annotations: document.annotations)
    case .operation(let node, let target, let body):
      try requireTop(target, file)
      printer.print(element: body, name: node, annotations: document.annotations)
    }
    if compact { printBytes([0x0A]) }
  }

  private func writeJSON(_ document: InstanceDocument, _ schema: Schema, _ file: String) throws {
    let encoding = JSONEncoding(schema: schema)
    let indentation = compact ? nil : 2
    let writer: JSONWriter
    switch document.content {
    case .tree(let tree):
      writer = JSONWriter(
        encoding: encoding, content: tree, sealer: nil, annotations: document.annotations, indentation: indentation)
    case .edit(let edit):
      writer = JSONWriter(
        encoding: encoding, content: try plain(edit, file), sealer: nil, annotations: document.annotations,
        indentation: indentation)
    case .operation(let node, let target, let body):
      try requireTop(target, file)
      writer = JSONWriter(
        encoding: encoding, element: body, name: node, sealer: nil, annotations: document.annotations,
        indentation: indentation)
    }
    var output: [UInt8] = []
    while writer.write(into: &output, limit: 65_536) {
      printBytes(output)
      output.removeAll(keepingCapacity: true)
    }
    printBytes(output + [0x0A])
  }

  private func requireTop(_ target: InstancePath, _ file: String) throws {
    guard !target.steps.isEmpty else { return }
    printError("\(file): error: actions and notifications in data are checked, but not converted")
    throw ExitCode(1)
  }
}

/// Bytes on standard output.
func printBytes(_ bytes: [UInt8]) {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    guard count > 0 else { return }
    rest = rest.dropFirst(count)
  }
}
