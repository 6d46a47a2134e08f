// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A location path, or the steps behind a filter expression.
final class PathOperation: XPathOperation {
  enum Start: Sendable {
    case context
    case root
    /// The nodes of an expression; an expression without the context makes the path free of it too.
    case set(any XPathOperation)
  }

  private let start: Start
  let steps: [XPathStep]
  /// Whether walking depth first meets the nodes in document order and each once: some steps up, then steps down by
  /// children, then perhaps one to descendants.
  private let isOrdered: Bool

  init(_ start: Start, _ steps: [XPathStep]) {
    self.start = start
    self.steps = steps
    isOrdered = Self.walksInOrder(start, steps)
  }

  private static func walksInOrder(_ start: Start, _ steps: [XPathStep]) -> Bool {
    var rest = steps[...]
    if case .set = start {
      // A set may hold nodes within others: only steps that stay are safe.
      return rest.allSatisfy { $0.axis == .`self` }
    }
    while let step = rest.first, step.axis == .parent || step.axis == .`self` { rest.removeFirst() }
    while let step = rest.first, step.keepsOrder { rest.removeFirst() }
    if let step = rest.first, step.axis == .descendant || step.axis == .descendantOrSelf { rest.removeFirst() }
    return rest.isEmpty
  }

  var isNodeSet: Bool { true }
  var isContextFree: Bool {
    switch start {
    case .context: false
    case .root: true
    case .set(let operation): operation.isContextFree
    }
  }

  func evaluate(_ context: XPathContext) -> XPathValue {
    if !isOrdered { return .nodes(bySteps(context)) }
    var nodes: [XPathNode] = []
    _ = walk(context) {
      nodes.append($0)
      return false
    }
    return .nodes(nodes)
  }

  func boolean(_ context: XPathContext) -> Bool {
    guard let last = steps.last else { return walk(context) { _ in true } }
    return begin(context) { node in
      walk(steps.dropLast()[...], from: node, context.environment) {
        last.leadsSomewhere(from: $0, context.environment)
      }
    }
  }

  func string(_ context: XPathContext) -> String { firstInOrder(context)?.stringValue ?? "" }
  func number(_ context: XPathContext) -> Double {
    firstInOrder(context).map { XPathValue.number(of: $0) } ?? .nan
  }

  func first(_ context: XPathContext, anyOrder: Bool, where body: (XPathNode) -> Bool) -> Bool {
    isOrdered || anyOrder ? walk(context, where: body) : bySteps(context).contains(where: body)
  }

  private func firstInOrder(_ context: XPathContext) -> XPathNode? {
    var found: XPathNode?
    _ = first(context, anyOrder: false) {
      found = $0
      return true
    }
    return found
  }

  // MARK: Walking

  private func begin(_ context: XPathContext, where body: (XPathNode) -> Bool) -> Bool {
    switch start {
    case .context: body(context.node)
    case .root: body(context.environment.root)
    case .set(let operation): operation.first(context, anyOrder: false, where: body)
    }
  }

  /// Depth first: the nodes that all steps lead to, perhaps in another order and more than once.
  private func walk(_ context: XPathContext, where body: (XPathNode) -> Bool) -> Bool {
    begin(context) { walk(steps[...], from: $0, context.environment, where: body) }
  }

  private func walk(
    _ steps: ArraySlice<XPathStep>, from node: XPathNode, _ environment: XPathEnvironment,
    where body: (XPathNode) -> Bool
  ) -> Bool {
    guard let step = steps.first else { return body(node) }
    let rest = steps.dropFirst()
    if rest.isEmpty { return step.first(from: node, environment, where: body) }
    return step.first(from: node, environment) { walk(rest, from: $0, environment, where: body) }
  }

  /// Set by set, each in document order and without repetition.
  private func bySteps(_ context: XPathContext) -> [XPathNode] {
    var set: [XPathNode] = []
    _ = begin(context) {
      set.append($0)
      return false
    }
    for step in steps {
      var next: [XPathNode] = []
      for node in set {
        _ = step.first(from: node, context.environment) {
          next.append($0)
          return false
        }
      }
      set = XPathNode.ordered(next)
    }
    return set
  }
}

/// A primary expression with predicates: they filter the whole set in document order (XPath 1.0 section 3.3).
final class FilterOperation: XPathOperation {
  private let base: any XPathOperation
  private let predicates: [XPathStep.Predicate]

  init(_ set: any XPathOperation, _ predicates: [XPathStep.Predicate]) {
    base = set
    self.predicates = predicates
  }

  func evaluate(_ context: XPathContext) -> XPathValue {
    guard case .nodes(let nodes) = base.evaluate(context) else { return .nodes([]) }
    return .nodes(XPathStep.filter(nodes, predicates, context.environment))
  }
  var isNodeSet: Bool { true }
  var isContextFree: Bool { base.isContextFree }
}

/// A path of some steps up and then down by children of one schema node each, without predicates: `../port`,
/// `../../psk/id`. The most frequent form by far; whether it leads anywhere is seen without making a node.
final class PlainPathOperation: XPathOperation {
  private let levelsUp: Int
  private let children: [SchemaNode]
  private let general: PathOperation

  /// `children` are the schema nodes of the steps down.
  init(levelsUp: Int, children: [SchemaNode], general: PathOperation) {
    self.levelsUp = levelsUp
    self.children = children
    self.general = general
  }

  var isNodeSet: Bool { true }
  func evaluate(_ context: XPathContext) -> XPathValue { general.evaluate(context) }
  func string(_ context: XPathContext) -> String { general.string(context) }
  func number(_ context: XPathContext) -> Double { general.number(context) }
  func first(_ context: XPathContext, anyOrder: Bool, where body: (XPathNode) -> Bool) -> Bool {
    general.first(context, anyOrder: anyOrder, where: body)
  }

  func boolean(_ context: XPathContext) -> Bool {
    var start = context.node
    for _ in 0..<levelsUp {
      guard let parent = start.parent else { return false }
      start = parent
    }
    guard var interior = start.interior else { return children.isEmpty }
    for (index, child) in children.enumerated() {
      guard child.dataParent === interior.schema else { return general.boolean(context) }
      switch interior[position: child.position] {
      case .container(let next)?: interior = next
      case nil:
        // What is not in the tree may exist all the same; and nothing else can then be below.
        guard ImplicitNodes.isPossible(child) else { return false }
        return general.boolean(context)
      case .some: return index == children.count - 1 || general.boolean(context)
      }
    }
    return true
  }
}
