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
/// that with the lowest initiator's SPI. So a fresh PPK while the tunnel is up (`PPKRenewal`) is one more negotiation, and
/// the old SA ends as a duplicate.
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
    public var renewal = PPKRenewal.Limits()

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
    /// Begin a negotiation with a fresh PPK, beside the SA that there is; without one the attempt fails.
    case renew(Wanted)
    /// Another SA has taken the place of the one that was current, and is the only one now.
    case replaced(IKESA)
    /// There is no fresh PPK yet, and the SA goes on; so often in a row.
    case renewalFailed(reason: String, count: Int)
    /// The PPK in use is old, or too old.
    case ppkAged(Duration, isExhausted: Bool)
  }

  private enum Attempt {
    case none
    case attempting(until: Instant)
    case pausing(until: Instant)
  }

  private let limits: Limits
  private var wanted: [Wanted] = []
  private var sessions: [UInt32: IKESA] = [:]
  /// When and how each session came up; a rekey does not count.
  private var setUps: [UInt32: PPKRenewal.SetUp] = [:]
  /// IDs of PPKs that charon's log named of negotiations which are not known yet, by their numbers.
  private var earlyPPKIDs: [UInt32: String] = [:]
  /// Numbers of SAs that have ended, the last ones: charon does not use one twice.
  private var ended: [UInt32] = []
  private var renewal: PPKRenewal
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

  /// - Parameter jitter: 0..<1, by which renewals of tunnels differ.
  public init(limits: Limits = Limits(), jitter: Double = 0) {
    self.limits = limits
    renewal = PPKRenewal(limits: limits.renewal, jitter: jitter)
  }

  /// The SA that carries the tunnel.
  public var current: IKESA? { currents.first }

  /// How it came up.
  var currentSetUp: PPKRenewal.SetUp? { current.flatMap { setUps[$0.uniqueID] } }

  public var nextTimeout: Instant? {
    let attemptTime: Instant? =
      switch attempt {
      case .none: nil
      case .attempting(let until), .pausing(let until): until
      }
    let renewalTime = currents.count == 1 ? renewal.nextTimeout : nil
    return [attemptTime, oldUntil, duplicateUntil, renewalTime].compactMap { $0 }.min()
  }

  /// How its PPKs are renewed; nil without dynamic ones.
  public var renewalReport: PPKRenewal.Report? {
    var report = renewal.report
    if report?.since != nil { report?.ppkID = currentSetUp?.ppkID }
    return report
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

  /// How long the PPKs of the tunnel are used; nil where no dynamic one is.
  public mutating func configure(_ lifetime: PPKLifetime?, isRequired: Bool) {
    renewal.configure(lifetime, isRequired: isRequired, initiates: wanted.contains(where: \.initiates))
  }

  /// All SAs of the tunnel's connections, as `list-sas` tells them.
  ///
  /// - Parameters:
  ///   - isComplete: false when an SA may be missing that is there, since charon leaves those out that are busy: what is
  ///     known stays then, for events tell when it ends.
  ///   - note: what an earlier agent knew of how the tunnel was set up: charon tells the last rekey only.
  public mutating func resynchronize(
    _ all: [IKESA], isComplete: Bool = true, note: SetUpNote? = nil, now: Instant
  ) -> [Effect] {
    // A listing may be older than an event that was taken before it.
    let listed = Dictionary(all.filter { !ended.contains($0.uniqueID) }.map { ($0.uniqueID, $0) }) { $1 }
    let gone = setUps.filter { listed[$0.key] == nil }
    sessions = isComplete ? listed : sessions.merging(listed) { $1 }
    for id in gone.keys where sessions[id] == nil { setUps[id] = nil }
    let new = sessions.values.filter { setUps[$0.uniqueID] == nil }
    for sa in new {
      var setUp = PPKRenewal.SetUp(sa, since: now.advanced(by: .zero - (sa.established ?? .zero)))
      if isComplete, gone.count == 1, new.count == 1, let before = gone.values.first {
        // A rekey that was not seen.
        setUp = before
      } else if let note, sessions.count == 1, note.age >= now - setUp.since {
        setUp.since = now.advanced(by: .zero - note.age)
        setUp.isOurs = note.isOurs
        setUp.isNoted = true
      }
      setUps[sa.uniqueID] = setUp
    }
    return settle(now: now, downReason: "the SA has gone")
  }

  /// Something happened to an SA of the tunnel's connections.
  public mutating func take(_ event: CharonEvent, now: Instant) -> [Effect] {
    switch event {
    case .sessionUp(var sa):
      sa.children = sessions[sa.uniqueID]?.children ?? []
      sessions[sa.uniqueID] = sa
      begin(sa, now: now)
    case .sessionDown(let sa): forget(sa.uniqueID)
    case .childUp(let sa):
      var merged = sa
      let others = sessions[sa.uniqueID]?.children ?? []
      merged.children += others.filter { other in !sa.children.contains { $0.uniqueID == other.uniqueID } }
      sessions[sa.uniqueID] = merged
      begin(sa, now: now)
    case .childDown(let sa):
      sessions[sa.uniqueID]?.children.removeAll { gone in sa.children.contains { $0.uniqueID == gone.uniqueID } }
    case .rekeyed(let old, var new):
      new.children = sessions[old.uniqueID]?.children ?? []
      setUps[new.uniqueID] = setUps[old.uniqueID] ?? PPKRenewal.SetUp(new, since: now)
      sessions[new.uniqueID] = new
      forget(old.uniqueID)
    case .childRekeyed(let session, let old, let new):
      sessions[session.uniqueID]?.children.removeAll { $0.uniqueID == old.uniqueID || $0.uniqueID == new.uniqueID }
      sessions[session.uniqueID]?.children.append(new)
    case .log(let line):
      let report = NegotiationReport(line.message)
      if case .ppkUsed(let id) = report, let number = line.uniqueID { note(ppkID: id, of: number) }
      guard let reason = report?.failureReason else { return [] }
      if renewal.isUnderWay, current != nil, let id = line.uniqueID, sessions[id] == nil {
        renewal.take(failure: reason, now: now)
        return []
      }
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

  /// There is no fresh PPK, or charon would not begin with it.
  public mutating func renewingFailed(_ reason: String, now: Instant) -> [Effect] {
    let failed = renewal.fail(reason, now: now)
    return renewalEffects(failed)
  }

  /// charon has gone, and all SAs with it. It is configured anew when it is back.
  public mutating func charonLost(now: Instant) -> [Effect] {
    sessions = [:]
    setUps = [:]
    earlyPPKIDs = [:]
    ended = []
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
    var downReason = "the SA of an earlier configuration has had its time"
    // Of two, the one that stays is not settled.
    if currents.count == 1 {
      let due = renewal.timeout(now: now)
      effects += renewalEffects(due)
      if due.contains(where: { if case .exhausted(_, true) = $0 { true } else { false } }) {
        effects += drop(currents.map(\.uniqueID))
        downReason = "its PPK has reached its maximum age"
      }
    }
    return effects + settle(now: now, downReason: downReason)
  }

  private func renewalEffects(_ effects: [PPKRenewal.Effect]) -> [Effect] {
    effects.compactMap { effect in
      switch effect {
      case .renew: wanted.first(where: \.initiates).map { .renew($0) }
      case .failed(let reason): .renewalFailed(reason: reason, count: renewal.failuresInARow)
      case .aged(let age): .ppkAged(age, isExhausted: false)
      case .exhausted(let age, _): .ppkAged(age, isExhausted: true)
      }
    }
  }

  // MARK: Rules

  /// The current SAs, the one to keep first.
  private var currents: [IKESA] {
    let all = sessions.values.filter { isCurrent($0) }
    guard let newest = all.compactMap({ setUps[$0.uniqueID]?.since }).max() else { return [] }
    let oldest = newest.advanced(by: .zero - limits.nearlyTogether)
    func rank(_ sa: IKESA) -> (Bool, String, UInt32) {
      let setUp = setUps[sa.uniqueID]
      // A rekey at one end, before the other hears of it, must not change what they agree on.
      return (setUp.map { $0.since <= oldest } ?? true, setUp?.spi ?? sa.initiatorSPI, sa.uniqueID)
    }
    return all.sorted { left, right in
      let (left, right) = (rank(left), rank(right))
      return left.0 == right.0 ? (left.1, left.2) < (right.1, right.2) : right.0
    }
  }

  private mutating func begin(_ sa: IKESA, now: Instant) {
    guard setUps[sa.uniqueID] == nil else { return }
    var setUp = PPKRenewal.SetUp(sa, since: now)
    setUp.ppkID = earlyPPKIDs.removeValue(forKey: sa.uniqueID)
    setUps[sa.uniqueID] = setUp
  }

  private mutating func note(ppkID id: String, of number: UInt32) {
    guard setUps[number] == nil else {
      setUps[number]?.ppkID = id
      return
    }
    // Of negotiations that failed nothing more is heard.
    if earlyPPKIDs.count >= 16 { earlyPPKIDs = [:] }
    earlyPPKIDs[number] = id
  }

  private mutating func forget(_ id: UInt32) {
    sessions[id] = nil
    setUps[id] = nil
    ended.append(id)
    if ended.count > 16 { ended.removeFirst() }
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
      let isAlone = currents.count < 2
      duplicateUntil = isAlone ? nil : duplicateUntil ?? now.advanced(by: limits.duplicateLimit)
      if isAlone, let setUp = setUps[current.uniqueID],
        renewal.track(setUp, isProtected: current.usesPPK, now: now)
      {
        effects.append(.replaced(current))
      }
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
    if !isUp { renewal.end() }
    return effects
  }
}

extension PPKRenewal.SetUp {
  fileprivate init(_ sa: IKESA, since: PPKRenewal.Instant) {
    self.init(id: sa.uniqueID, spi: sa.initiatorSPI, since: since, isOurs: sa.role == .initiator)
  }
}
