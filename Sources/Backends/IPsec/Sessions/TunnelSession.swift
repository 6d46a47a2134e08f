// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Keeps one tunnel up: when to negotiate, and when an SA has had its time. No sockets, no clocks.
///
///     idle ── configured, initiates ──▶ attempting ── child up ──▶ up ── child down ──▶ pausing
///                                           │ failed or too slow                          │
///                                           └──────────────▶ pausing ── time ──▶ attempting
///
/// The far end, or charon by itself, may bring the tunnel up at any time: what counts is which SAs there are. An SA is
/// *current* when it has an installed child of the name that the configuration has now; the name holds a digest, so an SA
/// of an earlier configuration is *old*. Old SAs carry traffic until a current one is up, or until they have had their
/// time. Of several current SAs the newest is kept: the far end has begun anew, perhaps because it lost the others. But
/// where both ends began at once, each may think another the newest: of SAs that came up nearly together, both ends keep
/// that with the lowest initiator's SPI.
public struct TunnelSession: Sendable {
  public typealias Instant = ContinuousClock.Instant

  public struct Limits: Sendable {
    /// For a child to come up; charon repeats its requests meanwhile.
    public var attemptLimit: Duration = .seconds(60)
    /// From a line of the log that tells of a failure to taking the attempt for failed.
    public var failureDelay: Duration = .milliseconds(500)
    public var firstPause: Duration = .seconds(1)
    public var longestPause: Duration = .seconds(60)
    /// A tunnel that was up for less is not tried again at once.
    public var healthyAfter: Duration = .seconds(10)
    /// For SAs of an earlier configuration while no current one comes up.
    public var oldLimit: Duration = .seconds(60)
    /// For a second current SA: what is under way in it may still arrive.
    public var duplicateLimit: Duration = .seconds(3)
    /// SAs that came up within that time did so at once.
    public var nearlyTogether: Duration = .seconds(10)

    public init() {}
  }

  /// What the configuration wants: a connection of charon that is loaded.
  public struct Wanted: Sendable, Equatable {
    public let connection: String
    public let child: String
    public let initiates: Bool

    public init(connection: String, child: String, initiates: Bool) {
      self.connection = connection
      self.child = child
      self.initiates = initiates
    }

    public init(_ connection: DesiredConnection) {
      self.init(connection: connection.name, child: connection.childName, initiates: connection.initiates)
    }
  }

  public enum Effect: Sendable, Equatable {
    /// Begin a negotiation.
    case initiate(Wanted)
    /// End the IKE SA of that number.
    case terminate(UInt32)
    /// The tunnel carries packets from now on.
    case cameUp(IKESA)
    /// It does not any more.
    case wentDown(reason: String)
  }

  private enum Attempt {
    case none
    case attempting(until: Instant)
    case pausing(until: Instant)
  }

  private let limits: Limits
  private var wanted: [Wanted] = []
  private var sessions: [UInt32: IKESA] = [:]
  /// When each session came up; a rekey does not count.
  private var since: [UInt32: Instant] = [:]
  private var attempt = Attempt.none
  private var failures = 0
  /// When the far end's last attempt failed.
  private var failedAt: Instant?
  private var oldUntil: Instant?
  private var duplicateUntil: Instant?
  private var isUp = false
  private var upSince: Instant?
  /// Why the tunnel is down, or was not as it should be at the last attempt.
  public private(set) var lastFailure: String?
  /// How often a negotiation has failed, in all.
  public private(set) var failureCount = 0

  public init(limits: Limits = Limits()) { self.limits = limits }

  /// The SA that carries the tunnel.
  public var current: IKESA? { currents.first }

  public var nextTimeout: Instant? {
    let attemptTime: Instant? =
      switch attempt {
      case .none: nil
      case .attempting(let until), .pausing(let until): until
      }
    return [attemptTime, oldUntil, duplicateUntil].compactMap { $0 }.min()
  }

