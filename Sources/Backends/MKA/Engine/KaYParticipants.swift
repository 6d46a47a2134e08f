// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Which CAKs have participants, what they are, and which is the principal.
extension KaY {
  /// Gives each key of the chains that is in use, or soon will be, its participant, and takes it from those that are
  /// not.
  mutating func reconcileParticipants(_ now: Moment) {
    var wanted: [(key: KeyChain.Key, chain: String, role: Participant.Role)] = []
    func want(_ key: KeyChain.Key?, _ chain: KeyChain?, _ role: Participant.Role) {
      guard let key, let chain, !wanted.contains(where: { $0.key.ckn == key.ckn }) else { return }
      wanted.append((key, chain.name, role))
    }
    want(primaryChain?.active(at: now.wallClock), primaryChain, .primary)
    want(fallbackChain?.active(at: now.wallClock), fallbackChain, .fallback)
    want(primaryChain?.upcoming(at: now.wallClock, lead: timers.rolloverLead), primaryChain, .next)
    for key in primaryChain?.heldBack ?? [] { want(key, primaryChain, .next) }
    for participant in participants where !wanted.contains(where: { $0.key.ckn == participant.ckn }) {
      guard isWorthKeeping(participant, now: now) else { continue }
      let isFallback = participant.role.isFallback
      want(
        (isFallback ? fallbackChain : primaryChain)?.keys.first { $0.ckn == participant.ckn },
        isFallback ? fallbackChain : primaryChain, isFallback ? .oldFallback : .oldPrimary)
    }
    for participant in participants where !wanted.contains(where: { $0.key.isSame(as: participant.key) }) {
      let isKnown = [primaryChain, fallbackChain].contains {
        $0?.keys.contains { $0.isSame(as: participant.key) } ?? false
      }
      let isExpired = participant.key.end.map { now.wallClock >= $0 } ?? false
      if isKnown, isExpired { emit(.keyExpired, ckn: participant.ckn) }
      emit(
        .sessionStop(!isKnown ? "the key was removed" : isExpired ? "the key's lifetime is over" : "rolled over"),
        ckn: participant.ckn)
      participants.removeAll { $0.ckn == participant.ckn }
    }
    for (key, chain, role) in wanted {
      if let index = index(of: key.ckn) {
        participants[index].key = key
        promote(index, to: role, now: now)
      } else {
        begin(key, chain: chain, role: role, now: now)
      }
    }
    if let current = principal, index(of: current) == nil { principal = nil }
  }

  private mutating func promote(_ index: Int, to role: Participant.Role, now: Moment) {
    let before = participants[index].role
    guard before != role else { return }
    participants[index].role = role
    if role == .primary {
      participants[index].began = now
      if let previous = participants.first(where: { $0.ckn != participants[index].ckn && $0.role == .primary }) {
        emit(.cakRollover(from: previous.ckn), ckn: participants[index].ckn)
      }
    }
  }

  private mutating func begin(_ key: KeyChain.Key, chain: String, role: Participant.Role, now: Moment) {
    do throws(MKAError) {
      participants.append(try Participant(key: key, keyChain: chain, role: role, now: now, random: &random))
      emit(.sessionStart, ckn: key.ckn)
      if role == .primary, let previous = participants.first(where: { $0.role == .primary && $0.ckn != key.ckn }) {
        emit(.cakRollover(from: previous.ckn), ckn: key.ckn)
      }
    } catch {
      counters.hashKeyGenerationFail &+= 1
      emit(.failure(error.message), ckn: key.ckn)
    }
  }

  /// A superseded key stays while it is in its lifetime and may still be needed: until its successor has taken over
  /// and all have had the time to follow.
  private func isWorthKeeping(_ participant: Participant, now: Moment) -> Bool {
    let chain = participant.role.isFallback ? fallbackChain : primaryChain
    guard let key = chain?.keys.first(where: { $0.isSame(as: participant.key) }),
      key.end.map({ now.wallClock < $0 }) ?? true
    else { return false }
    // In use it stays even before its start: a key server's clock may be ahead of ours, or ours have been set back.
    if participant.ckn == principal || participant.ckn == controlledPort.latest?.ckn
      || participant.ckn == controlledPort.old?.ckn
    {
      return true
    }
    guard key.isActive(at: now.wallClock) else { return false }
    guard let inUse, let since = inUseSince, let successor = self.participant(inUse.ckn),
      successor.role == .primary || (participant.role.isFallback && successor.role == .fallback)
    else { return true }
    return now.uptime < since.uptime + timers.life * 2
  }

