// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The children in which two versions of a node differ, in the order of the schema. What both share is passed over.
struct ChildDifferences: Sequence, IteratorProtocol {
  /// One child; at least one of both sides is there.
  struct Element {
    let schema: SchemaNode
    let old: DataNode?
    let new: DataNode?
  }

  private let schema: SchemaNode
  private let old: InteriorNode.Slots
  private let new: InteriorNode.Slots
  private var oldIndex = 0
  private var newIndex = 0

  init(_ old: InteriorNode, _ new: InteriorNode) {
    schema = new.schema
    (self.old, self.new) = (old.slots, new.slots)
  }

  mutating func next() -> Element? {
    while oldIndex < old.count || newIndex < new.count {
      let oldSlot = oldIndex < old.count ? old[oldIndex] : nil
      let newSlot = newIndex < new.count ? new[newIndex] : nil
      let position = Swift.min(oldSlot?.position ?? .max, newSlot?.position ?? .max)
      let before = oldSlot?.position == position ? oldSlot?.node : nil
      let after = newSlot?.position == position ? newSlot?.node : nil
      if before != nil { oldIndex += 1 }
      if after != nil { newIndex += 1 }
      if let before, let after, before.isIdentical(to: after) { continue }
      return Element(schema: schema.dataChildren[Int(position)], old: before, new: after)
    }
    return nil
  }
}
