// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

@testable import Datastore

/// Reads `<config>` contents over a schema and makes edits, with short forms for what tests compare.
struct EditFixture {
  let schema: TestSchema

  /// Declares the prefixes that the test documents use.
  static let declarations =
    "xmlns='urn:test:test' xmlns:o='urn:test:other' xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0' "
    + "xmlns:yang='urn:ietf:params:xml:ns:yang:1'"

  /// Hands the content of the document element to a parser.
  private final class Door: XMLHandler {
    var parser: DataParser?
    func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
    func endElement() {}
  }

  func parser(
    _ content: String, purpose: DataParser.Purpose = .edit, at node: SchemaNode? = nil, pieces: Int = .max
  ) throws -> DataParser {
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = DataParser(
      schema: node ?? schema.root, purpose: purpose, reader: ValueReader(schema: schema.schema, sealer: nil),
      tokenizer: tokenizer)
    door.parser = parser
    let bytes = Array("<config \(Self.declarations)>\(content)</config>".utf8)
    var start = 0
    while start < bytes.count {
      let end = pieces == .max ? bytes.count : min(start + pieces, bytes.count)
      try tokenizer.feed(bytes[start..<end])
      start = end
    }
    try tokenizer.finish()
    return parser
  }

  func edit(_ content: String) throws -> Edit { try parser(content).edit() }

  func tree(_ content: String) throws -> InteriorNode { try parser(content, purpose: .configuration).data() }

  /// The tree after an edit.
  func apply(
    _ content: String, to tree: InteriorNode, default operation: EditOperation = .merge
  ) throws -> InteriorNode {
    try edit(content).applied(to: tree, defaultOperation: operation)
  }

  /// What an edit is refused with, as "tag path" for each error.
  func refusal(
    _ content: String, to tree: InteriorNode, default operation: EditOperation = .merge
  ) -> [String] {
    do {
      _ = try apply(content, to: tree, default: operation)
      return []
    } catch let failure as DatastoreFailure {
      return failure.errors.map { "\($0.tag.rawValue) \($0.path?.description ?? "-")" }
    } catch { return ["\(error)"] }
  }

  /// A compact form of a tree, for comparing: `top{name=x item[1]{text=y}}`.
  func describe(_ node: InteriorNode) -> String {
    node.slots.map { slot in
      let child = node.schema.dataChildren[Int(slot.position)]
      switch slot.node {
      case .leaf(let value): return "\(child.name)=\(value.moduleQualifiedText)"
      case .leafList(let values): return "\(child.name)=[\(values.map(\.moduleQualifiedText).joined(separator: ","))]"
      case .container(let node): return "\(child.name){\(describe(node))}"
      case .list(let entries): return entries.map { "\(child.name){\(describe($0))}" }.joined(separator: " ")
      case .any(let content): return "\(child.name)=\(content.xml)"
      }
    }.joined(separator: " ")
  }
}
