// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Synchronization
import YANG

/// The state of the NETCONF server itself: ietf-netconf-monitoring (RFC 6022).
final class MonitoringProvider: ReadOnlyProvider {
  let name = "NETCONF monitoring"
  let operationalPaths: [String]
  private let schema: Schema
  private let datastore: Datastore
  private let registry: SessionRegistry
  private let capabilities: [String]
  private let lockTimes: LockTimes

  private static let base = "/ietf-netconf-monitoring:netconf-state/"

  init(
    schema: Schema, datastore: Datastore, registry: SessionRegistry, capabilities: [String], lockTimes: LockTimes
  ) {
    self.schema = schema
    self.datastore = datastore
    self.registry = registry
    self.capabilities = capabilities
    self.lockTimes = lockTimes
    operationalPaths = ["capabilities", "datastores", "schemas", "sessions", "statistics"]
      .map { Self.base + $0 }.filter { schema.node(at: $0) != nil }
  }

  func operational(_ request: OperationalRequest) -> AnyIterator<InteriorNode> {
    var composer = NodeComposer(request.schema, in: schema)
    switch request.schema.name {
    case "capabilities": composer.leafList("capability", capabilities)
    case "datastores": composeDatastores(&composer)
    case "schemas": composeSchemas(&composer)
    case "sessions": composeSessions(&composer)
    default: composeStatistics(&composer)
    }
    return AnyIterator(CollectionOfOne(composer.build()).makeIterator())
  }

  private func composeDatastores(_ composer: inout NodeComposer) {
    composer.list("datastore", DatastoreName.allCases) { store, entry in
      entry.leaf("name", store.rawValue)
      guard let holder = datastore.lockHolder(of: store) else { return }
      entry.container("locks") { locks in
        locks.container("global-lock") { lock in
          lock.leaf("locked-by-session", holder.id)
          lock.leaf("locked-time", (lockTimes[store] ?? registry.startTime).dateAndTime)
        }
      }
    }
  }

  private func composeSchemas(_ composer: inout NodeComposer) {
    composer.list("schema", SchemaFile.all(of: schema)) { file, entry in
      entry.leaf("identifier", file.identifier)
      entry.leaf("version", file.version)
      entry.leaf("format", "yang")
      entry.leaf("namespace", file.namespace)
      entry.leafList("location", ["NETCONF"])
    }
  }

  private func composeSessions(_ composer: inout NodeComposer) {
    composer.list("session", registry.sessions) { session, entry in
      entry.leaf("session-id", session.id)
      entry.leaf("transport", session.peer.transport)
      entry.leaf("username", session.peer.user)
      entry.leaf("source-host", session.peer.host)
      entry.leaf("login-time", session.loginTime.dateAndTime)
      entry.leaf("in-rpcs", session.inRPCs.load(ordering: .relaxed))
      entry.leaf("in-bad-rpcs", session.inBadRPCs.load(ordering: .relaxed))
      entry.leaf("out-rpc-errors", session.outRPCErrors.load(ordering: .relaxed))
      entry.leaf("out-notifications", session.outNotifications.load(ordering: .relaxed))
    }
  }

  private func composeStatistics(_ composer: inout NodeComposer) {
    let totals = registry.totals
    composer.leaf("netconf-start-time", registry.startTime.dateAndTime)
    composer.leaf("in-bad-hellos", totals.inBadHellos)
    composer.leaf("in-sessions", totals.inSessions)
    composer.leaf("dropped-sessions", totals.droppedSessions)
    composer.leaf("in-rpcs", totals.inRPCs)
    composer.leaf("in-bad-rpcs", totals.inBadRPCs)
    composer.leaf("out-rpc-errors", totals.outRPCErrors)
    composer.leaf("out-notifications", totals.outNotifications)
  }
}

/// When each datastore's lock was granted.
final class LockTimes: Sendable {
  private let times = Mutex<[DatastoreName: Event.Time]>([:])
  subscript(store: DatastoreName) -> Event.Time? {
    get { times.withLock { $0[store] } }
    set { times.withLock { $0[store] = newValue } }
  }
}
