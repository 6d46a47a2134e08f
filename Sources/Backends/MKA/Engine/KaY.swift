// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// The Key Agreement Entity of one port (IEEE 802.1X-2020 clause 9), without any input or output of its own.
///
/// **Inputs** are calls that carry the time: a frame, a timeout, a change of key chains or policy, packet numbers of
/// the SecY, an answer of the key service. **Outputs** are ``takeEffects()``, to be carried out in order after each
/// call, and ``nextTimeout``. Programming the SecY is taken to have succeeded when the next call comes, unless
/// ``secYFailed(_:reason:now:)`` says otherwise.
///
/// **States.** There is a participant per CAK: of the primary chain's latest active key and shortly before its time
/// of the next one, of the fallback chain's, and of keys just superseded. Each knows its peers and elects a key
/// server. One is the *principal*: its key server's SAK protects the port. A port that is key server chooses the
/// principal; the others follow the SAK that it distributes. The installed SAKs belong to the port, not to a
/// participant, so a change of principal is a change of SAK like any other: receive with the new one, transmit when
/// all do, retire the old one.
///
/// **Assumptions.** A peer that shows a member identifier and a growing message number under the ICV holds the CAK;
/// it is alive when it lists a number that we sent within the life time. All on the LAN hear each other. A SAK is
/// installed at most once, told by its key server's member identifier and a growing key number, so that no packet
/// number is ever used again with it.
public struct KaY: Sendable {
  public internal(set) var configuration: PortConfiguration
  public internal(set) var counters = PortCounters()
  var primaryChain: KeyChain?
  var fallbackChain: KeyChain?
  var participants: [Participant] = []
  /// The participant whose key server's SAK is in use or under way.
  var principal: CKN?
  /// Since when another participant has been better placed than the principal.
  var principalDoubt: Duration?
  var controlledPort: ControlledPort
  var secY = SecYModel()
  var packetNumbers: [SAKIdentifier: PacketNumberHistory] = [:]
  var random: any RandomSource
  var effects: [Effect] = []
  var isLinkUp = true
  /// A new SAK is wanted by the operator, or for packet numbers that run out.
  var rekeyWanted = false
  /// Nothing new is asked of the SecY before, and no SAK made: the last try failed here.
  var holdUntil: Duration?
  /// When the last SAK was made by us.
  var lastMade: Duration?
  /// The key that frames were last protected with, and under which CAK.
  var inUse: (identifier: SAKIdentifier, ckn: CKN)?
  var inUseSince: Moment?
  var securedSince: Moment?
  var suspendedUntil: Duration?
  /// What we ask for, in seconds.
  var suspensionRequest: UInt8 = 0
  var ppk = PPKState()
  var keyAge = KeyAgeState()
  /// CAK mode: nothing passes while the port is not secured.
  var isKeptShut = false

  public init(configuration: PortConfiguration, random: any RandomSource = SystemRandomSource()) {
    self.configuration = configuration
    self.random = random
    controlledPort = ControlledPort(timers: configuration.timers)
  }

  var policy: Policy { configuration.policy }
  var timers: Timers { configuration.timers }
  var helloTime: Duration { policy.delayProtection ? timers.boundedHello : timers.hello }

  // MARK: Inputs

  /// Gives the key chains; called again when they change. Keys that stay go on undisturbed.
  public mutating func setKeyChains(primary: KeyChain?, fallback: KeyChain?, now: Moment) {
    primaryChain = primary
    fallbackChain = fallback
    settle(now)
  }

  /// Changes the policy. A suite, offset or limit that differs comes into force with the next SAK, which is made at
  /// once.
  public mutating func setPolicy(_ policy: Policy, now: Moment) {
    guard policy != configuration.policy else { return }
    let previous = configuration.policy
    configuration.policy = policy
    if previous.cipherSuite != policy.cipherSuite || previous.confidentialityOffset != policy.confidentialityOffset {
      rekeyWanted = true
    }
    if !previous.keyDistribution.isSame(as: policy.keyDistribution) {
      rekeyWanted = true
      ppk = PPKState(after: ppk)
      // A port that stalls does so until it has a key, unless it is to have none any more.
      if ppkPolicy == nil { keyAge = KeyAgeState() }
    }
    for index in participants.indices { participants[index].newInformation = true }
    settle(now)
  }

  /// The link went up or down. While it is down nothing is sent.
  public mutating func setLink(isUp: Bool, now: Moment) {
    guard isUp != isLinkUp else { return }
    isLinkUp = isUp
    if isUp { for index in participants.indices { participants[index].newInformation = true } }
    settle(now)
  }

  /// Takes a frame from the uncontrolled port.
  public mutating func receive(_ frame: [UInt8], now: Moment) {
    guard isLinkUp else {
      counters.noRxOnInterfaceDown &+= 1
      return
    }
    process(frame, now: now)
    settle(now)
  }

  /// To be called at ``nextTimeout``, and harmless at any other time.
  public mutating func handleTimeout(now: Moment) { settle(now) }

