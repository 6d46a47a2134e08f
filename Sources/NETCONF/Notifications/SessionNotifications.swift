// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// The notifications of ietf-netconf-notifications (RFC 6470) that are about sessions.
enum SessionNotifications {
  static func started(_ record: SessionRecord, schema: Schema) -> Event? {
    event("netconf-session-start", schema) { compose(record, &$0) }
  }

  static func ended(_ record: SessionRecord, _ ending: SessionEngine.Ending, schema: Schema) -> Event? {
    event("netconf-session-end", schema) { composer in
      compose(record, &composer)
      let reason =
        switch ending {
        case .closed: "closed"
        case .killed: "killed"
        case .dropped: "dropped"
        case .timeout: "timeout"
        case .badHello: "bad-hello"
        case .other: "other"
        }
      composer.leaf("termination-reason", reason)
      if case .killed(let id) = ending, id > 0 { composer.leaf("killed-by", id) }
    }
  }

  private static func compose(_ record: SessionRecord, _ composer: inout NodeComposer) {
    composer.leaf("username", record.peer.user)
    composer.leaf("session-id", record.id)
    composer.leaf("source-host", record.peer.host)
  }

  /// Nil when the module is not in the schema.
  private static func event(_ name: String, _ schema: Schema, _ compose: (inout NodeComposer) -> Void) -> Event? {
    let node = schema.notifications.first { $0.name == name && $0.module.name == "ietf-netconf-notifications" }
    guard let node else { return nil }
    var composer = NodeComposer(node, in: schema)
    compose(&composer)
    return Event(schema: node, content: composer.build(), time: .now)
  }
}
