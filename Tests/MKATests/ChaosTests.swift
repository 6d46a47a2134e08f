// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import MKA

/// Runs on a bad network. In each, nothing unsafe may happen, and when the network heals all are secured within three
/// life times. A failing run prints its seed; `AGENTD_LONG=1` makes many more runs.
@Suite struct ChaosTests {
  static let isLong = ProcessInfo.processInfo.environment["AGENTD_LONG"] == "1"
  static let fallback = testChain("fallback", testKey(0xFF))

  /// Seeds in slices, so that they run beside each other.
  static func seeds(_ slice: Int, of count: Int, long: Int) -> Range<UInt64> {
    let each = UInt64(isLong ? long : count)
    return UInt64(slice) * each..<UInt64(slice + 1) * each
  }

  static func build(_ seed: UInt64, stations: Int) -> Simulation {
    let simulation = Simulation(seed: seed, trafficInterval: .milliseconds(250))
    let suite = CipherSuite.allCases.randomElement(using: &simulation.generator)!
    let shares = Bool.random(using: &simulation.generator)
    let rollover = Int.random(in: 5...60, using: &simulation.generator)
    for _ in 0..<stations {
      var policy = Policy()
      policy.cipherSuite = shares ? suite : CipherSuite.allCases.randomElement(using: &simulation.generator)!
      policy.keyServerPriority = UInt8.random(in: 14...17, using: &simulation.generator)
      policy.delayProtection = Bool.random(using: &simulation.generator)
      policy.maximumAssociationNumber = Bool.random(using: &simulation.generator) ? 3 : 1
      if Bool.random(using: &simulation.generator) {
        policy.sakRekeyInterval = .seconds(Int.random(in: 10...30, using: &simulation.generator))
      }
      simulation.addStation(
        policy: policy,
        primary: testChain(
          "primary", testKey(1, end: Simulation.epoch + .seconds(rollover + 30)),
          testKey(2, start: Simulation.epoch + .seconds(rollover))),
        fallback: fallback, clockSkew: .milliseconds(Int.random(in: -5_000...5_000, using: &simulation.generator)),
        version: UInt8.random(in: 1...3, using: &simulation.generator))
    }
    return simulation
  }

  /// A minute of trouble, then peace.
  static func disturb(_ simulation: Simulation, steps: Int) {
    for _ in 0..<steps {
      simulation.conditions.loss = Double.random(in: 0...0.5, using: &simulation.generator)
      simulation.conditions.duplication = Double.random(in: 0...0.3, using: &simulation.generator)
      simulation.conditions.delay = 0.000_1...Double.random(in: 0.001...1.5, using: &simulation.generator)
      let victim = simulation.stations.indices.randomElement(using: &simulation.generator)!
      switch Int.random(in: 0..<7, using: &simulation.generator) {
      case 0: simulation.restart(victim)
      case 1: simulation.setRunning(victim, !simulation.stations[victim].isRunning)
      case 2:
        for index in simulation.stations.indices {
          simulation.stations[index].group = Int.random(in: 0...1, using: &simulation.generator)
        }
      case 3: for index in simulation.stations.indices { simulation.stations[index].group = 0 }
      case 4:
        let chains = simulation.stations[victim].keyChains
        simulation.setKeyChains(victim, primary: testChain("primary", testKey(7)), fallback: chains.fallback)
        simulation.run(for: .milliseconds(Int.random(in: 100...9_000, using: &simulation.generator)))
        simulation.setKeyChains(victim, primary: chains.primary, fallback: chains.fallback)
      case 5: simulation.perform(victim) { kay, now in kay.rekey(now: now) }
      default: break
      }
      simulation.run(for: .milliseconds(Int.random(in: 100...9_000, using: &simulation.generator)))
    }
    simulation.conditions = .ideal
    for index in simulation.stations.indices {
      simulation.stations[index].group = 0
      if !simulation.stations[index].isRunning { simulation.restart(index) }
    }
  }

  static func check(_ seed: UInt64, stations: Int) {
    let simulation = build(seed, stations: stations)
    disturb(simulation, steps: 10)
    let healed = simulation.now
    let secured = simulation.runUntilSecured(limit: .seconds(18))
    #expect(secured, "seed \(seed), \(stations) stations: \(simulation.whyNotSecured() ?? "")")
    simulation.run(for: .seconds(15))
    // A rekey may just be under way.
    #expect(
      simulation.runUntilSecured(limit: .seconds(1)),
      "seed \(seed), \(stations) stations, \(simulation.now - healed) after: \(simulation.whyNotSecured() ?? "")")
    #expect(
      simulation.violations.isEmpty, "seed \(seed), \(stations) stations: \(simulation.violations.prefix(3))")
  }

  @Test(arguments: 0..<4) func twoPortsSurviveTrouble(slice: Int) {
    for seed in Self.seeds(slice, of: 8, long: 1_000) { Self.check(seed, stations: 2) }
  }

  @Test(arguments: 0..<4) func someSurviveTrouble(slice: Int) {
    for seed in Self.seeds(slice, of: 2, long: 250) { Self.check(10_000 + seed, stations: 3 + Int(seed % 4)) }
  }

  @Test(arguments: 0..<2) func manySurviveTrouble(slice: Int) {
    for seed in Self.seeds(slice, of: Self.isLong ? 1 : 0, long: 5) {
      Self.check(20_000 + seed, stations: 10 + Int(seed % 3) * 10)
    }
  }

  /// The same in PPK mode, with key services that fail as well. There the way back may take an unanswered question, the
  /// interval before the next, and a life time more.
  @Test(arguments: 0..<2) func keysOfAKeyServiceSurviveTrouble(slice: Int) {
    for seed in Self.seeds(slice, of: 8, long: 500) {
      let simulation = Self.build(30_000 + seed, stations: 2)
      for index in simulation.stations.indices {
        var policy = simulation.stations[index].kay.configuration.policy
        policy.keyDistribution = .ppk(PPKPolicy(system: "\(index)", timeout: .seconds(5)))
        simulation.perform(index) { kay, now in kay.setPolicy(policy, now: now) }
      }
      for _ in 0..<4 {
        let modes: [SimulatedKeyService.Mode] = [
          .working, .silent, .unavailable, .failing, .forgetful, .lying, .confused, .short,
        ]
        for index in 0..<2 { simulation.keyService.modes[index] = modes.randomElement(using: &simulation.generator)! }
        Self.disturb(simulation, steps: 3)
      }
      simulation.keyService.modes = [:]
      #expect(
        simulation.runUntilSecured(limit: .seconds(45)), "seed \(seed): \(simulation.whyNotSecured() ?? "")")
      #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations.prefix(3))")
      #expect(
        simulation.stations.allSatisfy { $0.kay.participants.allSatisfy { $0.counters.sent.distributedSAK == 0 } })
      let inUse = simulation.stations[0].kay.status(now: simulation.moment(0))
      #expect(inUse.isPPKInUse, "seed \(seed)")
    }
  }
}
