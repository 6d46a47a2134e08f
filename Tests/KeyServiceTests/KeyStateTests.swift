// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import KeyService

@Suite struct KeyStateTests {
  private static let legal: Set<[KeyState]> = [
    [.requested, .held], [.requested, .burned],
    [.held, .peerInformed], [.held, .confirmed], [.held, .burned], [.held, .expired],
    [.peerInformed, .confirmed], [.peerInformed, .burned], [.peerInformed, .expired],
    [.confirmed, .inUse], [.confirmed, .burned], [.confirmed, .expired],
    [.inUse, .burned], [.inUse, .expired],
  ]

  @Test func exactlyTheLegalStepsAreAllowed() {
    for from in KeyState.allCases {
      for to in KeyState.allCases {
        #expect(from.canBecome(to) == Self.legal.contains([from, to]), "\(from) -> \(to)")
      }
    }
  }

  private func life(lifetime: Duration? = .seconds(100)) -> KeyLife {
    KeyLife(policy: KeyLifetimePolicy(peerWindow: .seconds(10), lifetime: lifetime), now: .seconds(1))
  }

  @Test func initiatorsKeyRunsThroughItsLife() throws {
    var key = life()
    #expect(key.nextTimeout == .seconds(31))
    try key.advance(to: .held, now: .seconds(2))
    #expect(key.nextTimeout == .seconds(12))
    try key.advance(to: .peerInformed, now: .seconds(3))
    try key.advance(to: .confirmed, now: .seconds(4))
    try key.advance(to: .inUse, now: .seconds(5))
    #expect(key.nextTimeout == .seconds(102))
    let isEarly = key.timeout(now: .seconds(101))
    #expect(!isEarly && key.state == .inUse)
    let isDue = key.timeout(now: .seconds(102))
    #expect(isDue && key.state == .expired && key.nextTimeout == nil)
  }

  @Test func doubtBurns() throws {
    var unanswered = life()
    let isUnanswered = unanswered.timeout(now: .seconds(31))
    #expect(isUnanswered && unanswered.state == .burned)
    var unconfirmed = life()
    try unconfirmed.advance(to: .held, now: .seconds(2))
    try unconfirmed.advance(to: .peerInformed, now: .seconds(3))
    let isEarly = unconfirmed.timeout(now: .seconds(12))
    #expect(!isEarly)
    let isDue = unconfirmed.timeout(now: .seconds(13))
    #expect(isDue && unconfirmed.state == .burned)
  }

  @Test func illegalStepChangesNothing() throws {
    var key = life()
    #expect(throws: KeyServiceError.illegalTransition(from: .requested, to: .inUse)) {
      try key.advance(to: .inUse, now: .seconds(9))
    }
    #expect(key.state == .requested && key.since == .seconds(1))
  }

  @Test func noLifetimeNeverExpires() throws {
    var key = life(lifetime: nil)
    try key.advance(to: .held, now: .seconds(2))
    try key.advance(to: .confirmed, now: .seconds(2))
    let isDue = key.timeout(now: .seconds(1_000_000))
    #expect(key.nextTimeout == nil && !isDue)
  }
}
