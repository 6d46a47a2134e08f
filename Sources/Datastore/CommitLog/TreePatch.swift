// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Makes the changes of a diff on a tree: what recovery does with each commit.
struct TreePatch {
  struct Mismatch: Error, CustomStringConvertible {
    let path: InstancePath
    var description: String { "the change of \(path) does not fit the configuration it is made on" }
  }

  /// The tree with all changes made. Changes of one list that follow one another are made together.
  static func apply(_ diff: Diff, to root: InteriorNode) throws(Mismatch) -> InteriorNode {
    var root = root
    var changes = diff.changes[...]
    while let first = changes.first {
      var count = 1
      if isListBatch(first) {
        let parent = first.path.steps.dropLast()
        for next in changes.dropFirst() {
          guard isListBatch(next), next.kind == first.kind, next.path.steps.dropLast() == parent,
            next.path.steps.last?.schema === first.path.steps.last?.schema
          else { break }
          count += 1
        }
      }
      let batch = changes.prefix(count)
      changes = changes.dropFirst(count)
      guard !first.path.steps.isEmpty,
        let next = descend(first.path.steps.dropLast(), root, { apply(batch, to: $0) })
      else { throw Mismatch(path: first.path) }
      root = next
    }
    return root
  }

  /// An entry of a system-ordered list that comes or goes.
  private static func isListBatch(_ change: Change) -> Bool {
    guard let step = change.path.steps.last, step.schema.kind == .list, !step.keys.isEmpty, change.after == nil else {
      return false
    }
    return change.kind == .created || change.kind == .deleted
  }

  /// The node with what stands at the steps replaced; nil when the way does not exist.
  private static func descend(
    _ steps: ArraySlice<InstancePath.Step>, _ node: InteriorNode, _ change: (InteriorNode) -> InteriorNode?
  ) -> InteriorNode? {
    guard let step = steps.first else { return change(node) }
    let position = step.schema.position
    guard step.schema.dataParent === node.schema else { return nil }
    if step.schema.kind == .list {
      guard let entries = node[position: position]?.entries, let entry = entries.find(step.keys),
        let changed = descend(steps.dropFirst(), entry, change)
      else { return nil }
      return node.replacing(position: position, with: .list(entries.setting(changed)))
    }
    // A non-presence container may not be kept while it is empty.
    let inner = node[position: position]?.interior ?? InteriorNode(schema: step.schema)
    guard let changed = descend(steps.dropFirst(), inner, change) else { return nil }
    return node.replacing(position: position, with: .container(changed))
  }

  private static func apply(_ batch: ArraySlice<Change>, to node: InteriorNode) -> InteriorNode? {
    guard let first = batch.first, let step = first.path.steps.last, step.schema.dataParent === node.schema else {
      return nil
    }
    let position = step.schema.position
    switch step.schema.kind {
    case .list where !step.keys.isEmpty:
      let entries = node[position: position]?.entries ?? ListEntries(schema: step.schema)
      return applyEntries(batch, first, to: entries).map { node.replacing(position: position, with: .list($0)) }
    case .leafList where !step.keys.isEmpty:
      var values = node.leafList(step.schema)
      guard apply(first, step, to: &values) else { return nil }
      return node.replacing(position: position, with: .leafList(values))
    default: return node.replacing(position: position, with: first.kind == .deleted ? nil : first.new)
    }
  }

  private static func applyEntries(
    _ batch: ArraySlice<Change>, _ first: Change, to entries: ListEntries
  ) -> ListEntries? {
    switch first.kind {
    case .deleted: return entries.removing(batch.compactMap { $0.path.steps.last?.keys })
    case .created where first.after == nil: return entries.setting(batch.compactMap { $0.new?.interior })
    case .created, .moved:
      let keys = first.path.steps.last?.keys ?? []
      guard let entry = first.new?.interior ?? entries.find(keys), let after = first.after else { return nil }
      return entries.placing(entry, after.isEmpty ? .first : .after(after))
    case .modified: return nil
    }
  }

  private static func apply(_ change: Change, _ step: InstancePath.Step, to values: inout [Value]) -> Bool {
    guard let value = step.keys.first else { return false }
    if change.kind == .deleted || change.kind == .moved { values.removeAll { $0.isSame(as: value) } }
    if change.kind == .deleted { return true }
    if let after = change.after {
      guard let neighbour = after.first else {
        values.insert(value, at: 0)
        return true
      }
      guard let place = values.firstIndex(where: { $0.isSame(as: neighbour) }) else { return false }
      values.insert(value, at: place + 1)
      return true
    }
    let place = values.firstIndex { Value.order($0, value) > 0 } ?? values.count
    values.insert(value, at: place)
    return true
  }
}
