// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How long a dynamic PPK is used: `key-lifetime` of a keyring peer.
public struct PPKLifetime: Sendable, Equatable {
  /// How often there is to be a fresh one while the session lives; nil for never.
  public var refreshInterval: Duration?
  /// How old one may grow; nil for no limit.
  public var maximumAge: Duration?
  /// The part of the maximum age at which there is an alarm, in percent.
  public var alarmThreshold = 80
  /// Keys that are held ready; 0 for none.
  public var bufferSize = 0
  /// How long one of them may wait.
  public var bufferMaximumAge = Duration.seconds(3600)
  /// With fewer than this there is an alarm.
  public var bufferAlarmBelow = 0

  /// The model's default.
  public static let defaultRefreshInterval = Duration.seconds(86_400)

  public init(refreshInterval: Duration? = defaultRefreshInterval, maximumAge: Duration? = nil) {
    self.refreshInterval = refreshInterval
    self.maximumAge = maximumAge
  }

  var alarmAge: Duration? { maximumAge.map { $0 * alarmThreshold / 100 } }
}

/// When a session that lives gets a fresh PPK, and what becomes of it while there is none. No sockets, no clocks.
///
/// A PPK enters a session when its IKE SA is set up, and rekeys inherit it (RFC 8784, section 3); so a fresh one takes a
/// new *set-up* beside the old one. The end that began the present set-up begins the next one. The other end, if it
/// begins sessions at all, does so only when that is late, by more than the two ends' clocks and jitters can differ:
/// after a restart neither may know that it was the one. Should both begin nevertheless, the rule for duplicates
/// (`TunnelSession`) keeps one set-up, and so one end to begin the next. A session without its PPK, where none is
/// required, tries for one in the same way, sooner. What fails is tried again later and later.
public struct PPKRenewal: Sendable {
  public typealias Instant = ContinuousClock.Instant

  /// One IKE_SA_INIT with what followed from it: its rekeys are the same set-up.
  struct SetUp: Sendable, Equatable {
    /// charon's number for its first IKE SA.
    let id: UInt32
    /// Its first initiator's SPI, on which both ends agree.
    let spi: String
    var since: Instant
    /// This end began it.
    var isOurs: Bool
    /// The ID of its PPK, as charon's log tells it.
    var ppkID: String?
    /// An earlier agent has noted it, and done what it had to.
    var isNoted = false
  }

  public struct Limits: Sendable {
    /// For the new set-up to carry packets.
    public var attemptLimit: Duration = .seconds(60)
    /// From a line of the log that tells of a failure to taking the attempt for failed.
    public var failureDelay: Duration = .milliseconds(500)
    public var firstPause: Duration = .seconds(30)
    public var longestPause: Duration = .seconds(900)
    /// How much later than its tenth of the interval the end begins that did not begin the present set-up.
    public var grace: Duration = .seconds(30)

    public init() {}
  }

  enum Effect: Equatable {
    /// Begin a set-up with a fresh PPK, which is required in it.
    case renew
    case failed(reason: String)
    /// The PPK in use is that old.
    case aged(Duration)
    /// The PPK in use is too old. The session ends, or lives on.
    case exhausted(Duration, ends: Bool)
  }

  /// What an operator sees of it.
  public struct Report: Sendable, Equatable {
    public var lifetime: PPKLifetime
    /// Since when the PPK in use has been so; nil when there is none.
    public var since: Instant?
    /// Nil also when charon told it to an earlier agent.
    public var ppkID: String?
    public var isExhausted = false
    public var renewals = 0
    public var lastRenewal: Instant?
    /// Nil when this end does not begin.
    public var next: Instant?
    public var failures = 0
    public var lastFailure: String?
    public var bufferLevel: Int?
  }

  private let limits: Limits
  /// 0..<1, for this tunnel: how much of a tenth of the interval it begins early.
  private let jitter: Double
  private var lifetime: PPKLifetime?
  private var isRequired = false
  private var initiates = false
  private var setUp: SetUp?
  private var isProtected = false
  private var attemptUntil: Instant?
  private var attemptReason: String?
  private var retryAt: Instant?
  private(set) var failuresInARow = 0
  private var hasAlarmed = false
  private var isExhausted = false
  private var renewals = 0
  private var failures = 0
  private var lastRenewal: Instant?
  private var lastFailure: String?

  init(limits: Limits = Limits(), jitter: Double = 0) {
    self.limits = limits
    self.jitter = min(max(jitter, 0), 1)
  }

  /// What is to be seen; nil without a dynamic PPK.
  var report: Report? {
    guard let lifetime else { return nil }
    return Report(
      lifetime: lifetime, since: isProtected ? setUp?.since : nil, isExhausted: isExhausted, renewals: renewals,
      lastRenewal: lastRenewal, next: attemptUntil == nil ? due : nil, failures: failures, lastFailure: lastFailure)
  }

