// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// Refuses configuration that no backend carries out: taking it without a word would look as if it had an effect.
struct UnservedBackend: Backend {
  let name = "unserved"
  /// The topmost nodes with no subscription of another backend at, above or below them.
  let subscriptions: [String]
  let operationalPaths: [String] = []
  let operations: [String] = []

  /// - Parameter backends: all others.
  init(schema: Schema, besides backends: [any Backend]) {
    let served = backends.flatMap(\.subscriptions)
    var unserved: [String] = []
    func visit(_ node: SchemaNode) {
      for child in node.dataChildren where child.isConfig && !node.keys.contains(child) {
        if served.contains(child.path) { continue }
        if served.contains(where: { $0.hasPrefix(child.path + "/") }) {
          visit(child)
        } else {
          unserved.append(child.path)
        }
      }
    }
    visit(schema.root)
    subscriptions = unserved
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
