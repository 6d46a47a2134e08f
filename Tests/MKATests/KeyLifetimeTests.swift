// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import MKA

/// How old a key of the key service may grow, and what follows.
@Suite struct KeyLifetimeTests {
  static func policy(_ onFailure: PPKPolicy.FailureAction, security: SecurityPolicy = .mustSecure) -> Policy {
    var policy = PPKTests.policy("a", onFailure: onFailure, rekey: .seconds(60))
    policy.keyLifetime = KeyLifetime(maximumAge: .seconds(200), alarmAge: .seconds(150))
    policy.securityPolicy = security
    return policy
  }

  @Test func refreshedKeysNeverGrowOld() {
    let simulation = PPKTests.pair(Self.policy(.stall), Self.policy(.stall))
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    simulation.run(for: .seconds(900))
    #expect(simulation.lostFrames.isEmpty && simulation.violations.isEmpty)
    #expect(!simulation.stations.contains { $0.events.map(\.mnemonic).contains("KEY_AGE_ALARM") })
  }

  @Test(arguments: [SecurityPolicy.mustSecure, .shouldSecure])
  func atExhaustionThePortIsBlocked(security: SecurityPolicy) {
    let simulation = PPKTests.pair(Self.policy(.stall, security: security), Self.policy(.stall, security: security))
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    simulation.keyService.modes = [0: .unavailable, 1: .unavailable]
    simulation.run(for: .seconds(140))
    #expect(simulation.whyNotSecured() == nil, "single refreshes may fail")
    simulation.run(for: .seconds(30))
    #expect(simulation.stations.allSatisfy { $0.events.map(\.mnemonic).contains("KEY_AGE_ALARM") })
    #expect(simulation.whyNotSecured() == nil)
    simulation.run(for: .seconds(40))
    #expect(simulation.stations.allSatisfy { $0.secY.status == .blocked && $0.secY.transmit.isEmpty })
    #expect(simulation.stations.allSatisfy { $0.events.map(\.mnemonic).contains("KEY_LIFETIME_EXHAUSTED") })
    #expect(simulation.stations[0].kay.status(now: simulation.moment(0)).isStalled)
    simulation.run(for: .seconds(300))
    #expect(simulation.stations.allSatisfy { $0.secY.status == .blocked })
    simulation.keyService.modes = [:]
    #expect(simulation.runUntilSecured(limit: .seconds(30)), "\(simulation.whyNotSecured() ?? "")")
    #expect(!simulation.stations[0].kay.status(now: simulation.moment(0)).isStalled)
    #expect(simulation.violations.isEmpty, "\(simulation.violations)")
  }

  @Test func whereThePolicySaysSoItFallsBackWithoutLossAndComesBack() {
    let simulation = PPKTests.pair(Self.policy(.fallBack), Self.policy(.fallBack))
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    simulation.keyService.modes = [0: .unavailable, 1: .unavailable]
    simulation.run(for: .seconds(190))
    #expect(simulation.stations[0].kay.isPPKInUse, "not before the key in use is exhausted")
    simulation.run(for: .seconds(30))
    #expect(simulation.whyNotSecured() == nil)
    #expect(!simulation.stations[0].kay.isPPKInUse)
    #expect(simulation.stations[0].kay.status(now: simulation.moment(0)).ppkFallback?.count == 1)
    #expect(simulation.stations[0].events.map(\.mnemonic).contains("PPK_FALLBACK"))
    simulation.keyService.modes = [:]
    simulation.run(for: .seconds(30))
    #expect(simulation.stations[0].kay.isPPKInUse, "as soon as the key service works")
    #expect(simulation.lostFrames.isEmpty && simulation.violations.isEmpty, "\(simulation.violations)")
  }
}
