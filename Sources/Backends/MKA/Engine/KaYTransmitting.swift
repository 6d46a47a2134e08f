// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// MKPDUs: when they are due and what they say.
extension KaY {
  /// The least time between two MKPDUs of a participant. In a large CA each news is answered by all with news.
  private func gap(of participant: Participant) -> Duration {
    .milliseconds(20 + 10 * participant.peers.peers.count)
  }

  /// When a participant sends next.
  func dueTime(of participant: Participant) -> Duration {
    guard participant.newInformation else { return participant.nextHello }
    guard let last = participant.lastSent else { return participant.nextHello }
    return min(participant.nextHello, last.uptime + gap(of: participant))
  }

  mutating func transmitDue(_ now: Moment) {
    for index in participants.indices where dueTime(of: participants[index]) <= now.uptime {
      participants[index].nextHello = now.uptime + helloTime
      guard isLinkUp else {
        counters.noTxOnInterfaceDown &+= 1
        continue
      }
      transmit(index, now: now)
    }
  }

  private mutating func transmit(_ index: Int, now: Moment) {
    do throws(MKAError) {
      participants[index].newInformation = false
      participants[index].lastSent = now
      var number = participants[index].takeMessageNumber(now: now.uptime, life: timers.life)
      if number == nil {
        try participants[index].renew(random: &random)
        number = participants[index].takeMessageNumber(now: now.uptime, life: timers.life)
      }
      guard let number else { return }
      let message = message(of: participants[index], number: number, now: now)
      let frame = try MKPDUFrame(
        message, source: configuration.sci.address, ick: participants[index].ick,
        destination: configuration.destination, etherType: configuration.etherType,
        icvCoversStandardHeader: policy.usesStandardHeaderInICV)
      count(message, index: index)
      effects.append(.send(frame.bytes))
    } catch {
      counters.txBuildFail &+= 1
    }
  }

  private mutating func count(_ message: MKPDU, index: Int) {
    counters.txSuccess &+= 1
    var sent = participants[index].counters.sent
    sent.messages &+= 1
    if case .key = message.distributedSAK { sent.distributedSAK &+= 1 }
    for element in message.announcement ?? [] {
      switch try? PPKAnnouncement(element) {
      case .capability: sent.ppkCapable &+= 1
      case .distribution: sent.distributedPPK &+= 1
      case .refusal, nil: break
      }
    }
    participants[index].counters.sent = sent
  }

  private func message(of participant: Participant, number: UInt32, now: Moment) -> MKPDU {
    let isKeyServer =
      switch participant.election {
      case .own: true
      case .peer: false
      case .none: policy.keyServerPriority < 255
      }
    var message = MKPDU(
      basic: BasicParameterSet(
        version: configuration.version, keyServerPriority: policy.keyServerPriority, isKeyServer: isKeyServer,
        capability: configuration.capability, sci: configuration.sci,
        memberIdentifier: participant.memberIdentifier, messageNumber: number, ckn: participant.ckn))
    message.hasICVIndicator = policy.includesICVIndicator
    let live = participant.peers.live.sorted { $0.sci > $1.sci }
    if !live.isEmpty { message.livePeers = LivePeerList(peers: live.map(entry)) }
    let potential = participant.peers.potential
    if !potential.isEmpty { message.potentialPeers = potential.map(entry) }
    if usesSAK(participant), participant.peers.hasLive { message.sakUse = sakUse(now: now) }
    var announcement: [AnnouncementTLV] = []
    if configuration.version >= 3, policy.announcesCipherSuites { announcement.append(announcedSuites) }
    addDistribution(of: participant, to: &message, announcement: &announcement)
    if let ppkPolicy {
      announcement.append(PPKAnnouncement.capability(.init(system: ppkPolicy.system)).element)
      if let refusal = participant.refusal { announcement.append(PPKAnnouncement.refusal(refusal).element) }
    }
    if !announcement.isEmpty { message.announcement = announcement }
    if configuration.version >= 2 {
      message.extendedPacketNumbers = XPNParameterSet(
        suspensionTime: suspensionTime(of: participant, now: now),
        latestLowestAcceptablePNHigh: lowestPNHigh(controlledPort.latest, now: now),
        oldLowestAcceptablePNHigh: lowestPNHigh(controlledPort.old, now: now))
    }
    return message
  }

  private func entry(_ peer: Peer) -> PeerListEntry {
    PeerListEntry(memberIdentifier: peer.memberIdentifier, messageNumber: peer.messageNumber)
  }

  private var announcedSuites: AnnouncementTLV {
    .cipherSuites(
      CipherSuite.allCases.filter { policy.acceptableCipherSuites.contains($0) }.map {
        CipherSuiteAnnouncement(capability: configuration.capability, identifier: $0.identifier)
      })
  }

  /// The SAK that the key server hands out, for as long as not all members have it.
  private func addDistribution(
    of participant: Participant, to message: inout MKPDU, announcement: inout [AnnouncementTLV]
  ) {
    guard participant.ckn == principal, case .own = participant.election else { return }
    if isPlain(participant) {
      message.distributedSAK = .plain
      return
    }
    guard let distribution = participant.distribution, !participant.isDistributionComplete,
      distribution.sak.identifier == controlledPort.latest?.identifier, controlledPort.latest?.receives == true,
      distribution.members == Set(participant.peers.live.map(\.memberIdentifier))
    else { return }
    message.distributedSAK = distribution.set
    if let ppk = distribution.ppk { announcement.append(PPKAnnouncement.distribution(ppk).element) }
    if let ssci = distribution.sak.ssci[configuration.sci] {
      message.livePeers?.keyServerSSCI = UInt8(truncatingIfNeeded: ssci)
    }
  }

  private func sakUse(now: Moment) -> SAKUse? {
    guard controlledPort.latest?.receives == true || controlledPort.old != nil else {
      return controlledPort.state == .authenticated ? SAKUse(usesMACsec: false) : nil
    }
    return SAKUse(
      latest: use(controlledPort.latest, now: now), old: use(controlledPort.old, now: now),
      plainTransmit: portStatus != .protected, delayProtect: policy.delayProtection)
  }

  private func use(_ held: ControlledPort.Held?, now: Moment) -> SAKUse.Key? {
    guard let held else { return nil }
    return SAKUse.Key(
      identifier: held.identifier, associationNumber: held.sak.associationNumber, transmits: held.transmits,
      receives: held.receives, lowestAcceptablePN: UInt32(truncatingIfNeeded: lowestPN(held, now: now)))
  }

  private func lowestPN(_ held: ControlledPort.Held, now: Moment) -> UInt64 {
    packetNumbers[held.identifier]?.lowest(now: now.uptime) ?? 1
  }

  private func lowestPNHigh(_ held: ControlledPort.Held?, now: Moment) -> UInt32 {
    guard let held, held.sak.cipherSuite.hasExtendedPacketNumbers else { return 0 }
    return UInt32(truncatingIfNeeded: lowestPN(held, now: now) >> 32)
  }
}
