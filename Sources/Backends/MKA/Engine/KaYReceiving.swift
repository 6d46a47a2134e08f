// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// From a frame to what it changes.
extension KaY {
  mutating func process(_ bytes: [UInt8], now: Moment) {
    guard let frame = frame(bytes) else { return }
    guard let basic = basicParameterSet(frame) else { return }
    guard let index = index(of: basic.ckn) else {
      counters.rxCANotFound &+= 1
      return
    }
    do throws(MKAError) {
      guard
        try frame.verifies(
          with: participants[index].ick, icvCoversStandardHeader: policy.usesStandardHeaderInICV)
      else {
        fail(\.icvValidation, index)
        noteICV(of: basic, matches: false, index: index, now: now)
        return
      }
    } catch {
      counters.rxError &+= 1
      return
    }
    do throws(MKAError) {
      let message = try MKPDU(decoding: frame.body)
      noteICV(of: basic, matches: true, index: index, now: now)
      accept(message, index: index, now: now)
    } catch {
      fail(\.packetValidation, index)
    }
  }

  /// Takes the frame apart; nil, and counted, when it is not for us or no MKPDU.
  private mutating func frame(_ bytes: [UInt8]) -> MKPDUFrame? {
    do throws(MKAError) {
      let frame = try MKPDUFrame(received: bytes, etherType: configuration.etherType)
      if frame.source.rawValue == 0 {
        counters.rxSourceMACNull &+= 1
      } else if frame.destination.rawValue == 0 {
        counters.rxDestinationMACNull &+= 1
      } else if frame.destination != configuration.destination, frame.destination != .paeGroup {
        counters.rxUnknownDestination &+= 1
      } else if frame.body.isEmpty {
        counters.rxPayloadNull &+= 1
      } else if frame.source != configuration.sci.address {
        return frame
      }
    } catch {
      switch error.code {
      case .notMKA: counters.rxEtherTypeMismatch &+= 1
      default: counters.rxInvalidLength &+= 1
      }
    }
    return nil
  }

  private mutating func basicParameterSet(_ frame: MKPDUFrame) -> BasicParameterSet? {
    do throws(MKAError) { return try MKPDU.basicParameterSet(of: frame.body) } catch {
      switch error.code {
      case .invalidLength: counters.rxInvalidLength &+= 1
      case .malformed: counters.rxInvalidCKN &+= 1
      default: counters.failures.packetValidation &+= 1
      }
      return nil
    }
  }

  mutating func fail(_ counter: WritableKeyPath<ReceiveFailures, UInt32>, _ index: Int) {
    participants[index].counters.failures[keyPath: counter] &+= 1
    counters.failures[keyPath: counter] &+= 1
  }

  /// Keeps whether a station's CAK is ours, and tells the operator when that changes, at most once a minute.
  private mutating func noteICV(of basic: BasicParameterSet, matches: Bool, index: Int, now: Moment) {
    var table = participants[index].icvStatus
    if table[basic.sci] == nil, table.count >= Participant.maximumICVStatusCount {
      // Whoever forges identifiers pushes out the longest silent one.
      guard let oldest = table.min(by: { $0.value.checked.uptime < $1.value.checked.uptime }) else { return }
      table[oldest.key] = nil
    }
    var status =
      table[basic.sci]
      ?? Participant.ICVStatus(matches: matches, memberIdentifier: basic.memberIdentifier, checked: now)
    status.matches = matches
    status.memberIdentifier = basic.memberIdentifier
    status.checked = now
    let mayReport = status.lastReport.map { now.uptime >= $0 + .seconds(60) } ?? true
    if status.reported != matches, mayReport {
      status.reported = matches
      status.lastReport = now.uptime
      let isFallback = participants[index].role.isFallback
      emit(
        matches
          ? .icvSuccess(peer: basic.sci, fallback: isFallback) : .icvFailure(peer: basic.sci, fallback: isFallback),
        ckn: participants[index].ckn)
    }
    table[basic.sci] = status
    participants[index].icvStatus = table
  }

  // MARK: Peers

