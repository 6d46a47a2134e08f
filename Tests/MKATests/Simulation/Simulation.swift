// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

@testable import MKA

/// A random source that gives the same again from the same seed.
struct SeededRandomSource: RandomSource {
  var generator: SeededGenerator

  mutating func bytes(_ count: Int) throws(MKAError) -> SecretBytes { SecretBytes(copying: generator.bytes(count)) }
}

/// How a network treats frames.
struct NetworkConditions {
  var loss = 0.0
  var duplication = 0.0
  var delay: ClosedRange<Double> = 0.000_05...0.002

  static let ideal = NetworkConditions()
}

/// Ports on one LAN in virtual time, with their SecYs and some traffic between them.
///
/// Everything follows from the seed. What must never happen is collected in `violations` as it happens.
final class Simulation {
  struct Station {
    var kay: KaY
    var secY: SimulatedSecY
    var isRunning = true
    var group = 0
    var clockSkew: Duration
    var wake: Duration?
    var events: [Event] = []
    var keyRequests: [KeyRequest] = []
    var generation: UInt64 = 0
    var keyChains: (primary: KeyChain?, fallback: KeyChain?)
    /// What was kept of its KaY, as it would be on disk.
    var kept: SecretBytes?
    var keptMark = 0
  }

  struct DataFrame {
    var sender: Int
    var sci: SCI
    var number: AssociationNumber
    var association: SimulatedSecY.Association
    var sent: Duration
  }

  enum Happening {
    case frame([UInt8], to: Int)
    case data(DataFrame, to: Int)
    case wake(Int)
    case traffic
    case pollPacketNumbers
    case answer(KeyAnswer, transaction: UInt64, to: Int)
  }

  struct LostFrame {
    var time: Duration
    var from: Int
    var to: Int
    var why: String
  }

  let seed: UInt64
  var generator: SeededGenerator
  var stations: [Station] = []
  var conditions = NetworkConditions.ideal
  /// Which commands a station's SecY refuses.
  var refusal: ((Int, SecYCommand) -> Bool)?
  var keyService = SimulatedKeyService()
  var now = Duration.zero
  private var queue = EventQueue<Happening>()
  private(set) var violations: [String] = []
  private(set) var lostFrames: [LostFrame] = []
  private(set) var deliveredFrames = 0
  private(set) var sentMKPDUs = 0
  /// What each key identifier stands for, over all stations and all time.
  private var keys: [SAKIdentifier: (key: String, number: AssociationNumber)] = [:]
  /// Who uses a short channel identifier with a key.
  private var shortIdentifiers: [String: SCI] = [:]
  /// Called with each frame before it is sent; may keep, change or drop it.
  var tap: (@Sendable ([UInt8], Int) -> [UInt8]?)?

  static let epoch = Duration.seconds(1_800_000_000)

  init(seed: UInt64, trafficInterval: Duration? = .milliseconds(100)) {
    self.seed = seed
    generator = SeededGenerator(seed: seed)
    if let trafficInterval {
      self.trafficInterval = trafficInterval
      queue.push(.traffic, at: trafficInterval)
    }
    queue.push(.pollPacketNumbers, at: .milliseconds(500))
  }

  private var trafficInterval = Duration.milliseconds(100)

  func moment(_ station: Int) -> Moment {
    Moment(uptime: now, wallClock: Self.epoch + now + stations[station].clockSkew)
  }

  // MARK: Set-up

  func addStation(
    policy: Policy, primary: KeyChain?, fallback: KeyChain? = nil, clockSkew: Duration = .zero, version: UInt8 = 3
  ) {
    let index = stations.count
    let sci = SCI(address: MACAddress(rawValue: 0x0200_0000_0000 + UInt64(index + 1)))
    var configuration = PortConfiguration(sci: sci, policy: policy)
    configuration.version = version
    stations.append(
      Station(
        kay: KaY(configuration: configuration, random: source(index, 0)), secY: SimulatedSecY(sci: sci),
        clockSkew: clockSkew, keyChains: (primary, fallback)))
    setKeyChains(index, primary: primary, fallback: fallback)
  }

