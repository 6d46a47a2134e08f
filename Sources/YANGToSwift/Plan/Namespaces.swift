// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// How modules' names become the source names of their namespaces.
struct NamespaceNames {
  let configuration: Configuration
  let spelling: Spelling

  /// What the namespace is spelt from: the name given by hand, else by the first rule that matches, else the module's.
  func sourceName(_ module: Module) -> String {
    if let name = configuration.names[module.name] { return name }
    for rule in configuration.namespaceRules {
      if let name = rule.apply(module.name) { return name }
    }
    return module.name
  }

  /// True when a top-level node has the name that its module's namespace has.
  func areSame(_ module: Module, _ node: SchemaNode) -> Bool {
    spelling.typeName(sourceName(module)) == spelling.typeName(node.name)
  }
}

/// The namespaces of modules, made when first needed.
///
/// A top-level node that has the namespace's own name is one with it: the type of `/um-example-cfg:example` is
/// `Example`, not `Example.Example`. What else the module defines nests in it, as it would in the namespace.
final class Namespaces {
  private let names: NamespaceNames
  private let roots: Set<SchemaNode>
  /// Top-level definitions by module name.
  private var topNodes: [String: [SchemaNode]] = [:]
  private var byModule: [String: PlannedType] = [:]
  private var passages: [SchemaNode: PlannedType] = [:]

  init(schema: Schema, roots: Set<SchemaNode>, names: NamespaceNames) {
    self.roots = roots
    self.names = names
    for node in schema.root.children + schema.rpcs + schema.notifications {
      topNodes[node.module.name, default: []].append(node)
    }
  }

  var all: [PlannedType] { byModule.sorted { $0.key < $1.key }.map(\.value) }

  func namespace(of module: Module) -> PlannedType {
    if let known = byModule[module.name] { return known }
    let source = "module \(module.name)"
    let type: PlannedType
    if let node = mergedNode(module) {
      let kind = roots.contains(node) ? PlannedType.Kind.structure(node) : .passage(node)
      type = PlannedType(
        kind, sourceName: names.sourceName(module), module: module, source: source, comment: node.summary,
        topNodes: node.children + (topNodes[module.name] ?? []).filter { $0 !== node })
      passages[node] = type
    } else {
      type = PlannedType(
        .namespace(module), sourceName: names.sourceName(module), module: module, source: source,
        comment: module.summary, topNodes: topNodes[module.name] ?? [])
    }
    byModule[module.name] = type
    return type
  }

  /// The namespace that a root is one with, nil for other nodes.
  func merged(_ node: SchemaNode) -> PlannedType? {
    mergedNode(node.module) == node ? namespace(of: node.module) : nil
  }

  /// The type that a root's types nest in: its parents' names, which hold nothing themselves.
  func place(above node: SchemaNode) -> PlannedType {
    guard let parent = node.parent, parent.kind != .root else { return namespace(of: node.module) }
    if let merged = merged(parent) { return merged }
    if let known = passages[parent] { return known }
    let type = PlannedType(
      .passage(parent), sourceName: parent.name, module: parent.module, node: parent, source: parent.path,
      comment: parent.summary)
    place(above: parent).add(type)
    passages[parent] = type
    return type
  }

  private func mergedNode(_ module: Module) -> SchemaNode? {
    let namesakes = (topNodes[module.name] ?? []).filter { names.areSame(module, $0) }
    guard namesakes.count == 1, let node = namesakes.first else { return nil }
    switch node.kind {
    case .container, .list, .notification: return node
    default: return nil
    }
  }
}
