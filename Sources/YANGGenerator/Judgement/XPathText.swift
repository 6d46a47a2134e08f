// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// XPath expressions of a schema as text for another evaluator: every name gets a prefix that stands for its module.
struct XPathText {
  /// The prefix for a module's names.
  let prefix: (Module) -> String
  /// The form of an identity's name that values in the document have; the text itself for what names none.
  let identity: (String) -> String

  func text(_ tree: XPath) -> String {
    switch tree {
    case .or(let left, let right): "(\(text(left)) or \(text(right)))"
    case .and(let left, let right): "(\(text(left)) and \(text(right)))"
    case .comparison(let comparison, let left, let right):
      "(\(operand(left, of: comparison)) \(Self.sign(comparison)) \(operand(right, of: comparison)))"
    case .arithmetic(let arithmetic, let left, let right):
      "(\(text(left)) \(Self.sign(arithmetic)) \(text(right)))"
    case .negation(let inner): "(- \(text(inner)))"
    case .union(let left, let right): "(\(text(left)) | \(text(right)))"
    case .path(let path):
      (path.isAbsolute ? "/" : "") + path.steps.map(step).joined(separator: "/")
    case .filter(let primary, let predicates, let steps):
      "(\(text(primary)))" + predicates.map { "[\(text($0))]" }.joined() + steps.map { "/\(step($0))" }.joined()
    case .literal(let literal): Self.quoted(literal)
    case .number(let number): Self.text(number)
    case .variable(let name): "$\(name)"
    case .call(let function, let arguments):
      "\(function.rawValue)(\(arguments.map(text).joined(separator: ", ")))"
    }
  }

  /// A literal that is compared with a node may be the name of an identity.
  private func operand(_ tree: XPath, of comparison: XPath.Comparison) -> String {
    if case .literal(let literal) = tree, comparison == .equal || comparison == .notEqual {
      return Self.quoted(identity(literal))
    }
    return text(tree)
  }

  private func step(_ step: XPath.Step) -> String {
    let predicates = step.predicates.map { "[\(text($0))]" }.joined()
    return "\(step.axis.rawValue)::\(test(step.test))\(predicates)"
  }

  private func test(_ test: XPath.NodeTest) -> String {
    switch test {
    case .name(let module?, let name): "\(prefix(module)):\(name)"
    case .name(nil, let name): "*[local-name() = '\(name)']"
    case .any(let module?): "\(prefix(module)):*"
    case .any(nil): "*"
    case .node: "node()"
    case .text: "text()"
    case .comment: "comment()"
    case .processingInstruction(let target): "processing-instruction(\(target.map(Self.quoted) ?? ""))"
    }
  }

  private static func sign(_ comparison: XPath.Comparison) -> String {
    switch comparison {
    case .equal: "="
    case .notEqual: "!="
    case .less: "<"
    case .lessOrEqual: "<="
    case .greater: ">"
    case .greaterOrEqual: ">="
    }
  }

  private static func sign(_ arithmetic: XPath.Arithmetic) -> String {
    switch arithmetic {
    case .add: "+"
    case .subtract: "-"
    case .multiply: "*"
    case .divide: "div"
    case .modulo: "mod"
    }
  }

  private static func text(_ number: Double) -> String {
    guard number.magnitude < 1e15, number == number.rounded() else { return "\(number)" }
    return "\(Int64(number))"
  }

  private static func quoted(_ text: String) -> String { text.contains("'") ? "\"\(text)\"" : "'\(text)'" }
}