  // MARK: Inputs

  /// What is loaded in charon for the tunnel now: empty when it is shut, or cannot be mapped.
  public mutating func configure(_ wanted: [Wanted], now: Instant) -> [Effect] {
    guard wanted != self.wanted else { return [] }
    self.wanted = wanted
    failures = 0
    lastFailure = nil
    attempt = .none
    oldUntil = nil
    return settle(now: now, downReason: "the configuration has changed")
  }

  /// All SAs of the tunnel's connections, as `list-sas` tells them.
  public mutating func resynchronize(_ all: [IKESA], now: Instant) -> [Effect] {
    sessions = Dictionary(all.map { ($0.uniqueID, $0) }) { _, last in last }
    since = sessions.mapValues { sa in
      since[sa.uniqueID] ?? now.advanced(by: .zero - (sa.established ?? .zero))
    }
    return settle(now: now, downReason: "the SA has gone")
  }

  /// Something happened to an SA of the tunnel's connections.
  public mutating func take(_ event: CharonEvent, now: Instant) -> [Effect] {
    switch event {
    case .sessionUp(var sa):
      sa.children = sessions[sa.uniqueID]?.children ?? []
      sessions[sa.uniqueID] = sa
      since[sa.uniqueID] = since[sa.uniqueID] ?? now
    case .sessionDown(let sa): forget(sa.uniqueID)
    case .childUp(let sa):
      var merged = sa
      let others = sessions[sa.uniqueID]?.children ?? []
      merged.children += others.filter { other in !sa.children.contains { $0.uniqueID == other.uniqueID } }
      sessions[sa.uniqueID] = merged
      since[sa.uniqueID] = since[sa.uniqueID] ?? now
    case .childDown(let sa):
      sessions[sa.uniqueID]?.children.removeAll { gone in sa.children.contains { $0.uniqueID == gone.uniqueID } }
    case .rekeyed(let old, var new):
      new.children = sessions[old.uniqueID]?.children ?? []
      since[new.uniqueID] = since[old.uniqueID] ?? now
      sessions[new.uniqueID] = new
      forget(old.uniqueID)
    case .childRekeyed(let session, let old, let new):
      sessions[session.uniqueID]?.children.removeAll { $0.uniqueID == old.uniqueID || $0.uniqueID == new.uniqueID }
      sessions[session.uniqueID]?.children.append(new)
    case .log(let line):
      guard case .failure(let reason) = NegotiationReport(line.message) else { return [] }
      lastFailure = reason
      // charon gives up then, without an event. What it logs comes before it does, so it is given a moment.
      if case .attempting(let until) = attempt, reason != NegotiationReport.noAnswer {
        attempt = .attempting(until: min(until, now.advanced(by: limits.failureDelay)))
      } else if !wanted.isEmpty, !wanted.contains(where: \.initiates), reason != NegotiationReport.noAnswer,
        failedAt.map({ $0.duration(to: now) >= limits.failureDelay * 4 }) ?? true
      {
        // The far end began. One failure may be worth several lines.
        failureCount += 1
        failedAt = now
      }
      return []
    }
    return settle(now: now, downReason: lastFailure ?? "the far end, or dead peer detection, ended the SA")
  }

  /// charon would not begin.
  public mutating func initiatingFailed(_ reason: String, now: Instant) -> [Effect] {
    guard case .attempting = attempt else { return [] }
    pause(reason, now: now)
    return []
  }

  /// charon has gone, and all SAs with it. It is configured anew when it is back.
  public mutating func charonLost(now: Instant) -> [Effect] {
    sessions = [:]
    since = [:]
    wanted = []
    attempt = .none
    failures = 0
    return settle(now: now, downReason: "charon has ended")
  }