  private func source(_ index: Int, _ generation: UInt64) -> SeededRandomSource {
    SeededRandomSource(generator: SeededGenerator(seed: seed &* 1_000_003 &+ UInt64(index) << 32 &+ generation))
  }

  func setKeyChains(_ index: Int, primary: KeyChain?, fallback: KeyChain?) {
    stations[index].keyChains = (primary, fallback)
    perform(index) { kay, now in kay.setKeyChains(primary: primary, fallback: fallback, now: now) }
  }

  /// The port's process ends and begins anew: it knows nothing any more, and its SecY is empty.
  func restart(_ index: Int) {
    stations[index].generation += 1
    let configuration = stations[index].kay.configuration
    stations[index].kay = KaY(
      configuration: configuration, random: source(index, stations[index].generation))
    violations += stations[index].secY.violations
    stations[index].secY = SimulatedSecY(sci: configuration.sci)
    stations[index].isRunning = true
    let chains = stations[index].keyChains
    setKeyChains(index, primary: chains.primary, fallback: chains.fallback)
  }

  /// The port's process stops for a while, or goes on with what it knew; its SecY goes on all the time.
  func setRunning(_ index: Int, _ isRunning: Bool) {
    stations[index].isRunning = isRunning
    if isRunning { perform(index) { kay, now in kay.handleTimeout(now: now) } }
  }

  /// When set, the next input of this station is its last: only so many of the effects are carried out.
  var effectsBeforeDeath: (station: Int, count: Int)?

  /// Keeps what a restart needs, as it is done before effects are carried out.
  private func keep(_ index: Int) {
    let mark = stations[index].kay.resumptionMark
    let hasSent = stations[index].kay.effects.contains { if case .send = $0 { true } else { false } }
    guard mark != stations[index].keptMark || hasSent else { return }
    stations[index].keptMark = mark
    stations[index].kept = stations[index].kay.resumption(now: moment(index))?.encoded()
  }

  private func die(_ count: Int, _ index: Int) {
    effectsBeforeDeath = nil
    for effect in stations[index].kay.takeEffects().prefix(count) {
      switch effect {
      case .send(let frame): send(frame, from: index)
      case .secY(let command): stations[index].secY.carryOut(command)
      case .event, .key: break
      }
    }
    stations[index].isRunning = false
  }

  /// The port's process begins anew, its SecY having gone on; whether it goes on as the same members.
  func resume(_ index: Int) throws -> Bool {
    stations[index].generation += 1
    let configuration = stations[index].kay.configuration
    var kay = KaY(configuration: configuration, random: source(index, stations[index].generation))
    let chains = stations[index].keyChains
    var resumed = false
    if let kept = stations[index].kept {
      resumed = kay.resume(
        try KaYResumption(decoding: kept), secYHolds: stations[index].secY.content, primary: chains.primary,
        fallback: chains.fallback, now: moment(index))
    }
    stations[index].kay = kay
    stations[index].isRunning = true
    if !resumed {
      violations += stations[index].secY.violations
      stations[index].secY = SimulatedSecY(sci: configuration.sci)
    }
    setKeyChains(index, primary: chains.primary, fallback: chains.fallback)
    return resumed
  }

  // MARK: Time

  func run(for time: Duration) { run(until: now + time) }

