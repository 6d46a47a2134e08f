// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import MKA
import Netlink
import Secrets

/// One interface with MACsec: its KaY, its sockets and its SecY, as far as its link is there.
///
/// It carries out what the engine wants, and decides nothing about MKA. What takes long or concerns others comes out as
/// ``Output``. All calls are made by the driver's thread, or by readers that only look.
struct Port: Sendable {
  /// What the driver is to do for the port.
  enum Output: Sendable {
    case event(EngineEvent, isLogged: Bool)
    /// So many new SAKs since the last such line.
    case rekeySummary(Int)
    case ask(KeyRequest, KeyQuestion)
    /// Fetch a key for the buffer.
    case prefetch(remoteSystem: String?, KeyQuestion)
    /// Find out how the key service knows this system.
    case askSystem(profile: String)
    case bufferLow(level: Int)
    case bufferRestored
    case restarted(isResumed: Bool, reason: String?)
    case watch(any PortSocket)
    case unwatch(any PortSocket)
    /// Where layer 3 of the interface is.
    case carry(Carrier)
  }

  enum Carrier: Sendable, Hashable {
    case link(String)
    case awaited
    case own
  }

  /// Whom a key is asked of, and for which life of the port.
  struct KeyQuestion: Sendable {
    var profile: String
    var generation: UInt64
    var timeout: Duration
  }

  /// A port whose link is there.
  struct Active: Sendable {
    var kay: KaY
    let link: Link
    let socket: any PortSocket
    let secY: any SecY
    var nextPoll: Duration
    var mark = 0
    var isKept = false
    var buffer = KeyBuffer()
    /// How the key service knows this system, once found out.
    var system: String?
  }

  /// How long after a failure to open the SecY or socket the next attempt is made.
  static let retryInterval = Duration.seconds(5)
  /// How often what guards the parent link is looked after.
  static let guardCheckInterval = Duration.seconds(30)
  /// The most frames taken in one go, so that no port keeps others waiting.
  static let maximumFramesAtOnce = 64

  let name: String
  var settings: PortSettings
  var linkName: String
  var link: Link?
  var active: Active?
  /// Why it cannot be brought up.
  var problem: String?
  var retryAt: Duration?
  var restarts = PortStore.Restarts()
  var filter = EventFilter()
  var generation: UInt64 = 0
  private var isRestored = false
  /// What the parent link lets pass, if it has been told.
  private var guarded: Guarded?
  private var guardProblem: String?
  private var nextGuardCheck = Duration.zero

  private struct Guarded: Sendable, Hashable {
    var link: UInt32
    var name: String
    var rule: ParentGuard
  }

  init(name: String, settings: PortSettings, linkName: String) {
    self.name = name
    self.settings = settings
    self.linkName = linkName
  }

  /// When `run` is due.
  func due(now: Moment) -> Duration? {
    guard let active else { return retryAt }
    let hello = active.kay.nextTimeout(now: now)
    return [hello, active.nextPoll, filter.summaryDue, active.buffer.retryAt].compactMap { $0 }.min()
  }

  // MARK: Up and down

  /// Brings the port to what its settings and its link ask for.
  mutating func converge(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    guard !settings.isShutDown else {
      problem = "MACsec is shut down on this device"
      takeDown(world, now: now, &outputs)
      openParent(world)
      return outputs.append(.carry(.own))
    }
    guard let link, link.isEthernet, link.hardwareAddress.count == 6 else {
      problem = link == nil ? "there is no link \(linkName)" : "the link \(linkName) carries no Ethernet frames"
      takeDown(world, now: now, &outputs)
      return outputs.append(.carry(.awaited))
    }
    if let active,
      active.link.index != link.index || active.link.hardwareAddress != link.hardwareAddress
        || active.link.name != link.name
    {
      takeDown(world, now: now, &outputs)
    }
    let isGuarded = guardParent(link, world, now: now)
    if active == nil {
      outputs.append(.carry(.awaited))
      guard retryAt.map({ now.uptime >= $0 }) ?? true else { return }
      guard isGuarded || settings.policy.mka.securityPolicy == .shouldSecure else {
        retryAt = now.uptime + Self.retryInterval
        return
      }
      bringUp(link, world, now: now, &outputs)
    } else {
      let policy = enginePolicy
      active?.kay.setPolicy(policy, now: now)
      active?.kay.setKeyChains(primary: settings.primary, fallback: settings.fallback, now: now)
      active?.kay.setLink(isUp: link.isUsable, now: now)
    }
    carryOut(world, now: now, &outputs)
  }

