// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Where PPK mode stands on a port: at most one question to the key service at a time.
struct PPKState: Sendable {
  enum Purpose: Sendable {
    /// For the SAK that we are to make.
    case serve(peer: MemberIdentifier)
    /// For the SAK that the key server announced.
    case fetch(PPKAnnouncement.Distribution, keyServer: MemberIdentifier)
  }

  struct Pending: Sendable {
    var transaction: UInt64
    var ckn: CKN
    var purpose: Purpose
    var deadline: Duration
  }

  var transaction: UInt64 = 0
  var pending: Pending?
  var failures = 0
  var retryAt: Duration?
  /// Why there is no session, as long as there is a reason.
  var reason: String?
  /// SAKs that hold a key of the key service.
  private(set) var madeKeys: [SAKIdentifier] = []
  var lastFallback: PPKFallback?

  init() {}

  /// Begins anew, knowing what is installed and what has been.
  init(after previous: PPKState) {
    transaction = previous.transaction
    madeKeys = previous.madeKeys
    lastFallback = previous.lastFallback
  }

  var nextTimeout: Duration? { [pending?.deadline, retryAt].compactMap { $0 }.min() }

  mutating func noteMade(_ key: SAKIdentifier) {
    madeKeys.append(key)
    if madeKeys.count > 4 { madeKeys.removeFirst() }
  }

  mutating func succeeded() {
    failures = 0
    reason = nil
    retryAt = nil
  }
}

/// PPK mode: keys of a key service in the SAK.
extension KaY {
  var ppkPolicy: PPKPolicy? {
    guard case .ppk(let ppkPolicy) = policy.keyDistribution else { return nil }
    return ppkPolicy
  }

  // MARK: As key server

  /// Asks for a new key shared with the only live peer; or says why not.
  mutating func requestPPK(_ ppkPolicy: PPKPolicy, index: Int, now: Moment) {
    let live = participants[index].peers.live
    guard live.count == 1, let peer = live.first else {
      return ppkIsImpossible("keys are pairwise, but there are \(live.count) live peers", index: index)
    }
    guard let capability = peer.ppk else {
      let reason = "the peer \(peer.sci) has not shown that it can do PPK"
      if ppkPolicy.onFailure == .fallBack { return fallBack(reason, index: index, now: now) }
      return ppkIsImpossible(reason, index: index)
    }
    if ppkPolicy.onFailure == .fallBack, keyAge.isExhausted, isPPKInUse, !isOnFallbackSAK(index) {
      return fallBack(ppk.reason ?? "the key in use is too old", index: index, now: now)
    }
    guard ppk.pending == nil, ppk.retryAt.map({ now.uptime >= $0 }) ?? true else { return }
    if ppkPolicy.onFailure == .fallBack, mayFallBack(ppkPolicy), !isOnFallbackSAK(index) {
      return fallBack(ppk.reason ?? "the key service fails", index: index, now: now)
    }
    let told = capability.system.isEmpty ? nil : capability.system
    ask(
      .new, for: .serve(peer: peer.memberIdentifier), remoteSystem: ppkPolicy.remoteSystem ?? told,
      index: index, now: now)
  }

  /// A key in use serves on until its time is over, where it has one; else, and where there is none, attempts count.
  private func mayFallBack(_ ppkPolicy: PPKPolicy) -> Bool {
    if isPPKInUse, policy.keyLifetime != nil { return keyAge.isExhausted }
    return ppk.failures >= ppkPolicy.attempts
  }

  /// A SAK of the CAK alone is replaced as soon as the key service may work again.
  func wantsBackToPPK(_ index: Int, now: Moment) -> Bool {
    guard ppkPolicy != nil, isOnFallbackSAK(index), participants[index].peers.live.first?.ppk != nil else {
      return false
    }
    return ppk.pending == nil && (ppk.retryAt.map { now.uptime >= $0 } ?? true)
  }

  /// Whether the SAK in use is one of the CAK alone that is good for the present members.
  private func isOnFallbackSAK(_ index: Int) -> Bool {
    guard let distribution = participants[index].distribution, distribution.ppk == nil else { return false }
    return distribution.sak.identifier == controlledPort.latest?.identifier
      && distribution.members == Set(participants[index].peers.live.map(\.memberIdentifier))
  }

  private mutating func fallBack(_ reason: String, index: Int, now: Moment) {
    guard !isOnFallbackSAK(index) || rekeyWanted else { return }
    emit(.ppkFallback(reason), ckn: participants[index].ckn)
    ppk.lastFallback = PPKFallback(count: (ppk.lastFallback?.count ?? 0) + 1, reason: reason, time: now)
    ppk.reason = reason
    ppk.retryAt = now.uptime + (ppkPolicy?.retryInterval ?? timers.life)
    makeSAK(index, with: nil, now: now)
  }

