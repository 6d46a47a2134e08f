// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The part of XPath that the path of a leafref may use (RFC 7950 section 9.9.2).
enum LeafrefPath {
  static func isAllowed(_ tree: XPath) -> Bool {
    switch tree {
    case .path(let path):
      guard !path.steps.isEmpty else { return false }
      return areAllowed(path.steps, afterParents: path.isAbsolute)
    case .filter(.call(.deref, let arguments), let predicates, let steps):
      // RFC 7950 allows `deref(path)/..` here; published modules use it.
      guard let first = arguments.first, predicates.isEmpty else { return false }
      return isAllowed(first) && areAllowed(steps, afterParents: false)
    default: return false
    }
  }

  /// `..` steps first, then names with key predicates.
  private static func areAllowed(_ steps: [XPath.Step], afterParents: Bool) -> Bool {
    var namesBegan = afterParents
    for step in steps {
      switch (step.axis, step.test) {
      case (.parent, .node):
        guard !namesBegan, step.predicates.isEmpty else { return false }
      case (.child, .name):
        namesBegan = true
        guard step.predicates.allSatisfy(isKeyComparison) else { return false }
      default: return false
      }
    }
    return true
  }

  /// `key = current()/../…`
  private static func isKeyComparison(_ predicate: XPath) -> Bool {
    guard case .comparison(.equal, .path(let left), let right) = predicate, !left.isAbsolute, left.steps.count == 1,
      left.steps[0].axis == .child, case .name = left.steps[0].test
    else { return false }
    guard case .filter(.call(.current, _), let predicates, let steps) = right else { return false }
    return predicates.isEmpty && steps.first?.axis == .parent
      && steps.allSatisfy { $0.predicates.isEmpty && ($0.axis == .parent || $0.axis == .child) }
  }
}
