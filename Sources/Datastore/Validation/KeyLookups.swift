// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Looks entries up by their only key, for one walk over a tree. A list in which very many are looked up gets a table of
/// hashes, which costs one look at every entry; with it a look-up takes as long as one in a small list.
final class KeyLookups {
  private var tables: [ObjectIdentifier: Table] = [:]
  /// Beyond this many lists the others are searched as they are.
  private static let maximumLists = 64

  func contains(_ value: Value, in entries: ListEntries) -> Bool {
    guard entries.count > 64, let list = entries.identifier else { return entries.find([value]) != nil }
    if let table = tables[list] { return table.contains(value, in: entries) }
    guard tables.count < Self.maximumLists else { return entries.find([value]) != nil }
    let table = Table()
    tables[list] = table
    return table.contains(value, in: entries)
  }

  private final class Table {
    private var lookups = 0
    /// For each place the hash of an entry's key, which saves looking at entries in vain, and one more than the number
    /// of the entry; 0 for an empty place. A power of two of them.
    private var places: [UInt64] = []
    /// The keys themselves, beside each other: an entry would be several memory accesses away.
    private var keys: [Value] = []

    func contains(_ value: Value, in list: ListEntries) -> Bool {
      if places.isEmpty {
        lookups += 1
        // So many look-ups were not dearer than the table.
        guard lookups > list.count / 64, list.count < Int(Int32.max) / 4 else { return list.find([value]) != nil }
        fill(list)
      }
      let mask = places.count - 1
      let hash = value.summaryHash
      var place = Int(hash) & mask
      while places[place] != 0 {
        let found = places[place]
        if UInt32(truncatingIfNeeded: found >> 32) == hash,
          Value.order(value, keys[Int(found & 0xFFFF_FFFF) - 1]) == 0
        {
          return true
        }
        place = (place + 1) & mask
      }
      return false
    }

    private func fill(_ list: ListEntries) {
      keys.reserveCapacity(list.count)
      var size = 64
      while size < 2 * list.count { size *= 2 }
      places = [UInt64](repeating: 0, count: size)
      for entry in list {
        guard let key = entry.keys.first else { continue }
        keys.append(key)
        let hash = key.summaryHash
        var place = Int(hash) & (size - 1)
        while places[place] != 0 { place = (place + 1) & (size - 1) }
        places[place] = UInt64(hash) << 32 | UInt64(keys.count)
      }
    }
  }
}

extension ListEntries {
  /// Identity of the shared object; nil for a list without entries.
  fileprivate var identifier: ObjectIdentifier? {
    switch storage {
    case .empty: nil
    case .sorted(let root): ObjectIdentifier(root)
    case .placed(let placed): ObjectIdentifier(placed)
    }
  }
}
