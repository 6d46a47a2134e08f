// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A place in a persistent tree, moving forwards; it may be kept for as long as one likes.
struct TreeCursor<Element: OrderedElement>: Sendable, IteratorProtocol {
  private var leaf: TreeNode<Element>?
  private var index = 0
  /// The branches above, each with the index of the child that the cursor is in.
  private var path: [(node: TreeNode<Element>, index: Int)] = []

  init(_ root: TreeNode<Element>?) {
    if let root { descend(root) }
  }

  private mutating func descend(_ node: TreeNode<Element>) {
    var node = node
    while let first = node.children.first {
      path.append((node, 0))
      node = first
    }
    leaf = node
    index = 0
  }

  mutating func next() -> Element? {
    guard let current = leaf else { return nil }
    if index < current.elements.count {
      defer { index += 1 }
      return current.elements[index]
    }
    while let above = path.popLast() {
      let following = above.index + 1
      guard following < above.node.children.count else { continue }
      path.append((above.node, following))
      descend(above.node.children[following])
      return next()
    }
    leaf = nil
    return nil
  }
}

/// Walks two versions of a tree side by side and skips the nodes that they share.
struct TreeComparison<Element: OrderedElement>: IteratorProtocol {
  private var old: Side
  private var new: Side

  init(_ old: TreeNode<Element>?, _ new: TreeNode<Element>?) {
    self.old = Side(old)
    self.new = Side(new)
  }

  /// The next place at which the versions differ (the elements there are not the same object), in order.
  mutating func next() -> (old: Element?, new: Element?)? {
    while true {
      switch (old.top, new.top) {
      case (nil, nil): return nil
      case (.node(let node)?, .node(let other)?):
        if node === other {
          old.skip()
          new.skip()
        } else if node.height >= other.height {
          // The one with more below is opened, and both when they are equally high: their children may be shared.
          old.open()
          if node.height == other.height { new.open() }
        } else {
          new.open()
        }
      case (.node?, _): old.open()
      case (_, .node?): new.open()
      case (.element(let left)?, .element(let right)?):
        let order = Element.order(left, right)
        if order <= 0 { old.skip() }
        if order >= 0 { new.skip() }
        if order == 0, Element.isIdentical(left, right) { continue }
        return (order <= 0 ? left : nil, order >= 0 ? right : nil)
      case (.element(let left)?, nil):
        old.skip()
        return (left, nil)
      case (nil, .element(let right)?):
        new.skip()
        return (nil, right)
      }
    }
  }

  private enum Item {
    case node(TreeNode<Element>)
    case element(Element)
  }

  /// What is still to come of one version: a stack of opened nodes, each with the next index.
  private struct Side {
    private var root: TreeNode<Element>?
    private var stack: [(node: TreeNode<Element>, index: Int)] = []

    init(_ root: TreeNode<Element>?) { self.root = root }

    var top: Item? {
      if let root { return .node(root) }
      guard let last = stack.last else { return nil }
      return last.node.isLeaf ? .element(last.node.elements[last.index]) : .node(last.node.children[last.index])
    }

    mutating func open() {
      if let node = root {
        root = nil
        stack.append((node, 0))
      } else if let last = stack.last, !last.node.isLeaf {
        stack.append((last.node.children[last.index], 0))
      }
    }

    mutating func skip() {
      if root != nil {
        root = nil
        return
      }
      while let last = stack.popLast() {
        guard last.index + 1 < last.node.elements.count else { continue }
        stack.append((last.node, last.index + 1))
        return
      }
    }
  }
}

extension TreeNode {
  /// 0 for a leaf.
  var height: Int {
    var height = 0
    var node = self
    while let child = node.children.first {
      node = child
      height += 1
    }
    return height
  }
}
