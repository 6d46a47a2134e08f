// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// What the value of an expression can depend on.
struct XPathDependencies {
  /// A schema node whose instances matter, as long as they are below the same instance of `apex` as the context.
  struct Item: Hashable {
    let node: SchemaNode
    let apex: SchemaNode
    /// Whether only instances that go, or change, matter, and not those that come.
    let onRemovalOnly: Bool
  }

  private(set) var items: Set<Item> = []
  /// True when anything may matter.
  private(set) var isUnbounded = false
  static let maximumItems = 20_000

  mutating func insert(_ item: Item) {
    if items.count >= Self.maximumItems { isUnbounded = true } else { items.insert(item) }
  }
  mutating func setUnbounded() { isUnbounded = true }
  mutating func formUnion(_ other: XPathDependencies) {
    items.formUnion(other.items)
    if other.isUnbounded { isUnbounded = true }
  }
}

extension SchemaNode {
  /// The parent in the tree that expressions see: input and output are looked through.
  var xpathParent: SchemaNode? {
    guard let parent = dataParent else { return nil }
    return parent.kind == .input || parent.kind == .output ? parent.dataParent ?? parent : parent
  }

  /// How many data nodes are above.
  var dataDepth: Int {
    var depth = 0
    var node = dataParent
    while let next = node {
      depth += 1
      node = next.dataParent
    }
    return depth
  }

  func isSelfOrDescendant(of other: SchemaNode) -> Bool {
    var node: SchemaNode? = self
    while let next = node {
      if next === other { return true }
      node = next.dataParent
    }
    return false
  }
}
