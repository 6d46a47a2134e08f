// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A node of the accessible tree (RFC 7950 section 6.4.1): an instance and the way to it from the root.
///
/// Made while an expression is evaluated. Nodes that are in no data tree (non-presence containers, leafs whose default
/// is in use) are made like any other.
final class XPathNode {
  enum Content {
    case interior(InteriorNode)
    case leaf(Value)
    case any(AnyContent)
    /// The text within a leaf.
    case text(Value)
  }

  /// Nil for the root.
  let parent: XPathNode?
  let schema: SchemaNode
  let content: Content
  /// The place among the entries of the same list or leaf-list; -1 when nobody counted.
  let place: Int

  init(parent: XPathNode?, schema: SchemaNode, content: Content, place: Int = -1) {
    self.parent = parent
    self.schema = schema
    self.content = content
    self.place = place
  }

  convenience init(root: InteriorNode) {
    self.init(parent: nil, schema: root.schema, content: .interior(root))
  }

  var interior: InteriorNode? {
    if case .interior(let node) = content { node } else { nil }
  }

  /// The value of a leaf, leaf-list entry or text.
  var value: Value? {
    switch content {
    case .leaf(let value), .text(let value): value
    default: nil
    }
  }

  var root: XPathNode {
    var node = self
    while let parent = node.parent { node = parent }
    return node
  }

  /// The place of the instance in the data tree.
  var path: InstancePath {
    guard let parent else { return .root }
    switch content {
    case .text: return parent.path
    case .interior(let node) where schema.kind == .list:
      if schema.keys.isEmpty { return parent.path.appending(schema, place: max(0, place)) }
      return parent.path.appending(schema, keys: node.keys)
    case .leaf(let value) where schema.kind == .leafList: return parent.path.appending(schema, keys: [value])
    default: return parent.path.appending(schema)
    }
  }

  /// The string-value (XPath 1.0 section 5).
  var stringValue: String {
    switch content {
    case .leaf(let value), .text(let value): return value.xpathText
    case .any(let content): return content.xml
    case .interior(let node): return Self.text(of: node)
    }
  }

  private static func text(of node: InteriorNode) -> String {
    var text = ""
    for slot in node.slots {
      switch slot.node {
      case .leaf(let value): text += value.xpathText
      case .leafList(let values): for value in values { text += value.xpathText }
      case .container(let child): text += Self.text(of: child)
      case .list(let entries): for entry in entries { text += Self.text(of: entry) }
      case .any(let content): text += content.xml
      }
    }
    return text
  }
}

extension Value {
  /// The text that an expression sees: the canonical form, identities with their module's name. A secret shows as an
  /// opaque mark of its fingerprint, so that equal secrets are equal and present ones are not empty.
  var xpathText: String {
    switch self {
    case .string(let text): return text
    case .sealed(let sealed): return "sealed:" + sealed.fingerprint.bytes.map { String($0, radix: 16) }.joined()
    case .union(_, let value): return value.xpathText
    default: return textWithModuleNames
    }
  }

  /// Whether the text of a literal names this value. An identity may be written with its module's name or prefix, or
  /// without any.
  func isNamed(_ text: String) -> Bool {
    switch self {
    case .string(let own): return own == text
    case .enumeration(let own): return own.name == text
    case .union(_, let value): return value.isNamed(text)
    case .identity(let identity):
      guard let colon = text.firstIndex(of: ":") else { return identity.name == text }
      let prefix = text[..<colon]
      return text[text.index(after: colon)...] == identity.name
        && (prefix == identity.module.name || prefix == identity.module.prefix)
    default: return xpathText == text
    }
  }

  /// The number that the value's text stands for (XPath 1.0 section 4.4).
  var xpathNumber: Double {
    switch self {
    case .int(let number): Double(number)
    case .uint(let number): Double(number)
    case .union(_, let value): value.xpathNumber
    default: XPathNumber.parse(xpathText)
    }
  }
}

// MARK: - Identity and document order

extension XPathNode {
  /// Whether both stand for the same instance.
  func isSame(as other: XPathNode) -> Bool { self === other || XPathNode.order(self, other) == 0 }

  /// Negative, zero or positive as `left` stands before, is, or stands behind `right` in document order.
  static func order(_ left: XPathNode, _ right: XPathNode) -> Int {
    if left === right { return 0 }
    if let a = left.parent, let b = right.parent, a === b { return siblingOrder(left, right) }
    let (leftChain, rightChain) = (left.chain, right.chain)
    for (a, b) in zip(leftChain, rightChain) {
      if a === b { continue }
      let order = siblingOrder(a, b)
      if order != 0 { return order }
    }
    return leftChain.count - rightChain.count
  }

  /// The nodes from below the root down to this one.
  private var chain: [XPathNode] {
    var nodes: [XPathNode] = []
    var node = self
    while let parent = node.parent {
      nodes.append(node)
      node = parent
    }
    return nodes.reversed()
  }

  /// The order of two children of the same node.
  private static func siblingOrder(_ left: XPathNode, _ right: XPathNode) -> Int {
    if left.schema !== right.schema {
      let order = left.schema.position - right.schema.position
      return order != 0 ? order : left.schema.id - right.schema.id
    }
    switch (left.content, right.content) {
    case (.interior(let a), .interior(let b)) where left.schema.kind == .list:
      if a === b, left.place == right.place || left.place < 0 || right.place < 0 { return 0 }
      if left.schema.isSorted { return Value.order(a.keys, b.keys) }
      return left.knownPlace - right.knownPlace
    case (.leaf(let a), .leaf(let b)) where left.schema.kind == .leafList:
      if left.place >= 0, right.place >= 0 { return left.place - right.place }
      return Value.order(a, b)
    default: return 0
    }
  }

  private var knownPlace: Int {
    if place >= 0 { return place }
    guard case .interior(let node) = content, let entries = parent?.interior?.entries(schema) else { return 0 }
    return entries.place(of: node.keys) ?? 0
  }

  /// A node-set in document order, without repetitions.
  static func ordered(_ nodes: [XPathNode]) -> [XPathNode] {
    guard nodes.count > 1 else { return nodes }
    let isOrdered = zip(nodes, nodes.dropFirst()).allSatisfy { order($0, $1) < 0 }
    if isOrdered { return nodes }
    var result: [XPathNode] = []
    result.reserveCapacity(nodes.count)
    for node in nodes.sorted(by: { order($0, $1) < 0 }) {
      if let last = result.last, order(last, node) == 0 { continue }
      result.append(node)
    }
    return result
  }
}
