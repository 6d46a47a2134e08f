// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// Refuses configuration that no backend carries out: taking it without a word would look as if it had an effect.
struct UnservedBackend: Backend {
  let name = "unserved"
  let subscriptions: [String]
  let operationalPaths: [String] = []
  let operations: [String] = []

  /// - Parameter backends: all others.
  init(schema: Schema, besides backends: [any Backend]) {
    let served = backends.flatMap(\.subscriptions)
    subscriptions = schema.root.dataChildren.filter(\.isConfig).map(\.path).filter { path in
      !served.contains { $0 == path || $0.hasPrefix(path + "/") }
    }
  }

  func prepare(_ changes: ChangeSet) -> [Refusal] {
    subscriptions.flatMap { path in
      (changes.changes[path] ?? []).filter { $0.new != nil }.map { change in
        Refusal(path: change.path, reason: "this version of agentd does not carry out the configuration at \(path)")
      }
    }
  }

  func apply(_ changes: ChangeSet) {}
}
