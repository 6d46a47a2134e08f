// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Keys of a key service as CAKs of one port, without any input or output of its own.
///
/// One end, the *taker*, takes a key of its key service now and then and tells its identifier by LLDP; the other, the
/// *fetcher*, fetches the key of that identifier from its own and tells so. Each gives what it has to its ``KaY`` as a key
/// chain. A new key is *held back* at first: its participant looks for peers, while the key before it goes on. Once a live
/// peer is seen under the new key, which only who holds the key can bring about, it is released, and MKA rolls over to
/// it as to any other key of a chain, without loss. So LLDP is a hint and no more: what it says is checked by MKA.
///
/// **Inputs** are LLDP frames, answers of the key service and ``settle(_:now:)``, to be called after each input of the
/// KaY. **Outputs** are ``takeEffects()`` and ``nextTimeout(now:)``.
///
/// **States of a key.** Held back (obtained, not seen at a peer), released (a peer has it), in use (frames are protected
/// with a SAK that came under it), spent (superseded, refused, or too old: its identifier is never taken again).
///
/// **Assumptions.** The key service gives each identifier's key to the two systems that it is for, and to nobody else.
/// Nothing is assumed of who sends LLDP frames: they are bounded in number, size and effect, and what a forged one can
/// do is to waste a key or to delay a rollover.
public struct CAKExchange: Sendable {
  public enum Effect: Sendable {
    /// Send this LLDP frame.
    case send([UInt8])
    case event(Event)
    case key(KeyRequest)
  }

  /// A key as the CAK.
  struct Held: Sendable {
    let identifier: [UInt8]
    let ckn: CKN
    let cak: CAK
    /// The order in which keys came.
    let sequence: UInt32
    /// Taken by us; else fetched.
    let wasTaken: Bool
    let obtained: Moment
    var isHeldBack: Bool
    var inUseSince: Moment?
    /// The peer said by LLDP that it has it.
    var peerHolds = false
  }

  enum Purpose: Sendable {
    case take
    case fetch([UInt8], from: MACAddress)
  }

  struct Pending: Sendable {
    var transaction: UInt64
    var purpose: Purpose
    var deadline: Duration
  }

  /// An identifier that could not be had.
  struct Refused: Sendable {
    var identifier: [UInt8]
    var outcome: CAKAnnouncement.Outcome
    /// When to try again; nil for never.
    var retryAt: Duration?
  }

  /// The most keys at a time: in use, before it, and two that are coming.
  static let maximumKeyCount = 4
  /// How many identifiers of the past are known.
  static let maximumSpentCount = 64
  static let maximumRefusedCount = 16
  /// The least time between two requests for offered identifiers, so that forged offers do not drown the key service.
  static let fetchInterval = Duration.seconds(1)

  public private(set) var policy: CAKPolicy
  let address: MACAddress
  let portName: String
  /// The name of the key chain that the KaY is given.
  public let chainName: String

  var keys: [Held] = []
  var sequence: UInt32 = 0
  var spent: [[UInt8]] = []
  var refused: [Refused] = []
  var pending: Pending?
  var transaction: UInt64 = 0
  var failures = 0
  private var isExhaustionCounted = false
  var retryAt: Duration?
  /// Since when, and how often, nothing could even be tried.
  var idleUntil: Duration?
  var nextFetch = Duration.zero
  var reason: String?
  /// A new key is wanted before its time.
  var isRenewalWanted = false
  var age = KeyAgeState()
  var began: Duration?

  /// What the KaY said last.
  var inUse: CKN?
  var live: Set<CKN> = []
  var livePeers: Set<MACAddress> = []

  /// The pre-shared keys, for where the policy falls back.
  private(set) var fallback: KeyChain?
  private(set) var fallbackGeneration = 0
  var isFallenBack = false
  var lastFallback: PPKFallback?
  var given: Given?

  var station: LLDPStation
  public internal(set) var counters = Counters()
  var effects: [Effect] = []

  /// What the KaY has been given.
  struct Given: Sendable, Equatable {
    var keys: [CKN]
    var heldBack: [Bool]
    var fallbackGeneration: Int?
    var isKeptShut: Bool
  }

  public struct Counters: Sendable, Hashable {
    public var framesSent: UInt64 = 0
    public var framesReceived: UInt64 = 0
    /// LLDP frames, or elements of ours in them, that break their format.
    public var malformed: UInt64 = 0
    public var keysTaken: UInt64 = 0
    public var keysFetched: UInt64 = 0
    /// Keys that came into use.
    public var rollovers: UInt64 = 0
    /// Keys that were offered and refused by the peer.
    public var refused: UInt64 = 0
    /// Keys that were given up before they came into use.
    public var abandoned: UInt64 = 0
  }

