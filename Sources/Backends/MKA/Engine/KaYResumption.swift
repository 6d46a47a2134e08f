// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What a KaY needs to go on as the same members after its process ended without a word, while the SecY went on.
///
/// Peers take a new member identifier for a new member, so going on as the old one is what keeps frames flowing. It holds
/// the SAKs: it is to be kept sealed. Times are on the clock of ``Moment/uptime``, which has to go on over the restart.
public struct KaYResumption: Sendable {
  /// By how much message numbers are reserved at a time.
  public static let messageNumberStep: UInt32 = 1_024

  struct Member: Sendable {
    var ckn: CKN
    /// Tells whether the CAK is still the same.
    var check: [UInt8]
    var memberIdentifier: MemberIdentifier
    /// No number up to this one is sent again.
    var messageNumber: UInt32
    var keyNumber: UInt32
    var takenKeys: [SAKIdentifier]
    var peers: [LivePeer]
    /// All live peers have the SAK that we handed out as key server.
    var isDistributionComplete: Bool
  }

  struct LivePeer: Sendable {
    var memberIdentifier: MemberIdentifier
    var sci: SCI
    var messageNumber: UInt32
    var priority: UInt8
    var claimsKeyServer: Bool
    var desiresMACsec: Bool
    var capability: MACsecCapability
    var version: UInt8
    var ppkSystem: String?
  }

  public var sci: SCI
  /// When it was taken.
  public var time: Moment
  var members: [Member]
  var principal: CKN
  var port: ControlledPort.Resumption
  var secY: SecYModel
  var inUse: (identifier: SAKIdentifier, ckn: CKN)
  var inUseSince: Moment
  var securedSince: Moment
  var ppkKeys: [SAKIdentifier]
  var keyAge: KeyAgeState

  /// How long ago it was taken, which is when this port was heard last.
  public func age(now: Moment) -> Duration { now.uptime - time.uptime }

  /// Whether it was taken within the life time before `now`, so that peers still know the members.
  public func isCurrent(now: Moment, timers: Timers = Timers()) -> Bool {
    time.uptime <= now.uptime && now.uptime < time.uptime + timers.life
  }
}

extension KaY {
  /// What is worth keeping; nil when the port is not secured, so that nothing is lost by beginning anew.
  public func resumption(now: Moment) -> KaYResumption? {
    guard let inUse, let inUseSince, let securedSince, let principal, let port = controlledPort.resumption else {
      return nil
    }
    var members: [KaYResumption.Member] = []
    for participant in participants {
      guard let check = try? participant.ick.check() else { return nil }
      members.append(
        KaYResumption.Member(
          ckn: participant.ckn, check: check, memberIdentifier: participant.memberIdentifier,
          messageNumber: participant.reservedMessageNumber, keyNumber: participant.keyNumber,
          takenKeys: participant.takenKeys,
          peers: participant.peers.live.map {
            KaYResumption.LivePeer(
              memberIdentifier: $0.memberIdentifier, sci: $0.sci, messageNumber: $0.messageNumber,
              priority: $0.priority, claimsKeyServer: $0.claimsKeyServer, desiresMACsec: $0.desiresMACsec,
              capability: $0.capability, version: $0.version, ppkSystem: $0.ppk?.system)
          }, isDistributionComplete: participant.distribution != nil && participant.isDistributionComplete))
    }
    return KaYResumption(
      sci: configuration.sci, time: now, members: members, principal: principal, port: port, secY: secY,
      inUse: inUse, inUseSince: inUseSince, securedSince: securedSince, ppkKeys: ppk.madeKeys, keyAge: keyAge)
  }

