// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// An error as a server reports it: its tag and app-tag (RFC 6241 section 4.3).
public struct ReportedError: Hashable, Sendable, CustomStringConvertible {
  public let tag: String
  public let appTag: String?

  public init(_ tag: String, appTag: String? = nil) {
    self.tag = tag
    self.appTag = appTag
  }

  public var description: String { appTag.map { "\(tag) (\($0))" } ?? tag }
}

/// What an operation of the oracle ends in.
enum Outcome {
  case changed(Instance)
  case refused(Set<ReportedError>)
}

/// A model of what edit-config does to a configuration (RFC 6241 section 7.2, RFC 7950 sections 7 and 8.3): plain trees,
/// changed one element after the other.
final class EditOracle {
  private let judge: Judge
  private var errors: Set<ReportedError> = []

  init(judge: Judge) { self.judge = judge }

  /// What becomes of a configuration.
  ///
  /// - Parameter defaultOperation: nil for "none".
  func apply(
    _ edit: Instance, to old: Instance, defaultOperation: Instance.Operation?
  ) throws(GeneratorError) -> Outcome {
    errors = []
    var result = old
    for child in edit.children { apply(child, to: &result, inherited: defaultOperation) }
    guard errors.isEmpty else { return .refused(errors) }
    result.normalize()
    return try resolvingConditions(from: old, to: result)
  }

  /// What a validation or commit reports.
  func violations(in root: Instance) throws(GeneratorError) -> Set<ReportedError> {
    Set(try judge.violations(in: root).map { ReportedError($0.tag, appTag: $0.appTag) })
  }

  // MARK: Elements

  private func apply(_ edit: Instance, to parent: inout Instance, inherited: Instance.Operation?) {
    let operation = edit.operation ?? inherited
    let schema = edit.schema
    let place = parent.children.firstIndex {
      $0.schema === schema && $0.identity == edit.identity || $0.isSameLeaf(as: edit)
    }
    // A non-presence container is there when something is in it.
    let isThere = place.map { !parent.children[$0].isVoid } ?? false
    switch operation {
    case .delete, .remove:
      if let place, isThere {
        parent.children.remove(at: place)
      } else if operation == .delete {
        errors.insert(ReportedError("data-missing"))
      }
    case .create where isThere: errors.insert(ReportedError("data-exists"))
    case nil where !isThere && !schema.isNonPresenceContainer: errors.insert(ReportedError("data-missing"))
    case nil:
      if schema.isInterior { merge(edit, at: place, in: &parent, operation) }
    case .create, .replace:
      var made = Instance(schema, scalar: edit.scalar)
      made.content = edit.content
      if let place {
        parent.children[place] = made
        merge(edit, at: place, in: &parent, operation)
      } else {
        merge(edit, at: nil, in: &parent, operation)
      }
    case .merge: merge(edit, at: place, in: &parent, operation)
    }
  }

  /// Makes the element if it is not there, puts it in its place, and goes on with its children.
  private func merge(_ edit: Instance, at place: Int?, in parent: inout Instance, _ operation: Instance.Operation?) {
    let schema = edit.schema
    let index: Int
    if let place {
      index = place
      if operation != nil {
        parent.children[index].scalar = edit.scalar
        parent.children[index].content = edit.content
      }
    } else {
      var made = Instance(schema, scalar: edit.scalar)
      made.content = edit.content
      parent.children.append(made)
      index = parent.children.count - 1
    }
    for child in edit.children { apply(child, to: &parent.children[index], inherited: operation) }
    let node = parent.children[index]
    // Also what an operation of "none" led to: what was made below it chose a case.
    if !node.isVoid { dropOtherCases(of: schema, in: &parent) }
    guard let insertion = edit.insertion,
      let from = parent.children.firstIndex(where: { $0.schema === schema && $0.identity == edit.identity })
    else { return }
    let moved = parent.children.remove(at: from)
    switch insertion {
    case .first: parent.children.insert(moved, at: parent.children.firstIndex { $0.schema === schema } ?? from)
    case .last:
      let last = parent.children.lastIndex { $0.schema === schema }
      parent.children.insert(moved, at: last.map { $0 + 1 } ?? from)
    case .before(let neighbour), .after(let neighbour):
      guard let other = parent.children.firstIndex(where: { $0.schema === schema && $0.identity == neighbour }) else {
        errors.insert(ReportedError("bad-attribute", appTag: "missing-instance"))
        parent.children.insert(moved, at: from)
        return
      }
      if case .before = insertion {
        parent.children.insert(moved, at: other)
      } else {
        parent.children.insert(moved, at: other + 1)
      }
    }
  }

  /// Only one case of a choice holds nodes (RFC 7950 section 7.9).
  private func dropOtherCases(of node: SchemaNode, in parent: inout Instance) {
    var inner = node
    while let above = inner.parent, above !== inner.dataParent {
      if above.kind == .choice {
        for other in above.children where other !== inner { drop(other, in: &parent) }
      }
      inner = above
    }
  }

  private func drop(_ part: SchemaNode, in parent: inout Instance) {
    if part.kind == .choice || part.kind == .case {
      for child in part.children { drop(child, in: &parent) }
    } else {
      parent.children.removeAll { $0.schema === part }
    }
  }

  // MARK: when (RFC 7950 sections 8.2 and 8.3.1)

  /// Nodes that were there and whose condition became false go; such as the edit made are errors.
  private func resolvingConditions(from old: Instance, to new: Instance) throws(GeneratorError) -> Outcome {
    var result = new
    for _ in 0..<100 {
      let failing = try judge.violations(in: result).filter { $0.rule == .when }
      if failing.isEmpty { return .changed(result) }
      var gone: [[Int]] = []
      for violation in failing {
        guard Self.isThere(violation.path, of: result, in: old) else {
          return .refused([ReportedError("unknown-element")])
        }
        gone.append(violation.path)
      }
      // From the end, so that the paths before stay what they are; what is in something that goes, goes with it.
      for path in gone.sorted(by: { $1.lexicographicallyPrecedes($0) }) { result.remove(at: path) }
      result.normalize()
    }
    throw GeneratorError("conditions depend on each other in a circle")
  }

  /// Whether an instance of one tree is in another.
  private static func isThere(_ path: [Int], of tree: Instance, in other: Instance) -> Bool {
    var (node, counterpart) = (tree, other)
    for index in path {
      node = node.children[index]
      guard let next = counterpart.children.first(where: { $0.schema === node.schema && $0.identity == node.identity })
      else { return false }
      counterpart = next
    }
    return true
  }
}

extension Instance {
  /// A non-presence container with nothing in it.
  var isVoid: Bool { schema.isNonPresenceContainer && children.allSatisfy(\.isVoid) }

  /// Leafs of one schema node are one and the same, whatever their value.
  fileprivate func isSameLeaf(as other: Instance) -> Bool { schema === other.schema && schema.kind == .leaf }
}
