// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

extension Diff {
  /// Calls `body` for each instance of a schema node whose subtree differs between two trees, in document order (list
  /// entries that differ: in the order of keys), at the cost of what differs on the way to them.
  ///
  /// Instances of a list are its entries (as `.container`), one of a leaf-list is all its values together. `old` is nil
  /// for a created one, `new` for a deleted one. An entry of a user-ordered list that only moved has equal sides.
  public static func forEachChanged(
    at schema: SchemaNode, from old: InteriorNode, to new: InteriorNode,
    _ body: (_ path: InstancePath, _ old: DataNode?, _ new: DataNode?) -> Void
  ) {
    var chain: [SchemaNode] = []
    var next: SchemaNode? = schema
    while let node = next, node !== new.schema, node.kind != .root {
      chain.append(node)
      next = node.dataParent
    }
    guard !chain.isEmpty else {
      if old != new { body(.root, .container(old), .container(new)) }
      return
    }
    descend(Array(chain.reversed())[...], old, new, .root, body)
  }

  private static func descend(
    _ chain: ArraySlice<SchemaNode>, _ old: InteriorNode?, _ new: InteriorNode?, _ path: InstancePath,
    _ body: (InstancePath, DataNode?, DataNode?) -> Void
  ) {
    guard let child = chain.first else { return }
    let rest = chain.dropFirst()
    let before = old?[position: child.position]
    let after = new?[position: child.position]
    switch (before, after) {
    case (nil, nil): return
    case (let before?, let after?) where before.isIdentical(to: after): return
    default: break
    }
    if child.kind == .list {
      return eachEntry(before?.entries, after?.entries) { keys, place, old, new in
        let path = path.appending(child, keys: keys, place: place)
        if !rest.isEmpty { return descend(rest, old, new, path, body) }
        body(path, old.map { .container($0) }, new.map { .container($0) })
      }
    }
    let path = path.appending(child)
    if !rest.isEmpty { return descend(rest, before?.interior, after?.interior, path, body) }
    if before != after { body(path, before, after) }
  }

  private static func eachEntry(
    _ old: ListEntries?, _ new: ListEntries?,
    _ body: (_ keys: [Value], _ place: Int?, _ old: InteriorNode?, _ new: InteriorNode?) -> Void
  ) {
    guard let schema = (new ?? old)?.schema else { return }
    guard schema.keys.isEmpty else {
      ListComparison.forEachDifference(old, new) { pair in
        // Not the same object, yet perhaps the same content. Equal objects mean that the entry moved.
        if let old = pair.old, let new = pair.new, old !== new, old == new { return }
        body((pair.new ?? pair.old)?.keys ?? [], nil, pair.old, pair.new)
      }
      return
    }
    // Without keys, entries are compared place by place.
    for place in 0..<max(old?.count ?? 0, new?.count ?? 0) {
      let (before, after) = (old?.entry(at: place), new?.entry(at: place))
      if let before, let after, before == after { continue }
      body([], place, before, after)
    }
  }
}
