// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A compiled location step (XPath 1.0 section 2.1). Immutable; an object, so that walking copies nothing.
final class XPathStep: Sendable {
  struct Predicate: Sendable {
    let operation: any XPathOperation
    /// Whether position or size matter: a number, or a call of position() or last().
    let isPositional: Bool
  }

  /// Key equalities that were recognised among the predicates: the entry is looked up instead of searched.
  struct KeyLookup: Sendable {
    let list: SchemaNode
    /// One for each key, in key order; free of the context.
    let values: [any XPathOperation]
    /// The predicates that are left when the entry was found.
    let rest: [Predicate]
  }

  let axis: XPath.Axis
  let test: XPath.NodeTest
  let predicates: [Predicate]
  let lookup: KeyLookup?
  /// The children that the test can mean, for each schema node that the step is known to start from.
  let table: [(parent: SchemaNode, children: [SchemaNode])]

  private let isPositional: Bool

  init(
    axis: XPath.Axis, test: XPath.NodeTest, predicates: [Predicate], lookup: KeyLookup?,
    table: [(parent: SchemaNode, children: [SchemaNode])]
  ) {
    self.axis = axis
    self.test = test
    self.predicates = predicates
    self.lookup = lookup
    self.table = table
    isPositional = predicates.contains { $0.isPositional }
  }

  /// Whether going on from nodes in document order, none within another, keeps that order without repetition.
  var keepsOrder: Bool { axis == .child || axis == .`self` }

  // MARK: Walking

  /// Calls `body` for each node that the step leads to from a node, until it returns true; true when it did.
  /// Nodes come in the axis's order.
  func first(from node: XPathNode, _ environment: XPathEnvironment, where body: (XPathNode) -> Bool) -> Bool {
    if let lookup, let found = lookup.find(from: node, environment, where: body) { return found }
    if predicates.isEmpty { return candidates(from: node, environment, where: body) }
    if !isPositional {
      return candidates(from: node, environment) { candidate in
        let context = XPathContext(node: candidate, environment: environment)
        return predicates.allSatisfy { $0.operation.boolean(context) } && body(candidate)
      }
    }
    var set: [XPathNode] = []
    _ = candidates(from: node, environment) { candidate in
      set.append(candidate)
      return false
    }
    return Self.filter(set, predicates, environment).contains(where: body)
  }

  /// The nodes of a set, in the order that position() counts, for which the predicates hold (section 2.4).
  static func filter(
    _ set: [XPathNode], _ predicates: [Predicate], _ environment: XPathEnvironment
  ) -> [XPathNode] {
    var set = set
    for predicate in predicates {
      let size = set.count
      var kept: [XPathNode] = []
      for (index, node) in set.enumerated() {
        let context = XPathContext(node: node, position: index + 1, size: size, environment: environment)
        let holds: Bool
        if predicate.isPositional, case .number(let number) = predicate.operation.evaluate(context) {
          holds = number == Double(index + 1)
        } else {
          holds = predicate.operation.boolean(context)
        }
        if holds { kept.append(node) }
      }
      set = kept
    }
    return set
  }

  /// Whether the step leads anywhere, without making nodes where that can be seen from the tree.
  func leadsSomewhere(from node: XPathNode, _ environment: XPathEnvironment) -> Bool {
    guard axis == .child, predicates.isEmpty, let interior = node.interior, let children = known(node.schema) else {
      return first(from: node, environment) { _ in true }
    }
    return children.contains { child in
      interior[position: child.position] != nil
        || environment.implicit.exists(child, in: node, interior, depth: environment.depth)
    }
  }

  private func known(_ parent: SchemaNode) -> [SchemaNode]? {
    for entry in table where entry.parent === parent { return entry.children }
    return nil
  }

  func matches(_ schema: SchemaNode) -> Bool { test.matches(schema) }

  /// The nodes of the axis that pass the test, in the axis's order.
  private func candidates(
    from node: XPathNode, _ environment: XPathEnvironment, where body: (XPathNode) -> Bool
  ) -> Bool {
    func test(_ node: XPathNode) -> Bool { self.test.matches(node) && body(node) }
    switch axis {
    case .child: return children(of: node, environment, where: body)
    case .parent: return node.parent.map(test) ?? false
    case .`self`: return test(node)
    case .ancestor, .ancestorOrSelf:
      var next = axis == .ancestor ? node.parent : node
      while let node = next {
        if test(node) { return true }
        next = node.parent
      }
      return false
    case .descendant: return XPathAxes.descendants(of: node, environment, where: test)
    case .descendantOrSelf: return test(node) || XPathAxes.descendants(of: node, environment, where: test)
    case .followingSibling: return XPathAxes.siblings(of: node, following: true, environment).contains(where: test)
    case .precedingSibling: return XPathAxes.siblings(of: node, following: false, environment).contains(where: test)
    case .following: return XPathAxes.following(node, environment).contains(where: test)
    case .preceding: return XPathAxes.preceding(node, environment).contains(where: test)
    case .attribute, .namespace: return false
    }
  }

