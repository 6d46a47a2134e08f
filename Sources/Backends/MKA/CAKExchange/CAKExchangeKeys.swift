// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// What becomes of keys: obtained, released, in use, spent.
extension CAKExchange {
  /// The key that frames are protected under.
  var current: Held? { keys.first { $0.ckn == inUse } }

  /// How long the peer may take to show that it has a new key.
  var patience: Duration { policy.timeout + policy.transmitInterval * 3 + Timers().life }

  // MARK: The KaY

  /// Takes in what the KaY knows: who holds which key, and which is in use.
  mutating func observe(_ kay: KaY, now: Moment) {
    live = kay.liveCKNs
    livePeers = kay.livePeerAddresses
    inUse = kay.inUseCKN
    for index in keys.indices where keys[index].isHeldBack && live.contains(keys[index].ckn) {
      keys[index].isHeldBack = false
    }
    guard let place = keys.firstIndex(where: { $0.ckn == inUse }) else { return }
    if keys[place].inUseSince == nil {
      keys[place].inUseSince = now
      counters.rollovers &+= 1
      age = KeyAgeState()
      succeeded()
      isRenewalWanted = false
      emit(.cakInUse)
    }
    let present = kay.participantCKNs
    let order = keys[place].sequence
    for old in keys where old.sequence < order && !present.contains(old.ckn) { spend(old) }
    if isFallenBack, !age.isExhausted, let since = keys[place].inUseSince,
      now.uptime >= since.uptime + kay.timers.life * 2
    {
      isFallenBack = false
    }
  }

  /// Gives the KaY its key chains, unless it has them. The answer is whether it had to.
  mutating func give(_ kay: inout KaY, now: Moment) -> Bool {
    let wantsFallback = fallback != nil && (isFallenBack || preparesFallback(now))
    let wanted = Given(
      keys: keys.map(\.ckn), heldBack: keys.map(\.isHeldBack),
      fallbackGeneration: wantsFallback ? fallbackGeneration : nil, isKeptShut: age.isStalled)
    guard wanted != given else { return false }
    given = wanted
    kay.keepShut(wanted.isKeptShut)
    kay.setKeyChains(primary: chain, fallback: wantsFallback ? fallback : nil, now: now)
    return true
  }

  /// The pre-shared keys, if they are what the port has fallen back to.
  public var fallbackInUse: KeyChain? { isFallenBack ? fallback : nil }

  /// The keys as a chain, in which the later ones come first.
  public var chain: KeyChain? {
    try? KeyChain(
      name: chainName,
      keys: keys.map { key in
        var entry = KeyChain.Key(ckn: key.ckn, cak: key.cak, start: .seconds(Int64(key.sequence)))
        entry.isHeldBack = key.isHeldBack
        return entry
      })
  }

  // MARK: From and to the list

  mutating func add(
    _ identifier: [UInt8], secret: SecretBytes, wasTaken: Bool, now: Moment
  ) throws(MKAError) {
    let ckn = try CKN(keyIdentifier: identifier)
    let cak = try CAK(secret)
    guard !keys.contains(where: { $0.ckn == ckn }), !spent.contains(identifier) else {
      throw MKAError(.invalidKey, "the key service gave a key a second time")
    }
    sequence &+= 1
    keys.append(
      Held(
        identifier: identifier, ckn: ckn, cak: cak, sequence: sequence, wasTaken: wasTaken, obtained: now,
        isHeldBack: inUse != nil))
    refused.removeAll { $0.identifier == identifier }
    while keys.count > Self.maximumKeyCount,
      let least = keys.first(where: { $0.inUseSince == nil && $0.ckn != ckn }) ?? keys.first
    {
      abandon(least)
    }
    station.isChanged = true
  }

  mutating func spend(_ key: Held) {
    keys.removeAll { $0.ckn == key.ckn }
    spent.append(key.identifier)
    if spent.count > Self.maximumSpentCount { spent.removeFirst() }
    station.isChanged = true
  }

  mutating func abandon(_ key: Held) {
    counters.abandoned &+= 1
    spend(key)
  }

  mutating func succeeded() {
    failures = 0
    reason = nil
    retryAt = nil
    idleUntil = nil
  }

  // MARK: Age

  /// When the age of the key in use asks for something.
  var lifetimeTimeouts: [Duration] {
    guard let since = current?.inUseSince?.uptime else { return [] }
    var times = [policy.refreshInterval.map { since + $0 }].compactMap { $0 }
    let life = Timers().life
    if isFallenBack { times.append(since + life * 2) }
    guard let limit = policy.lifetime else { return times }
    times += [since + limit.alarmAge, since + limit.maximumAge, since + limit.maximumAge + life]
    if policy.onFailure == .fallBack { times.append(since + limit.maximumAge - life * 2) }
    return times
  }

  /// Shortly before the key in use runs out, the pre-shared keys look for their peers, so that they take over without
  /// loss.
  private func preparesFallback(_ now: Moment) -> Bool {
    guard policy.onFailure == .fallBack, let limit = policy.lifetime, let since = current?.inUseSince else {
      return false
    }
    return now.uptime >= since.uptime + limit.maximumAge - Timers().life * 2
  }

  mutating func enforceLifetime(_ now: Moment) {
    guard let limit = policy.lifetime else { return }
    // Keys of a session that is gone grow old too.
    for key in keys where key.ckn != inUse {
      if let since = key.inUseSince, now.uptime >= since.uptime + limit.maximumAge { spend(key) }
    }
    guard let key = current, let since = key.inUseSince else { return }
    let reached = now.uptime - since.uptime
    if reached >= limit.alarmAge, !age.hasAlarmed {
      age.hasAlarmed = true
      emit(.keyAgeAlarm(reached))
    }
    guard reached >= limit.maximumAge else { return }
    let fallsBack = policy.onFailure == .fallBack && fallback != nil
    if !age.isExhausted {
      age.isExhausted = true
      emit(.keyExhausted(stalls: !fallsBack))
      if fallsBack { fallBack(reason ?? "the key in use is too old", now: now) }
    }
    if !fallsBack {
      age.isStalled = true
      spend(key)
    } else if fallback?.keys.contains(where: { live.contains($0.ckn) }) == true
      || reached >= limit.maximumAge + Timers().life
    {
      spend(key)
    }
  }

  /// Enough attempts have failed, and there is no key to go on with.
  var isFallbackDue: Bool {
    policy.onFailure == .fallBack && fallback != nil && !isFallenBack && failures >= policy.attempts && current == nil
  }

  mutating func fallBack(_ reason: String, now: Moment) {
    guard !isFallenBack else { return }
    isFallenBack = true
    lastFallback = PPKFallback(count: (lastFallback?.count ?? 0) + 1, reason: reason, time: now)
    emit(.ppkFallback(reason))
  }
}

extension KaY {
  /// The CAKs that some live peer has.
  var liveCKNs: Set<CKN> { Set(participants.filter { $0.peers.hasLive }.map(\.ckn)) }

  /// The addresses of live peers, under whichever CAK.
  var livePeerAddresses: Set<MACAddress> { Set(participants.flatMap { $0.peers.live.map(\.sci.address) }) }

  var participantCKNs: Set<CKN> { Set(participants.map(\.ckn)) }

  /// The CAK under which the SAK in use came.
  public var inUseCKN: CKN? { inUse?.ckn }

  /// Blocks the port while it is not secured, whatever the security policy: its keys ran out.
  mutating func keepShut(_ isKeptShut: Bool) { self.isKeptShut = isKeptShut }
}
