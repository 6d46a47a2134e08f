// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The schema nodes that are asked for.
struct Selection {
  /// Roots of wanted subtrees, none below another, in schema order by module name.
  var roots: [SchemaNode]
  /// Roots of subtrees that are left out.
  var exclusions: Set<SchemaNode>

  /// True when the node is not left out. (Whether it is below a root is known from the walk that reached it.)
  func includes(_ node: SchemaNode) -> Bool { !exclusions.contains(node) }
}

/// Finds what a configuration asks for in a schema.
struct Selector {
  let schema: Schema
  private(set) var diagnostics: [Diagnostic] = []
  /// The nodes that the root's children, rpcs and notifications are, by module name.
  private let topNodes: [SchemaNode]

  init(schema: Schema) {
    self.schema = schema
    topNodes = schema.root.children + schema.rpcs + schema.notifications
  }

  mutating func select(_ configuration: Configuration) -> Selection {
    var wanted: [SchemaNode] = []
    for want in configuration.wants {
      switch want {
      case .module(let name):
        guard let module = schema.module(named: name) else {
          report("module \(name) is wanted but is not among the modules", at: configuration.locations[name])
          continue
        }
        wanted += topNodes.filter { $0.module === module }
      case .subtree(let path):
        guard let node = node(at: path) else {
          report("root \(path) is wanted but the schema has no such node", at: configuration.locations[path])
          continue
        }
        wanted.append(node)
      }
    }
    var exclusions: Set<SchemaNode> = []
    for path in configuration.exclusions {
      guard let node = node(at: path) else {
        report("\(path) is to be left out but the schema has no such node", at: configuration.locations[path])
        continue
      }
      if node.isKey {
        report("\(path) is to be left out but is a key of its list", at: configuration.locations[path])
        continue
      }
      exclusions.insert(node)
    }
    let all = Set(wanted)
    var seen: Set<SchemaNode> = []
    let roots = wanted.filter { node in
      var above = node.parent
      while let ancestor = above {
        if all.contains(ancestor) { return false }
        above = ancestor.parent
      }
      return seen.insert(node).inserted
    }
    return Selection(
      roots: roots.sorted { ($0.module.name, $0.path, $0.id) < ($1.module.name, $1.path, $1.id) },
      exclusions: exclusions)
  }

  /// The node at a path in data terms: choices and cases are looked through; rpcs, notifications and actions count.
  private func node(at path: String) -> SchemaNode? {
    var candidates = topNodes
    var module: Module?
    var found: SchemaNode?
    for step in path.split(separator: "/") {
      let parts = step.split(separator: ":", maxSplits: 1)
      if parts.count == 2 { module = schema.module(named: String(parts[0])) }
      guard let name = parts.last, let next = Self.find(String(name), in: module, among: candidates) else { return nil }
      found = next
      candidates = next.children
    }
    return found
  }

  private static func find(_ name: String, in module: Module?, among nodes: [SchemaNode]) -> SchemaNode? {
    for node in nodes {
      if node.kind == .choice || node.kind == .case {
        if let inner = find(name, in: module, among: node.children) { return inner }
      } else if node.name == name, node.module === module {
        return node
      }
    }
    return nil
  }

  private mutating func report(_ message: String, at location: String?) {
    diagnostics.append(Diagnostic(location: location, message: message))
  }
}
