// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Evaluates one rule at one of its owners.
struct RuleEvaluation {
  let table: ConstraintTable
  let node: XPathNode
  let lookups: KeyLookups

  private var implicit: ImplicitNodes { table.library.implicit }

  func violations(of rule: ConstraintTable.Rule) -> [DatastoreError] {
    switch rule.kind {
    case .must(let must, let operation):
      let environment = XPathEnvironment(current: node, implicit: implicit)
      let holds = operation.boolean(XPathContext(node: node, environment: environment))
      if environment.isExhausted {
        return [
          DatastoreError(
            .resourceDenied, path: node.path,
            message: "evaluating the condition \"\(must.condition.source)\" takes too long")
        ]
      }
      return holds ? [] : [.must(must, at: node)]
    case .when: return implicit.failingWhen(node).map { [.when($0.source, at: node)] } ?? []
    case .leafref(let path, let member): return leafref(path, member)
    case .instanceIdentifier: return instanceIdentifier()
    case .requirements(let requirements):
      guard let interior = node.interior else { return [] }
      var errors: [DatastoreError] = []
      RequirementCheck(implicit: implicit) { errors.append($0) }.check(requirements, at: node, interior)
      return errors
    case .unique(let list, let leafs): return unique(list, leafs)
    }
  }

  private func leafref(_ path: LeafrefPath, _ member: [Int]) -> [DatastoreError] {
    guard var value = node.value else { return [] }
    for index in member {
      // Another member of the union took the value.
      guard case .union(index, let inner) = value else { return [] }
      value = inner
    }
    if path.hasTarget(node, value, implicit, lookups) || isOfLaterMember(value, after: member) { return [] }
    return [.instanceRequired(path.source, value, at: node)]
  }

  /// Whether a value that refers to nothing is a value of a later member of its union.
  private func isOfLaterMember(_ value: Value, after member: [Int]) -> Bool {
    guard let first = member.first, let type = node.schema.type else { return false }
    let text = value.xpathText
    return type.members.dropFirst(first + 1).contains { other in
      guard other.base != .leafref else { return false }
      return (try? other.parse(text, resolvePrefix: { table.schema.module(named: $0) }, sealer: nil)) != nil
    }
  }

  private func instanceIdentifier() -> [DatastoreError] {
    guard let value = node.value, case .instanceIdentifier(let identifier) = value.withoutUnion else { return [] }
    let environment = XPathEnvironment(current: node, implicit: implicit)
    if identifier.resolve(from: environment) != nil { return [] }
    return [.instanceRequired("instance", value, at: node)]
  }

  // MARK: unique (RFC 7950 section 7.8.3)

  private struct Combination: Hashable {
    let values: [SameValue]
  }

  private func unique(_ list: SchemaNode, _ leafs: [SchemaNode]) -> [DatastoreError] {
    guard let entries = node.interior?.entries(list), entries.count > 1 else { return [] }
    var first: [Combination: Int] = [:]
    var errors: [DatastoreError] = []
    let path = node.path
    for (place, entry) in entries.enumerated() {
      // Entries that lack one of the leafs, and have no default for it, do not count.
      guard let combination = combination(entry, leafs) else { continue }
      guard let other = first.updateValue(place, forKey: combination) else { continue }
      guard errors.count < Validator.maximumErrors, let before = entries.entry(at: other) else { continue }
      let paths = [(before, other), (entry, place)].map { entry, place in
        list.keys.isEmpty ? path.appending(list, place: place) : path.appending(list, keys: entry.keys)
      }
      errors.append(.notUnique(list, leafs, combination.values.map(\.value), paths, at: path))
    }
    return errors
  }

  private func combination(_ entry: InteriorNode, _ leafs: [SchemaNode]) -> Combination? {
    var values: [SameValue] = []
    for leaf in leafs {
      guard let value = value(of: leaf, in: entry) else { return nil }
      values.append(SameValue(value))
    }
    return Combination(values: values)
  }

  /// The value of a descendant leaf, or its default in use.
  private func value(of leaf: SchemaNode, in entry: InteriorNode) -> Value? {
    var chain: [SchemaNode] = []
    var next: SchemaNode? = leaf
    while let node = next, node !== entry.schema {
      chain.append(node)
      next = node.dataParent
    }
    var at = XPathNode(parent: node, schema: entry.schema, content: .interior(entry))
    let environment = XPathEnvironment(current: at, implicit: implicit)
    for child in chain.reversed() {
      guard let interior = at.interior else { return nil }
      var found: XPathNode?
      _ = XPathAxes.instances(of: child, in: at, interior, environment) {
        found = $0
        return true
      }
      guard let found else { return nil }
      at = found
    }
    return at.value
  }
}
