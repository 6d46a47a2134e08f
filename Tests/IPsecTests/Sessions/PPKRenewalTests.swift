// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

private let start = ContinuousClock.now
private func after(_ seconds: Int) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

/// The rules of one end, alone.
@Suite struct PPKRenewalTests {
  private func setUp(_ id: UInt32, at seconds: Int, isOurs: Bool = true) -> PPKRenewal.SetUp {
    .init(id: id, spi: "\(id)", since: after(seconds), isOurs: isOurs)
  }

  private func renewal(
    _ interval: Int?, maximumAge: Int? = nil, isRequired: Bool = true, initiates: Bool = true, jitter: Double = 0
  ) -> PPKRenewal {
    var renewal = PPKRenewal(jitter: jitter)
    renewal.configure(
      PPKLifetime(refreshInterval: interval.map { .seconds($0) }, maximumAge: maximumAge.map { .seconds($0) }),
      isRequired: isRequired, initiates: initiates)
    return renewal
  }

  @Test func theEndThatBeganRenewsAtTheInterval() {
    var renewal = renewal(1000)
    #expect(renewal.nextTimeout == nil, "without a session there is nothing to renew")
    let isFirst = renewal.track(setUp(1, at: 0), isProtected: true, now: start)
    #expect(!isFirst, "the first is no renewal")
    #expect(renewal.nextTimeout == after(1000))
    #expect(renewal.timeout(now: after(999)).isEmpty)
    #expect(renewal.timeout(now: after(1000)) == [.renew])
    #expect(renewal.timeout(now: after(1001)).isEmpty, "one attempt at a time")
    let isRenewed = renewal.track(setUp(2, at: 1002), isProtected: true, now: after(1005))
    #expect(isRenewed)
    #expect(renewal.report?.renewals == 1)
    #expect(renewal.report?.lastRenewal == after(1005))
    #expect(renewal.nextTimeout == after(2002), "counted from the set-up")
  }

  @Test func tunnelsDoNotRenewAtOnce() {
    for (jitter, due) in [(0.0, 1000), (0.5, 950), (1.0, 900)] {
      var renewal = renewal(1000, jitter: jitter)
      _ = renewal.track(setUp(1, at: 0), isProtected: true, now: start)
      #expect(renewal.nextTimeout == after(due))
    }
  }

  @Test func theOtherEndRenewsOnlyWhenItIsLate() {
    var other = renewal(1000)
    _ = other.track(setUp(1, at: 0, isOurs: false), isProtected: true, now: start)
    #expect(other.nextTimeout == after(1130))
    var responder = renewal(1000, initiates: false)
    _ = responder.track(setUp(1, at: 0, isOurs: false), isProtected: true, now: start)
    #expect(responder.nextTimeout == nil)
    #expect(responder.report?.next == nil)
  }

  @Test func withoutAnIntervalNothingIsRenewed() {
    var renewal = renewal(nil)
    _ = renewal.track(setUp(1, at: 0), isProtected: true, now: start)
    #expect(renewal.nextTimeout == nil)
  }

  @Test func failuresComeLaterAndLaterAndEndWithASuccess() {
    var renewal = renewal(1000)
    _ = renewal.track(setUp(1, at: 0), isProtected: true, now: start)
    var now = after(1000)
    var pauses: [Duration] = []
    for count in 1...7 {
      #expect(renewal.timeout(now: now) == [.renew])
      #expect(renewal.fail("the KME is down", now: now) == [.failed(reason: "the KME is down")])
      #expect(renewal.failuresInARow == count)
      let due = renewal.nextTimeout ?? now
      pauses.append(now.duration(to: due))
      now = due
    }
    #expect(pauses == [30, 60, 120, 240, 480, 900, 900].map { .seconds($0) })
    #expect(renewal.report?.lastFailure == "the KME is down")
    _ = renewal.track(setUp(2, at: 9000), isProtected: true, now: after(9000))
    #expect(renewal.failuresInARow == 0)
    #expect(renewal.report?.failures == 7)
    #expect(renewal.report?.lastFailure == nil)
    #expect(renewal.nextTimeout == after(10_000))
  }

  @Test func anAttemptThatDoesNotEndFails() {
    var renewal = renewal(1000)
    _ = renewal.track(setUp(1, at: 0), isProtected: true, now: start)
    _ = renewal.timeout(now: after(1000))
    #expect(renewal.nextTimeout == after(1060))
    #expect(renewal.timeout(now: after(1060)) == [.failed(reason: "no session within 60.0 seconds")])
    // What charon logs shortens it.
    _ = renewal.timeout(now: after(1090))
    renewal.take(failure: "the far end refuses our authentication", now: after(1091))
    let due = after(1091).advanced(by: .milliseconds(500))
    #expect(renewal.nextTimeout == due)
    #expect(renewal.timeout(now: due) == [.failed(reason: "the far end refuses our authentication")])
  }