  /// Lower is better.
  private func rank(_ participant: Participant, now: Moment) -> Int {
    switch participant.role {
    case .primary: return 0
    case .oldPrimary:
      let rollover = participants.first { $0.role == .primary }?.began
      let isInGrace = rollover.map { now.uptime < $0.uptime + timers.rolloverGrace } ?? true
      return isInGrace ? 1 : 3
    case .fallback: return 2
    case .oldFallback: return 4
    // A key server whose clock is ahead of ours has already rolled over.
    case .next: return participant.ckn == principal ? -1 : 5
    }
  }

  /// Chooses whose SAK is to protect the port, where that is ours to choose: as key server.
  ///
  /// Best is the participant of the best rank that reaches all who are reached by any. To leave the principal for a
  /// better one needs that the better one reaches all that the principal does; for a worse one, that the principal
  /// has lost its peers while the other hears them, or fails to reach some for longer than it takes to notice their
  /// loss.
  mutating func choosePrincipal(_ now: Moment) {
    let candidates = participants.filter { $0.peers.hasLive && ($0.role != .next || $0.ckn == principal) }
    guard !candidates.isEmpty else {
      principalDoubt = nil
      if let current = principal, participant(current)?.peers.hasLive != true { principal = nil }
      return
    }
    let reach = Dictionary(
      candidates.map { ($0.ckn, Set($0.peers.live.map(\.sci))) }, uniquingKeysWith: { first, _ in first })
    let all = reach.values.reduce(into: Set<SCI>()) { $0.formUnion($1) }
    func best(_ among: [Participant]) -> Participant? { among.min { rank($0, now: now) < rank($1, now: now) } }
    guard let choice = best(candidates.filter { reach[$0.ckn] == all }) ?? best(candidates) else { return }
    guard let currentName = principal, let current = participant(currentName) else {
      principalDoubt = nil
      principal = choice.ckn
      return
    }
    guard choice.ckn != currentName else {
      principalDoubt = nil
      return
    }
    guard case .own = choice.election else { return }
    guard current.peers.hasLive else {
      // Silence under both keys is the loss of the peer, not of the key.
      let lost = current.lastHeard ?? current.began.uptime
      if let heard = choice.lastHeard, heard > lost + helloTime * 3 / 2 || current.lastHeard == nil {
        principal = choice.ckn
      }
      return
    }
    let reached = reach[currentName] ?? []
    let isBetter = rank(choice, now: now) < rank(current, now: now)
    if isBetter, reached.isSubset(of: reach[choice.ckn] ?? []) {
      principalDoubt = nil
      principal = choice.ckn
      return
    }
    let since = principalDoubt ?? now.uptime
    principalDoubt = since
    if now.uptime >= since + timers.life + timers.hello {
      principalDoubt = nil
      principal = choice.ckn
    }
  }

  /// Whether a SAK that comes from this participant's key server is to be taken: who leads in the principal leads.
  func follows(_ participant: Participant, now: Moment) -> Bool {
    guard let principal, principal != participant.ckn, let current = self.participant(principal),
      current.peers.hasLive
    else { return true }
    if let leader = current.keyServer?.sci, leader == participant.keyServer?.sci { return true }
    return rank(participant, now: now) < rank(current, now: now)
  }

  /// The key server wants frames in clear.
  func isPlain(_ participant: Participant) -> Bool {
    switch participant.election {
    case .none: false
    case .peer: participant.serverWantsPlain && policy.securityPolicy == .shouldSecure
    case .own: !participant.peers.live.contains { $0.desiresMACsec && $0.capability != .none }
    }
  }
}
