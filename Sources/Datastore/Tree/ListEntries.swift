// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The entries of one list: a persistent sequence, sorted by key (or in the user's order), that shares structure
/// between versions. Look-up, insertion and removal cost O(log n); so does what a new version adds in memory.
///
/// Iterating gives document order. An iterator is a cursor: it may be kept, and holds its version of the list.
public struct ListEntries: Sendable {
  enum Storage: Sendable {
    case empty(SchemaNode)
    /// A system-ordered list: by key.
    case sorted(TreeNode<KeyedEntry>)
    /// A list that its user orders, or one without keys: by place.
    case placed(PlacedEntries)
  }

  let storage: Storage

  /// A list without entries.
  public init(schema: SchemaNode) { storage = .empty(schema) }

  init(_ storage: Storage) { self.storage = storage }

  /// Makes a list of entries in any order. For a list that its user orders (and one without keys) the order is kept;
  /// others are sorted. Of entries with the same keys the first one is kept and the others are returned.
  public static func make(schema: SchemaNode, entries: [InteriorNode]) -> (list: ListEntries, repeated: [InteriorNode])
  {
    guard !entries.isEmpty else { return (ListEntries(schema: schema), []) }
    guard schema.isSorted else { return PlacedEntries.make(schema: schema, entries: entries) }
    var keyed = entries.map(KeyedEntry.init)
    var repeated: [InteriorNode] = []
    if !keyed.isStrictlyAscending {
      // Swift's sort is stable, so that the first of equals stays first.
      keyed.sort { KeyedEntry.order($0, $1) < 0 }
      repeated = keyed.removeRepeated().map(\.entry)
    }
    guard let root = TreeNode.make(sorted: keyed) else { return (ListEntries(schema: schema), repeated) }
    return (ListEntries(.sorted(root)), repeated)
  }

  public var schema: SchemaNode {
    switch storage {
    case .empty(let schema): schema
    case .sorted(let root): root.elements[0].entry.schema
    case .placed(let placed): placed.schema
    }
  }

  public var count: Int {
    switch storage {
    case .empty: 0
    case .sorted(let root): root.count
    case .placed(let placed): placed.count
    }
  }

  public var isEmpty: Bool { count == 0 }

  /// The entry with these key values, in the order of the `key` statement.
  public func find(_ keys: [Value]) -> InteriorNode? {
    guard !keys.isEmpty, keys.count == schema.keys.count else { return nil }
    switch storage {
    case .empty: return nil
    case .sorted(let root): return root.find { KeyedEntry.order(keys, $0.entry) }?.entry
    case .placed(let placed): return placed.find(keys)?.entry
    }
  }

  /// The entry at a place in document order, from 0.
  public func entry(at place: Int) -> InteriorNode? {
    switch storage {
    case .empty: nil
    case .sorted(let root): root.element(at: place)?.entry
    case .placed(let placed): placed.byPlace?.element(at: place)?.entry
    }
  }

  public var first: InteriorNode? { entry(at: 0) }
  public var last: InteriorNode? { entry(at: count - 1) }

  /// The place of an entry in document order, from 0.
  public func place(of keys: [Value]) -> Int? {
    guard find(keys) != nil else { return nil }
    switch storage {
    case .empty: return nil
    case .sorted(let root): return root.rank { KeyedEntry.order(keys, $0.entry) }
    case .placed(let placed): return placed.place(of: keys)
    }
  }

  func isIdentical(to other: ListEntries) -> Bool {
    switch (storage, other.storage) {
    case (.empty(let left), .empty(let right)): left === right
    case (.sorted(let left), .sorted(let right)): left === right
    case (.placed(let left), .placed(let right)): left === right
    default: false
    }
  }
}

extension SchemaNode {
  /// Whether entries are kept by key; else their order is data.
  var isSorted: Bool { !isOrderedByUser && !keys.isEmpty }
}

