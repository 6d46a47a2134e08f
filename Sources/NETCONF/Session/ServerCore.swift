// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Logging
import Secrets
import Synchronization
import YANG

/// What all sessions of a server share, whatever their transport.
final class ServerCore: Sendable {
  let datastore: Datastore
  let limits: SessionLimits
  let valueReader: ValueReader
  let registry: SessionRegistry
  let capabilities: [String]
  let contentID: String
  let logger: Logger
  let encoding: XMLEncoding
  /// Who provides which operational data.
  let sources: OperationalSources
  /// What the server itself provides.
  let ownPaths: [String]
  let sealer: Sealer?
  let lockTimes = LockTimes()

  init(datastore: Datastore, limits: SessionLimits, sealer: Sealer?, logger: Logger) {
    self.datastore = datastore
    self.limits = limits
    self.logger = logger
    self.sealer = sealer
    let schema = datastore.schema
    valueReader = ValueReader(schema: schema, sealer: sealer)
    contentID = YANGLibraryProvider.contentID(of: schema)
    capabilities = Capabilities.list(schema: schema, contentID: contentID)
    registry = SessionRegistry(maximum: limits.sessions, startTime: .now)
    let own: [any Backend] = [
      MonitoringProvider(
        schema: schema, datastore: datastore, registry: registry, capabilities: capabilities, lockTimes: lockTimes),
      YANGLibraryProvider(schema: schema, contentID: contentID), StreamsProvider(schema: schema),
    ]
    encoding = XMLEncoding(schema: schema)
    sources = OperationalSources(schema: schema, backends: own + datastore.backends.backends)
    ownPaths = own.flatMap(\.operationalPaths)
    for feature in ProtocolFeatures.unsupported(in: schema) {
      logger.warning("the schema has a feature that the server does not have", metadata: ["feature": "\(feature)"])
    }
    datastore.onCommit { [registry] commit in
      guard datastore.events.subscriberCount > 0 else { return }
      let host = registry.session(commit.metadata.session.id)?.peer.host
      let event = ConfigurationNotifications.changed(commit, host: host, schema: datastore.schema)
      if let event { datastore.events.publish(event) }
    }
  }

  // MARK: Sessions

  /// Begins a session; nil when there are too many.
  func makeSession(for peer: PeerDescription, _ surroundings: SessionSurroundings) -> Session? {
    let target = KillTarget()
    guard let record = registry.begin(peer, at: .now, kill: { target.kill(by: $0) }) else {
      logger.warning("session refused: too many sessions", metadata: ["user": "\(peer.user)"])
      return nil
    }
    let session = Session(record: record, server: self, surroundings: surroundings)
    target.set(session)
    logger.info(
      "session begins", metadata: ["session": "\(record.id)", "user": "\(peer.user)", "source": "\(peer.host)"])
    return session
  }

  /// The session's hellos are exchanged.
  func greeted(_ record: SessionRecord) { publish(SessionNotifications.started(record, schema: datastore.schema)) }

  /// A session did not keep up with its notifications.
  func lost(_ count: UInt64, by record: SessionRecord) {
    logger.warning(
      "notifications were dropped: the session does not read them",
      metadata: ["session": "\(record.id)", "count": "\(count)"])
  }

  func ended(_ record: SessionRecord, _ ending: SessionEngine.Ending, wasGreeted: Bool) {
    var hadBadHello = false
    if case .badHello = ending { hadBadHello = true }
    registry.end(record, hadBadHello: hadBadHello, wasDropped: ending != .closed)
    datastore.sessionEnded(record.identity)
    logger.info("session ends", metadata: ["session": "\(record.id)", "reason": "\(ending)"])
    if wasGreeted { publish(SessionNotifications.ended(record, ending, schema: datastore.schema)) }
  }

  private func publish(_ event: Event?) {
    if let event { datastore.events.publish(event) }
  }

  /// kill-session (RFC 6241 section 7.9).
  func kill(_ id: UInt32, by record: SessionRecord) -> ReplyBody {
    guard id != record.id else {
      return .error(.invalid("session-id", "\(id)", expected: "that of another session; close-session ends this one"))
    }
    guard let other = registry.session(id) else {
      return .error(.invalid("session-id", "\(id)", expected: "that of an open session"))
    }
    other.kill(record.id)
    return .ok
  }
}

/// Leads from a session's record to the session, which it does not keep.
private final class KillTarget: Sendable {
  private struct Reference { weak var session: Session? }
  private let reference = Mutex(Reference())

  func set(_ session: Session) { reference.withLock { $0.session = session } }
  func kill(by id: UInt32) { reference.withLock { $0.session }?.kill(by: id) }
}