  private mutating func ppkIsImpossible(_ reason: String, index: Int) {
    guard ppk.reason != reason else { return }
    ppk.reason = reason
    emit(.ppkFailure(reason), ckn: participants[index].ckn)
  }

  private mutating func ask(
    _ kind: KeyRequest.Kind, for purpose: PPKState.Purpose, remoteSystem: String?, index: Int, now: Moment
  ) {
    guard let ppkPolicy else { return }
    ppk.transaction += 1
    ppk.retryAt = nil
    ppk.pending = PPKState.Pending(
      transaction: ppk.transaction, ckn: participants[index].ckn, purpose: purpose,
      deadline: now.uptime + ppkPolicy.timeout)
    effects.append(
      .key(
        KeyRequest(
          transaction: ppk.transaction, kind: kind, remoteSystem: remoteSystem, timeout: ppkPolicy.timeout)))
  }

  // MARK: From the peer

  /// Keeps what a peer shows of PPK mode.
  mutating func notePPK(_ message: MKPDU, peer place: Int, index: Int, now: Moment) {
    for element in message.announcement ?? [] {
      let announcement: PPKAnnouncement
      do throws(MKAError) {
        guard let known = try PPKAnnouncement(element) else { continue }
        announcement = known
      } catch {
        countPPK(\.idUnwrap, index)
        continue
      }
      switch announcement {
      case .capability(let capability):
        // Now that the peer's name is known, a key may be had.
        if let before = participants[index].peers[place].ppk, before.system.isEmpty, !capability.system.isEmpty {
          ppk.retryAt = nil
        }
        participants[index].peers[place].ppk = capability
        participants[index].counters.received.ppkCapable &+= 1
      case .distribution: participants[index].counters.received.distributedPPK &+= 1
      case .refusal(let refusal): noteRefusal(refusal, index: index, now: now)
      }
    }
  }

  private mutating func noteRefusal(_ refusal: PPKAnnouncement.Refusal, index: Int, now: Moment) {
    guard let distribution = participants[index].distribution, distribution.ppk != nil,
      !participants[index].isDistributionComplete,
      distribution.sak.identifier == refusal.key, !distribution.wasRefused
    else { return }
    fail(refusal.reason == .notFound ? \.ppkIDNotFound : \.ppkIDNAK, index)
    participants[index].distribution?.wasRefused = true
    ppkFailed("the peer could not get the key: \(refusal.reason)", index: index, now: now)
  }

  /// Fetches the key whose identifier the key server announced.
  mutating func takePPK(_ message: MKPDU, peer: Peer, index: Int, now: Moment) {
    guard let ppkPolicy else { return }
    for element in message.announcement ?? [] {
      guard case .distribution(let distribution)? = try? PPKAnnouncement(element) else { continue }
      let identifier = SAKIdentifier(keyServer: peer.memberIdentifier, number: distribution.number)
      guard !isFetching(identifier), participants[index].refusal?.key != identifier,
        membersOfNewSAK(
          identifier, suite: distribution.cipherSuite, offset: distribution.confidentialityOffset, message: message,
          peer: peer, index: index, now: now) != nil
      else { continue }
      guard !distribution.keyIdentifier.isEmpty else {
        countPPK(\.idNullReceived, index)
        refuse(identifier, .notAcceptable, index: index)
        continue
      }
      participants[index].refusal = nil
      let system = peer.ppk?.system
      ask(
        .byIdentifier(distribution.keyIdentifier), for: .fetch(distribution, keyServer: peer.memberIdentifier),
        remoteSystem: ppkPolicy.remoteSystem ?? (system?.isEmpty == false ? system : nil), index: index, now: now)
    }
  }

  private func isFetching(_ identifier: SAKIdentifier) -> Bool {
    guard case .fetch(let distribution, let keyServer)? = ppk.pending?.purpose else { return false }
    return keyServer == identifier.keyServer && distribution.number == identifier.number
  }

  /// A SAK of the CAK alone came, which the policy does not allow.
  mutating func refuseWithoutPPK(_ identifier: SAKIdentifier, index: Int) {
    guard !participants[index].hasTaken(identifier) else { return }
    participants[index].take(identifier)
    ppkIsImpossible("the key server distributes SAKs without PPK", index: index)
  }

  private mutating func refuse(_ key: SAKIdentifier, _ reason: PPKAnnouncement.RefusalReason, index: Int) {
    participants[index].refusal = PPKAnnouncement.Refusal(key: key, reason: reason)
    participants[index].newInformation = true
  }

  // MARK: Answers of the key service