// MARK: - Changing

extension ListEntries {
  /// The list with an entry in the place of the one with the same keys; a new one of a user-ordered list comes last.
  public func setting(_ entry: InteriorNode) -> ListEntries { setting([entry]) }

  /// The list with each of these entries in the place of the one with the same keys. A new one is put where its keys
  /// belong; in a user-ordered list, at the end, in the given order. Of entries with the same keys the last one counts.
  public func setting(_ entries: [InteriorNode]) -> ListEntries {
    guard !entries.isEmpty else { return self }
    switch storage {
    case .placed(let placed): return ListEntries(.placed(placed.setting(entries)))
    case .empty(let schema):
      if !schema.isSorted { return ListEntries(.placed(PlacedEntries(schema: schema).setting(entries))) }
    case .sorted: break
    }
    let edits = Self.edits(entries.map { (KeyedEntry($0), KeyedEntry($0)) })
    return applying(edits)
  }

  /// The list without the entries of these keys; keys that are not there are ignored.
  public func removing(_ keys: [[Value]]) -> ListEntries {
    let present = keys.compactMap(find)
    guard !present.isEmpty else { return self }
    switch storage {
    case .empty: return self
    case .placed(let placed):
      let rest = placed.removing(present)
      return rest.isEmpty ? ListEntries(schema: schema) : ListEntries(.placed(rest))
    case .sorted: return applying(Self.edits(present.map { (KeyedEntry($0), nil) }))
    }
  }

  /// The list without the entry of these keys.
  public func removing(_ keys: [Value]) -> ListEntries { removing([keys]) }

  /// Where an entry of a user-ordered list goes (RFC 7950 section 7.8.6).
  public enum Destination: Sendable {
    case first, last
    /// Directly before or behind the entry of these keys.
    case before([Value])
    case after([Value])
  }

  /// A user-ordered list with an entry put at a place, whether it was there before or not. Nil when the entry to put
  /// it beside is not there, or is itself. System-ordered lists ignore the place.
  public func placing(_ entry: InteriorNode, _ destination: Destination) -> ListEntries? {
    switch storage {
    case .sorted: return setting(entry)
    case .empty(let schema):
      if schema.isSorted { return setting(entry) }
      return PlacedEntries(schema: schema).placing(entry, destination).map { ListEntries(.placed($0)) }
    case .placed(let placed): return placed.placing(entry, destination).map { ListEntries(.placed($0)) }
    }
  }

  /// A batch for a sorted list, in which nil removes: edits in strictly ascending order.
  func applying(_ edits: [TreeEdit<KeyedEntry>]) -> ListEntries {
    switch storage {
    case .placed: return self
    case .empty:
      guard let root = TreeNode.make(sorted: edits.compactMap(\.element)) else { return self }
      return ListEntries(.sorted(root))
    case .sorted(let root):
      guard let rest = root.applying(edits) else { return ListEntries(schema: schema) }
      return ListEntries(.sorted(rest))
    }
  }

  /// Sorts a batch; of several edits of one place the last one stays.
  static func edits(_ pairs: [(probe: KeyedEntry, element: KeyedEntry?)]) -> [TreeEdit<KeyedEntry>] {
    var edits = pairs.map { TreeEdit(probe: $0.probe, element: $0.element) }
    let isAscending = zip(edits, edits.dropFirst()).allSatisfy { KeyedEntry.order($0.probe, $1.probe) < 0 }
    if isAscending { return edits }
    edits.sort { KeyedEntry.order($0.probe, $1.probe) < 0 }
    var result: [TreeEdit<KeyedEntry>] = []
    result.reserveCapacity(edits.count)
    for edit in edits {
      if let last = result.last, KeyedEntry.order(last.probe, edit.probe) == 0 { result.removeLast() }
      result.append(edit)
    }
    return result
  }
}

// MARK: - Walking