  func run(until end: Duration) {
    while let time = queue.nextTime, time <= end, let next = queue.pop() {
      now = max(now, next.time)
      switch next.element {
      case .frame(let frame, let to) where stations[to].isRunning:
        perform(to) { kay, now in kay.receive(frame, now: now) }
      case .data(let frame, let to) where stations[to].isRunning: receive(frame, at: to)
      case .answer(let answer, let transaction, let to) where stations[to].isRunning:
        perform(to) { kay, now in kay.complete(transaction, with: answer, now: now) }
      case .frame, .data, .answer: break
      case .wake(let index):
        guard stations[index].isRunning, stations[index].wake == next.time else { continue }
        perform(index) { kay, now in kay.handleTimeout(now: now) }
      case .traffic:
        for index in stations.indices where stations[index].isRunning { sendData(from: index) }
        queue.push(.traffic, at: now + trafficInterval)
      case .pollPacketNumbers:
        for index in stations.indices where stations[index].isRunning { pollPacketNumbers(index) }
        queue.push(.pollPacketNumbers, at: now + .milliseconds(500))
      }
    }
    now = end
  }

  func pollPacketNumbers(_ index: Int) {
    for association in stations[index].secY.transmit.values {
      let next = stations[index].secY.nextPN[association.identifier] ?? 1
      perform(index) { kay, now in kay.update(nextPN: next, of: association.identifier, now: now) }
    }
  }

  /// Calls the engine, carries out what it wants and looks at the result.
  func perform(_ index: Int, _ call: (inout KaY, Moment) -> Void) {
    call(&stations[index].kay, moment(index))
    keep(index)
    if let effectsBeforeDeath, effectsBeforeDeath.station == index { return die(effectsBeforeDeath.count, index) }
    var refused: [SecYCommand] = []
    for effect in stations[index].kay.takeEffects() {
      switch effect {
      case .send(let frame): send(frame, from: index)
      case .secY(let command):
        if refusal?(index, command) == true {
          refused.append(command)
        } else {
          stations[index].secY.carryOut(command, afterRefusal: !refused.isEmpty)
          check(command, at: index)
        }
      case .event(let event): stations[index].events.append(event)
      case .key(let request):
        stations[index].keyRequests.append(request)
        if let answer = keyService.answer(request, from: index, using: &generator) {
          queue.push(.answer(answer, transaction: request.transaction, to: index), at: now + keyService.delay)
        }
      }
    }
    for command in refused {
      perform(index) { kay, now in kay.secYFailed(command, reason: "told so by the test", now: now) }
    }
    if stations[index].secY.status == .unprotected,
      stations[index].kay.configuration.policy.securityPolicy == .mustSecure
    {
      violations.append("\(now): station \(index) lets frames pass in clear under must-secure")
    }
    violations += stations[index].secY.violations.map { "\(now): \($0)" }
    stations[index].secY.clearViolations()
    if let next = stations[index].kay.nextTimeout(now: moment(index)), next != stations[index].wake {
      stations[index].wake = next
      queue.push(.wake(index), at: next)
    }
  }

  // MARK: Safety

  private func check(_ command: SecYCommand, at index: Int) {
    let user: SCI
    let sak: SAK
    switch command {
    case .addReceiveAssociation(let sci, let key): (user, sak) = (sci, key)
    case .addTransmitAssociation(let key): (user, sak) = (stations[index].secY.sci, key)
    default: return
    }
    let key = sak.key.hex
    if let known = keys[sak.identifier], known != (key, sak.associationNumber) {
      violations.append("\(now): station \(index) has another SAK or AN under \(sak.identifier)")
    }
    keys[sak.identifier] = (key, sak.associationNumber)
    if let ssci = sak.ssci[user] {
      if let other = shortIdentifiers["\(key) \(ssci)"], other != user {
        violations.append("\(now): station \(index) gives SSCI \(ssci) of \(other) to \(user)")
      }
      shortIdentifiers["\(key) \(ssci)"] = user
    }
  }

  // MARK: Network

  private func delay() -> Duration {
    .nanoseconds(Int64(Double.random(in: conditions.delay, using: &generator) * 1_000_000_000))
  }

