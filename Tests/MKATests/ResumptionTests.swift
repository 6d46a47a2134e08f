// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import MKA

/// A restart of the process while the SecY goes on: no frame is lost, and no packet number used twice.
@Suite struct ResumptionTests {
  static func pair(_ policy: Policy = Policy(), seed: UInt64 = 5) -> Simulation {
    let simulation = Simulation(seed: seed)
    for _ in 0..<2 {
      simulation.addStation(
        policy: policy, primary: testChain("primary", testKey(1)), fallback: testChain("fallback", testKey(9)))
    }
    return simulation
  }

  @Test(arguments: [0, 1])
  func itGoesOnAsTheSameMember(station: Int) throws {
    let simulation = Self.pair()
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    simulation.run(for: .seconds(20))
    let before = simulation.stations[station].kay
    let key = simulation.stations[0].secY.transmitting?.association.identifier
    simulation.setRunning(station, false)
    simulation.run(for: .seconds(2))
    #expect(try simulation.resume(station))
    let after = simulation.stations[station].kay
    #expect(after.participants.map(\.memberIdentifier) == before.participants.map(\.memberIdentifier))
    #expect(zip(after.participants, before.participants).allSatisfy { $0.messageNumber > $1.messageNumber })
    simulation.run(for: .seconds(30))
    #expect(simulation.lostFrames.isEmpty)
    #expect(simulation.violations.isEmpty, "\(simulation.violations)")
    #expect(simulation.stations.allSatisfy { $0.secY.transmitting?.association.identifier == key })
    #expect(!simulation.stations.contains { $0.events.map(\.mnemonic).contains("KEEPALIVE_TIMEOUT") })
    #expect(simulation.stations[1 - station].kay.counters.failures.badPeerMN == 0)
    // All goes on: the next rollover too.
    simulation.perform(0) { kay, now in kay.rekey(now: now) }
    simulation.run(for: .seconds(10))
    #expect(simulation.stations.allSatisfy { $0.secY.transmitting?.association.identifier != key })
    #expect(simulation.lostFrames.isEmpty && simulation.violations.isEmpty)
  }

  /// The process dies at any step of a rollover, with any part of what it wanted done or not.
  @Test(arguments: [0, 1], 0..<8)
  func itSurvivesDeathInARollover(station: Int, step: Int) throws {
    for count in 0..<6 {
      let simulation = Self.pair(seed: UInt64(step * 10 + count + 1))
      #expect(simulation.runUntilSecured(limit: .seconds(5)))
      simulation.run(for: .seconds(10))
      simulation.perform(0) { kay, now in kay.rekey(now: now) }
      simulation.run(for: .milliseconds(Int64(step * step * 20)))
      simulation.effectsBeforeDeath = (station, count)
      simulation.run(for: .seconds(3))
      if simulation.stations[station].isRunning { simulation.setRunning(station, false) }
      simulation.effectsBeforeDeath = nil
      _ = try simulation.resume(station)
      #expect(simulation.runUntilSecured(limit: .seconds(25)), "\(simulation.whyNotSecured() ?? "")")
      simulation.run(for: .seconds(20))
      #expect(simulation.violations.isEmpty, "step \(step), \(count) effects: \(simulation.violations)")
      #expect(simulation.whyNotSecured() == nil)
    }
  }

  @Test func tooLateItIsANewMember() throws {
    let simulation = Self.pair()
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    let before = simulation.stations[1].kay.participants.map(\.memberIdentifier)
    simulation.setRunning(1, false)
    simulation.run(for: .seconds(9))
    #expect(try !simulation.resume(1))
    #expect(simulation.stations[1].kay.participants.allSatisfy { !before.contains($0.memberIdentifier) })
    #expect(simulation.runUntilSecured(limit: .seconds(10)))
    #expect(simulation.violations.isEmpty)
  }

  /// A SecY that was made anew has lost its packet numbers: the SAK must not be installed again.
  @Test func whatTheSecYLostIsNotInstalledAgain() throws {
    let simulation = Self.pair()
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    simulation.setRunning(1, false)
    simulation.run(for: .seconds(1))
    let kept = try KaYResumption(decoding: try #require(simulation.stations[1].kept))
    var kay = KaY(configuration: simulation.stations[1].kay.configuration)
    let chains = simulation.stations[1].keyChains
    let resumed = kay.resume(
      kept, secYHolds: SecYState(), primary: chains.primary, fallback: chains.fallback, now: simulation.moment(1))
    #expect(!resumed)
    #expect(kay.takeEffects().isEmpty)
  }

  @Test func anotherCAKUnderTheNameIsAnotherMember() throws {
    let simulation = Self.pair()
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    simulation.setRunning(1, false)
    let changed = testChain("primary", KeyChain.Key(ckn: testKey(1).ckn, cak: testKey(2).cak))
    simulation.stations[1].keyChains.primary = changed
    #expect(try !simulation.resume(1))
  }

  @Test func aResumptionIsReadAsItWasWritten() throws {
    let simulation = Self.pair()
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    let resumption = try #require(simulation.stations[0].kay.resumption(now: simulation.moment(0)))
    let bytes = resumption.encoded()
    let again = try KaYResumption(decoding: bytes)
    #expect(again.members.map(\.memberIdentifier) == resumption.members.map(\.memberIdentifier))
    #expect(again.port.latest?.sak.ssci == resumption.port.latest?.sak.ssci)
    #expect(again.port.latest?.sak.key.isEqual(to: try #require(resumption.port.latest?.sak.key)) == true)
    #expect(again.secY.transmit == resumption.secY.transmit && again.secY.receive == resumption.secY.receive)
    #expect(again.inUseSince == resumption.inUseSince && again.time == resumption.time)
    let octets = bytes.withUnsafeBytes { Array($0) }
    for count in 0..<octets.count {
      #expect(throws: MKAError.self) { try KaYResumption(decoding: SecretBytes(copying: Array(octets.prefix(count)))) }
    }
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<2_000 {
      var broken = octets
      broken[Int.random(in: 0..<broken.count, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
      _ = try? KaYResumption(decoding: SecretBytes(copying: broken))
    }
  }
}
