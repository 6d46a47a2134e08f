// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import NETCONF
import Testing

@Suite struct ConnectionLimiterTests {
  private let start = ContinuousClock.now

  private func limiter(_ change: (inout ConnectionLimiter.Limits) -> Void) -> ConnectionLimiter {
    var limits = ConnectionLimiter.Limits()
    change(&limits)
    return ConnectionLimiter(limits: limits)
  }

  @Test func oneSourceHasItsShare() {
    var limiter = limiter { $0.unauthenticatedPerSource = 2 }
    #expect(limiter.admit("a", now: start) == nil)
    #expect(limiter.admit("a", now: start) == nil)
    #expect(limiter.admit("a", now: start) == .tooManyFromSource)
    #expect(limiter.admit("b", now: start) == nil)
    limiter.authenticated("a")
    #expect(limiter.admit("a", now: start) == nil, "who has logged in counts no more")
    limiter.ended("a", wasAuthenticated: false)
    #expect(limiter.admit("a", now: start) == nil)
  }

  @Test func sumsAreBounded() {
    var limiter = limiter {
      $0.unauthenticated = 3
      $0.connections = 4
    }
    for source in ["a", "b", "c"] { #expect(limiter.admit(source, now: start) == nil) }
    #expect(limiter.admit("d", now: start) == .tooManyUnauthenticated)
    limiter.authenticated("a")
    #expect(limiter.admit("d", now: start) == nil)
    #expect(limiter.admit("e", now: start) == .tooManyConnections)
    limiter.ended("a", wasAuthenticated: true)
    #expect(limiter.connectionCount == 3 && limiter.unauthenticatedCount == 3)
  }

  @Test func guessingIsSlow() {
    var limiter = limiter {
      $0.failuresPerSource = 3
      $0.failureWindow = .seconds(60)
    }
    for _ in 0..<3 { limiter.failed("a", now: start) }
    #expect(limiter.admit("a", now: start + .seconds(59)) == .tooManyFailures)
    #expect(limiter.admit("b", now: start) == nil)
    #expect(limiter.admit("a", now: start + .seconds(61)) == nil)
  }

  @Test func memoryIsBounded() {
    var limiter = limiter {
      $0.rememberedSources = 10
      $0.unauthenticated = 2000
      $0.connections = 2000
      $0.failuresPerSource = 1
    }
    for number in 0..<1000 { limiter.failed("\(number)", now: start + .milliseconds(number)) }
    let refused = (0..<1000).filter { limiter.admit("\($0)", now: start + .seconds(2)) == .tooManyFailures }
    #expect(refused == Array(990..<1000), "the oldest are forgotten")
  }
}
