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
    active?.kay.complete(transaction, with: answer, now: now)
    carryOut(world, now: now, &outputs)
    refill(now, &outputs)
  }

  /// How the key service knows this system.
  mutating func learn(system: String, _ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    guard active != nil, active?.system != system else { return }
    active?.system = system
    let policy = enginePolicy
    active?.kay.setPolicy(policy, now: now)
    carryOut(world, now: now, &outputs)
  }

  mutating func ask(_ request: KeyRequest, now: Moment, _ outputs: inout [Output]) {
    guard let source = settings.policy.keySource else { return }
    if request.kind == .new, source.bufferSize > 0,
      let key = active?.buffer.take(
        for: request.remoteSystem, maximumAge: source.bufferMaximumAge, now: now.uptime)
    {
      active?.kay.complete(
        request.transaction, with: .key(identifier: key.identifier, secret: key.secret), now: now)
      return
    }
    outputs.append(.ask(request, question(source, timeout: request.timeout)))
  }

  private func question(_ source: PortPolicy.KeySource, timeout: Duration) -> KeyQuestion {
    KeyQuestion(profile: source.profile, generation: generation, timeout: timeout)
  }

  /// Fills the buffer, while this port is the key server of a secured session.
  mutating func refill(_ now: Moment, _ outputs: inout [Output]) {
    guard let source = settings.policy.keySource, source.bufferSize > 0, var current = active else { return }
    current.buffer.expire(maximumAge: source.bufferMaximumAge, now: now.uptime)
    switch current.buffer.alarm(size: source.bufferSize, below: source.bufferAlarmBelow) {
    case true?: outputs.append(.bufferLow(level: current.buffer.level))
    case false?: outputs.append(.bufferRestored)
    case nil: break
    }
    if current.kay.servesPPK, current.buffer.wantsKey(size: source.bufferSize, now: now.uptime) {
      current.buffer.isFetching = true
      current.buffer.retryAt = nil
      outputs.append(
        .prefetch(remoteSystem: current.buffer.remoteSystem, question(source, timeout: current.kay.ppkTimeout)))
    }
    active?.buffer = current.buffer
  }

  /// A key for the buffer came, or not.
  mutating func take(
    prefetched answer: KeyAnswer, remoteSystem: String?, generation: UInt64, now: Moment, _ outputs: inout [Output]
  ) {
    guard generation == self.generation, active != nil else { return }
    active?.buffer.isFetching = false
    if case .key(let identifier, let secret) = answer, secret.count * 8 == KeyRequest.sizeInBits {
      active?.buffer.add(
        .init(identifier: identifier, secret: secret, remoteSystem: remoteSystem, fetched: now.uptime))
    } else {
      let interval = active?.kay.ppkRetryInterval ?? Self.retryInterval
      active?.buffer.retryAt = now.uptime + interval
    }
    refill(now, &outputs)
  }
}