extension ListEntries: Sequence {
  public struct Iterator: IteratorProtocol, Sendable {
    enum Cursor: Sendable {
      case sorted(TreeCursor<KeyedEntry>)
      case placed(TreeCursor<PlacedEntry>)
      case empty
    }
    var cursor: Cursor

    public mutating func next() -> InteriorNode? {
      switch cursor {
      case .empty: return nil
      case .sorted(var walk):
        // Taken out while it changes, so that its path is not copied.
        cursor = .empty
        defer { cursor = .sorted(walk) }
        return walk.next()?.entry
      case .placed(var walk):
        cursor = .empty
        defer { cursor = .placed(walk) }
        return walk.next()?.entry
      }
    }
  }

  public func makeIterator() -> Iterator {
    switch storage {
    case .empty: Iterator(cursor: .empty)
    case .sorted(let root): Iterator(cursor: .sorted(TreeCursor(root)))
    case .placed(let placed): Iterator(cursor: .placed(TreeCursor(placed.byPlace)))
    }
  }

  public var underestimatedCount: Int { count }
}

extension ListEntries: Equatable {
  /// The same entries in the same order; what both share is recognised without being walked.
  public static func == (left: ListEntries, right: ListEntries) -> Bool {
    if left.isIdentical(to: right) { return true }
    guard left.schema === right.schema, left.count == right.count else { return false }
    if case .sorted(let old) = left.storage, case .sorted(let new) = right.storage {
      var comparison = TreeComparison(old, new)
      while let difference = comparison.next() {
        guard let old = difference.old, let new = difference.new, old.entry == new.entry else { return false }
      }
      return true
    }
    return zip(left, right).allSatisfy { $0 == $1 }
  }
}

// MARK: - Elements

/// An entry that stands at the place of its keys.
struct KeyedEntry: OrderedElement {
  let entry: InteriorNode
  init(_ entry: InteriorNode) { self.entry = entry }

  static func order(_ left: KeyedEntry, _ right: KeyedEntry) -> Int { order(left.entry, right.entry) }

  static func isIdentical(_ left: KeyedEntry, _ right: KeyedEntry) -> Bool { left.entry === right.entry }

  /// Keys are the first data children of their list, so the first slots of an entry hold them in key order.
  static func order(_ left: InteriorNode, _ right: InteriorNode) -> Int {
    if left === right { return 0 }
    let count = left.schema.keys.count
    return left.storage.withUnsafeMutablePointers { leftHeader, leftSlots in
      right.storage.withUnsafeMutablePointers { rightHeader, rightSlots in
        let common = min(count, leftHeader.pointee.count, rightHeader.pointee.count)
        for index in 0..<common {
          guard case .leaf(let a) = leftSlots[index].node, case .leaf(let b) = rightSlots[index].node else { continue }
          let result = Value.order(a, b)
          if result != 0 { return result }
        }
        return 0
      }
    }
  }

  static func order(_ keys: [Value], _ entry: InteriorNode) -> Int {
    entry.storage.withUnsafeMutablePointers { header, slots in
      for index in 0..<min(keys.count, header.pointee.count) {
        guard case .leaf(let value) = slots[index].node else { continue }
        let result = Value.order(keys[index], value)
        if result != 0 { return result }
      }
      return 0
    }
  }
}

extension Array where Element: OrderedElement {
  var isStrictlyAscending: Bool {
    for index in indices.dropFirst() where Element.order(self[index - 1], self[index]) >= 0 { return false }
    return true
  }

  /// Of a sorted array, removes those that stand at the place of the one before them, and returns them.
  mutating func removeRepeated() -> [Element] {
    var repeated: [Element] = []
    var kept: [Element] = []
    kept.reserveCapacity(count)
    for element in self {
      if let last = kept.last, Element.order(last, element) == 0 {
        repeated.append(element)
      } else {
        kept.append(element)
      }
    }
    self = kept
    return repeated
  }
}
