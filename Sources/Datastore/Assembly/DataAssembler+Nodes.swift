// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

extension DataAssembler {
  /// Makes the node of the innermost element from what the stacks hold of it, and takes that off them. Nil when
  /// something in it was refused.
  func endInterior(_ frame: Frame, _ attributes: EditAttributes?) -> Finished? {
    let schema = frame.schema
    if entries.count > frame.entries { gatherEntries(frame) }
    if values.count > frame.values { gatherValues(frame) }
    let count = slots.count - frame.slots
    if count > 1 { arrangeSlots(frame) }
    if edits.count > frame.edits { checkRepeatedEdits(frame) }
    if schema.kind == .list { requireKeys(frame) }
    if schema.hasChoices, count + edits.count - frame.edits > 1 { checkChoices(frame) }
    var finished: Finished?
    if frames.last?.isBroken == false {
      let plain = slots.withUnsafeBufferPointer { slots in
        InteriorNode(schema: schema, slots: UnsafeBufferPointer(rebasing: slots[frame.slots...]))
      }
      if attributes == nil, frame.edits == edits.count {
        finished = .plain(plain)
      } else {
        finished = .edit(
          EditNode(
            schema: schema, operation: attributes?.operation, insertion: attributes?.insertion, plain: plain,
            edits: Array(edits[frame.edits...])))
      }
    }
    slots.removeLast(count)
    if edits.count > frame.edits { edits.removeLast(edits.count - frame.edits) }
    return finished
  }

  /// Puts the innermost element's slots in order and reports what is there twice.
  private func arrangeSlots(_ frame: Frame) {
    let isAscending = slots.withUnsafeBufferPointer { slots in
      for index in (frame.slots + 1)..<slots.count where slots[index - 1].position >= slots[index].position {
        return false
      }
      return true
    }
    if isAscending { return }
    slots[frame.slots...].sort { $0.position < $1.position }
    let own = slots[frame.slots...]
    for (left, right) in zip(own, own.dropFirst()) where left.position == right.position {
      report(.repeated(path(to: frame.schema.dataChildren[Int(left.position)])))
    }
  }

  /// Reports containers and leafs that are there twice, once at least with operations in them. Entries of a list may be:
  /// their operations come one after the other.
  private func checkRepeatedEdits(_ frame: Frame) {
    var seen = Set<Int32>()
    for slot in slots[frame.slots...] { seen.insert(Int32(slot.position)) }
    for edit in edits[frame.edits...] where edit.schema.kind == .container || edit.schema.kind == .leaf {
      if !seen.insert(Int32(edit.schema.position)).inserted { report(.repeated(path(to: edit.schema))) }
    }
  }

  /// Turns the entries of the innermost element into one slot for each list; entries of a list among which some have
  /// operations become edits.
  private func gatherEntries(_ frame: Frame) {
    let own = entries[frame.entries...]
    let first = own[frame.entries].schema
    if own.allSatisfy({ $0.schema === first }) {
      gather(own, first)
      entries.removeLast(entries.count - frame.entries)
      return
    }
    var order: [ObjectIdentifier: Int] = [:]
    var groups: [[Item]] = []
    for item in own {
      let index = order[ObjectIdentifier(item.schema)] ?? groups.count
      if index == groups.count {
        order[ObjectIdentifier(item.schema)] = index
        groups.append([])
      }
      groups[index].append(item)
    }
    entries.removeLast(entries.count - frame.entries)
    for group in groups { gather(group[...], group[0].schema) }
  }

  private func gather(_ group: ArraySlice<Item>, _ schema: SchemaNode) {
    var plain: [InteriorNode] = []
    plain.reserveCapacity(group.count)
    for case .plain(let entry) in group { plain.append(entry) }
    if plain.count < group.count {
      // Where order is data, that among all of them matters.
      let isSorted = schema.isSorted
      for item in group {
        switch item {
        case .plain(let entry): if !isSorted { edits.append(EditNode(schema: schema, plain: entry)) }
        case .edit(let edit): edits.append(edit)
        }
      }
      if !isSorted { return }
    }
    let made = ListEntries.make(schema: schema, entries: plain)
    for entry in made.repeated { report(.repeated(path().appending(schema, keys: entry.keys))) }
    if !made.list.isEmpty { slots.append(InteriorNode.Slot(schema, .list(made.list))) }
  }

  /// Turns the values of leaf-lists in the innermost element into one slot for each.
  private func gatherValues(_ frame: Frame) {
    var order: [ObjectIdentifier: Int] = [:]
    var groups: [(schema: SchemaNode, values: [Value])] = []
    for (schema, value) in values[frame.values...] {
      let index = order[ObjectIdentifier(schema)] ?? groups.count
      if index == groups.count {
        order[ObjectIdentifier(schema)] = index
        groups.append((schema, []))
      }
      groups[index].values.append(value)
    }
    values.removeLast(values.count - frame.values)
    for group in groups {
      var values = group.values
      // Only in configuration are the values unique (RFC 7950 section 7.7).
      if group.schema.isConfiguration {
        var seen = Set<SameValue>()
        for value in values where !seen.insert(SameValue(value)).inserted {
          report(.repeated(path().appending(group.schema, keys: [value])))
        }
      }
      if !group.schema.keepsOrder { values.sort { Value.order($0, $1) < 0 } }
      slots.append(InteriorNode.Slot(group.schema, .leafList(values)))
    }
  }

  private func requireKeys(_ frame: Frame) {
    // Keys have the first positions, so that in a complete entry they are the first slots.
    let own = slots[frame.slots...]
    for (index, key) in frame.schema.keys.enumerated() {
      if index < own.count, Int(own[frame.slots + index].position) == index { continue }
      // A broken entry may have lost its key to an error that is reported already.
      guard frames.last?.isBroken == false else { return }
      report(
        DatastoreError(
          .missingElement, path: path(), message: "an entry of \(frame.schema.path) has no key \(key.name)",
          info: [("bad-element", key.name)]))
      return
    }
  }

  /// RFC 7950 section 8.3.1: data of more than one case is bad-element. What is to be deleted does not count.
  private func checkChoices(_ frame: Frame) {
    var present: [InteriorNode.Slot] = []
    for index in frame.slots..<slots.count {
      let child = frame.schema.dataChildren[Int(slots[index].position)]
      if ChoiceRule.applies(to: child) { present.append(slots[index]) }
    }
    for edit in edits[frame.edits...] where ChoiceRule.applies(to: edit.schema) {
      if edit.operation == .delete || edit.operation == .remove { continue }
      present.append(InteriorNode.Slot(edit.schema, .leaf(.empty)))
    }
    guard present.count > 1, let (first, second) = ChoiceRule.conflict(in: present, of: frame.schema) else { return }
    report(
      DatastoreError(
        .badElement, path: path(to: second),
        message: "\(first.name) and \(second.name) are of different cases of a choice",
        info: [("bad-element", second.name)]))
  }
}
