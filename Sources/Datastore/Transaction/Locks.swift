// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The configuration datastores of RFC 6241 that this agent has.
public enum DatastoreName: String, Sendable, Hashable, CaseIterable {
  case running, candidate
}

/// Who asks: a NETCONF session, or an internal user with session 0.
public struct SessionIdentity: Sendable, Hashable {
  /// session-id of RFC 6241 section 4.2; 0 is an entity that is no NETCONF session.
  public let id: UInt32
  public let user: String

  public init(id: UInt32, user: String) {
    self.id = id
    self.user = user
  }
}

/// Which session holds which datastore's lock (RFC 6241 section 7.5). A value: the datastore guards it.
struct Locks: Sendable {
  private var holders: [DatastoreName: SessionIdentity] = [:]

  /// The session that holds the lock.
  func holder(of store: DatastoreName) -> SessionIdentity? { holders[store] }

  /// Takes the lock. A lock held by anyone, the asking session included, is denied with the holder's session-id.
  mutating func lock(
    _ store: DatastoreName, for session: SessionIdentity, candidateIsModified: Bool
  ) throws(DatastoreError) {
    if let holder = holders[store] {
      throw DatastoreError(
        .lockDenied, layer: .protocol,
        message: "the \(store.rawValue) datastore is locked by session \(holder.id) (user \(holder.user))",
        info: [(name: "session-id", text: String(holder.id))])
    }
    if store == .candidate, candidateIsModified {
      throw DatastoreError(
        .lockDenied, layer: .protocol,
        message: "the candidate datastore has changes that are neither committed nor discarded",
        info: [(name: "session-id", text: "0")])
    }
    holders[store] = session
  }

  /// Gives the lock back.
  mutating func unlock(_ store: DatastoreName, for session: SessionIdentity) throws(DatastoreError) {
    guard let holder = holders[store] else {
      throw DatastoreError(
        .operationFailed, layer: .protocol, message: "the \(store.rawValue) datastore is not locked")
    }
    guard holder.id == session.id else {
      throw DatastoreError(
        .operationFailed, layer: .protocol,
        message: "the \(store.rawValue) datastore is locked by session \(holder.id), not by this one")
    }
    holders[store] = nil
  }

  /// Refuses a change of a datastore that another session holds.
  func requireAccess(to store: DatastoreName, by session: SessionIdentity) throws(DatastoreError) {
    guard let holder = holders[store], holder.id != session.id else { return }
    throw DatastoreError(
      .inUse, layer: .protocol,
      message: "the \(store.rawValue) datastore is locked by session \(holder.id) (user \(holder.user))")
  }

  /// Drops every lock of a session that has ended; returns what it held.
  mutating func release(session: UInt32) -> [DatastoreName] {
    let held = DatastoreName.allCases.filter { holders[$0]?.id == session }
    for store in held { holders[store] = nil }
    return held
  }
}
