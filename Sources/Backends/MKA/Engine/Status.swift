// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How far a session is, as operators know it.
public enum SessionState: String, Sendable, Hashable {
  /// Nobody has been heard.
  case initial = "Init"
  /// Somebody is heard who does not hear us yet.
  case pending = "Pending"
  /// A live peer, and no SAK in use.
  case active = "Active"
  case secured = "Secured"
}

/// A port's session: everything that an operator may want to see. Holds no key.
public struct KaYStatus: Sendable {
  public struct Key: Sendable, Hashable {
    public var identifier: SAKIdentifier
    public var associationNumber: AssociationNumber
    public var receives: Bool
    public var transmits: Bool
    public var cipherSuite: CipherSuite
    public var confidentialityOffset: ConfidentialityOffset
    /// Our own short channel identifier; nil without extended packet numbers.
    public var ssci: UInt32?
    /// The CAK that it came under.
    public var ckn: CKN
    /// As last told by the SecY; nil when it has not told any.
    public var nextPN: UInt64?
  }

  public var sci: SCI
  public var policy: Policy
  public var state: SessionState
  public var portStatus: PortStatus
  public var latest: Key?
  public var old: Key?
  /// How long the key server still waits for peers to receive with the latest SAK.
  public var transmitWait: Duration?
  /// How long the old SAK is still kept.
  public var retireWait: Duration?
  public var timeToRekey: Duration?
  public var timeToExitSuspension: Duration?
  /// When the port became protected.
  public var securedSince: Moment?
  /// When the SAK in use came into use.
  public var keyInUseSince: Moment?
  /// The CAK whose participant leads.
  public var principal: CKN?
  public var participants: [ParticipantStatus]
  public var counters: PortCounters
  /// PPK mode: why there is no key of the key service, if there is none.
  public var ppkReason: String?
  /// PPK mode: whether the SAK in use holds a key of the key service.
  public var isPPKInUse: Bool
  /// PPK mode: the port is blocked because its key ran out.
  public var isStalled: Bool
  /// PPK mode: when and why a SAK was last made of the CAK alone.
  public var ppkFallback: PPKFallback?
}

/// A step back from PPK mode, as the policy allowed it.
public struct PPKFallback: Sendable, Hashable {
  public var count: UInt64
  public var reason: String
  public var time: Moment
}

/// One CAK of a port.
public struct ParticipantStatus: Sendable {
  /// What the CAK is to the port, with the words of the model.
  public enum Role: String, Sendable, Hashable {
    case primary
    case next
    case fallback
    case oldPrimary = "old-primary"
    case oldFallback = "old-fallback"
  }

  /// Whether a station's CAK is ours.
  public struct PeerKey: Sendable, Hashable {
    public var sci: SCI
    public var memberIdentifier: MemberIdentifier
    public var matches: Bool
    public var checked: Moment
  }

  public var ckn: CKN
  public var keyChain: String
  public var role: Role
  /// AES-128-CMAC or AES-256-CMAC.
  public var algorithm: String
  /// When the key's lifetime ends, since 1970; nil for never.
  public var end: Duration?
  public var memberIdentifier: MemberIdentifier
  public var messageNumber: UInt32
  public var isKeyServer: Bool
  public var isPrincipal: Bool
  public var state: SessionState
  public var livePeers: [PeerStatus]
  public var potentialPeers: [PeerStatus]
  /// Live peers that receive with the latest SAK.
  public var respondedCount: Int
  public var peerKeys: [PeerKey]
  public var lastSent: Moment?
  public var counters: ParticipantCounters
}

/// A member of a CA.
public struct PeerStatus: Sendable, Hashable {
  public var memberIdentifier: MemberIdentifier
  public var messageNumber: UInt32
  public var sci: SCI
  public var ssci: UInt32?
  public var keyServerPriority: UInt8
  public var version: UInt8
  public var lastHeard: Moment
  /// It has asked for suspension.
  public var isSuspended: Bool
  /// The suites that it announced; nil when it announced none.
  public var cipherSuites: [CipherSuiteAnnouncement]?
}