  /// The policy with what is known of the system and the SecY.
  var enginePolicy: Policy {
    var policy = settings.policy.mka
    if case .ppk(var ppk) = policy.keyDistribution, settings.policy.keySource?.localSystem == nil {
      ppk.system = active?.system ?? ""
      policy.keyDistribution = .ppk(ppk)
    }
    if let capability = active?.secY.capability { policy.acceptableCipherSuites = capability.cipherSuites }
    return policy
  }

  private mutating func bringUp(_ link: Link, _ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    retryAt = nil
    let sci = SCI(address: MACAddress(rawValue: link.hardwareAddress.reduce(0) { $0 << 8 | UInt64($1) }))
    let request = SecYRequest(
      parent: link, sci: sci, configuration: settings.policy.initialConfiguration,
      exceptions: settings.policy.exceptions, choice: settings.dataPlane.requested)
    do {
      let secY = try world.environment.makeSecY(request)
      let content = try secY.open(request.configuration)
      let socket = try world.environment.openSocket(link)
      generation += 1
      var configuration = PortConfiguration(sci: sci, policy: enginePolicy)
      configuration.capability = secY.capability.macsecCapability
      configuration.policy.acceptableCipherSuites = secY.capability.cipherSuites
      var kay = KaY(configuration: configuration)
      if try !resume(&kay, content: content, world, now: now, &outputs) {
        // The controlled port stays, with its addresses and routes, if what is in it can be taken out.
        if !content.isEmpty, !secY.perform(content.removals).isEmpty {
          try secY.remove()
          _ = try secY.open(request.configuration)
        }
        kay.setKeyChains(primary: settings.primary, fallback: settings.fallback, now: now)
      }
      kay.setLink(isUp: link.isUsable, now: now)
      active = Active(kay: kay, link: link, socket: socket, secY: secY, nextPoll: now.uptime)
      problem = nil
      outputs.append(.watch(socket))
      outputs.append(.carry(.link(secY.controlledPortName)))
      if let source = settings.policy.keySource, source.localSystem == nil {
        outputs.append(.askSystem(profile: source.profile))
      }
    } catch {
      problem = "\(error)"
      retryAt = now.uptime + Self.retryInterval
    }
  }

  /// Goes on where the last process ended, if this is the first time in this process and it is not too late.
  private mutating func resume(
    _ kay: inout KaY, content: SecYState, _ world: PortWorld, now: Moment, _ outputs: inout [Output]
  ) throws -> Bool {
    guard !isRestored, let store = world.store else { return false }
    isRestored = true
    let (resumption, restarts) = store.read(port: name)
    self.restarts = restarts
    guard let resumption else {
      if !content.transmit.isEmpty { noteRestart(false, "nothing was kept of it", &outputs) }
      return false
    }
    let isResumed = kay.resume(
      resumption, secYHolds: content, primary: settings.primary, fallback: settings.fallback, now: now)
    let isCurrent = resumption.isCurrent(now: now)
    noteRestart(
      isResumed,
      isResumed
        ? nil : isCurrent ? "its keys or its data plane have changed" : "the MKA life time was over", &outputs)
    return isResumed
  }

  private mutating func noteRestart(_ isResumed: Bool, _ reason: String?, _ outputs: inout [Output]) {
    if isResumed { restarts.resumed += 1 } else { restarts.renewed += 1 }
    if let reason { restarts.lastReason = reason }
    outputs.append(.restarted(isResumed: isResumed, reason: reason))
  }

