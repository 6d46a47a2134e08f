// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// SAKs: when one is due, how it is made, and how one is taken from the key server.
extension KaY {
  // MARK: As key server

  /// Makes a SAK when this port leads the principal and one is due (9.8).
  ///
  /// One is due for new or lost members, after a change of key server or principal, when the operator, the packet
  /// numbers or the age of the present one ask for it, and when a member does not have it. While others are about to
  /// become members, not more often than once per life time.
  mutating func makeSAKIfNeeded(_ now: Moment) {
    guard let principal, let index = index(of: principal), case .own = participants[index].election else { return }
    noteAcknowledgements(index)
    guard controlledPort.acceptsNewSAK, isLinkUp, !isPlain(participants[index]) else { return }
    guard isSAKDue(index, now: now) else { return }
    guard holdUntil == nil else { return }
    if participants[index].peers.hasPotential, let lastMade, now.uptime < lastMade + timers.life { return }
    if suspendedUntil != nil, !rekeyWanted { return }
    switch policy.keyDistribution {
    case .sak: makeSAK(index, with: nil, now: now)
    case .ppk(let ppkPolicy): requestPPK(ppkPolicy, index: index, now: now)
    }
  }

  private mutating func noteAcknowledgements(_ index: Int) {
    guard let distribution = participants[index].distribution, !distribution.wasComplete,
      participants[index].isDistributionComplete
    else { return }
    participants[index].distribution?.wasComplete = true
    participants[index].distribution?.attempts = 0
    if distribution.ppk != nil { ppk.succeeded() }
  }

  private func isSAKDue(_ index: Int, now: Moment) -> Bool {
    let participant = participants[index]
    guard let distribution = participant.distribution,
      distribution.sak.identifier == controlledPort.latest?.identifier,
      distribution.members == Set(participant.peers.live.map(\.memberIdentifier))
    else { return true }
    if rekeyWanted || (rekeyTime.map { now.uptime >= $0 } ?? false) { return true }
    if participant.peers.live.contains(where: \.lostKey), now.uptime >= distribution.made + timers.life { return true }
    if distribution.wasRefused || wantsBackToPPK(index, now: now) { return true }
    let patience = distribution.ppk == nil ? timers.life : max(timers.life, ppkPolicy?.timeout ?? timers.life)
    return !participant.isDistributionComplete
      && now.uptime >= distribution.made + patience * (distribution.attempts > 0 ? 2 : 1)
  }

  /// Makes a SAK and begins to hand it out. With a key of the key service, both that and the CAK go into it.
  mutating func makeSAK(_ index: Int, with material: PPKMaterial?, now: Moment) {
    let participant = participants[index]
    guard participant.keyNumber < UInt32.max else { return renewMember(index) }
    let live = participant.peers.live
    let number = participant.keyNumber + 1
    let identifier = SAKIdentifier(keyServer: participant.memberIdentifier, number: number)
    let offset = policy.confidentialityOffset
    let association = freeAssociationNumber(live)
    let members = ([participant.memberIdentifier] + live.map(\.memberIdentifier)).sorted()
    do throws(MKAError) {
      var announcement: PPKAnnouncement.Distribution?
      let secret: SecretBytes
      if let material {
        let made = try material.makeSAK(
          cak: participant.key.cak, identifier: identifier, association: association, offset: offset,
          suite: policy.cipherSuite, members: members, random: &random)
        announcement = made.announcement
        secret = made.secret
      } else {
        secret = try participant.key.cak.makeSAK(
          nonce: try random.bytes(policy.cipherSuite.keyLength), members: members, number: number)
      }
      let sak = SAK(
        identifier: identifier, associationNumber: association, cipherSuite: policy.cipherSuite,
        confidentialityOffset: offset, key: secret, members: [configuration.sci] + live.map(\.sci))
      let set = material == nil ? try wrap(sak, with: participant.kek) : nil
      distribute(sak, set: set, ppk: announcement, index: index, now: now)
    } catch {
      counters.sakGenerationFail &+= 1
      if material != nil { countPPK(\.hashKeyGeneration, index) }
      holdUntil = now.uptime + timers.life
      emit(.failure(error.message), ckn: participant.ckn)
    }
  }

  private mutating func distribute(
    _ sak: SAK, set: DistributedSAK?, ppk announcement: PPKAnnouncement.Distribution?, index: Int, now: Moment
  ) {
    let previous = participants[index].distribution
    participants[index].keyNumber = sak.identifier.number
    participants[index].distribution = Distribution(
      sak: sak, set: set, ppk: announcement,
      members: Set(participants[index].peers.live.map(\.memberIdentifier)), made: now.uptime,
      attempts: participants[index].isDistributionComplete ? 0 : (previous?.attempts ?? 0) + 1)
    for place in participants[index].peers.peers.indices { participants[index].peers[place].lostKey = false }
    participants[index].counters.sakGenerated &+= 1
    controlledPort.newSAK = ControlledPort.Held(
      sak: sak, ckn: participants[index].ckn, waitsForAll: announcement != nil)
    if announcement != nil { ppk.noteMade(sak.identifier) }
    participants[index].newInformation = true
    rekeyWanted = false
    lastMade = now.uptime
  }

  private mutating func wrap(_ sak: SAK, with kek: KeyEncryptingKey) throws(MKAError) -> DistributedSAK {
    do throws(MKAError) {
      return .key(
        DistributedSAK.Key(
          associationNumber: sak.associationNumber, confidentialityOffset: sak.confidentialityOffset,
          number: sak.identifier.number, cipherSuiteIdentifier: sak.cipherSuite.identifier,
          wrapped: try kek.wrap(sak.key)))
    } catch {
      counters.sakWrapFail &+= 1
      throw error
    }
  }

