// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// netconf-config-change of ietf-netconf-notifications (RFC 6470 section 2.2).
enum ConfigurationNotifications {
  /// A commit with more changes than these is told by the top-level nodes that it changed.
  static let maximumEdits = 200

  /// Nil when the module is not in the schema.
  /// - Parameter host: where the session that committed is, if it is still there.
  static func changed(_ commit: CommitEvent, host: String?, schema: Schema) -> Event? {
    let node = schema.notifications.first {
      $0.name == "netconf-config-change" && $0.module.name == "ietf-netconf-notifications"
    }
    guard let node else { return nil }
    var composer = NodeComposer(node, in: schema)
    composer.container("changed-by") { by in
      let session = commit.metadata.session
      if session.id == 0 { return by.leaf("server", "") }
      by.leaf("username", session.user)
      by.leaf("session-id", session.id)
      by.leaf("source-host", host)
    }
    composer.leaf("datastore", "running")
    composer.list("edit", edits(of: commit.diff.changes)) { edit, entry in
      entry.leaf("target", edit.target)
      entry.leaf("operation", edit.operation)
    }
    return Event(schema: node, content: composer.build(), time: commit.metadata.time)
  }

  /// Instance-identifiers with module names as prefixes, and operations of RFC 6241.
  private static func edits(of changes: [Change]) -> [(target: String, operation: String)] {
    if changes.count > maximumEdits {
      var targets: [String] = []
      for change in changes {
        guard let step = change.path.steps.first else { continue }
        let target = InstancePath([step]).description
        if !targets.contains(target) { targets.append(target) }
      }
      return targets.map { ($0, "merge") }
    }
    return changes.map { change in
      let operation =
        switch change.kind {
        case .created: "create"
        case .deleted: "delete"
        case .modified: "replace"
        case .moved: "merge"
        }
      return (change.path.description, operation)
    }
  }
}
