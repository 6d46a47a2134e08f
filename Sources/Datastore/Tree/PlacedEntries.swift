// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The entries of a list whose order is data: `ordered-by user`, or without keys.
///
/// Each entry carries a label; labels ascend in document order and are spread over the numbers, so that an entry put
/// between two others usually gets a label between theirs and no other entry changes. When there is none between,
/// all labels are dealt anew. A second tree finds entries by key.
final class PlacedEntries: Sendable {
  let schema: SchemaNode
  let byPlace: TreeNode<PlacedEntry>?
  /// Nil for a list without keys.
  let byKey: TreeNode<IndexedEntry>?

  /// The distance of neighbours' labels when they are dealt: room for 32 halvings, and for 2^30 appended entries.
  static let labelStep: Int64 = 1 << 32

  init(schema: SchemaNode, byPlace: TreeNode<PlacedEntry>? = nil, byKey: TreeNode<IndexedEntry>? = nil) {
    self.schema = schema
    self.byPlace = byPlace
    self.byKey = byKey
  }

  var count: Int { byPlace?.count ?? 0 }
  var isEmpty: Bool { byPlace == nil }
  private var hasKeys: Bool { !schema.keys.isEmpty }

  static func make(schema: SchemaNode, entries: [InteriorNode]) -> (list: ListEntries, repeated: [InteriorNode]) {
    var repeated: [InteriorNode] = []
    var placed = labelled(entries)
    if !schema.keys.isEmpty {
      var index = placed.map(IndexedEntry.init)
      index.sort { IndexedEntry.order($0, $1) < 0 }
      let surplus = index.removeRepeated()
      if !surplus.isEmpty {
        let labels = Set(surplus.map(\.placed.label))
        repeated = surplus.map(\.placed.entry)
        placed.removeAll { labels.contains($0.label) }
      }
      let list = PlacedEntries(schema: schema, byPlace: .make(sorted: placed), byKey: .make(sorted: index))
      return (ListEntries(.placed(list)), repeated)
    }
    return (ListEntries(.placed(PlacedEntries(schema: schema, byPlace: .make(sorted: placed)))), repeated)
  }

  private static func labelled(_ entries: [InteriorNode]) -> [PlacedEntry] {
    entries.enumerated().map { PlacedEntry(label: Int64($0) * labelStep, entry: $1) }
  }

  func find(_ keys: [Value]) -> PlacedEntry? {
    byKey?.find { KeyedEntry.order(keys, $0.placed.entry) }?.placed
  }

  func place(of keys: [Value]) -> Int? {
    guard let wanted = find(keys) else { return nil }
    return byPlace?.rank { PlacedEntry.order(wanted, $0) }
  }

  /// Replaces entries where they are; new ones go to the end.
  func setting(_ entries: [InteriorNode]) -> PlacedEntries {
    var label = byPlace?.last.map(\.label) ?? -Self.labelStep
    guard label < Int64.max / 2 else { return relabelled().setting(entries) }
    var placed: [PlacedEntry] = []
    placed.reserveCapacity(entries.count)
    var newest: [IndexedEntry] = []
    for entry in entries {
      if hasKeys, let old = find(entry.keys) {
        placed.append(PlacedEntry(label: old.label, entry: entry))
      } else {
        label += Self.labelStep
        placed.append(PlacedEntry(label: label, entry: entry))
      }
    }
    if hasKeys {
      // Of entries with the same keys the last one counts, at the place of the first.
      newest = placed.map(IndexedEntry.init)
      newest.sort { IndexedEntry.order($0, $1) < 0 }
      var kept: [IndexedEntry] = []
      for next in newest {
        if let last = kept.last, IndexedEntry.order(last, next) == 0 {
          kept[kept.count - 1] = IndexedEntry(PlacedEntry(label: last.placed.label, entry: next.placed.entry))
        } else {
          kept.append(next)
        }
      }
      newest = kept
      placed = kept.map(\.placed)
    }
    placed.sort { $0.label < $1.label }
    return PlacedEntries(
      schema: schema, byPlace: byPlace.applying(placed.map { TreeEdit(probe: $0, element: $0) }),
      byKey: hasKeys ? byKey.applying(newest.map { TreeEdit(probe: $0, element: $0) }) : nil)
  }

