// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The entries of a list with keys, in document order, found by key at once.
public struct KeyedList<Entry: ListEntry>: Sendable {
  private var entries: [Entry] = []
  /// The place of each key among the entries.
  private var places: [Entry.ListKey: Int] = [:]

  /// Of entries with the same key, the last one counts, in the place of the first.
  public init(_ entries: some Sequence<Entry>) {
    self.entries.reserveCapacity(entries.underestimatedCount)
    places.reserveCapacity(entries.underestimatedCount)
    for entry in entries { set(entry) }
  }

  public var keys: [Entry.ListKey] { entries.map(\.listKey) }

  /// The entry of a key. Setting one that has another key than this is the same as `set(_:)` after removing this one.
  public subscript(key key: Entry.ListKey) -> Entry? {
    get { places[key].map { entries[$0] } }
    set {
      if newValue?.listKey != key { remove(key) }
      if let newValue { set(newValue) }
    }
  }

  /// Puts an entry in the place of the one with its key, else at the end.
  public mutating func set(_ entry: Entry) {
    let key = entry.listKey
    if let place = places[key] {
      entries[place] = entry
    } else {
      places[key] = entries.count
      entries.append(entry)
    }
  }

  /// Takes an entry out. Costs O(n).
  @discardableResult
  public mutating func remove(_ key: Entry.ListKey) -> Entry? {
    guard let place = places.removeValue(forKey: key) else { return nil }
    let entry = entries.remove(at: place)
    for later in entries.indices[place...] { places[entries[later].listKey] = later }
    return entry
  }
}

extension KeyedList: RandomAccessCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { entries.count }
  public subscript(position: Int) -> Entry { entries[position] }
}

extension KeyedList: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: Entry...) { self.init(elements) }
}

extension KeyedList: Equatable {
  public static func == (left: KeyedList, right: KeyedList) -> Bool { left.entries == right.entries }
}