  /// Tells the next packet number of the transmit association with this SAK: at least once a hello time.
  public mutating func update(nextPN: UInt64, of key: SAKIdentifier, now: Moment) {
    guard let held = held(key) else { return }
    packetNumbers[key, default: PacketNumberHistory()].add(nextPN, now: now.uptime)
    if nextPN >= held.sak.cipherSuite.packetNumberThreshold, key == controlledPort.latest?.identifier {
      rekeyWanted = true
      settle(now)
    }
  }

  /// Makes a new SAK if this port is the key server.
  public mutating func rekey(now: Moment) {
    rekeyWanted = true
    settle(now)
  }

  /// A frame could not be sent.
  public mutating func sendFailed() { counters.txFail &+= 1 }

  /// The SecY refused a command. The SAK is given up, which the key server learns from our SAK use; as key server
  /// this port tries again with another one after a life time.
  public mutating func secYFailed(_ command: SecYCommand, reason: String, now: Moment) {
    switch command {
    case .addReceiveChannel: counters.rxSCCreationFail &+= 1
    case .configure, .setPort: counters.txSCCreationFail &+= 1
    case .addReceiveAssociation: counters.rxSAInstallFail &+= 1
    case .addTransmitAssociation, .enableTransmit: counters.txSAInstallFail &+= 1
    case .removeReceiveChannel, .removeReceiveAssociation, .raiseLowestPN, .removeTransmitAssociation: return
    }
    emit(.failure("the SecY refused to be programmed: \(reason)"), ckn: principal)
    holdUntil = now.uptime + timers.life
    secY.forget(command)
    controlledPort.discardLatest()
    settle(now)
  }

  /// Asks the key server for time without MKPDUs, for a restart in service; 0 takes it back (9.18).
  public mutating func requestSuspension(seconds: UInt8, now: Moment) {
    guard policy.suspendsItself else { return }
    suspensionRequest = min(seconds, UInt8(clamping: timers.suspensionLimit.components.seconds))
    for index in participants.indices { participants[index].newInformation = true }
    settle(now)
  }

  /// Ends all: no participant, no SAK, the port as the security policy says.
  public mutating func shutDown(now: Moment) { setKeyChains(primary: nil, fallback: nil, now: now) }

  // MARK: Outputs

  /// Frames are protected now.
  public var isSecured: Bool { inUse != nil }

  /// This port, as key server, takes keys from the key service for its one peer.
  public var servesPPK: Bool {
    guard ppkPolicy != nil, let principal, let participant = participant(principal) else { return false }
    return participant.election == .own && participant.peers.liveCount == 1
  }

  /// The system that keys are shared with, by its name at the key service: as configured, else as the one live peer told.
  public var ppkRemoteSystem: String? {
    guard let ppkPolicy else { return nil }
    if let configured = ppkPolicy.remoteSystem { return configured }
    let told = principal.flatMap { participant($0) }?.peers.live.first?.ppk?.system
    return told?.isEmpty == false ? told : nil
  }

  /// How long an answer of the key service is waited for, and how long after a failure is waited.
  public var ppkTimeout: Duration { ppkPolicy?.timeout ?? .seconds(30) }
  public var ppkRetryInterval: Duration { ppkPolicy?.retryInterval ?? .seconds(10) }

  /// What is to be done, in this order, since the last call.
  public mutating func takeEffects() -> [Effect] {
    defer { effects = [] }
    return effects
  }

  /// When ``handleTimeout(now:)`` is due; nil when never.
  public func nextTimeout(now: Moment) -> Duration? {
    var times: [Duration] = participants.flatMap { participant in
      [dueTime(of: participant), participant.peers.nextExpiry].compactMap { $0 }
    }
    if let time = controlledPort.nextTimeout { times.append(time) }
    for chain in [primaryChain, fallbackChain] {
      guard let change = chain?.nextChange(after: now.wallClock, lead: timers.rolloverLead) else { continue }
      // No longer than half a minute: the wall clock may be set.
      times.append(now.uptime + min(change - now.wallClock, .seconds(30)))
    }
    if let time = rekeyTime { times.append(time) }
    for case let time? in [suspendedUntil, holdUntil] { times.append(time) }
    if let deadline = ppk.nextTimeout { times.append(deadline) }
    if let time = keyAgeTimeout { times.append(time) }
    // What was due by now has been looked at. What could not be done waits for the next hello or input.
    return times.filter { $0 > now.uptime }.min()
  }

  mutating func emit(_ kind: Event.Kind, ckn: CKN?) { effects.append(.event(Event(kind, ckn: ckn))) }

  // MARK: The cycle

  /// Brings everything to rest after an input.
  mutating func settle(_ now: Moment) {
    if let time = holdUntil, now.uptime >= time {
      holdUntil = nil
      // Once more, should it have been this that was refused.
      secY.status = nil
    }
    reconcileParticipants(now)
    expire(now)
    elect(now)
    choosePrincipal(now)
    updatePort(now)
    expirePPK(now)
    enforceKeyLifetime(now)
    makeSAKIfNeeded(now)
    updatePort(now)
    endSuspension(now)
    synchronizeSecY(now)
    noteUse(now)
    transmitDue(now)
  }