extension KaY {
  /// The session as it is now.
  public func status(now: Moment) -> KaYStatus {
    let participants = self.participants.map { status(of: $0) }
    func remaining(_ time: Duration?) -> Duration? { time.map { max(.zero, $0 - now.uptime) } }
    return KaYStatus(
      sci: configuration.sci, policy: policy, state: sessionState, portStatus: portStatus,
      latest: status(of: controlledPort.latest), old: status(of: controlledPort.old),
      transmitWait: controlledPort.state == .receiving ? remaining(controlledPort.transmitWhen) : nil,
      retireWait: controlledPort.state == .transmitting ? remaining(controlledPort.retireWhen) : nil,
      timeToRekey: remaining(rekeyTime), timeToExitSuspension: remaining(suspendedUntil),
      securedSince: securedSince, keyInUseSince: inUseSince, principal: principal, participants: participants,
      counters: counters, ppkReason: ppk.reason,
      isPPKInUse: isPPKInUse, isStalled: keyAge.isStalled || isKeptShut, ppkFallback: ppk.lastFallback)
  }

  private var sessionState: SessionState {
    if inUse != nil { return .secured }
    return participants.map { state(of: $0) }.max { Self.progress($0) < Self.progress($1) } ?? .initial
  }

  private static func progress(_ state: SessionState) -> Int {
    switch state {
    case .initial: 0
    case .pending: 1
    case .active: 2
    case .secured: 3
    }
  }

  private func state(of participant: Participant) -> SessionState {
    if inUse?.ckn == participant.ckn { return .secured }
    if participant.peers.hasLive { return .active }
    return participant.peers.hasPotential ? .pending : .initial
  }

  private func status(of held: ControlledPort.Held?) -> KaYStatus.Key? {
    held.map {
      KaYStatus.Key(
        identifier: $0.identifier, associationNumber: $0.sak.associationNumber, receives: $0.receives,
        transmits: $0.transmits, cipherSuite: $0.sak.cipherSuite,
        confidentialityOffset: $0.sak.confidentialityOffset, ssci: $0.sak.ssci[configuration.sci], ckn: $0.ckn,
        nextPN: packetNumbers[$0.identifier]?.latest)
    }
  }

  private func status(of participant: Participant) -> ParticipantStatus {
    let latest = controlledPort.latest
    let live = participant.peers.live
    let role: ParticipantStatus.Role =
      switch participant.role {
      case .primary: .primary
      case .next: .next
      case .fallback: .fallback
      case .oldPrimary: .oldPrimary
      case .oldFallback: .oldFallback
      }
    return ParticipantStatus(
      ckn: participant.ckn, keyChain: participant.keyChain, role: role, algorithm: participant.key.cak.algorithm,
      end: participant.key.end, memberIdentifier: participant.memberIdentifier,
      messageNumber: participant.messageNumber, isKeyServer: participant.election == .own,
      isPrincipal: participant.ckn == principal, state: state(of: participant),
      livePeers: live.map { status(of: $0) }, potentialPeers: participant.peers.potential.map { status(of: $0) },
      respondedCount: latest.map { key in live.count { $0.receives(key.identifier) } } ?? 0,
      peerKeys: participant.icvStatus.sorted { $0.key < $1.key }.map {
        ParticipantStatus.PeerKey(
          sci: $0.key, memberIdentifier: $0.value.memberIdentifier, matches: $0.value.matches,
          checked: $0.value.checked)
      },
      lastSent: participant.lastSent, counters: participant.counters)
  }

  private func status(of peer: Peer) -> PeerStatus {
    PeerStatus(
      memberIdentifier: peer.memberIdentifier, messageNumber: peer.messageNumber, sci: peer.sci,
      ssci: controlledPort.latest?.sak.ssci[peer.sci], keyServerPriority: peer.priority, version: peer.version,
      lastHeard: peer.lastHeard, isSuspended: peer.requestedSuspension > 0, cipherSuites: peer.announcedSuites)
  }
}
