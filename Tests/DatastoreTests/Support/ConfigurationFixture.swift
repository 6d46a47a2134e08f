// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

@testable import Datastore

/// Configurations of a schema that is compiled from YANG text, written as XML.
struct ConfigurationFixture {
  let schema: Schema

  /// Compiles modules; the first one's namespace is the default of the XML, all are declared by their prefixes.
  init(_ modules: String...) throws {
    schema = try Schema.compile(
      sources: modules.enumerated().map { SourceText(file: "module\($0).yang", bytes: Array($1.utf8)) }
    ).schema
  }

  private final class Door: XMLHandler {
    var parser: DataParser?
    func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
    func endElement() {}
  }

  private func parser(_ content: String, _ purpose: DataParser.Purpose) throws -> DataParser {
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = DataParser(
      schema: schema.root, purpose: purpose, reader: ValueReader(schema: schema, sealer: nil), tokenizer: tokenizer)
    door.parser = parser
    let declarations = schema.modules.filter(\.isImplemented).map { "xmlns:\($0.prefix)='\($0.namespace)'" }
    let first = schema.modules.first { $0.isImplemented }?.namespace ?? ""
    let start =
      "<config xmlns='\(first)' xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0' xmlns:yang='urn:ietf:params:xml:ns:yang:1' "
    try tokenizer.feed(Array("\(start)\(declarations.joined(separator: " "))>\(content)</config>".utf8)[...])
    try tokenizer.finish()
    return parser
  }

  func tree(_ content: String) throws -> InteriorNode { try parser(content, .configuration).data() }

  func edited(_ tree: InteriorNode, _ content: String) throws -> InteriorNode {
    try parser(content, .edit).edit().applied(to: tree, defaultOperation: .merge)
  }

  /// The node at a path, as expressions see it. Steps are names; `name[n]` is the nth entry or value.
  func node(_ path: String, in root: InteriorNode, implicit: ImplicitNodes) -> XPathNode? {
    var node = XPathNode(root: root)
    for step in path.split(separator: "/") {
      let parts = step.split(whereSeparator: { $0 == "[" || $0 == "]" })
      guard let interior = node.interior, let child = node.schema.dataChildren(named: String(parts[0])).first else {
        return nil
      }
      var wanted = parts.count > 1 ? Int(parts[1]) ?? 1 : 1
      var found: XPathNode?
      let environment = XPathEnvironment(current: node, implicit: implicit)
      _ = XPathAxes.instances(of: child, in: node, interior, environment) {
        wanted -= 1
        if wanted == 0 { found = $0 }
        return wanted == 0
      }
      guard let found else { return nil }
      node = found
    }
    return node
  }
}

/// "tag app-tag path" of each error, for comparing.
func summary(_ errors: [DatastoreError]) -> [String] {
  errors.map { "\($0.tag.rawValue) \($0.appTag ?? "-") \($0.path?.description ?? "-")" }
}
