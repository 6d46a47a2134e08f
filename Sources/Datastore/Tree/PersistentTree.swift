// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Synchronization

/// What a persistent tree holds: elements with a total order, no two of the same place.
protocol OrderedElement: Sendable {
  /// Negative, zero or positive as `left` stands before, with or behind `right`.
  static func order(_ left: Self, _ right: Self) -> Int
  /// Whether both are one and the same object.
  static func isIdentical(_ left: Self, _ right: Self) -> Bool
}

/// A persistent B+tree: an ordered set that is never changed but makes new versions, which share with the old one all
/// nodes that no change touched.
///
/// Every operation that changes is a batch: a sorted run of edits is carried down in one pass, so that one edit costs
/// O(log n) and n edits O(n). All leaves are at the same depth.
final class TreeNode<Element: OrderedElement>: Sendable {
  /// What values below hash to, for the searches that were made (`ValueSummary`).
  let summaries = Mutex<[Int: ValueSummary]>([:])
  /// The elements of a leaf; of a branch, the first element below each child.
  let elements: [Element]
  /// Empty for a leaf.
  let children: [TreeNode]
  /// How many elements are below.
  let count: Int

  static var capacity: Int { 64 }
  static var minimum: Int { 16 }

  init(leaf elements: [Element]) {
    self.elements = elements
    children = []
    count = elements.count
  }

  init(branch children: [TreeNode]) {
    elements = children.map { $0.elements[0] }
    self.children = children
    count = children.reduce(0) { $0 + $1.count }
  }

  var isLeaf: Bool { children.isEmpty }
}

/// One change of a batch: the element that stands at the place of `probe` becomes `element`, or goes when that is nil.
struct TreeEdit<Element: OrderedElement> {
  let probe: Element
  let element: Element?
}

extension TreeNode {
  // MARK: Making

  /// A tree of elements that are in strictly ascending order; nil when there are none.
  static func make(sorted elements: [Element]) -> TreeNode? {
    elements.isEmpty ? nil : grow(leaves(of: elements))
  }

  /// Cuts elements into leaves of even size.
  private static func leaves(of elements: [Element]) -> [TreeNode] {
    if elements.count <= capacity { return elements.isEmpty ? [] : [TreeNode(leaf: elements)] }
    return evenRanges(count: elements.count).map { TreeNode(leaf: Array(elements[$0])) }
  }

  private static func branches(of children: [TreeNode]) -> [TreeNode] {
    if children.count <= capacity { return children.isEmpty ? [] : [TreeNode(branch: children)] }
    return evenRanges(count: children.count).map { TreeNode(branch: Array(children[$0])) }
  }

  /// Ranges of nearly equal length that are as few as the capacity allows.
  private static func evenRanges(count: Int) -> [Range<Int>] {
    let parts = (count + capacity - 1) / capacity
    return (0..<parts).map { ($0 * count / parts)..<(($0 + 1) * count / parts) }
  }

  /// Puts levels above a row of nodes of one height until one node is left.
  private static func grow(_ row: [TreeNode]) -> TreeNode? {
    var row = row
    while row.count > 1 { row = branches(of: row) }
    return row.first
  }

  // MARK: Finding

  /// The element for which `order` (of the wanted place against an element) says zero.
  func find(_ order: (Element) -> Int) -> Element? {
    var node = self
    while true {
      let place = node.lowerBound(order)
      if place.found { return node.elements[place.index] }
      if node.isLeaf || place.index == 0 { return nil }
      node = node.children[place.index - 1]
    }
  }

  /// The first index whose element is not before the wanted place, and whether it is at that place.
  func lowerBound(_ order: (Element) -> Int) -> (index: Int, found: Bool) {
    var low = 0
    var high = elements.count
    while low < high {
      let middle = (low + high) / 2
      let result = order(elements[middle])
      if result == 0 { return (middle, true) }
      if result > 0 { low = middle + 1 } else { high = middle }
    }
    return (low, false)
  }

  /// The element with that number, from 0.
  func element(at position: Int) -> Element? {
    guard position >= 0, position < count else { return nil }
    var node = self
    var rest = position
    while !node.isLeaf {
      for child in node.children {
        if rest < child.count {
          node = child
          break
        }
        rest -= child.count
      }
    }
    return node.elements[rest]
  }

