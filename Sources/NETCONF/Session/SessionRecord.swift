// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Synchronization

/// What the server knows of one session, readable from anywhere.
final class SessionRecord: Sendable {
  let id: UInt32
  let peer: PeerDescription
  let loginTime: Event.Time
  /// Ends the session, from any thread. The argument is the session that asked for it, 0 for the server itself.
  let kill: @Sendable (_ by: UInt32) -> Void

  let inRPCs = Atomic<UInt32>(0)
  let inBadRPCs = Atomic<UInt32>(0)
  let outRPCErrors = Atomic<UInt32>(0)
  let outNotifications = Atomic<UInt32>(0)

  init(id: UInt32, peer: PeerDescription, loginTime: Event.Time, kill: @escaping @Sendable (UInt32) -> Void) {
    self.id = id
    self.peer = peer
    self.loginTime = loginTime
    self.kill = kill
  }

  var identity: SessionIdentity { SessionIdentity(id: id, user: peer.user) }
}

/// All sessions of the server, and the sums of those that have ended.
final class SessionRegistry: Sendable {
  /// ietf-netconf-monitoring's `statistics`.
  struct Totals: Sendable {
    var inSessions: UInt32 = 0
    var inBadHellos: UInt32 = 0
    var droppedSessions: UInt32 = 0
    var inRPCs: UInt32 = 0
    var inBadRPCs: UInt32 = 0
    var outRPCErrors: UInt32 = 0
    var outNotifications: UInt32 = 0
  }
  private struct State {
    var sessions: [UInt32: SessionRecord] = [:]
    var nextID: UInt32 = 1
    var ended = Totals()
  }

  private let state = Mutex(State())
  private let maximum: Int
  let startTime: Event.Time

  init(maximum: Int, startTime: Event.Time) {
    self.maximum = maximum
    self.startTime = startTime
  }

  /// Enters a new session; nil when there are too many.
  func begin(
    _ peer: PeerDescription, at time: Event.Time, kill: @escaping @Sendable (UInt32) -> Void
  ) -> SessionRecord? {
    state.withLock { state in
      guard state.sessions.count < maximum else { return nil }
      while state.nextID == 0 || state.sessions[state.nextID] != nil { state.nextID &+= 1 }
      let record = SessionRecord(id: state.nextID, peer: peer, loginTime: time, kill: kill)
      state.sessions[record.id] = record
      state.nextID &+= 1
      state.ended.inSessions &+= 1
      return record
    }
  }

  /// Takes out a session that has ended.
  func end(_ record: SessionRecord, hadBadHello: Bool, wasDropped: Bool) {
    state.withLock { state in
      guard state.sessions.removeValue(forKey: record.id) != nil else { return }
      state.ended.add(record)
      if hadBadHello { state.ended.inBadHellos &+= 1 }
      if wasDropped { state.ended.droppedSessions &+= 1 }
    }
  }

  func session(_ id: UInt32) -> SessionRecord? { state.withLock { $0.sessions[id] } }

  /// All sessions, by their identifier.
  var sessions: [SessionRecord] { state.withLock { $0.sessions.values.sorted { $0.id < $1.id } } }

  /// The sums over all sessions since the start.
  var totals: Totals {
    state.withLock { state in
      var totals = state.ended
      for record in state.sessions.values { totals.add(record) }
      return totals
    }
  }
}

extension SessionRegistry.Totals {
  fileprivate mutating func add(_ record: SessionRecord) {
    inRPCs &+= record.inRPCs.load(ordering: .relaxed)
    inBadRPCs &+= record.inBadRPCs.load(ordering: .relaxed)
    outRPCErrors &+= record.outRPCErrors.load(ordering: .relaxed)
    outNotifications &+= record.outNotifications.load(ordering: .relaxed)
  }
}

extension Atomic<UInt32> {
  /// Counts one more; wraps around as the model's zero-based counters do.
  func increment() { wrappingAdd(1, ordering: .relaxed) }
}
