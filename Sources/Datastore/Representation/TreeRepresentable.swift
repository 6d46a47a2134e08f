// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A Swift value that stands for what is in a data node, a part of one, or the body of an operation or notification.
/// Generated types conform to it; docs/yang-to-swift.md says how they come about.
public protocol NodeContent: Sendable, Equatable {
  /// Reads the value. Throws when something mandatory is missing, or when a leaf's value is none of its Swift type's:
  /// the schema in force is then another one than the types were generated from.
  init(from reader: NodeReader) throws(DatastoreError)
  /// Writes the value. What the schema in force does not have is left out.
  func write(to writer: inout NodeWriter)
}

/// The Swift value of a container, list entry, operation's body or notification.
public protocol TreeRepresentable: NodeContent {
  /// The schema path, in the form of `SchemaNode.path`.
  static var schemaPath: String { get }
  /// The data children, in the order in which the generated code numbers them.
  static var layout: NodeLayout { get }
}

extension TreeRepresentable {
  /// Reads the value of a data node of the type's schema node.
  public init(_ node: InteriorNode) throws(DatastoreError) {
    try self.init(from: NodeReader(node, Self.layout))
  }

  /// The value as a data node. `schema` is the schema node at `schemaPath`. Restrictions of leafs (ranges, patterns)
  /// are not checked here.
  public func interiorNode(_ schema: SchemaNode) -> InteriorNode {
    var writer = NodeWriter(schema, Self.layout)
    write(to: &writer)
    return writer.finish()
  }

  /// The value as a data node of a schema. Throws when the schema has no node at `schemaPath`.
  public func interiorNode(schema: Schema) throws(DatastoreError) -> InteriorNode {
    guard let node = schema.representedNode(at: Self.schemaPath) else {
      throw DatastoreError(.unknownElement, message: "the modules in force have no \(Self.schemaPath)")
    }
    return interiorNode(node)
  }

  /// Finds the node at `schemaPath` in a whole tree and reads it; nil when it is not there, or when it is in a list,
  /// so that the path alone does not tell which one.
  public static func read(from root: InteriorNode) throws(DatastoreError) -> Self? {
    var node = root
    var module: Substring = ""
    for step in schemaPath.split(separator: "/") {
      let parts = step.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { module = parts[0] }
      guard let name = parts.last,
        let child = node.schema.dataChildren(named: String(name)).first(where: { $0.module.name == module }),
        case .container(let next)? = node[child]
      else { return nil }
      node = next
    }
    return try Self(node)
  }
}

/// The Swift value of an entry of a list with keys.
public protocol ListEntry: TreeRepresentable {
  /// The key leaf's type, or a struct of several.
  associatedtype ListKey: Hashable & Sendable
  var listKey: ListKey { get }
  /// Reads a key from values in the order of the `key` statement.
  static func listKey(from keys: KeyReader) throws(DatastoreError) -> ListKey
}

/// The Swift value of a choice that has been made.
public protocol ChoiceRepresentable: Sendable, Equatable {
  /// Nil when nothing of any case is there.
  init?(from reader: NodeReader) throws(DatastoreError)
  func write(to writer: inout NodeWriter)
}

/// An rpc or action.
public protocol OperationRepresentable {
  associatedtype Input: TreeRepresentable
  associatedtype Output: TreeRepresentable
  static var schemaPath: String { get }
}

/// The Swift value of a notification.
public protocol NotificationRepresentable: TreeRepresentable {}

/// The body of an operation that has none.
public struct NoContent: TreeRepresentable {
  public static let schemaPath = ""
  public static let layout = NodeLayout(module: "", [])
  public init() {}
  public init(from reader: NodeReader) throws(DatastoreError) {}
  public func write(to writer: inout NodeWriter) {}
}

extension Schema {
  /// The node at a schema path: a data node, a notification, or the body of an rpc or action.
  fileprivate func representedNode(at path: String) -> SchemaNode? {
    if let node = node(at: path) { return node }
    let tops = root.children + rpcs + notifications
    var node: SchemaNode?
    var module: Substring = ""
    for step in path.split(separator: "/") {
      let parts = step.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { module = parts[0] }
      guard let name = parts.last,
        let next = Self.child(String(name), String(module), of: node?.dataChildren ?? [], or: node?.children ?? tops)
      else { return nil }
      node = next
    }
    return node
  }

  /// The data node of that name, else the operation, body or notification.
  private static func child(
    _ name: String, _ module: String, of dataNodes: [SchemaNode], or others: [SchemaNode]
  ) -> SchemaNode? {
    (dataNodes.first { $0.name == name && $0.module.name == module })
      ?? others.first { $0.kind != .choice && $0.kind != .case && $0.name == name && $0.module.name == module }
  }
}
