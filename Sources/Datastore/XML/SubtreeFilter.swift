// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A subtree filter (RFC 6241 section 6), compiled against the schema. It selects lazily, as a tree is written: nothing
/// is copied, and an entry whose keys it fixes is looked up.
public struct SubtreeFilter: Sendable {
  /// The content of the `filter` element: it selects the top-level nodes that it names.
  let root: FilterGroup

  init(root: FilterGroup) { self.root = root }

  /// The key values by which the filter picks entries of a list, for each place where it names the list; nil when it
  /// does not confine itself to entries with all keys given.
  public func fixedKeys(for list: SchemaNode) -> [[Value]]? {
    var groups = [root]
    for node in Self.chain(to: list) {
      let named = groups.flatMap { $0.children[node.id] ?? [] }
      let below = named.compactMap(\.group)
      guard below.count == named.count else { return nil }
      groups = below
    }
    let keys = groups.map { $0.fixedKeys(of: list) }
    let fixed = keys.compactMap { $0 }
    return fixed.count == keys.count ? fixed : nil
  }

  /// Whether the filter may select something at this node or below it, as far as names tell.
  public func touches(_ node: SchemaNode) -> Bool {
    var groups = [root]
    for node in Self.chain(to: node) {
      let named = groups.flatMap { $0.children[node.id] ?? [] }
      if named.contains(where: { $0.group?.selectsAll ?? true }) { return true }
      groups = named.compactMap(\.group)
    }
    return !groups.isEmpty
  }

  /// The data nodes from the top to this one.
  private static func chain(to node: SchemaNode) -> [SchemaNode] {
    var chain: [SchemaNode] = []
    var next: SchemaNode? = node
    while let node = next, node.kind != .root {
      chain.append(node)
      next = node.dataParent
    }
    return chain.reversed()
  }

  /// Whether the filter selects anything of an event (RFC 5277 section 2.1.1).
  public func selects(notification: InteriorNode) -> Bool {
    guard let named = root.children[notification.schema.id] else { return false }
    return named.contains { $0.group?.selectsSomething(of: notification) ?? true }
  }
}

/// The elements inside one element of a filter: a sibling set (RFC 6241 section 6.2.5).
final class FilterGroup: Sendable {
  /// Content match nodes: all must match.
  let matches: [(leaf: SchemaNode, value: Value)]
  /// Containment and selection nodes by `SchemaNode.id` of what they name.
  let children: [Int: [FilterChild]]
  /// Only content match nodes are here: then they select the whole of the node.
  let selectsAll: Bool
  /// Some content match cannot be true of any data.
  let isImpossible: Bool

  init(
    matches: [(leaf: SchemaNode, value: Value)], children: [Int: [FilterChild]], selectsAll: Bool, isImpossible: Bool
  ) {
    self.matches = matches
    self.children = children
    self.selectsAll = selectsAll
    self.isImpossible = isImpossible
  }

  /// Whether all content match nodes match in this container or entry.
  func passes(_ node: InteriorNode?) -> Bool {
    if isImpossible { return false }
    for match in matches {
      switch node?[position: match.leaf.position] {
      case .leaf(let value)?: if !value.isSame(as: match.value) { return false }
      case .leafList(let values)?: if !values.contains(where: { $0.isSame(as: match.value) }) { return false }
      default: return false
      }
    }
    return true
  }

  /// The values of all keys, when content match nodes give them.
  func fixedKeys(of list: SchemaNode) -> [Value]? {
    guard !list.keys.isEmpty else { return nil }
    var values: [Value] = []
    for key in list.keys {
      guard let match = matches.first(where: { $0.leaf === key }) else { return nil }
      values.append(match.value)
    }
    return values
  }

  func selectsSomething(of node: InteriorNode) -> Bool {
    guard passes(node) else { return false }
    if selectsAll || !matches.isEmpty { return true }
    return node.slots.contains { slot in
      let child = node.schema.dataChildren[Int(slot.position)]
      return children[child.id]?.contains { filter in
        guard let group = filter.group else { return true }
        switch slot.node {
        case .container(let below): return group.selectsSomething(of: below)
        case .list(let entries): return entries.contains { group.selectsSomething(of: $0) }
        default: return false
        }
      } ?? false
    }
  }
}

/// A containment node, or (without group) a selection node, which selects all of what it names.
struct FilterChild: Sendable {
  let group: FilterGroup?
}

/// What of a node's children is wanted.
enum Selection {
  case all
  case groups([FilterGroup])

  /// What these filters for a container or entry want of it; nil for nothing. No filters at all mean everything.
  static func of(_ node: InteriorNode?, by filters: [FilterChild]?) -> Selection? {
    guard let filters else { return .all }
    var passing: [FilterGroup] = []
    for filter in filters {
      guard let group = filter.group else { return .all }
      guard group.passes(node) else { continue }
      if group.selectsAll { return .all }
      passing.append(group)
    }
    return passing.isEmpty ? nil : .groups(passing)
  }

  /// The filters that name a child; an empty array when none does, nil for all of it.
  func filters(for child: SchemaNode) -> [FilterChild]? {
    guard case .groups(let groups) = self else { return nil }
    var result: [FilterChild] = []
    for group in groups {
      if let named = group.children[child.id] { result.append(contentsOf: named) }
      // What a content match names is part of the answer.
      if group.matches.contains(where: { $0.leaf === child }) { result.append(FilterChild(group: nil)) }
    }
    return result
  }
}