  /// The answer to a ``KeyRequest``. One that is not awaited any more is counted, and its key forgotten.
  public mutating func complete(_ transaction: UInt64, with answer: KeyAnswer, now: Moment) {
    guard let pending = ppk.pending, pending.transaction == transaction, let index = index(of: pending.ckn) else {
      counters.ppkFailures.transactionMismatch &+= 1
      return
    }
    ppk.pending = nil
    switch answer {
    case .key(let identifier, let secret):
      use(identifier: identifier, secret: secret, for: pending.purpose, index: index, now: now)
    case .notFound:
      countPPK(\.retrievalFail, index)
      failed(pending.purpose, .notFound, "the key service does not know the key", index: index, now: now)
    case .failed(let reason):
      countPPK(isServing(pending) ? \.tupleFail : \.retrievalFail, index)
      failed(pending.purpose, .unavailable, reason, index: index, now: now)
    case .unavailable(let reason):
      countPPK(\.connectionDown, index)
      failed(pending.purpose, .unavailable, reason, index: index, now: now)
    }
    settle(now)
  }

  private func isServing(_ pending: PPKState.Pending) -> Bool {
    if case .serve = pending.purpose { true } else { false }
  }

  private mutating func use(
    identifier: [UInt8], secret: SecretBytes, for purpose: PPKState.Purpose, index: Int, now: Moment
  ) {
    if !PPKMaterial.canAnnounce(identifier) { countPPK(\.idWrap, index) }
    do throws(MKAError) {
      let material = try PPKMaterial(keyIdentifier: identifier, secret: secret)
      switch purpose {
      case .serve(let peer):
        // The peer may have gone, or the lead, while the key service answered: then the key is lost.
        let live = participants[index].peers.live
        guard principal == participants[index].ckn, case .own = participants[index].election, live.count == 1,
          live.first?.memberIdentifier == peer, controlledPort.acceptsNewSAK
        else { return }
        participants[index].counters.ppkTupleGenerated &+= 1
        makeSAK(index, with: material, now: now)
      case .fetch(let distribution, let keyServer):
        guard identifier == distribution.keyIdentifier else {
          countPPK(\.idMismatch, index)
          return failed(purpose, .notAcceptable, "the key service gave another key", index: index, now: now)
        }
        try install(material, distribution, keyServer: keyServer, index: index)
      }
    } catch {
      switch error.code {
      case .integrity: countPPK(\.idMismatch, index)
      case .cryptography: countPPK(\.hashKeyGeneration, index)
      default: countPPK(\.tupleFail, index)
      }
      failed(purpose, .notAcceptable, error.message, index: index, now: now)
    }
  }

  private mutating func install(
    _ material: PPKMaterial, _ distribution: PPKAnnouncement.Distribution, keyServer: MemberIdentifier, index: Int
  ) throws(MKAError) {
    let participant = participants[index]
    let identifier = SAKIdentifier(keyServer: keyServer, number: distribution.number)
    guard case .peer(keyServer) = participant.election, let peer = participant.peers[keyServer],
      !participant.hasTaken(identifier)
    else { return }
    let secret = try material.sak(
      cak: participant.key.cak, verifying: distribution, members: [participant.memberIdentifier, keyServer])
    let sak = SAK(
      identifier: identifier, associationNumber: distribution.associationNumber,
      cipherSuite: distribution.cipherSuite, confidentialityOffset: distribution.confidentialityOffset, key: secret,
      members: [configuration.sci, peer.sci])
    participants[index].counters.ppkRetrieved &+= 1
    ppk.noteMade(identifier)
    ppk.succeeded()
    adopt(sak, waitsForAll: true, index: index)
  }

  private mutating func failed(
    _ purpose: PPKState.Purpose, _ reason: PPKAnnouncement.RefusalReason, _ text: String, index: Int, now: Moment
  ) {
    if case .fetch(let distribution, let keyServer) = purpose {
      refuse(SAKIdentifier(keyServer: keyServer, number: distribution.number), reason, index: index)
    }
    ppkFailed(text, index: index, now: now)
  }

  private mutating func ppkFailed(_ reason: String, index: Int, now: Moment) {
    guard let ppkPolicy else { return }
    ppk.failures += 1
    ppk.retryAt = now.uptime + ppkPolicy.retryInterval
    if ppk.failures == ppkPolicy.attempts { countPPK(\.retryFail, index) }
    if ppk.reason != reason { emit(.ppkFailure(reason), ckn: participants[index].ckn) }
    ppk.reason = reason
  }

  /// Gives up a question that the key service did not answer in time.
  mutating func expirePPK(_ now: Moment) {
    if let retryAt = ppk.retryAt, now.uptime >= retryAt, ppk.pending == nil, ppkPolicy == nil { ppk.retryAt = nil }
    guard let pending = ppk.pending, now.uptime >= pending.deadline else { return }
    ppk.pending = nil
    guard let index = index(of: pending.ckn) else { return }
    countPPK(\.requestTimeout, index)
    failed(pending.purpose, .unavailable, "the key service did not answer in time", index: index, now: now)
  }

  mutating func countPPK(_ counter: WritableKeyPath<PPKFailures, UInt32>, _ index: Int) {
    counters.ppkFailures[keyPath: counter] &+= 1
    participants[index].counters.ppkFailures[keyPath: counter] &+= 1
  }
}
