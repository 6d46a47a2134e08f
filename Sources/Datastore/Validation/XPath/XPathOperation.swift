// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Where an expression is evaluated: the node, its place in the set that is filtered, and what holds for the whole
/// evaluation.
struct XPathContext {
  var node: XPathNode
  /// From 1.
  var position = 1
  var size = 1
  let environment: XPathEnvironment
}

/// What holds for one evaluation.
final class XPathEnvironment {
  private(set) lazy var root = current.root
  /// What current() gives.
  let current: XPathNode
  let implicit: ImplicitNodes
  /// How many nodes may still be visited.
  private(set) var budget: Int

  static let maximumVisits = 100_000_000

  /// How many `when` conditions this evaluation stands in.
  let depth: Int

  init(
    current: XPathNode, implicit: ImplicitNodes, depth: Int = 0, budget: Int = XPathEnvironment.maximumVisits
  ) {
    self.depth = depth
    self.current = current
    self.implicit = implicit
    self.budget = budget
  }

  /// Counts a visit; false when there were too many: then sets stay empty and the evaluation is worth nothing.
  func visit() -> Bool {
    budget -= 1
    return budget > 0
  }

  var isExhausted: Bool { budget <= 0 }
}

/// A compiled part of an expression: immutable, evaluated by calls into its parts. Each kind of result can be asked for,
/// so that what is only tested for existence builds no set.
protocol XPathOperation: AnyObject, Sendable {
  func evaluate(_ context: XPathContext) -> XPathValue
  func boolean(_ context: XPathContext) -> Bool
  func number(_ context: XPathContext) -> Double
  func string(_ context: XPathContext) -> String
  /// Calls `body` with the nodes of the set, in document order unless `anyOrder`, until it returns true; true when it
  /// did. Nothing for other values.
  func first(_ context: XPathContext, anyOrder: Bool, where body: (XPathNode) -> Bool) -> Bool
  /// Whether the value is a node-set.
  var isNodeSet: Bool { get }
  /// Whether the value does not depend on the context node, position and size, but only on the environment.
  var isContextFree: Bool { get }
}

extension XPathOperation {
  func boolean(_ context: XPathContext) -> Bool { evaluate(context).boolean }
  func number(_ context: XPathContext) -> Double { evaluate(context).number }
  func string(_ context: XPathContext) -> String { evaluate(context).string }
  func first(_ context: XPathContext, anyOrder: Bool, where body: (XPathNode) -> Bool) -> Bool {
    guard case .nodes(let nodes) = evaluate(context) else { return false }
    return nodes.contains(where: body)
  }
  var isNodeSet: Bool { false }
  var isContextFree: Bool { false }
}

final class ConstantOperation: XPathOperation {
  enum Constant { case string(String), number(Double), boolean(Bool) }
  private let constant: Constant
  init(_ constant: Constant) { self.constant = constant }
  func evaluate(_ context: XPathContext) -> XPathValue {
    switch constant {
    case .string(let text): .string(text)
    case .number(let number): .number(number)
    case .boolean(let flag): .boolean(flag)
    }
  }
  var isContextFree: Bool { true }
}

final class LogicOperation: XPathOperation {
  private let isAnd: Bool
  private let left: any XPathOperation
  private let right: any XPathOperation
  init(isAnd: Bool, _ left: any XPathOperation, _ right: any XPathOperation) {
    self.isAnd = isAnd
    self.left = left
    self.right = right
  }
  func boolean(_ context: XPathContext) -> Bool {
    isAnd
      ? left.boolean(context) && right.boolean(context)
      : left.boolean(context) || right.boolean(context)
  }
  func evaluate(_ context: XPathContext) -> XPathValue { .boolean(boolean(context)) }
  var isContextFree: Bool { left.isContextFree && right.isContextFree }
}

final class NotOperation: XPathOperation {
  private let operand: any XPathOperation
  init(_ operand: any XPathOperation) { self.operand = operand }
  func boolean(_ context: XPathContext) -> Bool { !operand.boolean(context) }
  func evaluate(_ context: XPathContext) -> XPathValue { .boolean(boolean(context)) }
  var isContextFree: Bool { operand.isContextFree }
}

final class ComparisonOperation: XPathOperation {
  private let comparison: XPath.Comparison
  private let left: any XPathOperation
  private let right: any XPathOperation
  init(_ comparison: XPath.Comparison, _ left: any XPathOperation, _ right: any XPathOperation) {
    self.comparison = comparison
    self.left = left
    self.right = right
  }

  func boolean(_ context: XPathContext) -> Bool {
    switch (left.isNodeSet, right.isNodeSet) {
    case (true, false): return compare(comparison, left, right.evaluate(context), context)
    case (false, true): return compare(comparison.mirrored, right, left.evaluate(context), context)
    default: return XPathValue.compare(comparison, left.evaluate(context), right.evaluate(context))
    }
  }

  /// A set against a plain value: stops at the first node that fits.
  private func compare(
    _ comparison: XPath.Comparison, _ set: any XPathOperation, _ other: XPathValue, _ context: XPathContext
  ) -> Bool {
    if case .boolean = other { return XPathValue.compare(comparison, .boolean(set.boolean(context)), other) }
    return set.first(context, anyOrder: true) { XPathValue.holds(comparison, $0, other) }
  }

  func evaluate(_ context: XPathContext) -> XPathValue { .boolean(boolean(context)) }
  var isContextFree: Bool { left.isContextFree && right.isContextFree }
}

final class ArithmeticOperation: XPathOperation {
  private let arithmetic: XPath.Arithmetic
  private let left: any XPathOperation
  private let right: any XPathOperation
  init(_ arithmetic: XPath.Arithmetic, _ left: any XPathOperation, _ right: any XPathOperation) {
    self.arithmetic = arithmetic
    self.left = left
    self.right = right
  }
  func number(_ context: XPathContext) -> Double {
    let (a, b) = (left.number(context), right.number(context))
    return switch arithmetic {
    case .add: a + b
    case .subtract: a - b
    case .multiply: a * b
    case .divide: a / b
    case .modulo: a.truncatingRemainder(dividingBy: b)
    }
  }
  func evaluate(_ context: XPathContext) -> XPathValue { .number(number(context)) }
  var isContextFree: Bool { left.isContextFree && right.isContextFree }
}

final class NegationOperation: XPathOperation {
  private let operand: any XPathOperation
  init(_ operand: any XPathOperation) { self.operand = operand }
  func evaluate(_ context: XPathContext) -> XPathValue { .number(-operand.number(context)) }
  var isContextFree: Bool { operand.isContextFree }
}

final class UnionOperation: XPathOperation {
  private let left: any XPathOperation
  private let right: any XPathOperation
  init(_ left: any XPathOperation, _ right: any XPathOperation) {
    self.left = left
    self.right = right
  }
  func evaluate(_ context: XPathContext) -> XPathValue {
    guard case .nodes(let a) = left.evaluate(context), case .nodes(let b) = right.evaluate(context) else {
      return .nodes([])
    }
    return .nodes(XPathNode.ordered(a + b))
  }
  func boolean(_ context: XPathContext) -> Bool { left.boolean(context) || right.boolean(context) }
  func first(_ context: XPathContext, anyOrder: Bool, where body: (XPathNode) -> Bool) -> Bool {
    if anyOrder {
      return left.first(context, anyOrder: true, where: body) || right.first(context, anyOrder: true, where: body)
    }
    guard case .nodes(let nodes) = evaluate(context) else { return false }
    return nodes.contains(where: body)
  }
  var isNodeSet: Bool { true }
  var isContextFree: Bool { left.isContextFree && right.isContextFree }
}
