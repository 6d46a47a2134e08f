// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// One key at which two versions of a list differ.
struct EntryPair {
  let old: InteriorNode?
  let new: InteriorNode?
}

/// Two versions of a list with keys, compared at the cost of what they do not share.
enum ListComparison {
  /// Calls `body` for each key whose entry is not the same object in both, in the order of keys. An entry that only
  /// moved comes too, with the same object on both sides.
  static func forEachDifference(_ old: ListEntries?, _ new: ListEntries?, _ body: (EntryPair) -> Void) {
    switch (old?.sortedRoot, new?.sortedRoot) {
    case (nil, nil):
      var comparison = TreeComparison(old?.index, new?.index)
      while let next = comparison.next() {
        body(EntryPair(old: next.old?.placed.entry, new: next.new?.placed.entry))
      }
    case (let old, let new):
      var comparison = TreeComparison(old, new)
      while let next = comparison.next() { body(EntryPair(old: next.old?.entry, new: next.new?.entry)) }
    }
  }

  /// The new places of the entries that have to be moved to come from the old order to the new one.
  static func movedEntries(_ pairs: [EntryPair], _ old: ListEntries, _ new: ListEntries) -> Set<Int> {
    guard case .placed(let before) = old.storage, case .placed(let after) = new.storage else { return [] }
    var moved = Set<Int>()
    for pair in pairs {
      guard pair.old != nil, let entry = pair.new else { continue }
      let keys = entry.keys
      if before.find(keys)?.label != after.find(keys)?.label, let place = new.place(of: keys) { moved.insert(place) }
    }
    // Where many labels differ they were probably dealt anew: then the order itself is compared.
    guard moved.count > 1, moved.count > new.count / 4 else { return moved }
    let oldPlaces = new.map { old.place(of: $0.keys) }
    let staying = longestAscending(oldPlaces)
    return Set(oldPlaces.indices.filter { oldPlaces[$0] != nil && !staying.contains($0) })
  }
}

extension ListEntries {
  fileprivate var sortedRoot: TreeNode<KeyedEntry>? {
    if case .sorted(let root) = storage { root } else { nil }
  }
  fileprivate var index: TreeNode<IndexedEntry>? {
    if case .placed(let placed) = storage { placed.byKey } else { nil }
  }
}

/// The indices of a longest ascending subsequence of the numbers that are there.
func longestAscending(_ numbers: [Int?]) -> Set<Int> {
  // tails[k] is the index of the smallest number that ends an ascending run of length k + 1.
  var tails: [Int] = []
  var previous = [Int](repeating: -1, count: numbers.count)
  for (index, number) in numbers.enumerated() {
    guard let number else { continue }
    var low = 0
    var high = tails.count
    while low < high {
      let middle = (low + high) / 2
      if let tail = numbers[tails[middle]], tail < number { low = middle + 1 } else { high = middle }
    }
    if low > 0 { previous[index] = tails[low - 1] }
    if low == tails.count { tails.append(index) } else { tails[low] = index }
  }
  var result = Set<Int>()
  var index = tails.last ?? -1
  while index >= 0 {
    result.insert(index)
    index = previous[index]
  }
  return result
}
