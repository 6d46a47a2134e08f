// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The operations of edit-config (RFC 6241 section 7.2), and the default of not touching anything.
public enum EditOperation: String, Sendable {
  case merge, replace, create, delete, remove, none
}

/// What a client asks to change: the content of `<config>` as typed data with operations.
public struct Edit: Sendable {
  public let root: EditNode

  public init(root: EditNode) { self.root = root }

  /// An edit that merges (or, by default operation, replaces) plain data.
  public init(data: InteriorNode) { root = EditNode(schema: data.schema, plain: data) }

  public var isEmpty: Bool { root.edits.isEmpty && root.plain?.isEmpty ?? true }
}

/// One element of an edit that has an operation of its own or somewhere below. What has none is plain data of the
/// node above it, so that a bulk edit is nearly all plain data.
public final class EditNode: Sendable {
  public let schema: SchemaNode
  /// The operation written at the element; nil inherits.
  public let operation: EditOperation?
  /// Where an entry of a user-ordered list or leaf-list is to go.
  public let insertion: ListEntries.Destination?
  /// A leaf's, leaf-list entry's or anydata's content; nil for a leaf that is to be deleted, and for interior nodes.
  public let content: DataNode?
  /// Of an interior node: all below that has no operation of its own, the keys of a list entry among it.
  public let plain: InteriorNode?
  /// Children with operations in or below them, in document order.
  public let edits: [EditNode]

  public init(
    schema: SchemaNode, operation: EditOperation? = nil, insertion: ListEntries.Destination? = nil,
    content: DataNode? = nil, plain: InteriorNode? = nil, edits: [EditNode] = []
  ) {
    self.schema = schema
    self.operation = operation
    self.insertion = insertion
    self.content = content
    self.plain = plain
    self.edits = edits
  }

  /// Says "remove" of a list or leaf-list without naming an entry: all of them are to go.
  var isWholeRemoval: Bool {
    operation == .remove && (schema.kind == .list && plain == nil || schema.kind == .leafList && content == nil)
  }

  /// The key values of a list entry, the value of a leaf-list entry.
  var keys: [Value] {
    switch schema.kind {
    case .list: plain?.keys ?? []
    case .leafList: content?.leafValue.map { [$0] } ?? []
    default: []
    }
  }
}
