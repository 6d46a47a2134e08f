// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import MKA

/// What leaves of a policy come to that no other suite looks at.
@Suite struct PolicyEffectTests {
  private static func pair(_ change: (inout Policy) -> Void, both: Bool = true) -> Simulation {
    let simulation = Simulation(seed: 91)
    var policy = Policy()
    change(&policy)
    simulation.addStation(policy: policy, primary: testChain("primary", testKey(1)))
    simulation.addStation(policy: both ? policy : Policy(), primary: testChain("primary", testKey(1)))
    return simulation
  }

  /// The frames that station 0 sends.
  private static func frames(_ simulation: Simulation) -> [[UInt8]] {
    let recorder = HostilePeerTests.Recorder()
    simulation.tap = { frame, sender in
      recorder.frames.append((frame, sender))
      return frame
    }
    simulation.run(for: .seconds(8))
    simulation.tap = nil
    return recorder.frames.filter { $0.sender == 0 }.map(\.frame)
  }

  @Test(arguments: [false, true]) func theICVIndicatorIsSentAsConfigured(isIncluded: Bool) throws {
    let simulation = Self.pair { $0.includesICVIndicator = isIncluded }
    let frames = Self.frames(simulation)
    #expect(frames.count > 2 && simulation.whyNotSecured() == nil)
    for frame in frames {
      // Type 255, its length 16, then the ICV.
      let end = frame.suffix(20).prefix(4)
      #expect((end.first == 255 && end.last == 16) == isIncluded)
    }
  }

  @Test func theICVCoversTheStandardHeaderAsConfigured() throws {
    let other = try #require(MACAddress(rawValue: 0x0180_C200_0000) as MACAddress?)
    for usesStandard in [false, true] {
      let simulation = Simulation(seed: 92)
      var policy = Policy()
      policy.usesStandardHeaderInICV = usesStandard
      simulation.addStation(policy: policy, primary: testChain("primary", testKey(1)))
      simulation.addStation(policy: policy, primary: testChain("primary", testKey(1)))
      let frame = try #require(Self.frames(simulation).last)
      let kay = simulation.stations[0].kay
      // The same message to another address: its ICV tells which address it covers.
      let message = try MKPDU(decoding: MKPDUFrame(received: frame, etherType: MKPDUFrame.etherType).body)
      let sent = try MKPDUFrame(
        message, source: kay.configuration.sci.address, ick: kay.participants[0].ick, destination: other,
        etherType: MKPDUFrame.etherType, icvCoversStandardHeader: kay.policy.usesStandardHeaderInICV)
      #expect((sent.bytes.suffix(16) == frame.suffix(16)) == usesStandard)
      #expect(simulation.whyNotSecured() == nil)
    }
  }

  @Test(arguments: [UInt32(0), 64, 1_024]) func theReplayWindowReachesTheSecY(window: UInt32) {
    let simulation = Self.pair { $0.replayWindow = window }
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    for station in simulation.stations {
      #expect(station.secY.configuration?.replayWindow == window && station.secY.configuration?.replayProtect == true)
    }
  }

  @Test(arguments: [ConfidentialityOffset.zero, .thirty, .fifty])
  func theConfidentialityOffsetReachesTheSecY(offset: ConfidentialityOffset) {
    let simulation = Self.pair { $0.confidentialityOffset = offset }
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    for station in simulation.stations { #expect(station.secY.configuration?.confidentialityOffset == offset) }
  }

  @Test(arguments: [SecurityPolicy.mustSecure, .shouldSecure])
  func onlyShouldSecurePassesFramesInClear(policy: SecurityPolicy) {
    // A peer that has another key: never secured.
    let simulation = Simulation(seed: 93)
    var configured = Policy()
    configured.securityPolicy = policy
    simulation.addStation(policy: configured, primary: testChain("primary", testKey(1)))
    simulation.addStation(policy: configured, primary: testChain("primary", testKey(2)))
    simulation.run(for: .seconds(20))
    #expect(simulation.stations[0].kay.portStatus == (policy == .mustSecure ? .blocked : .unprotected))
  }

  @Test(arguments: [false, true]) func whoDoesNotSuspendAsksForNothing(isAllowed: Bool) {
    let simulation = Self.pair { $0.suspendsItself = isAllowed }
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    let client = simulation.stations.firstIndex { station in
      if case .own = station.kay.participants[0].election { false } else { true }
    }
    guard let client else {
      Issue.record("both serve")
      return
    }
    simulation.perform(client) { kay, now in kay.requestSuspension(seconds: 60, now: now) }
    simulation.run(for: .seconds(3))
    #expect((simulation.stations[1 - client].kay.suspendedUntil != nil) == isAllowed)
  }
}