  /// Keeps frames in clear off the parent link, under must-secure always, else while the port is secured; and off its
  /// own stack always. False when that cannot be done.
  @discardableResult
  private mutating func guardParent(_ link: Link, _ world: PortWorld, now: Moment) -> Bool {
    let isProtectedOnly = settings.policy.mka.securityPolicy == .mustSecure || active?.kay.isSecured == true
    let wanted = Guarded(
      link: link.index, name: link.name,
      rule: isProtectedOnly ? .protectedOnly(settings.policy.exceptions) : .cutOff)
    // Somebody may have flushed all filters of the system.
    guard wanted != guarded || now.uptime >= nextGuardCheck else { return true }
    nextGuardCheck = now.uptime + Self.guardCheckInterval
    do throws(SecYError) {
      try world.environment.guardParent(wanted.name, wanted.rule)
      guarded = wanted
      if problem == guardProblem { problem = nil }
      guardProblem = nil
      return true
    } catch {
      guarded = nil
      guardProblem = error.message
      problem = error.message
      return false
    }
  }

  /// Filters of the system were taken away, perhaps this port's.
  mutating func checkGuard(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    nextGuardCheck = .zero
    if guarded != nil, let link { guardParent(link, world, now: now) }
  }

  /// Lets everything pass the parent link again.
  mutating func openParent(_ world: PortWorld) {
    guard let going = guarded else { return }
    do throws(SecYError) {
      try world.environment.guardParent(going.name, .open)
      guarded = nil
    } catch { problem = error.message }
  }

  /// Ends the session and takes the controlled port away.
  mutating func takeDown(_ world: PortWorld, removing: Bool = true, now: Moment, _ outputs: inout [Output]) {
    retryAt = nil
    guard var going = active else { return }
    going.kay.shutDown(now: now)
    for effect in going.kay.takeEffects() {
      if case .event(let event) = effect { tell(event, now: now, &outputs) }
    }
    if removing { do { try going.secY.remove() } catch { problem = error.message } }
    outputs.append(.unwatch(going.socket))
    active = nil
    world.store?.write(nil, restarts: restarts, port: name)
  }

  // MARK: Inputs

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
    guard let socket = active?.socket else { return }
    for _ in 0..<Self.maximumFramesAtOnce {
      // A link that goes down is told by its events.
      guard let frame = (try? socket.receive()) ?? nil else { break }
      active?.kay.receive(frame, now: now)
      carryOut(world, now: now, &outputs)
    }
  }

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

  // MARK: Effects

  /// Carries out what the engine wants, in its order.
  private mutating func carryOut(_ world: PortWorld, now: Moment, _ outputs: inout [Output]) {
    // What the SecY refuses has further effects; the engine holds back after that.
    for _ in 0..<8 {
      guard let effects = active?.kay.takeEffects(), !effects.isEmpty else { return }
      keep(effects, world, now: now)
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
  }

  private mutating func send(_ frame: [UInt8]) {
    do throws(MKAError) { try active?.socket.send(frame) } catch { active?.kay.sendFailed() }
  }

  private mutating func tell(_ event: EngineEvent, now: Moment, _ outputs: inout [Output]) {
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
    let mark = current.kay.resumptionMark
    let isSending = effects.contains { if case .send = $0 { true } else { false } }
    guard mark != current.mark || (isSending && current.kay.isSecured) else { return }
    active?.mark = mark
    let resumption = current.kay.resumption(now: now)
    guard resumption != nil || current.isKept || mark != current.mark else { return }
    active?.isKept = resumption != nil
    store.write(resumption, restarts: restarts, port: name)
  }

  // MARK: Keys of the key service

  private mutating func ask(_ request: KeyRequest, now: Moment, _ outputs: inout [Output]) {
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
  private mutating func refill(_ now: Moment, _ outputs: inout [Output]) {
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

/// What a port needs of its driver.
struct PortWorld: Sendable {
  let environment: PortEnvironment
  let store: PortStore?
}

extension Link {
  /// Frames can go in and out: it has been set up and has a carrier, where it can tell.
  var isUsable: Bool { flags.contains(.up) && (operationalState == .up || operationalState == .unknown) }
}

extension DataPlaneChoice {
  var requested: SecYRequest.Choice {
    switch self {
    case .automatic: .automatic
    case .kernel: .kernel
    case .userspace: .userspace
    }
  }
}
