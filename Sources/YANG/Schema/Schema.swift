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