  /// How many elements stand before the wanted place.
  func rank(_ order: (Element) -> Int) -> Int {
    var node = self
    var before = 0
    while true {
      let place = node.lowerBound(order)
      if node.isLeaf { return before + place.index }
      let index = place.found ? place.index : place.index - 1
      guard index >= 0 else { return before }
      for child in node.children[..<index] { before += child.count }
      node = node.children[index]
    }
  }

  var first: Element? { elements.first }

  var last: Element? {
    var node = self
    while let child = node.children.last { node = child }
    return node.elements.last
  }

  // MARK: Changing

  /// The tree with a batch of edits, whose probes are in strictly ascending order; nil when nothing is left.
  func applying(_ edits: [TreeEdit<Element>]) -> TreeNode? {
    applying(edits, probe: { $0.probe }, resolve: { $1.element })
  }

  /// The tree with a batch of edits. `probe` says at whose place an edit stands: strictly ascending. `resolve` gets the
  /// element that stands there now, if any, and says what is to stand there. Returns the same tree when all that
  /// stands there is the same objects as before.
  func applying<Edit>(
    _ edits: [Edit], probe: (Edit) -> Element, resolve: (Element?, Edit) -> Element?
  ) -> TreeNode? {
    guard !edits.isEmpty else { return self }
    var root = Self.grow(applying(edits[...], probe, resolve))
    while let node = root, node.children.count == 1 { root = node.children[0] }
    return root
  }

  /// Returns the nodes, of this node's height, that take its place.
  private func applying<Edit>(
    _ edits: ArraySlice<Edit>, _ probe: (Edit) -> Element, _ resolve: (Element?, Edit) -> Element?
  ) -> [TreeNode] {
    guard !isLeaf else {
      guard let merged = merged(edits, probe, resolve) else { return [self] }
      return Self.leaves(of: merged)
    }
    var row: [TreeNode] = []
    row.reserveCapacity(children.count + edits.count / Self.capacity + 1)
    var rest = edits
    var isChanged = false
    for (index, child) in children.enumerated() {
      // The edits of a child are those before the next child's first element.
      var end = rest.endIndex
      if index + 1 < children.count {
        let border = elements[index + 1]
        end = Self.partition(rest) { Element.order(probe($0), border) < 0 }
      }
      let own = rest[rest.startIndex..<end]
      rest = rest[end...]
      if own.isEmpty {
        row.append(child)
      } else {
        let replacement = child.applying(own, probe, resolve)
        if replacement.count != 1 || replacement[0] !== child { isChanged = true }
        row.append(contentsOf: replacement)
      }
    }
    return isChanged ? Self.branches(of: Self.joinSmall(row)) : [self]
  }

  private static func partition<Edit>(_ edits: ArraySlice<Edit>, _ isBefore: (Edit) -> Bool) -> Int {
    var low = edits.startIndex
    var high = edits.endIndex
    while low < high {
      let middle = (low + high) / 2
      if isBefore(edits[middle]) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// A leaf's elements with the edits made; nil when they are the same as before.
  private func merged<Edit>(
    _ edits: ArraySlice<Edit>, _ probe: (Edit) -> Element, _ resolve: (Element?, Edit) -> Element?
  ) -> [Element]? {
    var result: [Element] = []
    result.reserveCapacity(elements.count + edits.count)
    var index = 0
    var isChanged = false
    for edit in edits {
      let place = probe(edit)
      var existing: Element?
      while index < elements.count {
        let order = Element.order(elements[index], place)
        if order > 0 { break }
        index += 1
        if order == 0 {
          existing = elements[index - 1]
          break
        }
        result.append(elements[index - 1])
      }
      let element = resolve(existing, edit)
      if let element { result.append(element) }
      switch (existing, element) {
      case (nil, nil): break
      case (let old?, let new?) where Element.isIdentical(old, new): break
      default: isChanged = true
      }
    }
    guard isChanged else { return nil }
    result.append(contentsOf: elements[index...])
    return result
  }

  /// Joins nodes that became too small with a neighbour; the others stay the same objects.
  private static func joinSmall(_ row: [TreeNode]) -> [TreeNode] {
    var result: [TreeNode] = []
    result.reserveCapacity(row.count)
    for node in row {
      guard let last = result.last, node.size < minimum || last.size < minimum else {
        result.append(node)
        continue
      }
      result.removeLast()
      result.append(
        contentsOf: node.isLeaf
          ? leaves(of: last.elements + node.elements) : branches(of: last.children + node.children))
    }
    return result
  }

  private var size: Int { elements.count }
}
