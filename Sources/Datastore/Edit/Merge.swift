// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

extension InteriorNode {
  /// This node with plain data merged into it (RFC 6241 section 7.2, "merge"). Returns the very same object when the
  /// data changes nothing, and shares all that the data does not touch.
  public func merging(_ new: InteriorNode) -> InteriorNode {
    if new === self { return self }
    var merged: [Slot] = []
    let (oldSlots, newSlots) = (slots, new.slots)
    merged.reserveCapacity(oldSlots.count + newSlots.count)
    var isChanged = false
    var hasChoice = false
    var oldIndex = 0
    for slot in newSlots {
      while oldIndex < oldSlots.count, oldSlots[oldIndex].position < slot.position {
        merged.append(oldSlots[oldIndex])
        oldIndex += 1
      }
      if ChoiceRule.applies(to: schema.dataChildren[Int(slot.position)]) { hasChoice = true }
      if oldIndex < oldSlots.count, oldSlots[oldIndex].position == slot.position {
        let old = oldSlots[oldIndex]
        let node = old.node.merging(slot.node, schema.dataChildren[Int(slot.position)])
        if !node.isIdentical(to: old.node) { isChanged = true }
        merged.append(Slot(position: slot.position, node: node))
        oldIndex += 1
      } else {
        merged.append(slot)
        isChanged = true
      }
    }
    guard isChanged else { return self }
    merged.append(contentsOf: oldSlots[oldIndex...])
    let result = InteriorNode(schema: schema, slots: merged)
    guard hasChoice else { return result }
    return result.dropping { child in
      new[position: child.position] == nil
        && newSlots.contains { ChoiceRule.excludes(schema.dataChildren[Int($0.position)], child) }
    }
  }
}

extension DataNode {
  fileprivate func merging(_ new: DataNode, _ schema: SchemaNode) -> DataNode {
    switch (self, new) {
    case (.leaf(let old), .leaf(let new)): return old.isSame(as: new) ? self : .leaf(new)
    case (.leafList(let old), .leafList(let new)):
      var editor = LeafListEditor(schema: schema, values: old)
      for value in new where !editor.contains(value) { editor.append(value) }
      return editor.isChanged ? .leafList(editor.finished()) : self
    case (.container(let old), .container(let new)): return .container(old.merging(new))
    case (.list(let old), .list(let new)): return .list(old.merging(new))
    default: return new
    }
  }

  /// True when nothing was changed, by identity where that is cheap.
  func isUnchanged(from old: DataNode) -> Bool { isIdentical(to: old) || self == old }
}

extension ListEntries {
  /// The list with the entries of another one merged into it, in one pass.
  func merging(_ new: ListEntries) -> ListEntries {
    switch storage {
    case .empty: return new
    case .sorted(let root):
      let edits = new.map { KeyedEntry($0) }
      let merged = root.applying(
        edits, probe: { $0 },
        resolve: { old, new in old.map { KeyedEntry($0.entry.merging(new.entry)) } ?? new })
      return merged.map { ListEntries(.sorted($0)) } ?? self
    case .placed:
      let changed = new.compactMap { entry -> InteriorNode? in
        guard let old = find(entry.keys) else { return entry }
        let merged = old.merging(entry)
        return merged === old ? nil : merged
      }
      return setting(changed)
    }
  }
}

/// Changes the values of a leaf-list, many at a time, each at the same cost.
struct LeafListEditor {
  let schema: SchemaNode
  private var values = LinkedOrder<SameValue, Value>()
  private(set) var isChanged = false

  init(schema: SchemaNode, values: [Value]) {
    self.schema = schema
    for value in values { self.values.set(SameValue(value), value) }
  }

  func contains(_ value: Value) -> Bool { values.contains(SameValue(value)) }

  mutating func append(_ value: Value) {
    values.set(SameValue(value), value)
    isChanged = true
  }

  mutating func remove(_ value: Value) {
    guard contains(value) else { return }
    values.remove(SameValue(value))
    isChanged = true
  }

  /// Puts a value at a place of a user-ordered leaf-list; false when the neighbour is not there or is itself.
  mutating func place(_ value: Value, _ destination: ListEntries.Destination) -> Bool {
    guard let destination = destination.linked({ $0.first.map(SameValue.init) }) else { return false }
    guard values.place(SameValue(value), value, destination) else { return false }
    isChanged = true
    return true
  }

  /// The values in their order.
  func finished() -> [Value] {
    let values = values.ordered
    return schema.keepsOrder ? values : values.sorted { Value.order($0, $1) < 0 }
  }
}

extension ListEntries.Destination {
  /// The same place with another form of the neighbour's keys; nil when there is none.
  func linked<Key>(_ key: ([Value]) -> Key?) -> LinkedDestination<Key>? {
    switch self {
    case .first: .first
    case .last: .last
    case .before(let keys): key(keys).map { .before($0) }
    case .after(let keys): key(keys).map { .after($0) }
    }
  }
}
