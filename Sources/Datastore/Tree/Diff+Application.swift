// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

extension Diff {
  /// The tree that results from making these changes on `root`: for going from one version to the next, as recovery
  /// from a log does. Changes that are made already do no harm.
  public func applied(to root: InteriorNode) throws(DatastoreFailure) -> InteriorNode {
    let top = Step(schema: root.schema, keys: [])
    for change in changes {
      guard let last = change.path.steps.last else { continue }
      var parent = top
      for step in change.path.steps.dropLast() { parent = parent.child(step) }
      parent.add(change, last)
    }
    return try Edit(root: top.edit).applied(to: root)
  }

  /// An edit in the making: a node on the way to changes.
  private final class Step {
    let schema: SchemaNode
    let keys: [Value]
    var operation: EditOperation?
    var insertion: ListEntries.Destination?
    var content: DataNode?
    /// What is to be merged into the node as it is: whole lists and leaf-lists that were created.
    var plain: InteriorNode?
    var children: [Step] = []

    init(schema: SchemaNode, keys: [Value]) {
      self.schema = schema
      self.keys = keys
    }

    /// Changes come in document order, so that those of one child follow each other.
    func child(_ step: InstancePath.Step) -> Step {
      if let last = children.last, last.schema === step.schema, last.keys.count == step.keys.count,
        Value.order(last.keys, step.keys) == 0
      {
        return last
      }
      let child = Step(schema: step.schema, keys: step.keys)
      children.append(child)
      return child
    }

    func add(_ change: Change, _ last: InstancePath.Step) {
      if change.kind == .created, let node = change.new, last.schema.isMultiple, last.keys.isEmpty {
        plain = (plain ?? InteriorNode(schema: schema)).replacing(last.schema, with: node)
        return
      }
      let child = child(last)
      if let after = change.after { child.insertion = after.isEmpty ? .first : .after(after) }
      switch change.kind {
      case .deleted:
        child.operation = .remove
        if last.schema.kind == .leafList { child.content = last.keys.first.map { .leaf($0) } }
      case .moved:
        if last.schema.kind == .leafList { child.content = last.keys.first.map { .leaf($0) } }
      case .created, .modified:
        child.operation = last.schema.kind == .leafList ? nil : .replace
        if let interior = change.new?.interior { child.plain = interior } else { child.content = change.new }
      }
    }

    var edit: EditNode {
      var plain = plain
      if schema.kind == .list, plain == nil, !keys.isEmpty {
        plain = InteriorNode(
          schema: schema, slots: zip(schema.keys, keys).map { InteriorNode.Slot($0, .leaf($1)) })
      } else if schema.kind == .list, let node = plain, !keys.isEmpty, node.keys.count < keys.count {
        plain = zip(schema.keys, keys).reduce(node) { $0.replacing($1.0, with: .leaf($1.1)) }
      }
      return EditNode(
        schema: schema, operation: operation, insertion: insertion, content: content, plain: plain,
        edits: children.map(\.edit))
    }
  }
}

extension SchemaNode {
  /// Lists and leaf-lists.
  fileprivate var isMultiple: Bool { kind == .list || kind == .leafList }
}
