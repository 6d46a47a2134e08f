// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// What certain values below one node of a persistent tree hash to, so that a search for a value passes over nodes that
/// cannot hold it.
///
/// The nodes of a tree never change, so a summary once made stays right; versions that share a node share it. A change
/// makes anew only what is on its way to the root: a search after it costs what the change costs, and one look at each
/// branch of leaves (one for about 4000 entries).
enum ValueSummary: Sendable {
  /// Anything may be below.
  case unknown
  /// The hashes themselves, ascending.
  case hashes([UInt32])
  /// A Bloom filter with two probes; its number of bits is a power of two.
  case filter([UInt64])

  func mayHold(_ hash: UInt32) -> Bool {
    switch self {
    case .unknown: return true
    case .hashes(let hashes):
      var (low, high) = (0, hashes.count)
      while low < high {
        let middle = (low + high) / 2
        if hashes[middle] == hash { return true }
        if hashes[middle] < hash { low = middle + 1 } else { high = middle }
      }
      return false
    case .filter(let words):
      return Self.probes(hash, words.count).allSatisfy { words[$0 >> 6] & (1 << UInt64($0 & 63)) != 0 }
    }
  }

  /// The bits that stand for a hash.
  private static func probes(_ hash: UInt32, _ words: Int) -> [Int] {
    let mask = words * 64 - 1
    let second = hash &* 0x9E37_79B1
    return [Int(hash) & mask, Int(second >> 7 | second << 25) & mask]
  }

  /// The summary of several nodes' hashes.
  static func filter(of parts: [ValueSummary]) -> ValueSummary {
    var count = 0
    for part in parts {
      guard case .hashes(let hashes) = part else { return .unknown }
      count += hashes.count
    }
    var words = 1
    while words * 64 < count * 10 { words *= 2 }
    var bits = [UInt64](repeating: 0, count: words)
    for case .hashes(let hashes) in parts {
      for hash in hashes { for bit in probes(hash, words) { bits[bit >> 6] |= 1 << UInt64(bit & 63) } }
    }
    return .filter(bits)
  }
}

extension TreeNode {
  /// Visits the elements of leaves that may hold a hash, in order.
  ///
  /// - Parameters:
  ///   - key: says of which values the summary is: the same for all calls with the same `collect`.
  ///   - collect: appends the hashes of an element; false when there are too many.
  func forEach(
    mayHold hash: UInt32, key: Int, collect: (Element, inout [UInt32]) -> Bool, _ body: (Element) -> Void
  ) {
    if isLeaf {
      if summary(key, collect).mayHold(hash) { for element in elements { body(element) } }
      return
    }
    // Branches above the lowest would be as large as the list.
    if children[0].isLeaf, !summary(key, collect).mayHold(hash) { return }
    for child in children { child.forEach(mayHold: hash, key: key, collect: collect, body) }
  }

  private func summary(_ key: Int, _ collect: (Element, inout [UInt32]) -> Bool) -> ValueSummary {
    if let known = summaries.withLock({ $0[key] }) { return known }
    let made: ValueSummary
    if isLeaf {
      var hashes: [UInt32] = []
      let isWhole = elements.allSatisfy { collect($0, &hashes) }
      hashes.sort()
      made = isWhole ? .hashes(hashes) : .unknown
    } else {
      made = .filter(of: children.map { $0.summary(key, collect) })
    }
    summaries.withLock { $0[key] = made }
    return made
  }
}

extension Value {
  /// The same for values whose texts are equal, whatever their types.
  var summaryHash: UInt32 {
    switch self {
    case .union(_, let value): return value.summaryHash
    case .string(let text): return Self.hash(text)
    default: return Self.hash(xpathText)
    }
  }

  /// Another one in each process, so that nobody can prepare keys that meet.
  private static let seed = UInt64.random(in: 0...UInt64.max)

  private static func hash(_ text: String) -> UInt32 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ seed
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
  }
}

/// Finds the instances of a leaf that may have a value, below a node of the tree.
struct ValueSearch {
  let leaf: SchemaNode
  let hash: UInt32

  /// The longest inner list whose values a summary of the outer list takes in.
  private static let maximumInner = 256

  /// `chain` leads from below `node` to the leaf.
  func visit(_ node: XPathNode, _ chain: ArraySlice<SchemaNode>, _ body: (XPathNode) -> Void) {
    guard let child = chain.first, let interior = node.interior else { return }
    let rest = chain.dropFirst()
    switch interior[position: child.position] {
    case .leaf(let value)?:
      if value.summaryHash == hash { body(XPathNode(parent: node, schema: child, content: .leaf(value))) }
    case .leafList(let values)?:
      for (place, value) in values.enumerated() where value.summaryHash == hash {
        body(XPathNode(parent: node, schema: child, content: .leaf(value), place: place))
      }
    case .container(let inner)?:
      visit(XPathNode(parent: node, schema: child, content: .interior(inner)), rest, body)
    case .list(let entries)?:
      entries.forEachEntry(
        mayHold: hash, key: leaf.id, collect: { Self.collect(rest, $0, &$1) },
        { visit(XPathNode(parent: node, schema: child, content: .interior($0)), rest, body) })
    case .any?, nil: break
    }
  }

  /// Appends the hashes of the leaf's values in a subtree; false when there are too many.
  private static func collect(
    _ chain: ArraySlice<SchemaNode>, _ interior: InteriorNode, _ hashes: inout [UInt32]
  ) -> Bool {
    guard let child = chain.first else { return true }
    switch interior[position: child.position] {
    case .leaf(let value)?: hashes.append(value.summaryHash)
    case .leafList(let values)?:
      guard values.count <= maximumInner else { return false }
      for value in values { hashes.append(value.summaryHash) }
    case .container(let inner)?: return collect(chain.dropFirst(), inner, &hashes)
    case .list(let entries)?:
      guard entries.count <= maximumInner else { return false }
      for entry in entries { guard collect(chain.dropFirst(), entry, &hashes) else { return false } }
    case .any?, nil: break
    }
    return true
  }
}

extension ListEntries {
  /// Visits the entries that may hold a hash; as `TreeNode.forEach`.
  func forEachEntry(
    mayHold hash: UInt32, key: Int, collect: (InteriorNode, inout [UInt32]) -> Bool, _ body: (InteriorNode) -> Void
  ) {
    switch storage {
    case .empty: break
    case .sorted(let root):
      root.forEach(mayHold: hash, key: key, collect: { collect($0.entry, &$1) }, { body($0.entry) })
    case .placed(let placed):
      placed.byPlace?.forEach(mayHold: hash, key: key, collect: { collect($0.entry, &$1) }, { body($0.entry) })
    }
  }
}
