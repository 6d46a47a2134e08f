// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Checks configurations against the constraints of a schema (RFC 7950 section 8.1): must, when, leafref, mandatory,
/// min- and max-elements, unique, choice. Types, keys and the structure are seen to by whoever makes the tree.
///
/// Constraints are compiled once. `validate(old:new:)` evaluates those that the difference of the trees can have
/// changed; its verdict is that of `validate(_:)` when the old tree is valid.
public final class Validator: Sendable {
  /// More violations than these are not reported.
  public static let maximumErrors = 100

  let table: ConstraintTable

  /// - Parameters:
  ///   - includingState: checks state data too, for trees that hold a whole operational state.
  public init(schema: Schema, includingState: Bool = false) {
    table = ConstraintTable(schema: schema, includingState: includingState)
  }

  public var schema: Schema { table.schema }

  /// Every violation in a whole configuration, up to `maximumErrors`.
  public func validate(_ root: InteriorNode) -> [DatastoreError] {
    var walk = ValidationWalk(table: table)
    walk.checkAll(XPathNode(root: root))
    return walk.errors
  }

  /// Every violation that a change of a valid configuration brought about, up to `maximumErrors`.
  public func validate(old: InteriorNode, new: InteriorNode) -> [DatastoreError] {
    var walk = ValidationWalk(table: table)
    walk.compare(old, new)
    return walk.errors
  }

  /// Every violation in the body of an rpc, an action or a notification: `body` is below its input, output or
  /// notification node. Expressions see it beside the configuration (RFC 7950 section 6.4.1), for an action or a
  /// notification in the tree below `target`.
  public func validate(
    body: InteriorNode, configuration: InteriorNode, target: InstancePath? = nil
  ) -> [DatastoreError] {
    var parent = XPathNode(root: configuration)
    for step in target?.steps ?? [] {
      guard let interior = parent.interior else { break }
      var instance = InteriorNode(
        schema: step.schema, slots: zip(step.schema.keys, step.keys).map { InteriorNode.Slot($0, .leaf($1)) })
      // An instance that the configuration does not have is there with its keys.
      if case .container(let found)? = interior.node(at: InstancePath([step])) { instance = found }
      parent = XPathNode(parent: parent, schema: step.schema, content: .interior(instance))
    }
    var walk = ValidationWalk(table: table)
    walk.checkAll(XPathNode(parent: parent, schema: body.schema, content: .interior(body)))
    return walk.errors
  }

  // MARK: when in edits

  /// What an edit leaves behind once its conditions are seen to: nodes that were there and whose `when` the edit turned
  /// false are deleted (RFC 7950 section 8.2); nodes that the edit created under a false `when` are errors
  /// (unknown-element, section 8.3.1).
  public func resolvingConditions(
    from old: InteriorNode, to new: InteriorNode
  ) throws(DatastoreFailure) -> InteriorNode {
    var result = new
    // A deletion can turn further conditions false; each round deletes something.
    for _ in 0..<Self.maximumRounds {
      var walk = ValidationWalk(table: table, purpose: .conditions)
      walk.compare(old, result)
      if walk.failingConditions.isEmpty { return result }
      var errors: [DatastoreError] = []
      var paths: [InstancePath] = []
      for (node, condition) in walk.failingConditions {
        let path = node.path
        if old.node(at: path) != nil { paths.append(path) } else { errors.append(.when(condition, at: node)) }
      }
      if !errors.isEmpty { throw DatastoreFailure(Array(errors.prefix(Self.maximumErrors))) }
      for path in paths { result = result.removing(path.steps[...]) }
    }
    throw DatastoreFailure(
      DatastoreError(.operationFailed, message: "the conditions of 'when' statements depend on each other in a circle"))
  }

  private static let maximumRounds = 100
}

extension InteriorNode {
  /// This node without what stands at a path below it.
  func removing(_ steps: ArraySlice<InstancePath.Step>) -> InteriorNode {
    guard let step = steps.first, let child = self[position: step.schema.position] else { return self }
    let rest = steps.dropFirst()
    switch child {
    case .leaf, .any: return replacing(position: step.schema.position, with: nil)
    case .leafList(let values):
      let kept = step.keys.first.map { gone in values.filter { !$0.isSame(as: gone) } } ?? []
      return replacing(position: step.schema.position, with: .leafList(kept))
    case .container(let inner):
      return replacing(position: step.schema.position, with: rest.isEmpty ? nil : .container(inner.removing(rest)))
    case .list(let entries):
      guard !step.keys.isEmpty else { return replacing(position: step.schema.position, with: nil) }
      if rest.isEmpty { return replacing(position: step.schema.position, with: .list(entries.removing(step.keys))) }
      guard let entry = entries.find(step.keys) else { return self }
      return replacing(position: step.schema.position, with: .list(entries.setting(entry.removing(rest))))
    }
  }
}
