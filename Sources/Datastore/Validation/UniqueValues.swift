// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The values of an entry that are to be unique together (RFC 7950 section 7.8.3), for leafs without defaults.
struct UniqueValues: Equatable {
  private let values: [SameValue]
  private let hash: UInt32

  /// Nil for an entry that lacks one of the leafs.
  init?(_ entry: InteriorNode, _ leafs: [SchemaNode]) {
    var values: [SameValue] = []
    var hash: UInt32 = 0
    for leaf in leafs {
      guard let value = Self.value(of: leaf, in: entry) else { return nil }
      values.append(SameValue(value))
      hash = (hash << 5 | hash >> 27) &* 0x9E37_79B1 ^ value.summaryHash
    }
    self.values = values
    self.hash = hash
  }

  private static func value(of leaf: SchemaNode, in entry: InteriorNode) -> Value? {
    guard let parent = leaf.dataParent else { return nil }
    return interior(parent, in: entry)?[position: leaf.position]?.leafValue
  }

  private static func interior(_ node: SchemaNode, in entry: InteriorNode) -> InteriorNode? {
    if node === entry.schema { return entry }
    guard let parent = node.dataParent else { return nil }
    return interior(parent, in: entry)?[position: node.position]?.interior
  }

  /// Whether another entry has the same values.
  func isElsewhere(in entries: ListEntries, than own: InteriorNode, _ leafs: [SchemaNode]) -> Bool {
    // By what is summarised: which leafs of which list. Leafs of references are told apart by their bare numbers.
    var key = 1
    for leaf in leafs { key = key &* 0x1_0000_01B3 &+ leaf.id }
    key = key &* 0x1_0000_01B3 | 1 << 62
    var isFound = false
    entries.forEachEntry(
      mayHold: hash, key: key,
      collect: { entry, hashes in
        if let values = UniqueValues(entry, leafs) { hashes.append(values.hash) }
        return true
      },
      { entry in if entry !== own, !isFound, UniqueValues(entry, leafs) == self { isFound = true } })
    return isFound
  }
}

extension DataNode {
  /// The values of a leaf or leaf-list.
  var leafValues: [Value] {
    switch self {
    case .leaf(let value): [value]
    case .leafList(let values): values
    default: []
    }
  }
}