  func removing(_ entries: [InteriorNode]) -> PlacedEntries {
    var gone = entries.compactMap { find($0.keys) }
    gone.sort { $0.label < $1.label }
    var index = gone.map(IndexedEntry.init)
    index.sort { IndexedEntry.order($0, $1) < 0 }
    return PlacedEntries(
      schema: schema, byPlace: byPlace.applying(gone.map { TreeEdit(probe: $0, element: nil) }),
      byKey: byKey.applying(index.map { TreeEdit(probe: $0, element: nil) }))
  }

  /// Nil when the neighbour is not there, or is the entry itself.
  func placing(_ entry: InteriorNode, _ destination: ListEntries.Destination) -> PlacedEntries? {
    let keys = entry.keys
    if case .before(let neighbour) = destination, !canStandBeside(neighbour, keys) { return nil }
    if case .after(let neighbour) = destination, !canStandBeside(neighbour, keys) { return nil }
    let rest = hasKeys && find(keys) != nil ? removing([entry]) : self
    if let label = rest.label(for: destination) {
      let placed = PlacedEntry(label: label, entry: entry)
      let indexed = IndexedEntry(placed)
      return PlacedEntries(
        schema: schema, byPlace: rest.byPlace.applying([TreeEdit(probe: placed, element: placed)]),
        byKey: hasKeys ? rest.byKey.applying([TreeEdit(probe: indexed, element: indexed)]) : nil)
    }
    return rest.relabelled().placing(entry, destination)
  }

  private func canStandBeside(_ neighbour: [Value], _ keys: [Value]) -> Bool {
    find(neighbour) != nil && Value.order(neighbour, keys) != 0
  }

  /// A label for the place; nil when there is no room and the labels have to be dealt anew.
  private func label(for destination: ListEntries.Destination) -> Int64? {
    guard let byPlace, let first = byPlace.first, let last = byPlace.last else { return 0 }
    switch destination {
    case .first: return first.label > Int64.min / 2 ? first.label - Self.labelStep : nil
    case .last: return last.label < Int64.max / 2 ? last.label + Self.labelStep : nil
    case .before(let keys):
      guard let right = find(keys) else { return nil }
      let rank = byPlace.rank { PlacedEntry.order(right, $0) }
      guard let left = byPlace.element(at: rank - 1) else { return label(for: .first) }
      return Self.between(left.label, right.label)
    case .after(let keys):
      guard let left = find(keys) else { return nil }
      let rank = byPlace.rank { PlacedEntry.order(left, $0) }
      guard let right = byPlace.element(at: rank + 1) else { return label(for: .last) }
      return Self.between(left.label, right.label)
    }
  }

  private static func between(_ left: Int64, _ right: Int64) -> Int64? {
    right - left > 1 ? left + (right - left) / 2 : nil
  }

  private func relabelled() -> PlacedEntries {
    var entries: [InteriorNode] = []
    entries.reserveCapacity(count)
    var cursor = TreeCursor(byPlace)
    while let next = cursor.next() { entries.append(next.entry) }
    let placed = Self.labelled(entries)
    var index: [IndexedEntry] = []
    if hasKeys {
      index = placed.map(IndexedEntry.init)
      index.sort { IndexedEntry.order($0, $1) < 0 }
    }
    return PlacedEntries(schema: schema, byPlace: .make(sorted: placed), byKey: .make(sorted: index))
  }
}

/// An entry that stands at the place of its label.
struct PlacedEntry: OrderedElement {
  let label: Int64
  let entry: InteriorNode

  static func order(_ left: PlacedEntry, _ right: PlacedEntry) -> Int {
    left.label == right.label ? 0 : left.label < right.label ? -1 : 1
  }
  static func isIdentical(_ left: PlacedEntry, _ right: PlacedEntry) -> Bool { left.entry === right.entry }
}

/// An entry that stands at the place of its keys and knows its label.
struct IndexedEntry: OrderedElement {
  let placed: PlacedEntry
  init(_ placed: PlacedEntry) { self.placed = placed }

  static func order(_ left: IndexedEntry, _ right: IndexedEntry) -> Int {
    KeyedEntry.order(left.placed.entry, right.placed.entry)
  }
  static func isIdentical(_ left: IndexedEntry, _ right: IndexedEntry) -> Bool {
    left.placed.entry === right.placed.entry && left.placed.label == right.placed.label
  }
}

extension Optional {
  /// A batch on a tree that may be empty.
  func applying<Element>(_ edits: [TreeEdit<Element>]) -> TreeNode<Element>? where Wrapped == TreeNode<Element> {
    guard let tree = self else { return TreeNode.make(sorted: edits.compactMap(\.element)) }
    return tree.applying(edits)
  }
}
