// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA

/// What comes to a port that is up, and what the engine wants done about it.
extension Port {
  /// What is due.
  mutating func run(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    if let count = filter.takeSummary(now: now.uptime) { outputs.append(.rekeySummary(count)) }
    guard active != nil else {
      if let retryAt, now.uptime >= retryAt { converge(world, now: now, &outputs) }
      return
    }
    if let link { guardParent(link, world, now: now) }
    pollPacketNumbers(world, now: now, &outputs)
    active?.kay.handleTimeout(now: now)
    carryOut(world, now: now, &outputs)
    refill(now, &outputs)
  }

  private mutating func pollPacketNumbers(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    guard let current = active, now.uptime >= current.nextPoll else { return }
    let policy = settings.policy.mka
    active?.nextPoll = now.uptime + (policy.delayProtection ? Timers().boundedHello : Timers().hello)
    guard current.kay.isSecured else { return }
    do throws(SecYError) {
      for (key, number) in try current.secY.nextPacketNumbers() {
        active?.kay.update(nextPN: number, of: key, now: now)
      }
    } catch { recover(from: error.message, world, now: now, &outputs) }
  }

  /// After a failure of the SecY: when it has lost what it held (its link or its process is gone), the port begins
  /// anew, since no SAK may be installed twice.
  private mutating func recover(
    from reason: String, _ world: PortWorld, now: Moment, _ outputs: inout [Output]
  ) {
    problem = reason
    let isThere = ((try? active?.secY.state()) ?? nil)?.configuration != nil
    guard !isThere else { return }
    tell(EngineEvent(.failure("the SecY is lost: \(reason)")), now: now, &outputs)
    // The controlled port may have survived, with its addresses.
    takeDown(world, removing: false, now: now, &outputs)
    problem = reason
    retryAt = now.uptime + .seconds(1)
  }

  mutating func receive(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    receiveLLDP(world, now: now, &outputs)
    guard let socket = active?.socket else { return }
    for _ in 0..<Self.maximumFramesAtOnce {
      // A link that goes down is told by its events.
      guard let frame = (try? socket.receive()) ?? nil else { break }
      active?.kay.receive(frame, now: now)
      carryOut(world, now: now, &outputs)
    }
  }

  // MARK: Effects

  /// Carries out what the engine wants, in its order.
  mutating func carryOut(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    // What the SecY refuses has further effects; the engine holds back after that.
    for _ in 0..<8 {
      let negotiated = negotiate(now)
      guard let effects = active?.kay.takeEffects(), !(effects.isEmpty && negotiated.isEmpty) else { break }
      keep(effects, world, now: now)
      carryOut(negotiated, now: now, &outputs)
      var commands: [SecYCommand] = []
      var failures: [SecYFailure] = []
      for effect in effects {
        if case .secY(let command) = effect {
          commands.append(command)
          continue
        }
        if !commands.isEmpty { failures += active?.secY.perform(commands) ?? [] }
        commands = []
        switch effect {
        case .secY: break
        case .send(let frame): send(frame)
        case .event(let event): tell(event, now: now, &outputs)
        case .key(let request): ask(request, now: now, &outputs)
        }
      }
      if !commands.isEmpty { failures += active?.secY.perform(commands) ?? [] }
      if let first = failures.first { recover(from: first.error.message, world, now: now, &outputs) }
      for failure in failures {
        active?.kay.secYFailed(failure.command, reason: failure.error.message, now: now)
      }
      if failures.isEmpty, active?.kay.isSecured == true { problem = guardProblem }
      if let link { guardParent(link, world, now: now) }
    }
    joinBond(world, now: now)
  }

  private mutating func send(_ frame: [UInt8]) {
    do throws(MKAError) { try active?.socket.send(frame) } catch { active?.kay.sendFailed() }
  }

  mutating func tell(_ event: EngineEvent, now: Moment, _ outputs: inout [Output]) {
    switch filter.judge(event, logging: settings.policy.rekeyLogging, now: now.uptime) {
    case .tell: outputs.append(.event(event, isLogged: true))
    case .tellWithoutLog: outputs.append(.event(event, isLogged: false))
    case .drop: break
    }
  }

  /// Keeps what a restart needs: before anything that peers or the SecY will remember, and with each hello, so that
  /// what peers said last is not much older.
  private mutating func keep(_ effects: [Effect], _ world: PortWorld, now: Moment) {
    guard let store = world.store, let current = active else { return }
    let exchangeMark = current.exchange?.mark ?? 0
    let mark = current.kay.resumptionMark
    let isSending = effects.contains { if case .send = $0 { true } else { false } }
    guard mark != current.mark || exchangeMark != current.exchangeMark || (isSending && current.kay.isSecured) else {
      return
    }
    active?.mark = mark
    active?.exchangeMark = exchangeMark
    let resumption = current.kay.resumption(now: now)
    guard
      resumption != nil || current.isKept || mark != current.mark || exchangeMark != current.exchangeMark
    else { return }
    active?.isKept = resumption != nil
    store.write(resumption, keys: current.exchange?.encoded(), restarts: restarts, port: name)
  }
}
