// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A document with instances of a schema's nodes: a configuration, a piece of one, an operation or notification.
public struct InstanceDocument: Sendable {
  /// The encoding of a document.
  public enum Format: String, Sendable, CaseIterable { case xml, json }

  /// What a document is to hold.
  public enum Kind: String, Sendable, CaseIterable {
    /// A whole datastore, state included.
    case data
    /// A whole configuration datastore.
    case config
    /// What a read returned: a part of a datastore, state included, or of a configuration.
    case get, getconfig
    /// The configuration of an edit, with operations (in XML).
    case edit
    /// The call of an rpc or action, or its result in an element or member of the operation's name.
    case rpc, reply
    /// A notification.
    case notif

    /// Whether the operation or notification is looked for that the document names.
    var isOperation: Bool { self == .rpc || self == .reply || self == .notif }

    var purpose: DataAssembler.Purpose {
      switch self {
      case .data, .get, .rpc, .reply, .notif: .message
      case .config, .getconfig: .configuration
      case .edit: .edit
      }
    }

    /// The node below an operation that has the content.
    func body(of operation: SchemaNode) -> SchemaNode? {
      switch self {
      case .rpc: operation.children.first { $0.kind == .input }
      case .reply: operation.children.first { $0.kind == .output }
      case .notif where operation.kind == .notification: operation
      default: nil
      }
    }
  }

  public enum Content: Sendable {
    case tree(InteriorNode)
    case edit(Edit)
    /// What is called or notified, the instance that it belongs to (for an action, or a notification in data), and
    /// the content of its input, output or notification node.
    case operation(SchemaNode, target: InstancePath, body: InteriorNode)
  }

  public let kind: Kind
  public let content: Content
  /// The annotations of the content's instances; nil for none.
  public let annotations: Annotations?

  /// Reads a document. Everything that is wrong with it is told together, with the lines.
  public static func read(
    _ bytes: [UInt8], _ format: Format, _ kind: Kind, reader: ValueReader
  ) throws(DatastoreFailure) -> InstanceDocument {
    switch format {
    case .xml: try XMLDocumentReader(kind: kind, reader: reader).read(bytes)
    case .json: try readJSON(bytes, kind, reader)
    }
  }

  /// Every violation of the schema's constraints (RFC 7950 section 8.1). What is only a part of a datastore is not
  /// asked for what may be outside of it.
  ///
  /// - Parameters:
  ///   - operational: what expressions in an operation or notification see beside it.
  public func violations(operational: InteriorNode? = nil, schema: Schema) -> [DatastoreError] {
    switch (kind, content) {
    case (.data, .tree(let root)): Validator(schema: schema, includingState: true).validate(root)
    case (.config, .tree(let root)): Validator(schema: schema).validate(root)
    case (_, .operation(_, let target, let body)):
      Validator(schema: schema, includingState: true).validate(
        body: body, configuration: operational ?? InteriorNode(schema: schema.root), target: target)
    default: []
    }
  }

  // MARK: JSON

  private static func readJSON(
    _ bytes: [UInt8], _ kind: Kind, _ reader: ValueReader
  ) throws(DatastoreFailure) -> InstanceDocument {
    guard kind.isOperation else {
      let parser = try parse(bytes, kind, reader, reader.schema.root, envelope: nil)
      let tree = try parser.data()
      let content: Content = kind == .edit ? .edit(Edit(data: tree)) : .tree(tree)
      return InstanceDocument(kind: kind, content: content, annotations: parser.annotations)
    }
    // Operations are small: the document is walked down to the one that it names, and only that is read by the schema.
    var value: JSONValue
    do throws(JSONError) { value = try JSONValue.parse(bytes) } catch { throw DatastoreFailure(malformed(error)) }
    var node = reader.schema.root
    var path = InstancePath()
    while true {
      guard case .object(let members) = value else { throw noOperation(kind, path) }
      let isEntry = node.kind == .list
      let rest = members.filter { member in !(isEntry && node.keys.contains { $0.name == localName(member.name) }) }
      guard rest.count == 1, let next = child(named: rest[0].name, of: node, reader.schema) else {
        throw noOperation(kind, path)
      }
      if isEntry { try name(&path, node, members, reader) }
      value = rest[0].value
      if let body = kind.body(of: next) {
        var text: [UInt8] = []
        value.append(to: &text)
        let parser = try parse(text, kind, reader, body, envelope: nil)
        return InstanceDocument(
          kind: kind, content: .operation(next, target: path, body: try parser.data()), annotations: parser.annotations)
      }
      path = path.appending(next)
      node = next
      if next.kind == .list, case .array(let items) = value, items.count == 1 { value = items[0] }
    }
  }

  private static func parse(
    _ bytes: [UInt8], _ kind: Kind, _ reader: ValueReader, _ schema: SchemaNode, envelope: SchemaNode?
  ) throws(DatastoreFailure) -> JSONDataParser {
    let parser = JSONDataParser(
      schema: schema, purpose: kind == .edit ? .configuration : kind.purpose, reader: reader,
      encoding: JSONEncoding(schema: reader.schema), envelope: envelope)
    do throws(JSONError) {
      try parser.feed(bytes)
      try parser.finish()
    } catch { throw DatastoreFailure(parser.errors + [malformed(error)]) }
    return parser
  }

  private static func localName(_ name: String) -> String {
    name.split(separator: ":", maxSplits: 1).last.map(String.init) ?? name
  }

  private static func child(named name: String, of node: SchemaNode, _ schema: Schema) -> SchemaNode? {
    let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
    let module = parts.count == 2 ? schema.module(named: parts[0]) : node.kind == .root ? nil : node.module
    guard let module, let local = parts.last else { return nil }
    return operation(local, module, in: node, schema) ?? node.dataChild(local, in: module)
  }

  /// The operation or notification of that name that stands in a node.
  static func operation(_ name: String, _ module: Module, in node: SchemaNode, _ schema: Schema) -> SchemaNode? {
    let candidates = node.kind == .root ? schema.rpcs + schema.notifications : node.children
    return candidates.first {
      [.rpc, .action, .notification].contains($0.kind) && $0.name == name && $0.module === module
    }
  }

  /// Puts the keys of the entry that a path ends in.
  private static func name(
    _ path: inout InstancePath, _ list: SchemaNode, _ members: [JSONValue.Member], _ reader: ValueReader
  ) throws(DatastoreFailure) {
    let keys = members.filter { member in list.keys.contains { $0.name == localName(member.name) } }
    guard keys.count == list.keys.count else {
      throw DatastoreFailure(
        DatastoreError(.missingElement, path: path, message: "the entry of \(list.path) is not named by its keys"))
    }
    var text: [UInt8] = []
    JSONValue.object(keys).append(to: &text)
    let entry = try parse(text, .get, reader, list, envelope: nil).data()
    path.steps[path.steps.count - 1] = InstancePath.Step(schema: list, keys: entry.keys)
  }

  static func noOperation(_ kind: Kind, _ path: InstancePath) -> DatastoreFailure {
    let wanted = kind == .notif ? "notification" : "rpc or action"
    return DatastoreFailure(
      DatastoreError(.unknownElement, path: path, message: "the document names no \(wanted) of the modules"))
  }

  static func malformed(_ error: JSONError) -> DatastoreError {
    var result = DatastoreError(.malformedMessage, layer: .rpc, message: error.message)
    result.line = error.line > 0 ? error.line : nil
    return result
  }
}
