// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

extension ChangeSet {
  /// The changes between two configurations at the subscribed paths, at the cost of what differs. Paths that the schema
  /// does not have get no changes.
  public init(subscriptions: [String], from old: InteriorNode, to new: InteriorNode, schema: Schema) {
    var changes: [String: [InstanceChange]] = [:]
    for path in subscriptions {
      guard let node = schema.node(at: path) else { continue }
      var found: [InstanceChange] = []
      Diff.forEachChanged(at: node, from: old, to: new) { path, before, after in
        found.append(InstanceChange(path: path, old: before, new: after))
      }
      if !found.isEmpty { changes[path] = found }
    }
    self.init(changes: changes, oldRoot: old, newRoot: new)
  }

  /// True when nothing at the subscribed paths changed.
  public var isEmpty: Bool { changes.isEmpty }
}
