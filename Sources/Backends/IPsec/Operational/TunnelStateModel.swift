// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models

typealias TunnelStateModel = AgentdIPsecOper.IPsecState.Tunnel
typealias CharonStateModel = AgentdIPsecOper.IPsecState.Charon

/// What has happened to a tunnel since the agent began, by the keeper's notices.
struct TunnelHistory: Sendable, Equatable {
  var upSince: Event.Time?
  var timesUp: UInt32 = 0
  var lastFailure: String?
  var lastFailureTime: Event.Time?
  var failures = FailureCounts()

  mutating func cameUp(_ sa: IKESA, at time: Event.Time) {
    // One that was up before this agent was: since its IKE SA was made or last rekeyed.
    let age = sa.established?.components.seconds ?? 0
    upSince = Event.Time(seconds: time.seconds - age, nanoseconds: time.nanoseconds)
    timesUp &+= 1
  }

  mutating func wentDown(_ reason: String, at time: Event.Time) {
    upSince = nil
    failed(reason, at: time)
  }

  mutating func failed(_ reason: String, at time: Event.Time) {
    lastFailure = reason
    lastFailureTime = time
  }
}

extension TunnelStateModel {
  /// - Parameters:
  ///   - keeper: what the keeper of tunnels says; nil when it does not know the tunnel.
  ///   - clock: turns the directory's instants into times of day.
  init(
    _ name: String, _ facts: ConfiguredFacts, session: SessionState?, keeper: TunnelKeeper.State?,
    history: TunnelHistory?, owner: SADirectory.Owner?, traffic: TrafficCount?, link: TunnelLink?, clock: TimeOfDay
  ) {
    let tunnel = facts.tunnels[name]
    let isUp = session?.status == "UP-ACTIVE"
    let sa = session?.sas.last { $0.isUsable && $0.children.contains(where: \.isInstalled) }
    self.init(name: name, status: Self.status(tunnel, session, isUp: isUp))
    if !isUp { reason = keeper?.reason ?? tunnel?.reasonDown ?? history?.lastFailure ?? Self.waiting(tunnel) }
    failures = keeper.map { UInt32(clamping: $0.failureCount) }
    lastFailure = history?.lastFailure ?? (isUp ? nil : keeper?.reason)
    lastFailureTime = history?.lastFailureTime?.dateAndTime
    timesUp = history?.timesUp
    sessionID = session?.number
    if isUp {
      upSince = history?.upSince?.dateAndTime
      switch sa.flatMap({ facts.quantumResistance($0) }) {
      case .manual: quantumResistance = .manualPPK
      case .dynamic: quantumResistance = .dynamicPPK
      case .disabled: quantumResistance = .disabled
      case nil: break
      }
    }
    self.link = link?.name
    localAddress = tunnel?.source
    remoteAddress = tunnel?.destination
    role = tunnel?.initiates.map { $0 ? .initiatorOrResponder : .responderOnly }
    if let owner, let traffic {
      self.traffic = Traffic(
        inPackets: traffic.inPackets, inOctets: traffic.inBytes, outPackets: traffic.outPackets,
        outOctets: traffic.outBytes, countedSince: clock.dateAndTime(owner.since))
    }
    if let renewal = keeper?.renewal { ppkRenewal = PPKRenewalModel(renewal, clock: clock) }
    let counts = history?.failures ?? FailureCounts()
    events = Events(
      ikeRekeys: owner?.ikeRekeys ?? 0, childRekeys: owner?.childRekeys ?? 0, ppkFallbacks: counts.ppkFallbacks,
      ppkFetchFailures: counts.ppkFetchFailures, authenticationFailures: counts.authenticationFailures)
  }

  private static func status(_ tunnel: ConfiguredFacts.Tunnel?, _ session: SessionState?, isUp: Bool) -> Status {
    if isUp { return .up }
    if tunnel?.isShutdown == true { return .shutdown }
    return session == nil ? .down : .negotiating
  }

  private static func waiting(_ tunnel: ConfiguredFacts.Tunnel?) -> String? {
    tunnel?.initiates == false ? "it waits for the far end" : nil
  }
}

typealias PPKRenewalModel = TunnelStateModel.PPKRenewal

