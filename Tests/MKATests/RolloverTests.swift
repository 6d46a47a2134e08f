// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import MKA

/// Key chains in time: rollover to the next key, to the fallback key and back, all without a lost frame.
@Suite struct RolloverTests {
  static let fallback = testChain("fallback", testKey(0xFF))

  /// A time of the wall clock, seconds into the simulation.
  static func at(_ seconds: Int) -> Duration { Simulation.epoch + .seconds(seconds) }

  static func principalCKN(_ station: Simulation.Station) -> UInt8? { station.kay.inUse?.ckn.bytes.first }

  @Test(arguments: [0, 1, 5, 20, -20], [2, 4])
  func theNextKeyTakesOverWithoutLoss(skew: Int, stations: Int) {
    let simulation = Simulation(seed: UInt64(100 + skew))
    for index in 0..<stations {
      simulation.addStation(
        policy: Policy(),
        primary: testChain(
          "primary", testKey(1, end: Self.at(200)), testKey(2, start: Self.at(100), end: Self.at(300)),
          testKey(3, start: Self.at(240))),
        clockSkew: .seconds(index % 2 == 1 ? skew : 0))
    }
    #expect(simulation.runUntilSecured(limit: .seconds(12)))
    let start = simulation.now
    simulation.run(until: .seconds(90))
    #expect(simulation.stations.allSatisfy { Self.principalCKN($0) == 1 })
    simulation.run(until: .seconds(130))
    #expect(simulation.stations.allSatisfy { Self.principalCKN($0) == 2 }, "\(simulation.stations[0].kay.summary)")
    simulation.run(until: .seconds(360))
    #expect(simulation.stations.allSatisfy { Self.principalCKN($0) == 3 })
    #expect(simulation.stations.allSatisfy { $0.kay.participants.map(\.ckn.bytes[0]) == [3] })
    #expect(simulation.whyNotSecured() == nil)
    #expect(simulation.lost(since: start).isEmpty, "\(simulation.lost(since: start).prefix(3))")
    #expect(simulation.violations.isEmpty)
  }

  @Test func aMismatchedNextKeyFallsBackAndReturnsWithoutLoss() {
    let simulation = Simulation(seed: 11)
    let good = testChain("primary", testKey(1), testKey(2, start: Self.at(60)))
    let bad = testChain("primary", testKey(1), testKey(2, cak: 99, start: Self.at(60)))
    simulation.addStation(policy: Policy(), primary: good, fallback: Self.fallback)
    simulation.addStation(policy: Policy(), primary: bad, fallback: Self.fallback)
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    let start = simulation.now
    simulation.run(until: .seconds(100))
    #expect(simulation.stations.allSatisfy { Self.principalCKN($0) == 0xFF }, "\(simulation.stations[0].kay.summary)")
    #expect(simulation.stations[0].events.map(\.mnemonic).contains("SESSION_SECURED_WITH_FALLBACK_PSK"))
    // The operator mends the key.
    simulation.setKeyChains(1, primary: good, fallback: Self.fallback)
    simulation.run(until: .seconds(130))
    #expect(simulation.stations.allSatisfy { Self.principalCKN($0) == 2 }, "\(simulation.stations[0].kay.summary)")
    #expect(simulation.lost(since: start).isEmpty, "\(simulation.lost(since: start).prefix(3))")
    #expect(simulation.violations.isEmpty)
  }

  @Test(arguments: [0, 1]) func deletionOfTheKeyFallsBackWithoutLoss(station: Int) {
    let simulation = Simulation(seed: 12)
    for _ in 0..<2 {
      simulation.addStation(
        policy: Policy(), primary: testChain("primary", testKey(1)), fallback: Self.fallback)
    }
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    let start = simulation.now
    simulation.run(for: .seconds(10))
    simulation.setKeyChains(station, primary: testChain("primary"), fallback: Self.fallback)
    simulation.run(for: .seconds(30))
    #expect(simulation.stations.allSatisfy { Self.principalCKN($0) == 0xFF }, "\(simulation.stations[0].kay.summary)")
    simulation.setKeyChains(station, primary: testChain("primary", testKey(1)), fallback: Self.fallback)
    simulation.run(for: .seconds(30))
    #expect(simulation.stations.allSatisfy { Self.principalCKN($0) == 1 }, "\(simulation.stations[0].kay.summary)")
    #expect(simulation.lost(since: start).isEmpty, "\(simulation.lost(since: start).prefix(3))")
    #expect(simulation.violations.isEmpty)
  }

