// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The rule that a choice holds the nodes of one case only (RFC 7950 section 7.9).
enum ChoiceRule {
  /// Whether the data child stands in a choice.
  static func applies(to child: SchemaNode) -> Bool { child.parent !== child.dataParent }

  /// Whether two data children of one parent cannot be there together.
  static func excludes(_ left: SchemaNode, _ right: SchemaNode) -> Bool {
    guard left !== right, applies(to: left), applies(to: right) else { return false }
    var (leftBranch, leftAbove) = (left, left.parent)
    while let choice = leftAbove, choice !== left.dataParent {
      if choice.kind == .choice, let rightBranch = branch(of: right, in: choice), rightBranch !== leftBranch {
        return true
      }
      (leftBranch, leftAbove) = (choice, choice.parent)
    }
    return false
  }

  /// The case (or the node that is its own case) of a choice that a data child is in.
  private static func branch(of child: SchemaNode, in choice: SchemaNode) -> SchemaNode? {
    var (branch, above) = (child, child.parent)
    while let node = above, branch !== child.dataParent {
      if node === choice { return branch }
      (branch, above) = (node, node.parent)
    }
    return nil
  }

  /// The first two children among these slots that exclude each other.
  static func conflict(in slots: some Sequence<InteriorNode.Slot>, of schema: SchemaNode) -> (SchemaNode, SchemaNode)? {
    var seen: [SchemaNode] = []
    for slot in slots {
      let child = schema.dataChildren[Int(slot.position)]
      guard applies(to: child) else { continue }
      if let other = seen.first(where: { excludes($0, child) }) { return (other, child) }
      seen.append(child)
    }
    return nil
  }
}

extension InteriorNode {
  /// This node with content for a child; nodes of other cases of the child's choices go.
  func choosing(_ child: SchemaNode, _ node: DataNode?) -> InteriorNode {
    let result = replacing(position: child.position, with: node)
    guard let node, !node.isVoid, ChoiceRule.applies(to: child) else { return result }
    return result.dropping { ChoiceRule.excludes(child, $0) }
  }

  /// This node without the children that a condition names.
  func dropping(_ condition: (SchemaNode) -> Bool) -> InteriorNode {
    let kept = slots.filter { !condition(schema.dataChildren[Int($0.position)]) }
    return kept.count == slots.count ? self : InteriorNode(schema: schema, slots: kept)
  }
}
