// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

@testable import Datastore

/// Changes configurations of any schema at random: leafs get one of a few values of their type, so that keys and
/// references meet; anything can go.
struct RandomConfiguration {
  let schema: Schema
  var random: SeededRandom

  mutating func changed(_ root: InteriorNode) -> InteriorNode { change(root, depth: 0) }

  private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

  private mutating func change(_ node: InteriorNode, depth: Int) -> InteriorNode {
    let children = node.schema.dataChildren.filter { !$0.isKey && $0.isConfig }
    guard let child = children.randomElement(using: &random) else { return node }
    if node[child] != nil, chance(5) { return node.replacing(child, with: nil) }
    switch child.kind {
    case .leaf:
      if node[child] != nil, chance(2) { return node.replacing(child, with: nil) }
      return value(of: child).map { node.choosing(child, .leaf($0)) } ?? node
    case .leafList: return leafList(child, node)
    case .container:
      let inner = change(node.container(child) ?? InteriorNode(schema: child), depth: depth + 1)
      return node.choosing(child, .container(inner))
    case .list: return list(child, node, depth)
    default: return node
    }
  }

  private mutating func leafList(_ child: SchemaNode, _ node: InteriorNode) -> InteriorNode {
    guard let value = value(of: child) else { return node }
    var values = node.leafList(child).filter { !$0.isSame(as: value) }
    if chance(2) {
      if child.isOrderedByUser {
        values.insert(value, at: Int.random(in: 0...values.count, using: &random))
      } else {
        values = (values + [value]).sorted { Value.order($0, $1) < 0 }
      }
    }
    return node.choosing(child, .leafList(values))
  }

  private mutating func list(_ child: SchemaNode, _ node: InteriorNode, _ depth: Int) -> InteriorNode {
    let entries = node.entries(child) ?? ListEntries(schema: child)
    let keys = child.keys.compactMap { value(of: $0) }
    guard keys.count == child.keys.count else { return node }
    if entries.find(keys) != nil, chance(3) { return node.choosing(child, .list(entries.removing(keys))) }
    var entry = entries.find(keys)
    if entry == nil {
      entry = InteriorNode(schema: child, slots: zip(child.keys, keys).map { .init($0, .leaf($1)) })
    }
    guard var entry else { return node }
    for _ in 0..<Int.random(in: 0...3, using: &random) { entry = change(entry, depth: depth + 1) }
    if child.isOrderedByUser, chance(3), let placed = entries.placing(entry, .first) {
      return node.choosing(child, .list(placed))
    }
    return node.choosing(child, .list(entries.setting(entry)))
  }

  private mutating func value(of leaf: SchemaNode) -> Value? {
    guard let type = leaf.type else { return nil }
    let texts: [String]
    switch type.valueType.base {
    case .string: texts = ["a", "b", "c"]
    case .boolean: texts = ["true", "false"]
    case .enumeration: texts = type.valueType.enums.map(\.name)
    case .identityref: texts = type.valueType.identities.map { "\($0.module.name):\($0.name)" }
    case .empty: texts = [""]
    case .union: texts = ["a", "1", "2"]
    case .instanceIdentifier: return nil
    default: texts = ["0", "1", "2", "3"]
    }
    guard let text = texts.randomElement(using: &random) else { return nil }
    return try? type.parse(text, resolvePrefix: { schema.module(named: $0) }, sealer: nil)
  }
}
