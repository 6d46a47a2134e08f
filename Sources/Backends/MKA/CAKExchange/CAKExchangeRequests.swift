// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Who takes keys and who fetches them, what is asked of the key service, and what follows from its answers.
extension CAKExchange {
  /// What this end has to do.
  enum Duty: Sendable, Hashable {
    case take(remoteSystem: String?)
    case fetch
    /// Nothing can be done, and why.
    case idle(String)
  }

  /// The stations that speak CAK mode: those that MKA knows as live peers, or, as long as there are none, all.
  var candidates: [LLDPStation.Neighbour] {
    let known = station.neighbours.filter { livePeers.contains($0.address) }
    return known.isEmpty ? station.neighbours : known
  }

  func duty(_ now: Moment) -> Duty {
    let candidates = candidates
    guard let peer = candidates.first else {
      let hasWaited = began.map { now.uptime >= $0 + policy.transmitInterval * 2 } ?? false
      guard policy.role == .taker, policy.remoteSystem != nil || hasWaited else {
        return .idle("no peer has been heard by LLDP")
      }
      return .take(remoteSystem: policy.remoteSystem)
    }
    guard candidates.count == 1 else {
      return policy.role == .fetcher
        ? .fetch : .idle("keys are pairwise, but \(candidates.count) stations are heard by LLDP")
    }
    let takes =
      policy.role == peer.role ? address < peer.address : policy.role == .taker || peer.role == .fetcher
    guard takes else { return .fetch }
    return .take(remoteSystem: policy.remoteSystem ?? (peer.system.isEmpty ? nil : peer.system))
  }

  /// Asks the key service for what is due.
  mutating func ask(_ kay: inout KaY, now: Moment) {
    giveUpUnused(now)
    guard pending == nil else { return }
    switch duty(now) {
    case .idle(let why): waitIdly(why, now: now)
    case .take(let remoteSystem):
      idleUntil = nil
      guard isKeyDue(now), retryAt.map({ now.uptime >= $0 }) ?? true else { return }
      request(.new, for: .take, remoteSystem: remoteSystem, now: now)
    case .fetch:
      guard let (offer, neighbour) = wantedOffer(now) else {
        if keys.isEmpty { waitIdly("the peer has offered no key that could be had", now: now) }
        return
      }
      idleUntil = nil
      nextFetch = now.uptime + Self.fetchInterval
      let told = neighbour.system.isEmpty ? nil : neighbour.system
      request(
        .byIdentifier(offer.identifier), for: .fetch(offer.identifier, from: neighbour.address),
        remoteSystem: policy.remoteSystem ?? told, now: now)
    }
  }

  /// This end takes keys, of whom.
  public func takes(now: Moment) -> (isTaker: Bool, remoteSystem: String?) {
    if case .take(let remoteSystem) = duty(now) { (true, remoteSystem) } else { (false, nil) }
  }

  private func isKeyDue(_ now: Moment) -> Bool {
    // One at a time: first what was taken last comes into use, or is given up.
    guard let newest = keys.last else { return true }
    guard let since = newest.inUseSince?.uptime else { return false }
    return isRenewalWanted || age.isExhausted || policy.refreshInterval.map { now.uptime >= since + $0 } ?? false
  }

  /// A key that did not come into use in time is given up; where no peer is heard by LLDP there is no such time.
  private mutating func giveUpUnused(_ now: Moment) {
    for key in keys where key.inUseSince == nil && now.uptime >= key.obtained.uptime + patience {
      guard !live.contains(key.ckn), !(key.wasTaken && candidates.isEmpty) else { continue }
      abandon(key)
      failed("the peer did not show that it has the new key", now: now)
    }
  }

  private mutating func waitIdly(_ why: String, now: Moment) {
    guard current == nil else { return }
    if reason == nil || failures == 0 { reason = why }
    guard let until = idleUntil else {
      idleUntil = now.uptime + policy.retryInterval
      return
    }
    guard now.uptime >= until else { return }
    idleUntil = now.uptime + policy.retryInterval
    failures += 1
    reason = why
    if failures == policy.attempts { emit(.ppkFailure(why)) }
  }

  private func wantedOffer(_ now: Moment) -> (CAKAnnouncement.Offer, LLDPStation.Neighbour)? {
    guard now.uptime >= nextFetch else { return nil }
    for neighbour in candidates {
      guard let offer = neighbour.offer, Int(offer.keyLength) == policy.keyLength,
        !keys.contains(where: { $0.identifier == offer.identifier }), !spent.contains(offer.identifier)
      else { continue }
      if let known = refused.first(where: { $0.identifier == offer.identifier }) {
        guard let again = known.retryAt, now.uptime >= again else { continue }
      }
      return (offer, neighbour)
    }
    return nil
  }