  public mutating func timeout(now: Instant) -> [Effect] {
    var effects: [Effect] = []
    switch attempt {
    case .attempting(let until) where now >= until:
      // What hangs half-way would answer the next attempt as a duplicate.
      effects += ids { !$0.isEstablished }.map { .terminate($0) }
      pause(lastFailure ?? "no tunnel within \(limits.attemptLimit)", now: now)
    case .pausing(let until) where now >= until: attempt = .none
    default: break
    }
    if let until = oldUntil, now >= until {
      oldUntil = nil
      effects += drop(ids { !isCurrent($0) && $0.isEstablished })
    }
    if let until = duplicateUntil, now >= until {
      duplicateUntil = nil
      effects += drop(currents.dropFirst().map(\.uniqueID))
    }
    return effects + settle(now: now, downReason: "the SA of an earlier configuration has had its time")
  }

  // MARK: Rules

  /// The current SAs, the one to keep first.
  private var currents: [IKESA] {
    let all = sessions.values.filter { isCurrent($0) }
    guard let newest = all.compactMap({ since[$0.uniqueID] }).max() else { return [] }
    let oldest = newest.advanced(by: .zero - limits.nearlyTogether)
    func rank(_ sa: IKESA) -> (Bool, String, UInt32) {
      (since[sa.uniqueID].map { $0 <= oldest } ?? true, sa.initiatorSPI, sa.uniqueID)
    }
    return all.sorted { left, right in
      let (left, right) = (rank(left), rank(right))
      return left.0 == right.0 ? (left.1, left.2) < (right.1, right.2) : right.0
    }
  }

  private mutating func forget(_ id: UInt32) {
    sessions[id] = nil
    since[id] = nil
  }

  private func isCurrent(_ sa: IKESA) -> Bool {
    sa.isEstablished
      && sa.children.contains { child in
        child.isInstalled && wanted.contains { $0.connection == sa.connection && $0.child == child.name }
      }
  }

  private func ids(_ fits: (IKESA) -> Bool) -> [UInt32] {
    sessions.values.filter(fits).map(\.uniqueID).sorted()
  }

  private mutating func drop(_ ids: [UInt32]) -> [Effect] {
    for id in ids { forget(id) }
    return ids.map { .terminate($0) }
  }

  private mutating func pause(_ reason: String, now: Instant) {
    lastFailure = reason
    failureCount += 1
    let wait = min(limits.firstPause * (1 << min(failures, 16)), limits.longestPause)
    failures += 1
    attempt = .pausing(until: now.advanced(by: wait))
  }

  /// Does what the state asks for after any change of it.
  private mutating func settle(now: Instant, downReason: String) -> [Effect] {
    var effects: [Effect] = []
    let current = current
    let old = ids { $0.isEstablished && !isCurrent($0) && !$0.children.isEmpty }
    if let current {
      if !isUp {
        effects.append(.cameUp(current))
        upSince = now
      }
      attempt = .none
      if let upSince, upSince.duration(to: now) >= limits.healthyAfter { failures = 0 }
      lastFailure = nil
      oldUntil = nil
      effects += drop(old)
      duplicateUntil = currents.count < 2 ? nil : duplicateUntil ?? now.advanced(by: limits.duplicateLimit)
    } else {
      if isUp && old.isEmpty {
        effects.append(.wentDown(reason: downReason))
        lastFailure = lastFailure ?? downReason
        if let upSince, upSince.duration(to: now) < limits.healthyAfter, !wanted.isEmpty { pause(downReason, now: now) }
      }
      duplicateUntil = nil
      oldUntil = old.isEmpty ? nil : oldUntil ?? now.advanced(by: limits.oldLimit)
      if wanted.isEmpty { oldUntil = nil }
      if case .none = attempt, let first = wanted.first(where: \.initiates) {
        attempt = .attempting(until: now.advanced(by: limits.attemptLimit))
        effects.append(.initiate(first))
      }
    }
    isUp = current != nil || (isUp && !old.isEmpty)
    return effects
  }
}