  private mutating func renewMember(_ index: Int) {
    do throws(MKAError) { try participants[index].renew(random: &random) } catch {
      emit(.failure(error.message), ckn: participants[index].ckn)
    }
  }

  /// The next association number that neither we use nor, if possible, any peer.
  private func freeAssociationNumber(_ live: [Peer]) -> AssociationNumber {
    let limit = policy.maximumAssociationNumber
    let ours = [controlledPort.latest, controlledPort.old].compactMap { $0 }
    let inUse = Set(
      ours.filter { $0.transmits || $0.identifier == controlledPort.latest?.identifier && controlledPort.old == nil }
        .map(\.sak.associationNumber))
    let theirs = Set(live.flatMap { [$0.sakUse?.latest, $0.sakUse?.old] }.compactMap { $0?.associationNumber })
    let taken = Set(ours.map(\.sak.associationNumber))
    var candidates: [AssociationNumber] = []
    let start = controlledPort.latest?.sak.associationNumber.rawValue ?? limit
    for step in 1...UInt8(limit + 1) { candidates.append(AssociationNumber(truncating: (start + step) % (limit + 1))) }
    return candidates.first { !taken.contains($0) && !theirs.contains($0) } ?? candidates.first { !taken.contains($0) }
      ?? candidates.first { !inUse.contains($0) } ?? .zero
  }

  // MARK: From the key server

  /// Takes what the elected key server distributes; others are not listened to.
  mutating func takeDistributed(_ message: MKPDU, peer place: Int, index: Int, now: Moment) {
    let peer = participants[index].peers[place]
    guard case .peer(peer.memberIdentifier) = participants[index].election else { return }
    switch message.distributedSAK {
    case nil: break
    case .plain: participants[index].serverWantsPlain = true
    case .key(let key):
      participants[index].serverWantsPlain = false
      if case .ppk(let ppkPolicy) = policy.keyDistribution {
        guard ppkPolicy.onFailure == .fallBack else {
          return refuseWithoutPPK(SAKIdentifier(keyServer: peer.memberIdentifier, number: key.number), index: index)
        }
      }
      takeSAK(key, message: message, peer: peer, index: index, now: now)
    }
    takePPK(message, peer: peer, index: index, now: now)
  }

  /// Whether a SAK is new, from whom we follow, and meant for us; then the SCIs of those that have it.
  func membersOfNewSAK(
    _ identifier: SAKIdentifier, suite: CipherSuite, offset: ConfidentialityOffset, message: MKPDU, peer: Peer,
    index: Int, now: Moment
  ) -> [SCI]? {
    let participant = participants[index]
    guard identifier.number != 0, !participant.hasTaken(identifier), held(identifier) == nil,
      policy.acceptableCipherSuites.contains(suite), allows(offset), follows(participant, now: now)
    else { return nil }
    let listed = message.livePeers?.peers.map(\.memberIdentifier) ?? []
    guard listed.contains(participant.memberIdentifier) else { return nil }
    var members = [configuration.sci, peer.sci]
    for member in listed where member != participant.memberIdentifier && member != peer.memberIdentifier {
      guard let known = participant.peers[member] else {
        // Short channel identifiers follow from the SCIs of all; the key server repeats itself until we know them.
        if suite.hasExtendedPacketNumbers { return nil }
        continue
      }
      members.append(known.sci)
    }
    return members
  }

  private func allows(_ offset: ConfidentialityOffset) -> Bool {
    switch offset {
    case .integrityOnly: configuration.capability >= .integrity
    case .zero: configuration.capability >= .confidentiality
    case .thirty, .fifty: configuration.capability >= .confidentialityWithOffsets
    }
  }

  private mutating func takeSAK(
    _ key: DistributedSAK.Key, message: MKPDU, peer: Peer, index: Int, now: Moment
  ) {
    let identifier = SAKIdentifier(keyServer: peer.memberIdentifier, number: key.number)
    guard let suite = CipherSuite(identifier: key.cipherSuiteIdentifier),
      let members = membersOfNewSAK(
        identifier, suite: suite, offset: key.confidentialityOffset, message: message, peer: peer, index: index,
        now: now)
    else { return }
    do throws(MKAError) {
      let secret = try participants[index].kek.unwrap(key.wrapped)
      guard secret.count == suite.keyLength else { throw MKAError(.invalidKey, "a SAK of the wrong length") }
      let sak = SAK(
        identifier: identifier, associationNumber: key.associationNumber, cipherSuite: suite,
        confidentialityOffset: key.confidentialityOffset, key: secret, members: members)
      adopt(sak, waitsForAll: false, index: index)
    } catch {
      counters.sakUnwrapFail &+= 1
      emit(.failure(error.message), ckn: participants[index].ckn)
      participants[index].take(identifier)
    }
  }

  /// Gives a SAK of the key server to the CP state machine. It is never taken again.
  mutating func adopt(_ sak: SAK, waitsForAll: Bool, index: Int) {
    participants[index].take(sak.identifier)
    participants[index].counters.sakReceived &+= 1
    controlledPort.newSAK = ControlledPort.Held(sak: sak, ckn: participants[index].ckn, waitsForAll: waitsForAll)
    principal = participants[index].ckn
    principalDoubt = nil
  }
}