  private mutating func request(
    _ kind: KeyRequest.Kind, for purpose: Purpose, remoteSystem: String?, now: Moment
  ) {
    transaction += 1
    retryAt = nil
    pending = Pending(transaction: transaction, purpose: purpose, deadline: now.uptime + policy.timeout)
    effects.append(
      .key(
        KeyRequest(
          transaction: transaction, kind: kind, remoteSystem: remoteSystem, bits: policy.keyLength * 8,
          timeout: policy.timeout)))
  }

  // MARK: Answers of the key service

  /// The answer to a ``KeyRequest``. To be followed by ``settle(_:now:)``.
  public mutating func complete(_ transaction: UInt64, with answer: KeyAnswer, kay: inout KaY, now: Moment) {
    guard let pending, pending.transaction == transaction else {
      kay.counters.ppkFailures.transactionMismatch &+= 1
      return
    }
    self.pending = nil
    switch (answer, pending.purpose) {
    case (.key(let identifier, let secret), _): use(identifier, secret, for: pending.purpose, kay: &kay, now: now)
    case (.notFound, _):
      kay.counters.ppkFailures.retrievalFail &+= 1
      refuse(pending.purpose, .notFound, "the key service does not know the key", now: now)
    case (.failed(let why), .take):
      kay.counters.ppkFailures.tupleFail &+= 1
      failed(why, now: now)
    case (.failed(let why), .fetch):
      kay.counters.ppkFailures.retrievalFail &+= 1
      refuse(pending.purpose, .unavailable, why, now: now)
    case (.unavailable(let why), _):
      kay.counters.ppkFailures.connectionDown &+= 1
      refuse(pending.purpose, .unavailable, why, now: now)
    }
  }

  private mutating func use(
    _ identifier: [UInt8], _ secret: SecretBytes, for purpose: Purpose, kay: inout KaY, now: Moment
  ) {
    guard (1...CAKAnnouncement.maximumKeyIdentifierLength).contains(identifier.count) else {
      kay.counters.ppkFailures.idWrap &+= 1
      return refuse(purpose, .notAcceptable, "the key service gave no usable key identifier", now: now)
    }
    guard secret.count == policy.keyLength else {
      kay.counters.ppkFailures.tupleFail &+= 1
      let bits = secret.count * 8
      return refuse(
        purpose, .notAcceptable, "the key service gave a key of \(bits) bits instead of \(policy.keyLength * 8)",
        now: now)
    }
    if case .fetch(let wanted, _) = purpose, wanted != identifier {
      kay.counters.ppkFailures.idMismatch &+= 1
      return refuse(purpose, .notAcceptable, "the key service gave another key", now: now)
    }
    do throws(MKAError) {
      if case .take = purpose {
        try add(identifier, secret: secret, wasTaken: true, now: now)
        counters.keysTaken &+= 1
      } else {
        try add(identifier, secret: secret, wasTaken: false, now: now)
        counters.keysFetched &+= 1
      }
    } catch {
      kay.counters.ppkFailures.hashKeyGeneration &+= 1
      refuse(purpose, .notAcceptable, error.message, now: now)
    }
  }

  private mutating func refuse(_ purpose: Purpose, _ outcome: CAKAnnouncement.Outcome, _ why: String, now: Moment) {
    if case .fetch(let identifier, _) = purpose {
      refused.removeAll { $0.identifier == identifier }
      let retryAt = outcome == .unavailable ? now.uptime + policy.retryInterval : nil
      refused.append(Refused(identifier: identifier, outcome: outcome, retryAt: retryAt))
      if refused.count > Self.maximumRefusedCount { refused.removeFirst() }
      station.isChanged = true
    }
    failed(why, now: now)
  }

  mutating func failed(_ why: String, now: Moment) {
    failures += 1
    retryAt = now.uptime + policy.retryInterval
    if reason != why { emit(.ppkFailure(why)) }
    reason = why
  }

  /// Gives up a question that the key service did not answer in time.
  mutating func expirePending(_ kay: inout KaY, now: Moment) {
    guard let pending, now.uptime >= pending.deadline else { return }
    self.pending = nil
    kay.counters.ppkFailures.requestTimeout &+= 1
    refuse(pending.purpose, .unavailable, "the key service did not answer in time", now: now)
  }

  // MARK: Answers of the peer

  /// What became of an offer at the peer. One that MKA has shown to be false has no effect.
  mutating func take(_ answer: CAKAnnouncement.Answer, now: Moment) {
    guard let place = keys.firstIndex(where: { $0.identifier == answer.identifier && $0.wasTaken }),
      !live.contains(keys[place].ckn)
    else { return }
    switch answer.outcome {
    case .held: keys[place].peerHolds = true
    case .unavailable:
      // It tries again; the key is given up when that takes too long.
      reason = "the peer's key service cannot be asked"
    case .notFound, .notAcceptable:
      counters.refused &+= 1
      spend(keys[place])
      failed("the peer could not get the key: \(answer.outcome)", now: now)
    }
  }
}
