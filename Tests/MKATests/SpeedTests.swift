// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import MKA

/// What the engine costs. Measured with `AGENTD_LONG=1`; the limit holds for optimized builds.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["AGENTD_LONG"] == "1")) struct SpeedTests {
  private static func cpuTime() -> Duration {
    var value = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &value)
    return .seconds(Int64(value.tv_sec)) + .nanoseconds(Int64(value.tv_nsec))
  }

  @Test func aThousandSessionsTakeLessThanAThirdOfACore() {
    var simulations: [Simulation] = []
    let start = Self.cpuTime()
    for pair in 0..<500 {
      let simulation = Simulation(seed: UInt64(pair), trafficInterval: nil)
      for _ in 0..<2 { simulation.addStation(policy: Policy(), primary: testChain("primary", testKey(1))) }
      #expect(simulation.runUntilSecured(limit: .seconds(3)))
      simulations.append(simulation)
    }
    let setUp = Self.cpuTime() - start
    let steady = Self.cpuTime()
    for simulation in simulations { simulation.run(for: .seconds(60)) }
    let share = (Self.cpuTime() - steady) / Duration.seconds(60)
    print("1000 sessions: set up in \(setUp / 1_000) each, then \(Int(share * 1_000) / 10) % of a core")
    #if !DEBUG
      #expect(share < 0.3)
    #endif
  }
}
