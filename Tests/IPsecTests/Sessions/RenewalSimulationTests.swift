// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

/// Two ends that keep one tunnel, with nothing between them but a delay, in virtual time.
private struct Simulation {
  typealias Instant = ContinuousClock.Instant

  /// An IKE SA as both ends know it.
  struct SA {
    var ids: [UInt32]
    var spi: String
    var initiator: Int
    var hasPPK: Bool
    var isUp = true
  }
  enum Step {
    case established(Int)
    case rekeyed(Int)
    case terminated(Int)
    case refused(Int)
  }

  var ends: [TunnelSession]
  var random: SplitMix
  var now = ContinuousClock.now
  let began: Instant
  var sas: [SA] = []
  var queue: [(at: Instant, step: Step)] = []
  /// Whether the key service gives keys.
  var hasKeys = true
  /// A far end without key falls back, where neither requires one.
  let isRequired: Bool
  var initiated = 0
  var wentDown = 0
  var renewedAt: [Instant] = []
  var failures = 0
  var exhausted = 0
  private var nextID: UInt32 = 1

  init(seed: UInt64, lifetime: PPKLifetime, bothBegin: Bool, isRequired: Bool = true) {
    random = SplitMix(seed: seed)
    began = now
    self.isRequired = isRequired
    ends = []
    for _ in 0..<2 { ends.append(TunnelSession(jitter: Double(random.next() % 1000) / 1000)) }
    for end in 0..<2 {
      let wanted = TunnelSession.Wanted(connection: "agentd:t:1", child: "t.1", initiates: end == 0 || bothBegin)
      let effects = ends[end].configure([wanted], now: now)
      ends[end].configure(lifetime, isRequired: isRequired)
      carryOut(effects, at: end)
    }
  }

  private func sa(_ number: Int, at end: Int) -> IKESA {
    let sa = sas[number]
    var section = VICIMessage()
    section.add("uniqueid", "\(sa.ids[end])")
    section.add("state", "ESTABLISHED")
    section.add("initiator-spi", sa.spi)
    if sa.initiator == end { section.add("initiator", "yes") }
    if sa.hasPPK { section.add("ppk", "yes") }
    var child = VICIMessage()
    child.add("uniqueid", "\(sa.ids[end])")
    child.add("name", "t.1")
    child.add("state", "INSTALLED")
    section.add("child-sas", VICIMessage([.section(name: "t.1-1", child)]))
    guard let made = IKESA(connection: "agentd:t:1", section) else { fatalError("the section has what an SA needs") }
    return made
  }

  private mutating func add(initiator: Int, hasPPK: Bool) -> Int {
    nextID += 2
    sas.append(
      SA(ids: [nextID, nextID + 1], spi: String(random.next(), radix: 16), initiator: initiator, hasPPK: hasPPK))
    return sas.count - 1
  }

  private mutating func later(_ step: Step) {
    queue.append((now.advanced(by: .milliseconds(Int(random.next() % 1500))), step))
  }

  mutating func carryOut(_ effects: [TunnelSession.Effect], at end: Int) {
    for effect in effects {
      switch effect {
      case .initiate, .renew:
        initiated += 1
        var isRenewal = false
        if case .renew = effect { isRenewal = true }
        if hasKeys || (!isRequired && !isRenewal) {
          later(.established(add(initiator: end, hasPPK: hasKeys)))
        } else {
          later(.refused(isRenewal ? end : end + 2))
        }
      case .terminate(let id):
        if let number = sas.firstIndex(where: { $0.isUp && $0.ids[end] == id }) { later(.terminated(number)) }
      case .cameUp(let sa), .replaced(let sa):
        if case .replaced = effect, end == 0 { renewedAt.append(now) }
        // The end that began rekeys the IKE SA.
        if sa.role == .initiator, let number = sas.firstIndex(where: { $0.ids[end] == sa.uniqueID }) {
          later(.rekeyed(number))
        }
      case .wentDown: wentDown += 1
      case .renewalFailed: failures += 1
      case .ppkAged(_, let isExhausted): exhausted += isExhausted ? 1 : 0
      }
    }
  }

  private mutating func take(_ event: (Int) -> CharonEvent) {
    for end in 0..<2 {
      let event = event(end)
      carryOut(ends[end].take(event, now: now), at: end)
    }
  }

  private mutating func carryOut(_ step: Step) {
    switch step {
    case .established(let number):
      let both = (0..<2).map { sa(number, at: $0) }
      take { .childUp(both[$0]) }
    case .rekeyed(let number):
      guard sas[number].isUp else { return }
      let old = (0..<2).map { sa(number, at: $0) }
      sas[number].isUp = false
      let new = add(initiator: sas[number].initiator, hasPPK: sas[number].hasPPK)
      let both = (0..<2).map { sa(new, at: $0) }
      take { .rekeyed(old: old[$0], new: both[$0]) }
    case .terminated(let number):
      guard sas[number].isUp else { return }
      sas[number].isUp = false
      let both = (0..<2).map { sa(number, at: $0) }
      take { .sessionDown(both[$0]) }
    case .refused(let end):
      let effects =
        end < 2
        ? ends[end].renewingFailed("no key", now: now) : ends[end - 2].initiatingFailed("no key", now: now)
      carryOut(effects, at: end % 2)
    }
  }