  @Test func aSessionWithoutItsPPKSoonTriesForOne() {
    var renewal = renewal(86_400, isRequired: false)
    _ = renewal.track(setUp(1, at: 0), isProtected: false, now: start)
    #expect(renewal.nextTimeout == after(30))
    #expect(renewal.report?.since == nil)
    #expect(renewal.timeout(now: after(30)) == [.renew])
    let isRenewed = renewal.track(setUp(2, at: 31), isProtected: true, now: after(34))
    #expect(isRenewed)
    #expect(renewal.nextTimeout == after(31 + 86_400))
    // Also where living sessions get no fresh one otherwise.
    var never = self.renewal(nil, isRequired: false)
    _ = never.track(setUp(1, at: 0), isProtected: false, now: start)
    #expect(never.nextTimeout == after(30))
  }

  @Test func anOldPPKIsToldOfAndThenEndsASessionThatRequiresOne() {
    var renewal = renewal(1000, maximumAge: 2000)
    _ = renewal.track(setUp(1, at: 0), isProtected: true, now: start)
    _ = renewal.timeout(now: after(1000))
    _ = renewal.fail("no", now: after(1000))
    let early = renewal.timeout(now: after(1599))
    #expect(early == [.renew])
    let alarm = renewal.timeout(now: after(1600))
    #expect(alarm == [.aged(.seconds(1600))])
    let end = renewal.timeout(now: after(2000))
    #expect(end.first == .exhausted(.seconds(2000), ends: true))
    #expect(renewal.report?.isExhausted == true)
    var optional = self.renewal(nil, maximumAge: 2000, isRequired: false)
    _ = optional.track(setUp(1, at: 0), isProtected: true, now: start)
    #expect(optional.timeout(now: after(2000)) == [.exhausted(.seconds(2000), ends: false)], "told once")
    #expect(optional.timeout(now: after(2001)).isEmpty)
    #expect(optional.nextTimeout == nil)
  }

  @Test func theAgeIsWatchedAtAResponderToo() {
    var renewal = renewal(1000, maximumAge: 2000, initiates: false)
    _ = renewal.track(setUp(1, at: 0, isOurs: false), isProtected: true, now: start)
    #expect(renewal.nextTimeout == after(1600))
    #expect(renewal.timeout(now: after(1600)) == [.aged(.seconds(1600))])
    #expect(renewal.nextTimeout == after(2000))
  }

  @Test func anotherLifetimeCountsAtOnce() {
    var renewal = renewal(1000)
    _ = renewal.track(setUp(1, at: 0), isProtected: true, now: start)
    renewal.configure(PPKLifetime(refreshInterval: .seconds(50)), isRequired: true, initiates: true)
    #expect(renewal.nextTimeout == after(50))
    renewal.configure(nil, isRequired: false, initiates: true)
    #expect(renewal.nextTimeout == nil)
    #expect(renewal.report == nil)
  }
}

@Suite struct SetUpNoteTests {
  @Test func aNoteSaysAgeAndEndAgain() throws {
    let name = SetUpNote(age: .seconds(100), isOurs: true).name(of: "tunnel-ip7", uptime: 5000)
    #expect(name == "agentd-note:tunnel-ip7:4900:begun")
    let notes = SetUpNote.all([name, "agentd:ppk:x", "agentd-note:tunnel-ip8:10:answered"], uptime: 6000)
    #expect(notes["tunnel-ip7"]?.note == SetUpNote(age: .seconds(1100), isOurs: true))
    #expect(notes["tunnel-ip7"]?.name == name)
    #expect(notes["tunnel-ip8"]?.note == SetUpNote(age: .seconds(5990), isOurs: false))
    #expect(notes.count == 2)
  }

  @Test(arguments: [
    "agentd-note:", "agentd-note:t", "agentd-note:t:1", "agentd-note:t:x:begun", "agentd-note:t:7000:begun",
    "agentd-note:t:-1:begun", "agentd-note:t:1:else", "agentd-note:a:b:1:begun", "other:t:1:begun",
  ])
  func whatIsNoNoteIsNotRead(_ name: String) { #expect(SetUpNote.all([name], uptime: 6000).isEmpty) }
}
