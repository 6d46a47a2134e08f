// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import MKA
import Secrets

/// Keys of the key service: asked for, taken from the buffer, and fetched beforehand.
extension Port {
  mutating func complete(
    _ transaction: UInt64, with answer: KeyAnswer, generation: UInt64, _ world: PortWorld, now: Moment,
    _ outputs: inout [Output]
  ) {
    guard generation == self.generation, active != nil else { return }
    complete(transaction, with: answer, now: now)
    carryOut(world, now: now, &outputs)
    refill(now, &outputs)
  }

  /// How the key service knows this system.
  mutating func learn(system: String, _ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    guard active != nil, active?.system != system else { return }
    active?.system = system
    let policy = enginePolicy
    active?.kay.setPolicy(policy, now: now)
    if let cak = exchangePolicy { active?.exchange?.setPolicy(cak) }
    carryOut(world, now: now, &outputs)
  }

  mutating func ask(_ request: KeyRequest, now: Moment, _ outputs: inout [Output]) {
    guard let source = settings.policy.keySource else { return }
    if request.kind == .new, source.bufferSize > 0,
      let key = active?.buffer.take(
        for: request.remoteSystem, maximumAge: source.bufferMaximumAge, now: now.uptime)
    {
      complete(request.transaction, with: .key(identifier: key.identifier, secret: key.secret), now: now)
      return
    }
    outputs.append(.ask(request, question(source, timeout: request.timeout)))
  }

  private mutating func complete(_ transaction: UInt64, with answer: KeyAnswer, now: Moment) {
    guard var current = active, current.exchange != nil else {
      active?.kay.complete(transaction, with: answer, now: now)
      return
    }
    active = nil
    current.exchange?.complete(transaction, with: answer, kay: &current.kay, now: now)
    active = current
  }

  private func question(_ source: PortPolicy.KeySource, timeout: Duration) -> KeyQuestion {
    KeyQuestion(
      profile: source.profile, generation: generation, timeout: timeout,
      bits: settings.policy.cak.map { $0.keyLength * 8 } ?? KeyRequest.sizeInBits)
  }

  /// Who takes new keys, and with whom: in PPK mode the key server, in CAK mode the taker.
  private func keyTaking(_ current: Active, now: Moment) -> (isTaker: Bool, remoteSystem: String?) {
    current.exchange?.takes(now: now) ?? (current.kay.servesPPK, current.kay.ppkRemoteSystem)
  }

  /// Fills the buffer, while this port takes the keys.
  mutating func refill(_ now: Moment, _ outputs: inout [Output]) {
    guard let source = settings.policy.keySource, source.bufferSize > 0, var current = active else { return }
    let taking = keyTaking(current, now: now)
    // A peer may tell its name after the first key was taken: keys fetched without it are not for that peer.
    if taking.isTaker { current.buffer.expect(taking.remoteSystem) }
    current.buffer.expire(maximumAge: source.bufferMaximumAge, now: now.uptime)
    switch current.buffer.alarm(size: source.bufferSize, below: source.bufferAlarmBelow) {
    case true?: outputs.append(.bufferLow(level: current.buffer.level))
    case false?: outputs.append(.bufferRestored)
    case nil: break
    }
    if taking.isTaker, current.buffer.wantsKey(size: source.bufferSize, now: now.uptime) {
      current.buffer.isFetching = true
      current.buffer.retryAt = nil
      outputs.append(
        .prefetch(
          remoteSystem: current.buffer.remoteSystem,
          question(source, timeout: settings.policy.cak?.timeout ?? current.kay.ppkTimeout)))
    }
    active?.buffer = current.buffer
  }

  /// A key for the buffer came, or not.
  mutating func take(
    prefetched answer: KeyAnswer, remoteSystem: String?, generation: UInt64, now: Moment, _ outputs: inout [Output]
  ) {
    guard generation == self.generation, active != nil else { return }
    active?.buffer.isFetching = false
    if case .key(let identifier, let secret) = answer,
      secret.count == settings.policy.cak?.keyLength ?? KeyRequest.sizeInBits / 8
    {
      active?.buffer.add(
        .init(identifier: identifier, secret: secret, remoteSystem: remoteSystem, fetched: now.uptime))
    } else {
      let interval = settings.policy.cak?.retryInterval ?? active?.kay.ppkRetryInterval ?? Self.retryInterval
      active?.buffer.retryAt = now.uptime + interval
    }
    refill(now, &outputs)
  }
}