  mutating func run(for duration: Duration) {
    let until = now.advanced(by: duration)
    for _ in 0..<100_000 {
      let times = queue.map(\.at) + ends.compactMap(\.nextTimeout)
      guard let next = times.min(), next < until else { break }
      now = max(next, now)
      if let place = queue.indices.filter({ queue[$0].at <= now }).min(by: { queue[$0].at < queue[$1].at }) {
        carryOut(queue.remove(at: place).step)
        continue
      }
      for end in 0..<2 where ends[end].nextTimeout.map({ $0 <= now }) == true {
        carryOut(ends[end].timeout(now: now), at: end)
      }
    }
    now = until
  }

  /// The SAs that are up.
  var up: [SA] { sas.filter(\.isUp) }
}

@Suite struct RenewalSimulationTests {
  private static let hour = Duration.seconds(3600)

  @Test(arguments: [false, true]) func eachIntervalHasOneFreshPPKAndTheTunnelStaysUp(bothBegin: Bool) {
    for seed in 1...40 as ClosedRange<UInt64> {
      var simulation = Simulation(seed: seed, lifetime: PPKLifetime(refreshInterval: Self.hour), bothBegin: bothBegin)
      simulation.run(for: Self.hour * 24)
      #expect(simulation.wentDown == 0, "seed \(seed)")
      #expect((22...28).contains(simulation.renewedAt.count), "\(simulation.renewedAt.count) with seed \(seed)")
      // Each costs one key, but where both ends began at first.
      #expect(simulation.initiated <= simulation.renewedAt.count + 3, "seed \(seed)")
      #expect(simulation.up.count == 1, "seed \(seed)")
      #expect(simulation.up.first?.hasPPK == true, "seed \(seed)")
      for end in simulation.ends {
        #expect(end.renewalReport?.renewals == simulation.ends[0].renewalReport?.renewals, "seed \(seed)")
      }
    }
  }

  @Test func bothEndsThatRenewAtOnceKeepOneAndGoOnWithOne() {
    for seed in 1...40 as ClosedRange<UInt64> {
      var simulation = Simulation(seed: seed, lifetime: PPKLifetime(refreshInterval: Self.hour), bothBegin: true)
      simulation.run(for: .seconds(60))
      let sa = simulation.up[0]
      // As after a restart of both agents without notes: each believes that it began.
      for end in 0..<2 {
        var fresh = TunnelSession(jitter: 0)
        let wanted = TunnelSession.Wanted(connection: "agentd:t:1", child: "t.1", initiates: true)
        var known = simulation.ends[end].current
        known?.role = .initiator
        _ = fresh.resynchronize(known.map { [$0] } ?? [], now: simulation.now)
        _ = fresh.configure([wanted], now: simulation.now)
        fresh.configure(PPKLifetime(refreshInterval: Self.hour), isRequired: true)
        simulation.ends[end] = fresh
      }
      simulation.run(for: Self.hour + .seconds(600))
      #expect(simulation.wentDown == 0, "seed \(seed)")
      #expect(simulation.up.count == 1, "seed \(seed)")
      #expect(simulation.up.first?.ids != sa.ids, "it was renewed, seed \(seed)")
      let keys = simulation.initiated
      simulation.run(for: Self.hour * 10)
      #expect(simulation.initiated - keys <= 12, "one end renews from then on, seed \(seed)")
      #expect(simulation.up.count == 1, "seed \(seed)")
    }
  }

  @Test func aKeyServiceThatIsDownIsOutlivedUntilTheMaximumAge() {
    let lifetime = PPKLifetime(refreshInterval: Self.hour, maximumAge: Self.hour * 3)
    for bothBegin in [false, true] {
      var simulation = Simulation(seed: 7, lifetime: lifetime, bothBegin: bothBegin)
      simulation.run(for: .seconds(600))
      simulation.hasKeys = false
      simulation.run(for: Self.hour * 2)
      #expect(simulation.wentDown == 0)
      #expect(simulation.failures >= 5)
      #expect(simulation.failures <= (bothBegin ? 24 : 12), "it does not storm")
      simulation.run(for: Self.hour)
      #expect(simulation.exhausted == 2, "each end tells")
      #expect(simulation.up.isEmpty)
      #expect(simulation.wentDown == 2)
      // And back when there are keys again, by the ordinary way.
      simulation.hasKeys = true
      simulation.run(for: .seconds(120))
      #expect(simulation.up.count == 1)
      #expect(simulation.up.first?.hasPPK == true)
    }
  }

  @Test func whatCameUpWithoutItsPPKGetsOneWhenThereAreKeys() {
    var simulation = Simulation(
      seed: 3, lifetime: PPKLifetime(refreshInterval: Self.hour), bothBegin: true, isRequired: false)
    // The negotiations that have begun had keys, which the far end does not have.
    simulation.sas = simulation.sas.map { sa in
      var sa = sa
      sa.hasPPK = false
      return sa
    }
    simulation.hasKeys = false
    simulation.run(for: Self.hour)
    #expect(simulation.up.count == 1)
    #expect(simulation.up.first?.hasPPK == false)
    #expect(simulation.failures > 2)
    #expect(simulation.wentDown == 0)
    simulation.hasKeys = true
    simulation.run(for: .seconds(2000))
    #expect(simulation.up.count == 1)
    #expect(simulation.up.first?.hasPPK == true)
    #expect(simulation.wentDown == 0)
  }
}
