// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

@testable import MKA

/// Two ports in CAK mode on one link in virtual time, each with its KaY and its key service.
///
/// LLDP frames and MKPDUs go through the same lossy link. Data frames are sent each tenth of a second both ways.
final class CAKNetwork {
  struct End {
    var kay: KaY
    var exchange: CAKExchange
    var secY: SimulatedSecY
    var events: [Event] = []
    var requests: [KeyRequest] = []
    var isRunning = true
    var keptExchange: SecretBytes?
    var kept: SecretBytes?
    var lldp: [[UInt8]] = []
    var wake: Duration?
  }

  enum Happening {
    case frame([UInt8], to: Int)
    case lldp([UInt8], to: Int)
    case answer(KeyAnswer, UInt64, to: Int)
    case wake(Int)
    case traffic
    case poll
  }

  var ends: [End] = []
  var now = Duration.zero
  var generator: SeededGenerator
  var keyService = SimulatedKeyService()
  var loss = 0.0
  /// Of LLDP frames alone, beside `loss`.
  var lldpLoss = 0.0
  var delay: ClosedRange<Double> = 0.0001...0.002
  /// LLDP frames may be held up for longer than one another, so that they overtake.
  var lldpDelay: ClosedRange<Double> = 0.0001...0.002
  /// Called with each LLDP frame before it is sent; may change or drop it.
  var lldpTap: (([UInt8], Int) -> [UInt8]?)?
  private(set) var lost: [(time: Duration, why: String)] = []
  private(set) var delivered = 0
  private(set) var violations: [String] = []
  private var queue = EventQueue<Happening>()
  private let seed: UInt64
  private var generation: UInt64 = 0

  init(
    seed: UInt64, policies: [CAKPolicy], security: SecurityPolicy = .mustSecure, fallback: KeyChain? = nil,
    priorities: [UInt8] = [16, 16], lldpLoss: Double = 0
  ) {
    self.seed = seed
    self.lldpLoss = lldpLoss
    generator = SeededGenerator(seed: seed)
    for (index, policy) in policies.enumerated() {
      var mka = Policy()
      mka.securityPolicy = security
      mka.keyServerPriority = priorities[index]
      let sci = SCI(address: MACAddress(rawValue: 0x0200_0000_0001 + UInt64(index)))
      let kay = KaY(configuration: PortConfiguration(sci: sci, policy: mka), random: source(index))
      var exchange = CAKExchange(policy: policy, address: sci.address, portName: "e\(index)", chainName: "q")
      exchange.setFallback(fallback)
      ends.append(End(kay: kay, exchange: exchange, secY: SimulatedSecY(sci: sci)))
    }
    for index in ends.indices { perform(index) { _, _ in } }
    queue.push(.traffic, at: .milliseconds(100))
    queue.push(.poll, at: .milliseconds(500))
  }

  private func source(_ index: Int) -> SeededRandomSource {
    generation += 1
    return SeededRandomSource(generator: SeededGenerator(seed: seed &* 1_000_003 &+ UInt64(index) << 32 &+ generation))
  }

  var moment: Moment { Moment(uptime: now, wallClock: Simulation.epoch + now) }

  // MARK: Running

  func run(for duration: Duration) { run(until: now + duration) }

  func run(until end: Duration) {
    while let time = queue.nextTime, time <= end, let (time, happening) = queue.pop() {
      now = max(now, time)
      switch happening {
      case .frame(let frame, let index): perform(index) { end, now in end.kay.receive(frame, now: now) }
      case .lldp(let frame, let index): perform(index) { end, now in end.exchange.receive(frame, now: now) }
      case .answer(let answer, let transaction, let index):
        perform(index) { end, now in end.exchange.complete(transaction, with: answer, kay: &end.kay, now: now) }
      case .wake(let index): perform(index) { end, now in end.kay.handleTimeout(now: now) }
      case .traffic:
        for index in ends.indices { sendData(from: index) }
        queue.push(.traffic, at: now + .milliseconds(100))
      case .poll:
        for index in ends.indices {
          for (key, number) in ends[index].secY.nextPN {
            perform(index) { end, now in end.kay.update(nextPN: number, of: key, now: now) }
          }
        }
        queue.push(.poll, at: now + .milliseconds(500))
      }
    }
    now = end
  }