  private func children(
    of node: XPathNode, _ environment: XPathEnvironment, where body: (XPathNode) -> Bool
  ) -> Bool {
    guard let interior = node.interior else {
      guard let text = XPathAxes.text(of: node) else { return false }
      return test.matches(text) && body(text)
    }
    if let children = known(node.schema) {
      return children.contains { XPathAxes.instances(of: $0, in: node, interior, environment, where: body) }
    }
    return node.schema.dataChildren.contains { child in
      test.matches(child) && XPathAxes.instances(of: child, in: node, interior, environment, where: body)
    }
  }
}

extension XPath.NodeTest {
  /// Whether an element of that schema node passes.
  func matches(_ schema: SchemaNode) -> Bool {
    switch self {
    case .name(let module, let name): schema.name == name && (module == nil || module === schema.module)
    case .any(let module): schema.kind != .root && (module == nil || module === schema.module)
    case .node: true
    case .text, .comment, .processingInstruction: false
    }
  }

  func matches(_ node: XPathNode) -> Bool {
    if case .text = node.content {
      return switch self {
      case .text, .node: true
      default: false
      }
    }
    return matches(node.schema)
  }
}

extension XPathStep.KeyLookup {
  /// Looks the entries up; nil when a value has no counterpart among the key's values, so that only a search can tell.
  fileprivate func find(
    from node: XPathNode, _ environment: XPathEnvironment, where body: (XPathNode) -> Bool
  ) -> Bool? {
    guard node.schema === list.dataParent, let interior = node.interior else { return nil }
    guard let entries = interior.entries(list) else { return false }
    let context = XPathContext(node: environment.current, environment: environment)
    var combinations: [[Value]] = [[]]
    for (key, operation) in zip(list.keys, values) {
      guard let wanted = keyValues(key, operation, context) else { return nil }
      combinations = combinations.flatMap { known in wanted.map { known + [$0] } }
      guard combinations.count <= 64 else { return nil }
    }
    var found: [XPathNode] = []
    for keys in combinations {
      guard environment.visit(), let entry = entries.find(keys) else { continue }
      found.append(XPathNode(parent: node, schema: list, content: .interior(entry)))
    }
    return XPathStep.filter(XPathNode.ordered(found), rest, environment).contains(where: body)
  }

  private func keyValues(
    _ key: SchemaNode, _ operation: any XPathOperation, _ context: XPathContext
  ) -> [Value]? {
    guard let type = key.type?.valueType else { return nil }
    guard operation.isNodeSet else {
      switch operation.evaluate(context) {
      case .string(let text): return type.value(equalTo: text).map { [$0] }
      default: return nil
      }
    }
    var values: [Value] = []
    let isUnknown = operation.first(context, anyOrder: true) { node in
      guard values.count < 64, let value = node.value.flatMap({ type.value(equalTo: $0) }) else { return true }
      if !values.contains(where: { $0.isSame(as: value) }) { values.append(value) }
      return false
    }
    return isUnknown ? nil : values
  }
}

extension SchemaType {
  /// The value of this type whose text is that of a value of any type; nil where that is not plain.
  fileprivate func value(equalTo value: Value) -> Value? {
    switch (base, value) {
    case (.string, .string), (.uint8, .uint), (.uint16, .uint), (.uint32, .uint), (.uint64, .uint), (.int8, .int),
      (.int16, .int), (.int32, .int), (.int64, .int), (.boolean, .boolean), (.identityref, .identity):
      value
    case (.union, _), (.identityref, _): nil
    default: self.value(equalTo: value.xpathText)
    }
  }

  func value(equalTo text: String) -> Value? {
    switch base {
    case .string: return .string(text)
    case .boolean: return text == "true" ? .boolean(true) : text == "false" ? .boolean(false) : nil
    case .enumeration: return enums.first { $0.name == text }.map { .enumeration($0) }
    case .uint8, .uint16, .uint32, .uint64:
      // "007" is equal to no canonical text.
      guard let number = UInt64(text), String(number) == text else { return nil }
      return .uint(number)
    case .int8, .int16, .int32, .int64:
      guard let number = Int64(text), String(number) == text else { return nil }
      return .int(number)
    default: return nil
    }
  }
}