  private func send(_ frame: [UInt8], from sender: Int) {
    guard let frame = tap == nil ? frame : tap?(frame, sender) else { return }
    sentMKPDUs += 1
    for index in stations.indices where index != sender && stations[index].group == stations[sender].group {
      if Double.random(in: 0..<1, using: &generator) < conditions.loss { continue }
      queue.push(.frame(frame, to: index), at: now + delay())
      if Double.random(in: 0..<1, using: &generator) < conditions.duplication {
        queue.push(.frame(frame, to: index), at: now + delay())
      }
    }
  }

  /// Brings a frame from nowhere to a station.
  func inject(_ frame: [UInt8], to index: Int) { perform(index) { kay, now in kay.receive(frame, now: now) } }

  private func sendData(from sender: Int) {
    guard let (number, association) = stations[sender].secY.transmitting else { return }
    stations[sender].secY.nextPN[association.identifier, default: 1] += 1
    let frame = DataFrame(
      sender: sender, sci: stations[sender].secY.sci, number: number, association: association, sent: now)
    for index in stations.indices where index != sender && stations[index].group == stations[sender].group {
      queue.push(.data(frame, to: index), at: now + delay())
    }
  }

  private func receive(_ frame: DataFrame, at index: Int) {
    let slot = SimulatedSecY.Slot(sci: frame.sci, associationNumber: frame.number)
    let installed = stations[index].secY.receive[slot]
    if let installed, installed.key == frame.association.key, installed.ssci == frame.association.ssci {
      deliveredFrames += 1
    } else {
      lostFrames.append(
        LostFrame(
          time: frame.sent, from: frame.sender, to: index,
          why: installed.map { "key \($0.identifier) where \(frame.association.identifier) came" }
            ?? "no association \(frame.number) for \(frame.association.identifier)"))
    }
  }

  /// Frames lost since a time.
  func lost(since time: Duration) -> [LostFrame] { lostFrames.filter { $0.time >= time } }

  // MARK: Liveness

  /// Why these stations do not all protect their frames with one SAK that all the others have; nil when they do.
  func whyNotSecured(_ indices: [Int]? = nil) -> String? {
    let indices = indices ?? Array(stations.indices)
    var identifier: SAKIdentifier?
    for index in indices {
      guard let (number, association) = stations[index].secY.transmitting else {
        return "station \(index) does not protect: \(stations[index].kay.summary)"
      }
      if let identifier, association.identifier != identifier {
        return "stations \(indices[0]) and \(index) transmit with different SAKs: "
          + stations.map { "\n  " + $0.kay.summary }.joined()
      }
      identifier = association.identifier
      for other in indices where other != index {
        let slot = SimulatedSecY.Slot(sci: stations[index].secY.sci, associationNumber: number)
        guard stations[other].secY.receive[slot]?.key == association.key else {
          return "station \(other) cannot receive from \(index): \(stations[other].kay.summary)"
        }
      }
    }
    return nil
  }

  /// Runs until all are secured; false when that takes longer than `limit`.
  func runUntilSecured(limit: Duration, _ indices: [Int]? = nil) -> Bool {
    let end = now + limit
    while whyNotSecured(indices) != nil {
      guard now < end else { return false }
      run(for: .milliseconds(50))
    }
    return true
  }
}

extension KaY {
  /// A line for failing tests.
  var summary: String {
    let own = participants.map { participant in
      "\(participant.role) \(participant.ckn) \(participant.memberIdentifier.description.prefix(6)) "
        + "\(participant.election) live "
        + participant.peers.live.map { String($0.memberIdentifier.description.prefix(6)) }.joined(separator: ",")
        + " potential \(participant.peers.potential.count)"
    }.joined(separator: "; ")
    return "\(configuration.sci) CP \(controlledPort.state) \(controlledPort.connection) "
      + "latest \(controlledPort.latest.map { "\($0.identifier) rx \($0.receives) tx \($0.transmits)" } ?? "-") "
      + "principal \(principal?.description ?? "-") [\(own)]"
  }
}
