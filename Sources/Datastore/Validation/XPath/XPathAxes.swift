// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The axes over a data tree (XPath 1.0 section 2.2). Attributes and namespaces have no counterpart there.
enum XPathAxes {
  /// The instances of one data child, in document order, until `body` returns true; true when it did.
  static func instances(
    of child: SchemaNode, in parent: XPathNode, _ interior: InteriorNode, _ environment: XPathEnvironment,
    where body: (XPathNode) -> Bool
  ) -> Bool {
    guard environment.visit() else { return false }
    func node(_ content: XPathNode.Content, _ place: Int = -1) -> XPathNode {
      XPathNode(parent: parent, schema: child, content: content, place: place)
    }
    guard let found = interior[position: child.position] else {
      guard environment.implicit.exists(child, in: parent, interior, depth: environment.depth) else { return false }
      switch child.kind {
      case .container: return body(node(.interior(InteriorNode(schema: child))))
      case .leafList: return child.defaults.enumerated().contains { body(node(.leaf($1), $0)) }
      default: return child.defaults.first.map { body(node(.leaf($0))) } ?? false
      }
    }
    switch found {
    case .leaf(let value): return body(node(.leaf(value)))
    case .container(let interior): return body(node(.interior(interior)))
    case .any(let content): return body(node(.any(content)))
    case .leafList(let values):
      for (place, value) in values.enumerated() {
        guard environment.visit() else { return false }
        if body(node(.leaf(value), place)) { return true }
      }
      return false
    case .list(let entries):
      var place = 0
      for entry in entries {
        guard environment.visit() else { return false }
        if body(node(.interior(entry), place)) { return true }
        place += 1
      }
      return false
    }
  }

  /// The text node of a leaf that has any text.
  static func text(of node: XPathNode) -> XPathNode? {
    guard case .leaf(let value) = node.content else { return nil }
    if value.xpathText.isEmpty { return nil }
    return XPathNode(parent: node, schema: node.schema, content: .text(value))
  }

  static func children(
    of node: XPathNode, _ environment: XPathEnvironment, where body: (XPathNode) -> Bool
  ) -> Bool {
    guard let interior = node.interior else { return text(of: node).map(body) ?? false }
    return node.schema.dataChildren.contains { instances(of: $0, in: node, interior, environment, where: body) }
  }

  static func descendants(
    of node: XPathNode, _ environment: XPathEnvironment, where body: (XPathNode) -> Bool
  ) -> Bool {
    children(of: node, environment) { body($0) || descendants(of: $0, environment, where: body) }
  }

  /// Following siblings in document order, or preceding ones in reverse.
  static func siblings(of node: XPathNode, following: Bool, _ environment: XPathEnvironment) -> [XPathNode] {
    guard let parent = node.parent else { return [] }
    var result: [XPathNode] = []
    _ = children(of: parent, environment) { sibling in
      let order = XPathNode.order(sibling, node)
      if following ? order > 0 : order < 0 { result.append(sibling) }
      return false
    }
    return following ? result : result.reversed()
  }

  private static func withDescendants(_ node: XPathNode, _ environment: XPathEnvironment) -> [XPathNode] {
    var result = [node]
    _ = descendants(of: node, environment) {
      result.append($0)
      return false
    }
    return result
  }

  static func following(_ node: XPathNode, _ environment: XPathEnvironment) -> [XPathNode] {
    var result: [XPathNode] = []
    var next: XPathNode? = node
    while let node = next {
      for sibling in siblings(of: node, following: true, environment) {
        result += withDescendants(sibling, environment)
      }
      next = node.parent
    }
    return result
  }

  /// In reverse document order, without ancestors.
  static func preceding(_ node: XPathNode, _ environment: XPathEnvironment) -> [XPathNode] {
    var result: [XPathNode] = []
    var next: XPathNode? = node
    while let node = next {
      for sibling in siblings(of: node, following: false, environment) {
        result += withDescendants(sibling, environment).reversed()
      }
      next = node.parent
    }
    return result
  }
}
