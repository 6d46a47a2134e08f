// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Knows the nodes that exist without being in the data tree: non-presence containers, and leafs and leaf-lists whose
/// default is in use (RFC 7950 sections 6.4.1, 7.6.1 and 7.7.2).
///
/// Sendable without a lock: the conditions are set once, before the object is shared (`install`).
final class ImplicitNodes: @unchecked Sendable {
  /// Compiled `when` conditions by node id.
  private var conditions: [[WhenCondition]] = []

  struct WhenCondition: Sendable {
    let operation: any XPathOperation
    let context: When.Context
    let source: String
  }

  private static let maximumDepth = 16

  init() {}

  func install(_ conditions: [[WhenCondition]]) { self.conditions = conditions }

  /// Whether a data child can exist without being in the tree.
  static func isPossible(_ child: SchemaNode) -> Bool {
    switch child.kind {
    case .leaf, .leafList: !child.defaults.isEmpty
    case .container: !child.hasPresence
    default: false
    }
  }

  /// Whether a child that is not in the tree exists all the same.
  func exists(_ child: SchemaNode, in parent: XPathNode, _ node: InteriorNode, depth: Int = 0) -> Bool {
    guard Self.isPossible(child) else { return false }
    if child.parent !== child.dataParent, !Self.isCaseActive(of: child, in: node) { return false }
    if child.whens.isEmpty { return true }
    let content: XPathNode.Content =
      child.kind == .container ? .interior(InteriorNode(schema: child)) : .leaf(child.defaults.first ?? .empty)
    return failingWhen(XPathNode(parent: parent, schema: child, content: content), depth: depth + 1) == nil
  }

  /// The first `when` that is false at a node. `depth` counts conditions within conditions: those of a circle hold.
  func failingWhen(_ node: XPathNode, depth: Int = 0) -> WhenCondition? {
    guard depth <= Self.maximumDepth, node.schema.id < conditions.count, let parent = node.parent else { return nil }
    return conditions[node.schema.id].first { condition in
      let context: XPathNode
      switch condition.context {
      case .node: context = node
      case .parent: context = parent
      }
      let environment = XPathEnvironment(current: context, implicit: self, depth: depth)
      return !condition.operation.boolean(XPathContext(node: context, environment: environment))
    }
  }

  /// Whether a child stands in cases that are chosen, or are the default where none is (RFC 7950 section 7.9.3).
  static func isCaseActive(of child: SchemaNode, in node: InteriorNode) -> Bool {
    var inner = child
    while let above = inner.parent, above !== child.dataParent {
      if above.kind == .choice {
        if let chosen = chosenCase(of: above, in: node) {
          if chosen !== inner { return false }
        } else if above.defaultCase !== inner {
          return false
        }
      }
      inner = above
    }
    return true
  }

  /// The case of a choice of which something is in the tree.
  static func chosenCase(of choice: SchemaNode, in node: InteriorNode) -> SchemaNode? {
    choice.children.first { holdsAny(of: $0, in: node) }
  }

  /// Whether the tree holds any node of a case (or of a data node that is its own case).
  static func holdsAny(of part: SchemaNode, in node: InteriorNode) -> Bool {
    switch part.kind {
    case .choice, .case: part.children.contains { holdsAny(of: $0, in: node) }
    default: node[position: part.position] != nil
    }
  }
}
