// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import MKA

/// Malformed, replayed, reflected and forged frames are counted and change nothing; suspension; odd claims of members.
@Suite struct HostilePeerTests {
  /// A secured pair, and every frame that was sent.
  final class Recorder: @unchecked Sendable {  // Sendable: a test uses it from one thread only.
    var frames: [(frame: [UInt8], sender: Int)] = []
  }

  static func recordedPair() -> (Simulation, Recorder) {
    let recorder = Recorder()
    let simulation = Simulation(seed: 4)
    simulation.tap = { frame, sender in
      recorder.frames.append((frame, sender))
      return frame
    }
    for _ in 0..<2 { simulation.addStation(policy: Policy(), primary: testChain("primary", testKey(1))) }
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    simulation.run(for: .seconds(10))
    return (simulation, recorder)
  }

  @Test func replaysAreCountedAndChangeNothing() {
    let (simulation, recorder) = Self.recordedPair()
    let replays = recorder.frames.filter { $0.sender == 0 }
    let before = simulation.stations[1].kay.summary
    for replay in replays { simulation.inject(replay.frame, to: 1) }
    #expect(simulation.stations[1].kay.counters.failures.badPeerMN == UInt32(replays.count))
    #expect(simulation.stations[1].kay.summary == before)
    #expect(simulation.lostFrames.isEmpty)
  }

  @Test func replaysOfADepartedMemberDoNotBringItBack() {
    let (simulation, recorder) = Self.recordedPair()
    let old = recorder.frames.filter { $0.sender == 0 }
    simulation.restart(0)
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    let before = simulation.stations[1].kay.summary
    let failures = simulation.stations[1].kay.counters.failures.badPeerMN
    for replay in old { simulation.inject(replay.frame, to: 1) }
    #expect(simulation.stations[1].kay.summary == before)
    #expect(simulation.stations[1].kay.counters.failures.badPeerMN == failures + UInt32(old.count))
  }

  @Test func ourOwnFramesComeBackToNoEffect() {
    let (simulation, recorder) = Self.recordedPair()
    let before = simulation.stations[0].kay.summary
    for reflected in recorder.frames where reflected.sender == 0 {
      simulation.inject(reflected.frame, to: 0)
      // With another source address as well.
      var frame = reflected.frame
      frame[6] ^= 2
      simulation.inject(frame, to: 0)
    }
    #expect(simulation.stations[0].kay.summary == before)
  }

  @Test func alteredFramesAreCountedAndChangeNothing() {
    let (simulation, recorder) = Self.recordedPair()
    var generator = SeededGenerator(seed: 8)
    let before = simulation.stations[1].kay.summary
    for _ in 0..<3_000 {
      var frame = recorder.frames.randomElement(using: &generator)!.frame
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        switch Int.random(in: 0..<3, using: &generator) {
        case 0:
          frame[Int.random(in: frame.indices, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: frame = Array(frame.prefix(Int.random(in: 1...frame.count, using: &generator)))
        default: frame += generator.bytes(Int.random(in: 0...40, using: &generator))
        }
      }
      simulation.inject(frame, to: 1)
    }
    #expect(simulation.stations[1].kay.summary == before)
    #expect(simulation.violations.isEmpty)
    let counters = simulation.stations[1].kay.counters
    #expect(counters.failures.icvValidation > 100)
    #expect(counters.rxInvalidLength > 100)
    #expect(simulation.stations[1].events.filter { $0.mnemonic == "MKPDU_ICV_FAILURE" }.count <= 32)
  }

  @Test func eachRefusalHasItsCounter() throws {
    let (simulation, recorder) = Self.recordedPair()
    let frame = recorder.frames.last { $0.sender == 0 }!.frame
    func counters(after change: (inout [UInt8]) -> Void) -> PortCounters {
      var altered = frame
      change(&altered)
      simulation.inject(altered, to: 1)
      return simulation.stations[1].kay.counters
    }
    #expect(counters { $0.replaceSubrange(6..<12, with: [0, 0, 0, 0, 0, 0]) }.rxSourceMACNull == 1)
    #expect(counters { $0.replaceSubrange(0..<6, with: [0, 0, 0, 0, 0, 0]) }.rxDestinationMACNull == 1)
    #expect(counters { $0[5] = 0x0E }.rxUnknownDestination == 1)
    #expect(counters { $0[12] = 0x08 }.rxEtherTypeMismatch == 1)
    #expect(counters { $0.replaceSubrange(16..<18, with: [0, 0]) }.rxPayloadNull == 1)
    #expect(counters { $0 = Array($0.prefix(40)) }.rxInvalidLength == 1)
    #expect(counters { $0[21] = 28 }.rxInvalidCKN == 1)
    #expect(counters { $0[18 + 32] = 0x77 }.rxCANotFound == 1)
    #expect(counters { $0[18 + 28] = 0x77 }.failures.packetValidation == 1)
    #expect(counters { $0[$0.count - 1] ^= 1 }.failures.icvValidation == 1)
    simulation.perform(1) { kay, now in kay.setLink(isUp: false, now: now) }
    #expect(counters { _ in }.noRxOnInterfaceDown == 1)
    simulation.run(for: .seconds(3))
    #expect(simulation.stations[1].kay.counters.noTxOnInterfaceDown >= 1)
  }

  @Test func suspensionKeepsASilentMemberAndItsTraffic() {
    let simulation = Simulation(seed: 21)
    for _ in 0..<3 { simulation.addStation(policy: Policy(), primary: testChain("primary", testKey(1))) }
    #expect(simulation.runUntilSecured(limit: .seconds(12)))
    simulation.perform(2) { kay, now in kay.requestSuspension(seconds: 60, now: now) }
    simulation.run(for: .seconds(1))
    let start = simulation.now
    #expect(simulation.stations[1].events.map(\.mnemonic).contains("SUSPENDED"))
    // Its MKPDUs stop, its SecY goes on.
    simulation.tap = { frame, sender in sender == 2 ? nil : frame }
    simulation.run(for: .seconds(50))
    #expect(simulation.whyNotSecured() == nil)
    simulation.tap = nil
    simulation.perform(2) { kay, now in kay.requestSuspension(seconds: 0, now: now) }
    simulation.run(for: .seconds(30))
    #expect(simulation.whyNotSecured() == nil)
    #expect(simulation.stations[0].events.map(\.mnemonic).contains("SUSPENSION_ENDED"))
    #expect(simulation.stations[0].events.allSatisfy { $0.mnemonic != "KEEPALIVE_TIMEOUT" })
    #expect(simulation.lost(since: start).isEmpty)
  }

  @Test func withoutSuspensionASilentMemberIsLost() {
    let simulation = Simulation(seed: 21)
    var policy = Policy()
    policy.suspendsOnRequest = false
    for _ in 0..<3 { simulation.addStation(policy: policy, primary: testChain("primary", testKey(1))) }
    #expect(simulation.runUntilSecured(limit: .seconds(12)))
    simulation.perform(2) { kay, now in kay.requestSuspension(seconds: 60, now: now) }
    simulation.run(for: .seconds(1))
    simulation.tap = { frame, sender in sender == 2 ? nil : frame }
    simulation.run(for: .seconds(15))
    #expect(simulation.stations[0].events.map(\.mnemonic).contains("KEEPALIVE_TIMEOUT"))
  }
}
