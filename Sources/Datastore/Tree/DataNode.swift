// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// What one slot of an interior node holds: everything that instances of one schema node hold there.
public enum DataNode: Sendable {
  case leaf(Value)
  /// The values of a leaf-list in document order (system-ordered ones sorted).
  case leafList([Value])
  /// A container.
  case container(InteriorNode)
  /// All entries of a list.
  case list(ListEntries)
  /// The unparsed content of an anydata or anyxml.
  case any(AnyContent)
}

/// A container, a list entry, the root of a data tree, or the body of an rpc or notification: an immutable set of
/// children, shared between the versions of a tree.
public final class InteriorNode: Sendable {
  public struct Slot: Sendable {
    /// `SchemaNode.position` of the child within its data parent.
    public let position: Int32
    public let node: DataNode
  }

  public let schema: SchemaNode
  /// Ascending by position; no slot is empty (no list without entries, no leaf-list without values; non-presence
  /// containers without children are not kept).
  public let slots: [Slot]

  public init(schema: SchemaNode, slots: [Slot]) {
    self.schema = schema
    self.slots = slots
  }
}

/// The content of an anydata or anyxml node: a well-formed piece of XML, kept as text with its namespaces declared.
public struct AnyContent: Sendable, Hashable {
  public let xml: String
  public init(xml: String) { self.xml = xml }
}