  /// - Parameters:
  ///   - address: of the port, which LLDP frames come from.
  ///   - portName: by which LLDP tells the port.
  ///   - chainName: what operators see as the name of the key chain.
  public init(policy: CAKPolicy, address: MACAddress, portName: String, chainName: String) {
    self.policy = policy
    self.address = address
    self.portName = portName
    self.chainName = chainName
    station = LLDPStation()
  }

  // MARK: Inputs

  /// Changes the policy; keys stay. With another key service or length of keys a new one is taken at once.
  public mutating func setPolicy(_ policy: CAKPolicy, renewing: Bool = false) {
    if policy.keyLength != self.policy.keyLength || renewing { isRenewalWanted = true }
    if policy != self.policy { retryAt = nil }
    self.policy = policy
  }

  /// The pre-shared keys, which are used where the policy falls back, and not else.
  public mutating func setFallback(_ chain: KeyChain?) {
    fallback = chain
    fallbackGeneration += 1
  }

  /// The link went up or down. While it is down nothing is sent.
  public mutating func setLink(isUp: Bool) {
    guard isUp != station.isLinkUp else { return }
    station.isLinkUp = isUp
    if isUp { station.isChanged = true }
  }

  /// Takes a frame of LLDP. To be followed by ``settle(_:now:)``.
  public mutating func receive(_ frame: [UInt8], now: Moment) {
    let source: MACAddress
    let message: LLDPDU
    do throws(MKAError) { (source, message) = try LLDPFrame.decode(frame) } catch {
      counters.malformed &+= 1
      return
    }
    guard source != address else { return }
    counters.framesReceived &+= 1
    var elements: [CAKAnnouncement] = []
    for element in message.organizational {
      do throws(MKAError) { if let known = try CAKAnnouncement(element) { elements.append(known) } } catch {
        counters.malformed &+= 1
      }
    }
    station.note(source, timeToLive: message.timeToLive, elements, now: now.uptime)
    guard candidates.contains(where: { $0.address == source }) else { return }
    for case .answer(let answer) in elements { take(answer, now: now) }
  }

  /// Brings the keys of the KaY and what is asked and told into line with what both know. To be called after each input
  /// of either, before the effects of the KaY are carried out.
  public mutating func settle(_ kay: inout KaY, now: Moment) {
    if began == nil { began = now.uptime }
    if station.expire(now.uptime) { station.isChanged = true }
    expirePending(&kay, now: now)
    // Each change of the chains can change what the KaY knows of its peers.
    for _ in 0..<4 {
      observe(kay, now: now)
      enforceLifetime(now)
      guard give(&kay, now: now) else { break }
    }
    ask(&kay, now: now)
    if failures < policy.attempts { isExhaustionCounted = false }
    if failures >= policy.attempts, !isExhaustionCounted {
      isExhaustionCounted = true
      kay.counters.ppkFailures.retryFail &+= 1
    }
    if isFallbackDue { fallBack(reason ?? "there is no key of the key service", now: now) }
    _ = give(&kay, now: now)
    transmitIfDue(now)
  }

  /// The frame by which the station says goodbye.
  public func farewell() -> [UInt8]? { try? LLDPFrame.encode(message(timeToLive: 0, []), from: address) }

  // MARK: Outputs

  public mutating func takeEffects() -> [Effect] {
    defer { effects = [] }
    return effects
  }

  /// When ``settle(_:now:)`` is due; nil when never.
  public func nextTimeout(now: Moment) -> Duration? {
    var times: [Duration] = [pending?.deadline, retryAt, idleUntil, station.nextExpiry, station.nextTransmit(policy)]
      .compactMap { $0 }
    times += refused.compactMap(\.retryAt) + [nextFetch]
    if let began { times.append(began + policy.transmitInterval * 2) }
    times += lifetimeTimeouts
    for key in keys where key.inUseSince == nil { times.append(key.obtained.uptime + patience) }
    return times.filter { $0 > now.uptime }.min()
  }

  mutating func emit(_ kind: Event.Kind) { effects.append(.event(Event(kind, ckn: inUse))) }
}

extension CKN {
  /// The name of the CAK that is the key of this identifier: the 32 octets of its SHA-256.
  public init(keyIdentifier: [UInt8]) throws(MKAError) { try self.init(try SHA256.digest(of: keyIdentifier)) }
}