  var isUnderWay: Bool { attemptUntil != nil }

  var nextTimeout: Instant? {
    guard setUp != nil, lifetime != nil else { return nil }
    return [attemptUntil ?? due, ageDue].compactMap { $0 }.min()
  }

  // MARK: Inputs

  /// - Parameters:
  ///   - lifetime: nil where no dynamic PPK is used.
  ///   - isRequired: whether there may be no session without one.
  ///   - initiates: whether this end begins sessions.
  mutating func configure(_ lifetime: PPKLifetime?, isRequired: Bool, initiates: Bool) {
    if lifetime != self.lifetime {
      retryAt = nil
      hasAlarmed = false
      isExhausted = false
    }
    self.lifetime = lifetime
    self.isRequired = isRequired
    self.initiates = initiates
    guard lifetime == nil || !initiates else { return }
    attemptUntil = nil
  }

  /// The set-up that carries the tunnel, alone.
  ///
  /// - Returns: true when it has taken the place of another while the tunnel was up.
  mutating func track(_ setUp: SetUp, isProtected: Bool, now: Instant) -> Bool {
    let before = self.setUp
    self.setUp = setUp
    self.isProtected = isProtected
    guard before?.id != setUp.id else { return false }
    attemptUntil = nil
    attemptReason = nil
    retryAt = nil
    failuresInARow = 0
    hasAlarmed = false
    isExhausted = false
    guard before != nil else { return false }
    if isProtected, lifetime != nil {
      renewals += 1
      lastRenewal = now
      lastFailure = nil
    }
    return true
  }

  /// The tunnel is down.
  mutating func end() {
    setUp = nil
    attemptUntil = nil
    attemptReason = nil
    retryAt = nil
    failuresInARow = 0
    hasAlarmed = false
    isExhausted = false
  }

  /// charon logs a failure of a negotiation, just before it gives up.
  mutating func take(failure reason: String, now: Instant) {
    guard let until = attemptUntil else { return }
    attemptReason = reason
    attemptUntil = min(until, now.advanced(by: limits.failureDelay))
  }

  /// There is no key, or charon would not begin.
  mutating func fail(_ reason: String, now: Instant) -> [Effect] {
    guard attemptUntil != nil else { return [] }
    attemptUntil = nil
    attemptReason = nil
    failures += 1
    lastFailure = reason
    let pause = min(limits.firstPause * (1 << min(failuresInARow, 16)), limits.longestPause)
    failuresInARow += 1
    // The end that did not begin the present set-up is not in step with the other after a failure either.
    retryAt = now.advanced(by: setUp?.isOurs == true ? pause : pause + limits.grace)
    return [.failed(reason: reason)]
  }

  mutating func timeout(now: Instant) -> [Effect] {
    guard setUp != nil, lifetime != nil else { return [] }
    var effects = age(now: now)
    if let until = attemptUntil {
      if now >= until { effects += fail(attemptReason ?? "no session within \(limits.attemptLimit)", now: now) }
    } else if let due, now >= due {
      attemptUntil = now.advanced(by: limits.attemptLimit)
      effects.append(.renew)
    }
    return effects
  }

  // MARK: Rules

  /// When this end begins the next set-up.
  private var due: Instant? {
    guard let lifetime, let setUp, initiates else { return nil }
    let regular: Duration
    if isProtected {
      guard let interval = lifetime.refreshInterval else { return nil }
      regular = setUp.isOurs ? interval - interval / 10 * jitter : interval + interval / 10 + limits.grace
    } else {
      regular = setUp.isOurs ? limits.firstPause : limits.firstPause + limits.grace
    }
    let due = setUp.since.advanced(by: regular)
    return retryAt.map { max($0, due) } ?? due
  }

  private var ageDue: Instant? {
    guard isProtected, !isExhausted, let setUp, let lifetime, let maximum = lifetime.maximumAge,
      let alarm = lifetime.alarmAge
    else { return nil }
    return setUp.since.advanced(by: hasAlarmed ? maximum : min(alarm, maximum))
  }

  private mutating func age(now: Instant) -> [Effect] {
    guard isProtected, let setUp, let maximum = lifetime?.maximumAge, let alarm = lifetime?.alarmAge else { return [] }
    let age = setUp.since.duration(to: now)
    var effects: [Effect] = []
    if age >= maximum, !isExhausted {
      hasAlarmed = true
      isExhausted = true
      effects.append(.exhausted(age, ends: isRequired))
    } else if age >= alarm, !hasAlarmed {
      hasAlarmed = true
      effects.append(.aged(age))
    }
    return effects
  }
}

public typealias PPKRenewalReport = PPKRenewal.Report