  private mutating func accept(_ message: MKPDU, index: Int, now: Moment) {
    let basic = message.basic
    if basic.memberIdentifier == participants[index].memberIdentifier {
      // Our own words come back, or another member has drawn our identifier.
      fail(\.packetValidation, index)
      if basic.sci != configuration.sci { renew(index) }
      return
    }
    guard basic.sci != configuration.sci, basic.messageNumber != 0 else { return fail(\.packetValidation, index) }
    let entries = (message.livePeers?.peers ?? []) + (message.potentialPeers ?? [])
    var hearsUs = false
    if let ours = entries.first(where: { $0.memberIdentifier == participants[index].memberIdentifier }) {
      if ours.messageNumber > participants[index].messageNumber {
        renew(index)
      } else if participants[index].isRecent(ours.messageNumber, now: now.uptime, life: timers.life) {
        hearsUs = true
      } else {
        fail(\.nonRecentPeerListMN, index)
      }
    }
    guard let peer = admit(basic, hearsUs: hearsUs, index: index, now: now) else { return }
    count(message, index: index)
    note(message, peer: peer, index: index, now: now)
    guard participants[index].peers[peer].isLive else { return }
    participants[index].lastHeard = now.uptime
    if participants[index].elect(sci: configuration.sci, priority: policy.keyServerPriority) {
      participants[index].newInformation = true
    }
    takeDistributed(message, peer: peer, index: index, now: now)
    noteSAKUse(peer: peer, index: index)
    noteSuspension(message, peer: peer, index: index, now: now)
  }

  /// Finds or makes the sender's place among the peers; nil when the message is to be dropped.
  private mutating func admit(_ basic: BasicParameterSet, hearsUs: Bool, index: Int, now: Moment) -> Int? {
    let expires = now.uptime + timers.life
    let member = basic.memberIdentifier
    var place: Int
    if let known = participants[index].peers.index(of: member) {
      guard participants[index].peers[known].sci == basic.sci else {
        fail(\.packetValidation, index)
        return nil
      }
      guard basic.messageNumber > participants[index].peers[known].messageNumber else {
        fail(\.badPeerMN, index)
        return nil
      }
      place = known
      if hearsUs, !participants[index].peers[place].isLive,
        participants[index].peers.liveCount >= PeerTable.maximumLiveCount,
        !participants[index].peers.live.contains(where: { $0.sci == basic.sci })
      {
        fail(\.packetValidation, index)
        return nil
      }
    } else {
      guard !participants[index].peers.isReplayOfDeparted(basic) else {
        fail(\.badPeerMN, index)
        return nil
      }
      guard let added = participants[index].peers.add(Peer(basic, now: now, expires: expires)) else {
        fail(\.packetValidation, index)
        return nil
      }
      place = added
      participants[index].newInformation = true
    }
    if hearsUs {
      participants[index].peers[place].expires = expires
      if !participants[index].peers[place].isLive {
        participants[index].peers[place].isLive = true
        participants[index].newInformation = true
        // It has come back as another member.
        _ = participants[index].peers.removeOthers(than: member, of: basic.sci)
        place = participants[index].peers.index(of: member) ?? place
      }
    }
    return place
  }

  private mutating func renew(_ index: Int) {
    do throws(MKAError) { try participants[index].renew(random: &random) } catch {
      emit(.failure(error.message), ckn: participants[index].ckn)
    }
  }

  private mutating func count(_ message: MKPDU, index: Int) {
    counters.rxSuccess &+= 1
    participants[index].counters.received.messages &+= 1
    if case .key = message.distributedSAK { participants[index].counters.received.distributedSAK &+= 1 }
    if message.distributedCAK != nil { participants[index].counters.received.distributedCAK &+= 1 }
  }

  /// Keeps what a peer says of itself.
  private mutating func note(_ message: MKPDU, peer place: Int, index: Int, now: Moment) {
    var peer = participants[index].peers[place]
    peer.messageNumber = message.basic.messageNumber
    peer.priority = message.basic.keyServerPriority
    peer.claimsKeyServer = message.basic.isKeyServer
    peer.desiresMACsec = message.basic.desiresMACsec
    peer.capability = message.basic.capability
    peer.version = message.basic.version
    peer.lastHeard = now
    peer.sakUse = message.sakUse
    peer.extendedPacketNumbers = message.extendedPacketNumbers
    for element in message.announcement ?? [] {
      if case .cipherSuites(let suites) = element { peer.announcedSuites = suites }
    }
    participants[index].peers[place] = peer
    notePPK(message, peer: place, index: index, now: now)
  }