  /// Goes on where another KaY of this port ended. To be called on a new KaY, with what the SecY holds now.
  ///
  /// Returns false, and changes nothing, when that is not possible: too late, another SCI, keys that are gone, or a SecY
  /// that has lost an association with which frames may have been sent, so that packet numbers would repeat. What the SecY
  /// holds is then to be removed.
  public mutating func resume(
    _ resumption: KaYResumption, secYHolds: SecYState, primary: KeyChain?, fallback: KeyChain?, now: Moment
  ) -> Bool {
    guard resumption.isCurrent(now: now, timers: timers), resumption.sci == configuration.sci, participants.isEmpty,
      let secY = resumption.secY.reconciled(with: secYHolds)
    else { return false }
    var resumed: [Participant] = []
    for member in resumption.members {
      let isFallback = fallback?.keys.contains { $0.ckn == member.ckn } ?? false
      guard let chain = isFallback ? fallback : primary, let key = chain.keys.first(where: { $0.ckn == member.ckn }),
        let participant = try? Participant(
          resuming: member, key: key, keyChain: chain.name, role: isFallback ? .oldFallback : .oldPrimary, now: now,
          life: timers.life, random: &random)
      else { continue }
      resumed.append(participant)
    }
    guard let leader = resumed.firstIndex(where: { $0.ckn == resumption.principal }),
      resumed.contains(where: { $0.ckn == resumption.inUse.ckn })
    else { return false }
    participants = resumed
    primaryChain = primary
    fallbackChain = fallback
    principal = resumption.principal
    controlledPort = ControlledPort(resuming: resumption.port, timers: timers)
    self.secY = secY
    inUse = resumption.inUse
    inUseSince = resumption.inUseSince
    securedSince = resumption.securedSince
    keyAge = resumption.keyAge
    for key in resumption.ppkKeys { ppk.noteMade(key) }
    for index in participants.indices {
      _ = participants[index].elect(sci: configuration.sci, priority: policy.keyServerPriority)
    }
    restoreDistribution(leader, of: resumption)
    if let latest = controlledPort.latest?.sak,
      latest.cipherSuite != policy.cipherSuite || latest.confidentialityOffset != policy.confidentialityOffset
    {
      rekeyWanted = true
    }
    settle(now)
    return true
  }

  /// As key server, what all have is not handed out again. What not all had is: by making another SAK.
  private mutating func restoreDistribution(_ index: Int, of resumption: KaYResumption) {
    guard case .own = participants[index].election, let latest = controlledPort.latest,
      resumption.members.first(where: { $0.ckn == participants[index].ckn })?.isDistributionComplete == true
    else { return }
    participants[index].resumeDistribution(of: latest.sak, made: resumption.inUseSince.uptime)
  }
}

extension SecYModel {
  /// The model with what the SecY really holds. What was about to be added and is not there is added again. Nil when
  /// an association is gone with which frames may have been sent, or one is there that nobody knows.
  func reconciled(with content: SecYState) -> SecYModel? {
    var result = self
    let installed = Dictionary(content.transmit.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    for (number, key) in transmit where installed[number]?.key != key {
      guard enabled != key, installed[number] == nil else { return nil }
      result.transmit[number] = nil
    }
    guard installed.keys.allSatisfy({ transmit[$0] != nil }) else { return nil }
    if let enabled, !content.transmit.contains(where: { $0.isInUse && $0.key == enabled }) { result.enabled = nil }
    var receiving: [Slot: SAKIdentifier?] = [:]
    for (sci, associations) in content.receive {
      for association in associations {
        receiving[Slot(sci: sci, associationNumber: association.number)] = .some(association.key)
      }
    }
    guard receiving.allSatisfy({ slot, key in key != nil && receive[slot] == key }) else { return nil }
    for slot in receive.keys where receiving[slot] == nil {
      result.receive[slot] = nil
      result.lowestPN[slot] = nil
    }
    result.channels = Set(content.receive.keys)
    // These are told again: they may not have come to it.
    result.status = nil
    if content.configuration != configuration { result.configuration = nil }
    return result
  }
}

extension KaY {
  /// Changes whenever what ``resumption(now:)`` holds does, but for the last words of peers. When it has changed, the
  /// resumption is to be kept durably before the effects are carried out.
  public var resumptionMark: Int {
    var hasher = Hasher()
    guard inUse != nil else { return 0 }
    for participant in participants {
      hasher.combine(participant.ckn)
      hasher.combine(participant.memberIdentifier)
      hasher.combine(participant.reservedMessageNumber)
      hasher.combine(participant.keyNumber)
      hasher.combine(participant.takenKeys)
      for peer in participant.peers.peers where peer.isLive { hasher.combine(peer.memberIdentifier) }
      hasher.combine(participant.isDistributionComplete)
    }
    hasher.combine(principal)
    hasher.combine(controlledPort.state)
    hasher.combine(controlledPort.latest?.identifier)
    hasher.combine(controlledPort.old?.identifier)
    hasher.combine(secY.channels)
    hasher.combine(secY.receive)
    hasher.combine(secY.transmit)
    hasher.combine(secY.enabled)
    return hasher.finalize()
  }
}
