// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Secrets
import YANG
import YANGGenerator

/// Makes data trees of a schema at random, as sessions would bring them.
struct Documents {
  private let schema: Schema
  private let sealer: Sealer
  private var generator: DocumentGenerator

  init(_ schema: Schema, modules: [String]? = nil, seed: UInt64) throws {
    self.schema = schema
    sealer = try Sealer(MasterKey())
    generator = DocumentGenerator(schema: schema, modules: modules, seed: seed)
  }

  /// A configuration that fulfils all constraints; nil when none was found.
  mutating func valid() throws -> (tree: InteriorNode, text: String)? {
    guard let document = try generator.valid().map(writingSecrets) else { return nil }
    let text = XMLText(document, schema: schema).text
    return (try tree(text), text)
  }

  /// The generator knows no secrets: theirs are written as clear texts.
  private func writingSecrets(_ instance: Instance) -> Instance {
    var instance = instance
    instance.children = instance.children.map(writingSecrets)
    if instance.schema.type?.secretEncoding != nil { instance.scalar?.spelling = "!secret" }
    return instance
  }

  private final class Door: XMLHandler {
    var parser: DataParser?
    func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
    func endElement() {}
  }

  private func tree(_ text: String) throws -> InteriorNode {
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = DataParser(
      schema: schema.root, purpose: .configuration, reader: ValueReader(schema: schema, sealer: sealer),
      tokenizer: tokenizer)
    door.parser = parser
    try tokenizer.feed(Array("<config>\(text)</config>".utf8))
    try tokenizer.finish()
    return try parser.data()
  }
}

extension InteriorNode {
  /// Every container and list entry of the tree.
  func visit(_ body: (InteriorNode) throws -> Void) rethrows {
    try body(self)
    for child in schema.dataChildren {
      switch self[child] {
      case .container(let node): try node.visit(body)
      case .list(let entries): for entry in entries { try entry.visit(body) }
      default: break
      }
    }
  }
}