  // MARK: SAK use

  /// Looks at what a peer says of the SAKs: acknowledgements of ours, and what does not fit.
  private mutating func noteSAKUse(peer place: Int, index: Int) {
    var peer = participants[index].peers[place]
    defer { participants[index].peers[place] = peer }
    if let key = participants[index].distribution?.sak.identifier, case .own = participants[index].election {
      if peer.receives(key) {
        if peer.acknowledgedKey != key { participants[index].counters.sakResponses &+= 1 }
        peer.acknowledgedKey = key
        peer.lostKey = false
      } else if peer.acknowledgedKey == key {
        peer.lostKey = true
      }
      if let held = held(key),
        let lowest = peer.lowestAcceptablePN(
          of: key, extended: held.sak.cipherSuite.hasExtendedPacketNumbers),
        lowest >= held.sak.cipherSuite.packetNumberThreshold
      {
        rekeyWanted = true
      }
    }
    guard let theirs = peer.sakUse?.latest, controlledPort.latest != nil else { return }
    guard let ours = held(theirs.identifier) else {
      let servers = [controlledPort.latest, controlledPort.old].compactMap { $0?.identifier.keyServer }
      fail(servers.contains(theirs.identifier.keyServer) ? \.sakUseKNMismatch : \.sakUseKeyMIMismatch, index)
      return
    }
    if ours.sak.associationNumber != theirs.associationNumber { fail(\.sakUseANNotInUse, index) }
    if case .peer(peer.memberIdentifier) = participants[index].election {
      if !theirs.receives, !theirs.transmits { fail(\.sakUseKeyServerRxTxNotSet, index) }
    } else if !theirs.receives {
      fail(\.sakUseRxNotSet, index)
    }
  }

  // MARK: Suspension

  /// A member asks the key server for suspension; what the key server says holds for all (9.18).
  private mutating func noteSuspension(_ message: MKPDU, peer place: Int, index: Int, now: Moment) {
    let seconds = message.extendedPacketNumbers?.suspensionTime ?? 0
    let before = participants[index].peers[place].requestedSuspension
    participants[index].peers[place].requestedSuspension = seconds
    let time = min(Duration.seconds(Int64(seconds)), timers.suspensionLimit)
    switch participants[index].election {
    case .own where policy.suspendsOnRequest: break
    case .peer(message.basic.memberIdentifier) where policy.suspendsItself: break
    default: return
    }
    if seconds > 0 {
      if suspendedUntil == nil { emit(.suspended(time), ckn: participants[index].ckn) }
      suspendedUntil = max(suspendedUntil ?? .zero, now.uptime + time)
      participants[index].newInformation = participants[index].newInformation || before != seconds
    } else if before > 0, !participants.contains(where: { $0.peers.live.contains { $0.requestedSuspension > 0 } }) {
      suspendedUntil = now.uptime
    }
  }

  /// What this port says of suspension: as key server what it grants, else what it asks for.
  func suspensionTime(of participant: Participant, now: Moment) -> UInt8 {
    guard case .own = participant.election else { return suspensionRequest }
    let granted = policy.suspendsOnRequest ? participant.peers.live.map(\.requestedSuspension).max() ?? 0 : 0
    return max(granted, suspensionRequest)
  }

  /// While suspended no live peer is given up; afterwards each has a life time to be heard again.
  mutating func endSuspension(_ now: Moment) {
    guard let until = suspendedUntil else { return }
    let isOver = now.uptime >= until
    for index in participants.indices {
      participants[index].peers.extendLife(to: now.uptime + timers.life)
    }
    if isOver {
      suspendedUntil = nil
      emit(.suspensionEnded, ckn: principal)
    }
  }
}
