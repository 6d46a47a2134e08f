// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One node of the compiled schema tree (RFC 7950 section 3, "schema node"): groupings are expanded, augments and
/// refines applied, types resolved, features decided.
///
/// Nodes have identity: two nodes are equal when they are the same object. `id` is dense, so that per-node facts
/// (constraints, handlers, access rules) can stand in arrays.
///
/// Sendable without a lock: the compiler fills the stored properties before it publishes the `Schema` that owns the
/// node; their setters are internal to this module and nothing calls them after that. For the same reason what is read
/// for every data node goes without run-time checks for overlapping access.
public final class SchemaNode: @unchecked Sendable {
  /// What the node is, named as the statement that defines it.
  public enum Kind: UInt8, Sendable {
    case root, container, leaf, leafList, list, choice, `case`, anydata, anyxml
    case rpc, action, input, output, notification
  }

  public enum Status: UInt8, Sendable {
    case current, deprecated, obsolete
  }

  public let kind: Kind
  /// The identifier, without prefix.
  public let name: String
  /// The module whose namespace the node is in (for a node from a grouping: the module that uses it; for an augment:
  /// the augmenting module; RFC 7950 section 7.13 and 7.17).
  public let module: Module
  /// Dense number of the node within its schema, from 0 (the root), in schema order of a depth-first walk.
  public internal(set) var id = 0
  /// The schema parent; choices and cases count. Nil for the root.
  @exclusivity(unchecked) public internal(set) unowned(unsafe) var parent: SchemaNode?
  /// Schema children in schema order, choices and cases included.
  @exclusivity(unchecked) public internal(set) var children: [SchemaNode] = []
  /// The parent in the data tree: the nearest ancestor that is neither choice nor case.
  @exclusivity(unchecked) public internal(set) unowned(unsafe) var dataParent: SchemaNode?
  /// Data children in schema order: choices and cases are transparent. For a list the keys come first, in key order.
  @exclusivity(unchecked) public internal(set) var dataChildren: [SchemaNode] = []
  /// Whether any data child stands in a choice.
  @exclusivity(unchecked) public internal(set) var hasChoices = false
  /// The place of this node in `dataParent.dataChildren`. Data trees hold their children in this order.
  @exclusivity(unchecked) public internal(set) var position = 0

  /// `config` in effect (true in rpc, action and notification bodies by convention: it has no meaning there).
  @exclusivity(unchecked) public internal(set) var isConfig = true
  /// True for nodes of configuration: `config true`, and not in an operation or notification.
  @exclusivity(unchecked) public internal(set) var isConfiguration = true
  public internal(set) var status = Status.current
  public internal(set) var isMandatory = false
  /// A container with a `presence` statement.
  @exclusivity(unchecked) public internal(set) var hasPresence = false
  /// The key leafs of a list in the order of the `key` statement; empty for a keyless list and for other nodes.
  @exclusivity(unchecked) public internal(set) var keys: [SchemaNode] = []
  @exclusivity(unchecked) public internal(set) var isKey = false
  @exclusivity(unchecked) public internal(set) var isOrderedByUser = false
  public internal(set) var minElements: Int = 0
  /// Nil is unbounded.
  public internal(set) var maxElements: Int?
  /// Each `unique` statement: the leafs it names, descendants of the list.
  public internal(set) var uniques: [[SchemaNode]] = []
  /// The type of a leaf or leaf-list, nil for other nodes.
  @exclusivity(unchecked) public internal(set) var type: SchemaType?
  /// Default values in effect: the leaf's own, else its type's; several for a leaf-list. Empty when there is none.
  public internal(set) var defaults: [Value] = []
  /// The default case of a choice.
  public internal(set) var defaultCase: SchemaNode?
  public internal(set) var units: String?
  public internal(set) var musts: [Must] = []
  /// Every `when` that decides on this node: its own, and those of the uses, augment, choice and case around it.
  public internal(set) var whens: [When] = []
  public internal(set) var summary: String?
  public internal(set) var reference: String?
  /// Extension statements on the node (RFC 7950 section 7.19), kept uninterpreted.
  public internal(set) var extensions: [ExtensionUse] = []
  /// Where the node is defined.
  public let location: SourceLocation
  var childIndex: [String: [SchemaNode]] = [:]

  init(kind: Kind, name: String, module: Module, location: SourceLocation) {
    self.kind = kind
    self.name = name
    self.module = module
    self.location = location
  }

  /// The data child of that name in that module, choices and cases looked through.
  public func dataChild(_ name: String, in module: Module) -> SchemaNode? {
    guard let candidates = childIndex[name] else { return nil }
    for node in candidates where node.module === module { return node }
    return nil
  }

  /// The data children of that name in any module.
  public func dataChildren(named name: String) -> [SchemaNode] { childIndex[name] ?? [] }

  /// True for containers and list entries: nodes that have data children.
  public var isInterior: Bool {
    switch kind {
    case .leaf, .leafList, .anydata, .anyxml: false
    default: true
    }
  }

  /// Whether the values of a leaf-list stay in the order in which they came: where `ordered-by user` says so, and in
  /// state data, operations and notifications, in which the order is the sender's (RFC 7950 section 7.7.7).
  public var keepsOrder: Bool { isOrderedByUser || !isConfiguration }

  /// True for a container that exists only to hold its children (RFC 7950 section 7.5.1).
  public var isNonPresenceContainer: Bool { kind == .container && !hasPresence }

  /// The schema path in data terms, `/module:a/b/other-module:c`: prefixes are module names and stand where the module
  /// changes. For messages and generated names.
  public var path: String {
    guard let above = dataParent ?? parent else { return "" }
    let step = above.kind == .root || above.module !== module ? "\(module.name):\(name)" : name
    return above.path + "/" + step
  }
}

extension SchemaNode: Hashable {
  public static func == (left: SchemaNode, right: SchemaNode) -> Bool { left === right }
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// A `must` statement (RFC 7950 section 7.5.3).
public struct Must: Sendable {
  public let condition: XPathExpression
  public let errorMessage: String?
  public let errorAppTag: String?
}

/// A `when` statement (RFC 7950 section 7.21.5).
public struct When: Sendable {
  /// The context node of the expression.
  public enum Context: Sendable {
    /// The node the statement stands in: for a choice or case, its nearest data ancestor.
    case node
    /// The data parent of the node, for a `when` of the uses or augment that brought it.
    case parent
  }
  public let condition: XPathExpression
  public let context: Context
}

/// An extension statement on a node, type or module.
public struct ExtensionUse: Sendable {
  /// The module that defines the extension.
  public let module: String
  public let name: String
  public let argument: String?
}