  private mutating func expire(_ now: Moment) {
    for index in participants.indices {
      let gone = participants[index].peers.expire(at: now.uptime)
      guard !gone.isEmpty else { continue }
      participants[index].newInformation = true
      for peer in gone where peer.isLive { emit(.peerLost(peer.sci), ckn: participants[index].ckn) }
    }
  }

  private mutating func elect(_ now: Moment) {
    for index in participants.indices
    where participants[index].elect(sci: configuration.sci, priority: policy.keyServerPriority) {
      participants[index].newInformation = true
    }
  }

  /// Sets the inputs of the CP state machine from what the principal knows, and lets it run.
  private mutating func updatePort(_ now: Moment) {
    let participant = principal.flatMap { self.participant($0) }
    if !participants.contains(where: { $0.peers.hasLive }) {
      controlledPort.connection = .pending
    } else if participant.map({ isPlain($0) }) ?? false {
      controlledPort.connection = .authenticated
    } else {
      controlledPort.connection = .secure
    }
    controlledPort.electedSelf = participant?.election == .own
    let latest = controlledPort.latest
    if let participant, let latest, latest.ckn == participant.ckn {
      let live = participant.peers.live
      controlledPort.allReceiving =
        !live.isEmpty && live.allSatisfy { !$0.desiresMACsec || $0.receives(latest.identifier) }
      controlledPort.serverTransmitting = participant.keyServer?.transmits(latest.identifier) ?? false
    } else {
      controlledPort.allReceiving = false
      controlledPort.serverTransmitting = false
    }
    controlledPort.step(now: now.uptime)
    if controlledPort.newInformation {
      controlledPort.newInformation = false
      for index in participants.indices where usesSAK(participants[index]) {
        participants[index].newInformation = true
      }
    }
  }

  /// Notices that frames are protected with another key than before, or no more.
  mutating func noteUse(_ now: Moment) {
    let key = controlledPort.latest.flatMap { $0.transmits ? $0 : controlledPort.old }
    guard let key, controlledPort.controlledPortEnabled, key.transmits else {
      if let inUse {
        let isAlone = !participants.contains { $0.peers.hasLive }
        emit(.sessionUnsecured(isAlone ? "no live peer" : "the SAK was given up"), ckn: inUse.ckn)
        self.inUse = nil
        inUseSince = nil
        securedSince = nil
      }
      return
    }
    guard key.identifier != inUse?.identifier else { return }
    let previous = inUse
    inUse = (key.identifier, key.ckn)
    inUseSince = now
    keyAge = KeyAgeState()
    if previous?.ckn != key.ckn {
      let isFallback = participant(key.ckn)?.role.isFallback ?? false
      emit(isFallback ? .sessionSecuredWithFallbackPSK : .sessionSecured, ckn: key.ckn)
      if previous == nil { securedSince = now }
    }
    if previous != nil {
      counters.sakRekeys &+= 1
      if let index = index(of: key.ckn) { participants[index].counters.sakRekeyed &+= 1 }
      emit(.sakRekey(key.identifier, key.sak.associationNumber), ckn: key.ckn)
    }
    if case .ppk = policy.keyDistribution, ppk.madeKeys.contains(key.identifier) { emit(.ppkInUse, ckn: key.ckn) }
  }

  // MARK: Access

  func index(of ckn: CKN) -> Int? { participants.firstIndex { $0.ckn == ckn } }

  func participant(_ ckn: CKN) -> Participant? { participants.first { $0.ckn == ckn } }

  func held(_ key: SAKIdentifier) -> ControlledPort.Held? {
    if let latest = controlledPort.latest, latest.identifier == key { return latest }
    if let old = controlledPort.old, old.identifier == key { return old }
    return nil
  }

  /// Whether a participant tells which SAKs are used: the principal, and who brought one of them.
  func usesSAK(_ participant: Participant) -> Bool {
    participant.ckn == principal || participant.ckn == controlledPort.latest?.ckn
      || participant.ckn == controlledPort.old?.ckn
  }

  /// The time at which the SAK in use is too old.
  var rekeyTime: Duration? {
    guard let interval = policy.sakRekeyInterval, let since = inUseSince,
      let principal, participant(principal)?.election == .own
    else { return nil }
    return max(since.uptime, lastMade ?? .zero) + interval
  }
}

/// Packet numbers of the last two seconds, from which the lowest acceptable one follows (IEEE 802.1X-2020 9.10.1).
struct PacketNumberHistory: Sendable {
  static let window = Duration.seconds(2)
  private var samples: [(time: Duration, nextPN: UInt64)] = []

  mutating func add(_ nextPN: UInt64, now: Duration) {
    samples.append((now, nextPN))
    // Of those before the window only the last is of use.
    while samples.count > 1, samples[1].time + Self.window <= now { samples.removeFirst() }
    if samples.count > 64 { samples.remove(at: 1) }
  }

  /// A number that all packets sent within the window have or exceed.
  func lowest(now: Duration) -> UInt64 {
    guard let first = samples.first, first.time + Self.window <= now else { return 1 }
    return max(1, first.nextPN)
  }

  var latest: UInt64? { samples.last?.nextPN }
}
