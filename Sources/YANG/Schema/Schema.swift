// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The compiled schema of a set of modules: what data may look like (RFC 7950), and what may be called and notified.
///
/// Immutable once it is made; share it freely. Sendable for the reason given at `SchemaNode`.
public final class Schema: @unchecked Sendable {
  /// All modules, implemented or only imported, sorted by name and revision.
  public let modules: [Module]
  /// A synthetic node above all top-level data nodes, whose data children are those of every implemented module.
  public let root: SchemaNode
  /// Every node by its `id`.
  public let nodes: [SchemaNode]
  public let rpcs: [SchemaNode]
  public let notifications: [SchemaNode]
  /// What modules add to nodes of other modules, in the order of modules and of their text.
  public internal(set) var augments: [Augment] = []
  /// How nodes are written, by node id; empty unless the compiler was asked to keep it.
  public internal(set) var writings: [NodeWriting] = []
  let modulesByName: [String: Module]
  let modulesByNamespace: [String: Module]

  init(
    modules: [Module], root: SchemaNode, nodes: [SchemaNode], rpcs: [SchemaNode], notifications: [SchemaNode]
  ) {
    self.modules = modules
    self.root = root
    self.nodes = nodes
    self.rpcs = rpcs
    self.notifications = notifications
    var byName: [String: Module] = [:]
    var byNamespace: [String: Module] = [:]
    for module in modules where module.isImplemented || byName[module.name] == nil {
      byName[module.name] = module
      byNamespace[module.namespace] = module
    }
    modulesByName = byName
    modulesByNamespace = byNamespace
  }

  /// The implemented module of that name, else the imported one.
  public func module(named name: String) -> Module? { modulesByName[name] }
  public func module(namespace: String) -> Module? { modulesByNamespace[namespace] }

  /// The data node at a path of `SchemaNode.path`'s form, `/module:a/b/other-module:c`.
  public func node(at path: String) -> SchemaNode? {
    var node = root
    var module: Module?
    for step in path.split(separator: "/") {
      let parts = step.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { module = modulesByName[String(parts[0])] }
      guard let name = parts.last, let module, let next = node.dataChild(String(name), in: module) else { return nil }
      node = next
    }
    return node
  }
}

/// An `augment` of another module's nodes (RFC 7950 section 7.17).
public struct Augment: Sendable {
  /// The module that has the statement.
  public let module: Module
  /// The target as written.
  public let path: String
  public let target: SchemaNode
  /// The nodes it adds, those of a shorthand case within their case.
  public let nodes: [SchemaNode]
}

/// Parts of a node's statement as they are written, for tools that show schemas to people.
public struct NodeWriting: Sendable {
  /// The argument of `type`; for a leafref that of its `path`.
  public let type: String?
  public let isLeafref: Bool
  /// The `if-feature` expressions of the node, then those of the augment that brought it.
  public let features: [String]
}