extension PPKRenewalModel {
  fileprivate init(_ renewal: PPKRenewalReport, clock: TimeOfDay) {
    func seconds(_ duration: Duration) -> UInt32 { UInt32(clamping: max(duration.components.seconds, 0)) }
    self.init(
      refreshInterval: seconds(renewal.lifetime.refreshInterval ?? .zero),
      maximumAge: renewal.lifetime.maximumAge.map(seconds),
      ppkAge: renewal.since.map { seconds($0.duration(to: clock.instant)) },
      ppkID: renewal.ppkID, isExhausted: renewal.since == nil ? nil : renewal.isExhausted,
      renewals: UInt32(clamping: renewal.renewals),
      lastRenewal: renewal.lastRenewal.map(clock.dateAndTime), nextRenewal: renewal.next.map(clock.dateAndTime),
      failures: UInt32(clamping: renewal.failures), lastFailure: renewal.lastFailure,
      bufferLevel: renewal.bufferLevel.map { UInt8(clamping: $0) })
  }
}

extension CharonStateModel {
  /// What is known of the daemon that does not change with each read.
  struct Daemon: Sendable {
    var status = CharonSupervisor.Status.stopped
    var version: VICIVersion?
    /// Nil for a charon that somebody else keeps.
    var restarts: Int?
    var runsOldSettings: Bool?
    var dataPlane: CharonSettings.DataPlane?
    var runningSince: Event.Time?
    var lastAnswer: Event.Time?
    var lastError: String?
  }

  /// The plugin of ours by which charon asks for PPKs.
  static let ppkPlugin = "agentd-ppk"

  init(_ daemon: Daemon, _ statistics: CharonStatistics?, _ counters: CharonCounters?) {
    self.init()
    switch daemon.status {
    case .stopped: status = .stopped
    case .starting: status = .starting
    case .running(let process, let isAdopted):
      (status, processID, self.isAdopted) = (.running, UInt32(clamping: process), isAdopted)
    case .silent(let process): (status, processID) = (.silent, UInt32(clamping: process))
    case .down(let reason, _): (status, self.reason) = (.down, reason)
    }
    restarts = daemon.restarts.map { UInt32(clamping: $0) }
    lastAnswer = daemon.lastAnswer?.dateAndTime
    if status != .stopped { lastError = daemon.lastError }
    guard status == .running || status == .silent else { return }
    hasOldSettings = daemon.runsOldSettings
    self.daemon = daemon.version?.daemon
    version = daemon.version?.version
    runningSince = daemon.runningSince?.dateAndTime
    if let plane = daemon.dataPlane { dataPlane = plane == .kernel ? .kernel : .userspace }
    if let statistics, !statistics.plugins.isEmpty {
      plugin = statistics.plugins
      // Of a charon that somebody else has started, its plugins tell.
      dataPlane = dataPlane ?? (statistics.plugins.contains("kernel-libipsec") ? .userspace : .kernel)
      ppkLookUp = statistics.plugins.contains(Self.ppkPlugin) ? .onDemand : .atNextAttempt
    }
    ikeSas = statistics?.ikeSAs
    halfOpenIKESas = statistics?.halfOpen
    invalidMessages = counters?.invalid
    invalidSPIMessages = counters?.invalidSPI
    ikeRekeysBegun = counters?.ikeRekeysBegun
    ikeRekeysAnswered = counters?.ikeRekeysAnswered
    childRekeys = counters?.childRekeys
  }
}

/// Turns instants of the continuous clock into times of day.
struct TimeOfDay: Sendable {
  let instant: ContinuousClock.Instant
  let time: Event.Time

  static var now: TimeOfDay { TimeOfDay(instant: .now, time: .now) }

  func time(of other: ContinuousClock.Instant) -> Event.Time {
    let parts = instant.duration(to: other).components
    let nanoseconds = Int64(time.nanoseconds) + parts.attoseconds / 1_000_000_000
    let carry = Int64((Double(nanoseconds) / 1e9).rounded(.down))
    return Event.Time(
      seconds: time.seconds + parts.seconds + carry, nanoseconds: Int32(nanoseconds - carry * 1_000_000_000))
  }

  func dateAndTime(_ other: ContinuousClock.Instant) -> String { time(of: other).dateAndTime }
}