  @Test func expiryOfTheOnlyKeyEndsTheSession() {
    let simulation = Simulation(seed: 13)
    for _ in 0..<2 {
      simulation.addStation(policy: Policy(), primary: testChain("primary", testKey(1, end: Self.at(30))))
    }
    simulation.run(until: .seconds(29))
    #expect(simulation.whyNotSecured() == nil)
    simulation.run(until: .seconds(31))
    #expect(simulation.stations.allSatisfy { $0.secY.status == .blocked && $0.secY.transmit.isEmpty })
    #expect(simulation.stations[0].events.map(\.mnemonic).suffix(3).contains("SESSION_STOP"))
    #expect(simulation.stations[0].events.map(\.mnemonic).contains("KEY_EXPIRED"))
  }

  @Test func expiryOfThePrimaryKeyFallsBackWithoutLoss() {
    let simulation = Simulation(seed: 14)
    for index in 0..<2 {
      simulation.addStation(
        policy: Policy(), primary: testChain("primary", testKey(1, end: Self.at(60))), fallback: Self.fallback,
        clockSkew: .seconds(index * 3))
    }
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    let start = simulation.now
    simulation.run(until: .seconds(120))
    #expect(simulation.stations.allSatisfy { Self.principalCKN($0) == 0xFF })
    #expect(simulation.lost(since: start).isEmpty, "\(simulation.lost(since: start).prefix(3))")
    #expect(simulation.violations.isEmpty)
  }

  @Test func whereOneOfThreeLacksThePrimaryKeyAllUseTheFallback() {
    let simulation = Simulation(seed: 15)
    for index in 0..<3 {
      simulation.addStation(
        policy: Policy(), primary: testChain("primary", testKey(index == 2 ? 9 : 1)), fallback: Self.fallback)
    }
    simulation.run(for: .seconds(40))
    #expect(simulation.whyNotSecured() == nil, "\(simulation.whyNotSecured() ?? "")")
    #expect(simulation.stations.allSatisfy { Self.principalCKN($0) == 0xFF })
    #expect(simulation.violations.isEmpty)
  }

  @Test func theKeyStatesOfAPeerAreSeen() {
    let simulation = Simulation(seed: 16)
    simulation.addStation(policy: Policy(), primary: testChain("primary", testKey(1)), fallback: Self.fallback)
    simulation.addStation(policy: Policy(), primary: testChain("primary", testKey(1, cak: 2)), fallback: Self.fallback)
    simulation.run(for: .seconds(20))
    let station = simulation.stations[0]
    #expect(station.kay.participant(testKey(1).ckn)?.icvStatus.values.map(\.matches) == [false])
    #expect(station.kay.participant(testKey(0xFF).ckn)?.icvStatus.values.map(\.matches) == [true])
    #expect(station.events.map(\.mnemonic).contains("MKPDU_ICV_FAILURE"))
    #expect(station.events.map(\.mnemonic).contains("FALLBACK_PSK_MKPDU_ICV_SUCCESS"))
    #expect(Self.principalCKN(station) == 0xFF)
  }

  @Test func theChainKnowsItsKeys() throws {
    let chain = testChain(
      "chain", testKey(1, start: .seconds(10)), testKey(2, start: .seconds(20), end: .seconds(30)),
      testKey(3, start: .seconds(100)))
    #expect(chain.active(at: .seconds(5)) == nil)
    #expect(chain.active(at: .seconds(10))?.ckn.bytes[0] == 1)
    #expect(chain.active(at: .seconds(20))?.ckn.bytes[0] == 2)
    #expect(chain.active(at: .seconds(30))?.ckn.bytes[0] == 1)
    #expect(chain.upcoming(at: .seconds(30), lead: .seconds(60)) == nil)
    #expect(chain.upcoming(at: .seconds(40), lead: .seconds(60))?.ckn.bytes[0] == 3)
    #expect(chain.nextChange(after: .seconds(30), lead: .seconds(60)) == .seconds(40))
    #expect(throws: MKAError(.tooMany, "")) {
      try KeyChain(name: "x", keys: (0...256).map { _ in testKey(1) })
    }
  }
}
