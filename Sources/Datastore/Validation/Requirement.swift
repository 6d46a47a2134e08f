// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// What has to be there, and how often, among the children of an instance: mandatory nodes, numbers of elements, choices.
///
/// Non-presence containers are looked into, whether they are in the tree or not, since their constraints hold for the
/// node above them (RFC 7950 sections 7.5.1 and 7.6.5).
struct Requirement: Sendable {
  enum Kind: Sendable {
    case mandatory
    case elements(minimum: Int, maximum: Int?)
    case container([Requirement])
    case choice(isMandatory: Bool, branches: [Branch])
  }
  struct Branch: Sendable {
    let node: SchemaNode
    let requirements: [Requirement]
  }

  let node: SchemaNode
  let kind: Kind

  /// The requirements on the children of a schema node; only configuration, or state as well.
  static func below(_ parent: SchemaNode, includingState: Bool) -> [Requirement] {
    collect(parent.children, includingState)
  }

  private static func collect(_ children: [SchemaNode], _ includingState: Bool) -> [Requirement] {
    children.compactMap { child in
      guard includingState || child.isConfig else { return nil }
      switch child.kind {
      case .leaf, .anydata, .anyxml:
        return child.isMandatory && !child.isKey ? Requirement(node: child, kind: .mandatory) : nil
      case .list, .leafList:
        guard child.minElements > 0 || child.maxElements != nil else { return nil }
        return Requirement(node: child, kind: .elements(minimum: child.minElements, maximum: child.maxElements))
      case .container:
        guard !child.hasPresence else { return nil }
        let inner = collect(child.children, includingState)
        return inner.isEmpty ? nil : Requirement(node: child, kind: .container(inner))
      case .choice:
        let branches = child.children.map { branch in
          Branch(
            node: branch,
            requirements: branch.kind == .case
              ? collect(branch.children, includingState) : collect([branch], includingState))
        }
        guard child.isMandatory || branches.count > 1 || branches.contains(where: { !$0.requirements.isEmpty }) else {
          return nil
        }
        return Requirement(node: child, kind: .choice(isMandatory: child.isMandatory, branches: branches))
      default: return nil
      }
    }
  }

  /// The data nodes that matter to the requirement.
  func nodes(into result: inout [SchemaNode]) {
    switch kind {
    case .mandatory, .elements: result.append(node)
    case .container(let inner): for requirement in inner { requirement.nodes(into: &result) }
    case .choice(_, let branches):
      for branch in branches {
        Self.dataNodes(of: branch.node, into: &result)
        for requirement in branch.requirements { requirement.nodes(into: &result) }
      }
    }
  }

  /// The nodes whose `when` matters to the requirement.
  func conditioned(into result: inout [SchemaNode]) {
    if !node.whens.isEmpty { result.append(node) }
    switch kind {
    case .mandatory, .elements: break
    case .container(let inner): for requirement in inner { requirement.conditioned(into: &result) }
    case .choice(_, let branches):
      for branch in branches {
        for requirement in branch.requirements { requirement.conditioned(into: &result) }
      }
    }
  }

  private static func dataNodes(of part: SchemaNode, into result: inout [SchemaNode]) {
    if part.kind == .case || part.kind == .choice {
      for child in part.children { dataNodes(of: child, into: &result) }
    } else {
      result.append(part)
    }
  }
}

/// Checks requirements on one instance.
struct RequirementCheck {
  let implicit: ImplicitNodes
  let report: (DatastoreError) -> Void

  func check(_ requirements: [Requirement], at parent: XPathNode, _ interior: InteriorNode) {
    for requirement in requirements { check(requirement, at: parent, interior) }
  }

  private func check(_ requirement: Requirement, at parent: XPathNode, _ interior: InteriorNode) {
    let node = requirement.node
    switch requirement.kind {
    case .mandatory:
      guard interior[position: node.position] == nil, isPossible(node, parent) else { return }
      report(.missing(node, at: parent.path))
    case .elements(let minimum, let maximum):
      let count = Self.count(interior[position: node.position])
      if let maximum, count > maximum { report(.tooMany(node, count, maximum, at: parent.path)) }
      if count < minimum, count > 0 || isPossible(node, parent) {
        report(.tooFew(node, count, minimum, at: parent.path))
      }
    case .container(let inner):
      if let child = interior.container(node) {
        check(inner, at: XPathNode(parent: parent, schema: node, content: .interior(child)), child)
      } else if isPossible(node, parent) {
        let empty = InteriorNode(schema: node)
        check(inner, at: XPathNode(parent: parent, schema: node, content: .interior(empty)), empty)
      }
    case .choice(let isMandatory, let branches):
      let active = branches.filter { ImplicitNodes.holdsAny(of: $0.node, in: interior) }
      if active.count > 1 { report(.severalCases(node, active.map(\.node.name), at: parent.path)) }
      if let branch = active.first {
        check(branch.requirements, at: parent, interior)
      } else if isMandatory, isPossible(node, parent) {
        report(.missingChoice(node, at: parent.path))
      }
    }
  }

  /// Whether the conditions of a node that is not there would allow it.
  private func isPossible(_ node: SchemaNode, _ parent: XPathNode) -> Bool {
    if node.whens.isEmpty { return true }
    let content: XPathNode.Content =
      node.isInterior ? .interior(InteriorNode(schema: node)) : .leaf(node.defaults.first ?? .empty)
    return implicit.failingWhen(XPathNode(parent: parent, schema: node, content: content)) == nil
  }

  private static func count(_ node: DataNode?) -> Int {
    switch node {
    case .leafList(let values): values.count
    case .list(let entries): entries.count
    default: 0
    }
  }
}