  func perform(_ index: Int, _ call: (inout End, Moment) -> Void) {
    guard ends[index].isRunning else { return }
    let moment = moment
    var end = ends[index]
    call(&end, moment)
    end.exchange.settle(&end.kay, now: moment)
    ends[index] = end
    for effect in ends[index].kay.takeEffects() {
      switch effect {
      case .send(let frame): send(.frame(frame, to: 1 - index), lossiness: loss, delay)
      case .secY(let command): ends[index].secY.carryOut(command)
      case .event(let event): ends[index].events.append(event)
      case .key: violations.append("the KaY asks for keys itself")
      }
    }
    for effect in ends[index].exchange.takeEffects() {
      switch effect {
      case .send(let frame):
        ends[index].lldp.append(frame)
        guard let frame = lldpTap == nil ? frame : lldpTap?(frame, index) else { continue }
        send(.lldp(frame, to: 1 - index), lossiness: loss + lldpLoss, lldpDelay)
      case .event(let event): ends[index].events.append(event)
      case .key(let request):
        ends[index].requests.append(request)
        if let answer = keyService.answer(request, from: index, using: &generator) {
          queue.push(.answer(answer, request.transaction, to: index), at: now + keyService.delay)
        }
      }
    }
    if ends[index].secY.status == .unprotected, ends[index].kay.policy.securityPolicy == .mustSecure {
      violations.append("\(now): end \(index) lets frames pass in clear")
    }
    violations += ends[index].secY.violations.map { "\(now): \($0)" }
    ends[index].secY.clearViolations()
    let times = [ends[index].kay.nextTimeout(now: moment), ends[index].exchange.nextTimeout(now: moment)]
    if let next = times.compactMap({ $0 }).min(), next != ends[index].wake {
      ends[index].wake = next
      queue.push(.wake(index), at: next)
    }
  }

  func inject(lldp frame: [UInt8], to index: Int) {
    perform(index) { end, now in end.exchange.receive(frame, now: now) }
  }

  private func send(_ happening: Happening, lossiness: Double, _ range: ClosedRange<Double>) {
    if Double.random(in: 0..<1, using: &generator) < lossiness { return }
    let delay = Double.random(in: range, using: &generator)
    queue.push(happening, at: now + .nanoseconds(Int64(delay * 1_000_000_000)))
  }

  // MARK: Restarts

  /// The process of an end stops; its SecY goes on.
  func kill(_ index: Int) {
    ends[index].kept = ends[index].kay.resumption(now: moment)?.encoded()
    ends[index].keptExchange = ends[index].exchange.encoded()
    ends[index].isRunning = false
  }

  /// It comes back with what was kept, or with nothing.
  func start(_ index: Int, forgetting: Bool = false) throws {
    let old = ends[index]
    var kay = KaY(configuration: old.kay.configuration, random: source(index))
    var exchange = CAKExchange(
      policy: old.exchange.policy, address: old.exchange.address, portName: old.exchange.portName, chainName: "q")
    exchange.setFallback(old.exchange.fallback)
    var secY = old.secY
    if forgetting {
      secY = SimulatedSecY(sci: old.kay.configuration.sci)
    } else {
      if let kept = old.keptExchange { try exchange.restore(kept) }
      let isResumed =
        try old.kept.map {
          kay.resume(
            try KaYResumption(decoding: $0), secYHolds: secY.content, primary: exchange.chain, fallback: nil,
            now: moment)
        } ?? false
      if !isResumed { secY = SimulatedSecY(sci: old.kay.configuration.sci) }
    }
    ends[index] = End(kay: kay, exchange: exchange, secY: secY, events: old.events, requests: old.requests)
    perform(index) { _, _ in }
  }

  // MARK: Data

  private func sendData(from sender: Int) {
    let receiver = 1 - sender
    guard let (number, association) = ends[sender].secY.transmitting else { return }
    ends[sender].secY.nextPN[association.identifier, default: 1] += 1
    let slot = SimulatedSecY.Slot(sci: ends[sender].secY.sci, associationNumber: number)
    if ends[receiver].secY.receive[slot]?.key == association.key {
      delivered += 1
    } else {
      lost.append((now, "end \(receiver) has not the SAK \(association.identifier)"))
    }
  }

  func lost(since time: Duration) -> [String] { lost.filter { $0.time >= time }.map { "\($0.time): \($0.why)" } }

  /// The CAK by whose SAK both protect; nil unless it is the same and a key of the key service.
  var agreed: CKN? {
    guard let one = ends[0].secY.transmitting?.association, let other = ends[1].secY.transmitting?.association,
      one.identifier == other.identifier, let ckn = ends[0].kay.inUseCKN, ckn == ends[1].kay.inUseCKN,
      ends.allSatisfy({ $0.exchange.keys.contains { $0.ckn == ckn } })
    else { return nil }
    return ckn
  }

  func runUntilAgreed(limit: Duration) -> Bool {
    let end = now + limit
    while agreed == nil {
      guard now < end else { return false }
      run(for: .milliseconds(50))
    }
    return true
  }

  var summary: String {
    ends.map { end in
      "\(end.exchange.status(now: moment)) \(end.kay.summary)"
    }.joined(separator: "\n")
  }
}
