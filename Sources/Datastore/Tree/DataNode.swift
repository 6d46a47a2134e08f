// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// What one slot of an interior node holds: everything that instances of one schema node hold there.
public enum DataNode: Sendable {
  case leaf(Value)
  /// The values of a leaf-list in document order (system-ordered ones sorted).
  case leafList([Value])
  /// A container; where one entry of a list stands alone (in a change), that entry.
  case container(InteriorNode)
  /// All entries of a list.
  case list(ListEntries)
  /// The unparsed content of an anydata or anyxml.
  case any(AnyContent)
}

/// The content of an anydata or anyxml node, kept as text in the encoding in which it came: a well-formed piece of XML
/// with its namespaces declared, or a JSON value.
public struct AnyContent: Sendable, Hashable {
  public enum Form: Sendable { case xml, json }
  public let form: Form
  public let text: String

  public init(xml: String) {
    form = .xml
    text = xml
  }

  public init(json: String) {
    form = .json
    text = json
  }

  /// The content as XML; for JSON, as far as that can be told without a schema.
  public var xml: String { form == .xml ? text : AnyConversion(schema: nil).xml(fromJSON: text) }
}

extension DataNode: Equatable {
  /// Equal content; subtrees that two versions share are recognised without being walked.
  public static func == (left: DataNode, right: DataNode) -> Bool {
    switch (left, right) {
    case (.leaf(let left), .leaf(let right)): left.isSame(as: right)
    case (.leafList(let left), .leafList(let right)):
      left.count == right.count && zip(left, right).allSatisfy { $0.isSame(as: $1) }
    case (.container(let left), .container(let right)): left == right
    case (.list(let left), .list(let right)): left == right
    case (.any(let left), .any(let right)): left == right
    default: false
    }
  }
}

extension DataNode {
  /// The value of a leaf, else nil.
  public var leafValue: Value? {
    if case .leaf(let value) = self { value } else { nil }
  }

  /// The container or list entry, else nil.
  public var interior: InteriorNode? {
    if case .container(let node) = self { node } else { nil }
  }

  /// The list's entries, else nil.
  public var entries: ListEntries? {
    if case .list(let entries) = self { entries } else { nil }
  }

  /// How many data nodes (RFC 7950 section 3) are in here: each list and leaf-list entry counts.
  public var nodeCount: Int {
    switch self {
    case .leaf, .any: 1
    case .leafList(let values): values.count
    case .container(let node): node.nodeCount
    case .list(let entries): entries.reduce(0) { $0 + $1.nodeCount }
    }
  }

  /// True when both are the same object or the same small value, found without walking. False says nothing.
  func isIdentical(to other: DataNode) -> Bool {
    switch (self, other) {
    case (.leaf(let left), .leaf(let right)): left.isSame(as: right)
    case (.container(let left), .container(let right)): left === right
    case (.list(let left), .list(let right)): left.isIdentical(to: right)
    case (.leafList(let left), .leafList(let right)):
      left.count == right.count
        && left.withUnsafeBufferPointer { left in right.withUnsafeBufferPointer { $0.baseAddress == left.baseAddress } }
    default: false
    }
  }

  /// True for what a tree does not keep: no entries, no values, a non-presence container without children.
  var isVoid: Bool {
    switch self {
    case .leaf, .any: false
    case .leafList(let values): values.isEmpty
    case .container(let node): node.isEmpty && node.schema.isNonPresenceContainer
    case .list(let entries): entries.isEmpty
    }
  }
}
