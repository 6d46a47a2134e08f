// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

private let start = ContinuousClock.now
private func after(_ seconds: Int) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

private func makeSA(
  _ id: UInt32, child: String? = "t.1", state: String = "ESTABLISHED", spi: String? = nil, ppk: Bool = false
) -> IKESA {
  var section = VICIMessage()
  section.add("uniqueid", "\(id)")
  section.add("state", state)
  section.add("initiator-spi", spi ?? "\(id)")
  if ppk { section.add("ppk", "yes") }
  if let child {
    var entry = VICIMessage()
    entry.add("uniqueid", "\(id)")
    entry.add("name", child)
    entry.add("state", "INSTALLED")
    section.add("child-sas", VICIMessage([.section(name: "\(child)-\(id)", entry)]))
  }
  guard let sa = IKESA(connection: "agentd:t:1", section) else { fatalError("the section has all that an SA needs") }
  return sa
}

private let wanted = TunnelSession.Wanted(connection: "agentd:t:1", child: "t.1", initiates: true)
private let waiting = TunnelSession.Wanted(connection: "agentd:t:1", child: "t.1", initiates: false)
private let changed = TunnelSession.Wanted(connection: "agentd:t:1", child: "t.2", initiates: true)

@Suite struct TunnelSessionTests {
  @Test func aTunnelThatIsConfiguredIsBroughtUp() {
    var session = TunnelSession()
    #expect(session.configure([wanted], now: start) == [.initiate(wanted)])
    #expect(session.configure([wanted], now: start).isEmpty)
    #expect(session.take(.sessionUp(makeSA(1, child: nil)), now: start).isEmpty)
    #expect(session.take(.childUp(makeSA(1)), now: start) == [.cameUp(makeSA(1))])
    #expect(session.nextTimeout == nil)
    #expect(session.current?.uniqueID == 1)
  }

  @Test func aResponderWaits() {
    var session = TunnelSession()
    #expect(session.configure([waiting], now: start).isEmpty)
    #expect(session.nextTimeout == nil)
    #expect(session.take(.childUp(makeSA(1)), now: start) == [.cameUp(makeSA(1))])
    let effects = session.take(.sessionDown(makeSA(1)), now: after(100))
    #expect(effects == [.wentDown(reason: "the far end, or dead peer detection, ended the SA")])
  }

  @Test func whatIsUpAlreadyIsNotBegunAgain() {
    var session = TunnelSession()
    #expect(session.resynchronize([makeSA(4)], now: start).isEmpty)
    #expect(session.configure([wanted], now: start) == [.cameUp(makeSA(4))])
  }

  @Test func attemptsThatFailComeLaterAndLater() {
    var session = TunnelSession()
    var now = start
    _ = session.configure([wanted], now: now)
    var pauses: [Duration] = []
    for _ in 0..<9 {
      #expect(session.initiatingFailed("no", now: now).isEmpty)
      let due = session.nextTimeout ?? now
      pauses.append(now.duration(to: due))
      now = due
      #expect(session.timeout(now: now) == [.initiate(wanted)])
    }
    #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { .seconds($0) })
    #expect(session.failureCount == 9)
    #expect(session.lastFailure == "no")
  }

  @Test func anAttemptThatHangsIsEndedAndTheReasonOfTheLogIsKept() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    _ = session.resynchronize([makeSA(3, child: nil, state: "CONNECTING")], now: start)
    let line = CharonEvent.LogLine(connection: "agentd:t:1", uniqueID: 3, message: "giving up after 5 retransmits")
    _ = session.take(.log(line), now: start)
    #expect(session.timeout(now: after(60)) == [.terminate(3)])
    #expect(session.lastFailure == "the far end does not answer")
    #expect(session.nextTimeout == after(61))
  }

  @Test func anAttemptThatTheLogCallsFailedIsOverSoon() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    let line = CharonEvent.LogLine(
      connection: "agentd:t:1", uniqueID: 3, message: "received NO_PROPOSAL_CHOSEN notify error")
    #expect(session.take(.log(line), now: start).isEmpty)
    let due = start.advanced(by: .milliseconds(500))
    #expect(session.nextTimeout == due)
    #expect(session.timeout(now: due).isEmpty)
    #expect(session.lastFailure == "the far end accepts none of our proposals")
    #expect(session.nextTimeout == due.advanced(by: .seconds(1)))
  }

  @Test func anOldConfigurationCarriesTrafficUntilTheNewOneIsUp() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    _ = session.take(.childUp(makeSA(1)), now: start)
    #expect(session.configure([changed], now: after(100)) == [.initiate(changed)])
    let new = makeSA(2, child: "t.2")
    #expect(session.take(.childUp(new), now: after(101)) == [.terminate(1), .replaced(new)])
    #expect(session.current?.uniqueID == 2)
    #expect(session.take(.sessionDown(makeSA(1)), now: after(102)).isEmpty)
  }

  @Test func anOldConfigurationHasItsTime() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    _ = session.take(.childUp(makeSA(1)), now: start)
    _ = session.configure([changed], now: after(100))
    _ = session.initiatingFailed("refused", now: after(100))
    _ = session.timeout(now: after(101))
    let effects = session.timeout(now: after(160))
    #expect(effects.first == .terminate(1))
    #expect(effects.contains { if case .wentDown = $0 { true } else { false } })
  }

  @Test func ofTwoThatBothEndsBeganOneIsKept() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    _ = session.take(.childUp(makeSA(1, spi: "bb")), now: start)
    #expect(session.take(.childUp(makeSA(2, spi: "aa")), now: after(1)).isEmpty)
    #expect(session.nextTimeout == after(4))
    #expect(session.timeout(now: after(4)) == [.terminate(1), .replaced(makeSA(2, spi: "aa"))])
    #expect(session.current?.uniqueID == 2)
  }

  @Test func ofTwoAtDifferentTimesTheNewerIsKept() {
    var session = TunnelSession()
    _ = session.configure([waiting], now: start)
    _ = session.take(.childUp(makeSA(1, spi: "aa")), now: start)
    // The far end has lost the first without saying so.
    #expect(session.take(.childUp(makeSA(2, spi: "bb")), now: after(60)).isEmpty)
    #expect(session.current?.uniqueID == 2)
    #expect(session.timeout(now: after(63)) == [.terminate(1), .replaced(makeSA(2, spi: "bb"))])
    #expect(session.current?.uniqueID == 2)
    // A rekey makes nothing newer.
    _ = session.take(.rekeyed(old: makeSA(2, child: nil), new: makeSA(7, child: nil, spi: "cc")), now: after(100))
    _ = session.take(.childUp(makeSA(8, spi: "dd")), now: after(101))
    #expect(session.current?.uniqueID == 8)
  }

  @Test func rekeysAreNoInterruption() throws {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    _ = session.take(.childUp(makeSA(1)), now: start)
    #expect(session.take(.rekeyed(old: makeSA(1, child: nil), new: makeSA(9, child: nil)), now: after(50)).isEmpty)
    #expect(session.current?.uniqueID == 9)
    let (old, new) = (try #require(makeSA(1).children.first), try #require(makeSA(20).children.first))
    #expect(session.take(.childRekeyed(session: makeSA(9, child: nil), old: old, new: new), now: after(60)).isEmpty)
    #expect(session.take(.childDown(makeSA(1)), now: after(65)).isEmpty)
    #expect(session.current?.children.map(\.uniqueID) == [20])
  }

  @Test func aTunnelThatFallsAtOnceIsNotBegunAtOnce() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    _ = session.take(.childUp(makeSA(1)), now: start)
    let effects = session.take(.sessionDown(makeSA(1)), now: after(1))
    #expect(!effects.contains(.initiate(wanted)))
    #expect(session.timeout(now: after(2)) == [.initiate(wanted)])
    _ = session.take(.childUp(makeSA(2)), now: after(3))
    #expect(session.take(.sessionDown(makeSA(2)), now: after(100)).contains(.initiate(wanted)))
  }

  @Test func whatIsNotWantedIsNotBegunAndItsSAsAreNoTunnel() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    _ = session.take(.childUp(makeSA(1)), now: start)
    _ = session.configure([], now: after(100))
    #expect(session.current == nil)
    #expect(
      session.take(.sessionDown(makeSA(1)), now: after(101)) == [
        .wentDown(reason: "the far end, or dead peer detection, ended the SA")
      ])
    #expect(session.nextTimeout == nil)
  }

  @Test func whenCharonIsLostAllIsToBeDoneAgain() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    _ = session.take(.childUp(makeSA(1)), now: start)
    #expect(session.charonLost(now: after(100)) == [.wentDown(reason: "charon has ended")])
    #expect(session.configure([wanted], now: after(101)) == [.initiate(wanted)])
  }

  @Test func theIDOfThePPKIsThatOfTheSessionWhichCarriesTheTunnel() {
    func line(_ id: UInt32, _ ppk: String) -> CharonEvent {
      .log(.init(connection: "agentd:t:1", uniqueID: id, message: "using PPK for PPK_ID '\(ppk)'"))
    }
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    session.configure(PPKLifetime(refreshInterval: .seconds(100)), isRequired: true)
    _ = session.take(line(1, "first"), now: start)
    _ = session.take(.childUp(makeSA(1, ppk: true)), now: start)
    #expect(session.renewalReport?.ppkID == "first")
    // A rekey inherits it, and another negotiation does not change it before it carries the tunnel.
    _ = session.take(.rekeyed(old: makeSA(1, child: nil), new: makeSA(2, child: nil, ppk: true)), now: after(50))
    _ = session.take(line(3, "second"), now: after(100))
    #expect(session.renewalReport?.ppkID == "first")
    _ = session.take(.childUp(makeSA(3, ppk: true)), now: after(101))
    #expect(session.timeout(now: after(104)).contains(.terminate(2)))
    #expect(session.renewalReport?.ppkID == "second")
  }

  @Test func aFailedRenewalLeavesTheTunnelAsItIs() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    session.configure(PPKLifetime(refreshInterval: .seconds(100)), isRequired: true)
    _ = session.take(.childUp(makeSA(1, ppk: true)), now: start)
    #expect(session.timeout(now: after(140)) == [.renew(wanted)])
    let refused = "received AUTHENTICATION_FAILED notify error"
    _ = session.take(.log(.init(connection: "agentd:t:1", uniqueID: 2, message: refused)), now: after(141))
    let reason = "the far end refuses our authentication"
    #expect(session.timeout(now: after(142)) == [.renewalFailed(reason: reason, count: 1)])
    #expect(session.current?.uniqueID == 1)
    #expect(session.lastFailure == nil)
    #expect(session.failureCount == 0)
    // Later again, when the key service has nothing.
    let due = session.nextTimeout ?? start
    #expect(session.timeout(now: due) == [.renew(wanted)])
    #expect(session.renewingFailed("no key", now: due) == [.renewalFailed(reason: "no key", count: 2)])
    #expect(session.renewingFailed("no key", now: due).isEmpty, "the attempt is over")
  }

  @Test func anSAThatAListingLeavesOutIsThereUntilAnEventSaysOtherwise() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    _ = session.take(.childUp(makeSA(1)), now: start)
    #expect(session.resynchronize([], isComplete: false, now: after(50)).isEmpty)
    #expect(session.current?.uniqueID == 1)
    #expect(session.resynchronize([], now: after(51)).contains(.wentDown(reason: "the SA has gone")))
    // And what an event has ended does not come back with a listing that is older.
    _ = session.take(.childUp(makeSA(2)), now: after(60))
    _ = session.take(.sessionDown(makeSA(2)), now: after(100))
    _ = session.resynchronize([makeSA(2)], isComplete: false, now: after(100))
    #expect(session.current == nil)
  }

  @Test func aRekeyThatWasNotSeenIsTheSameSetUp() {
    var session = TunnelSession()
    _ = session.configure([wanted], now: start)
    session.configure(PPKLifetime(refreshInterval: .seconds(100)), isRequired: true)
    _ = session.take(.childUp(makeSA(1, ppk: true)), now: start)
    let due = session.nextTimeout
    #expect(session.resynchronize([makeSA(2, ppk: true)], now: after(50)).isEmpty)
    #expect(session.current?.uniqueID == 2)
    #expect(session.nextTimeout == due)
  }

  @Test func aNoteOfAnEarlierAgentCountsForAnSAThatIsFoundUp() {
    var sa = makeSA(4, ppk: true)
    sa.established = .seconds(10)
    var session = TunnelSession()
    _ = session.resynchronize([sa], note: SetUpNote(age: .seconds(90), isOurs: true), now: start)
    _ = session.configure([wanted], now: start)
    session.configure(PPKLifetime(refreshInterval: .seconds(100)), isRequired: true)
    #expect(session.nextTimeout == after(10))
    #expect(session.timeout(now: after(10)) == [.renew(wanted)])
    // Without one, by its last rekey, and as the end that answered.
    var other = TunnelSession()
    _ = other.resynchronize([sa], now: start)
    _ = other.configure([wanted], now: start)
    other.configure(PPKLifetime(refreshInterval: .seconds(100)), isRequired: true)
    #expect(other.nextTimeout == after(130))
  }

  @Test func anyOrderOfEventsKeepsTheRules() {
    for seed in 0..<400 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      var session = TunnelSession()
      var now = start
      var isUp = false
      for _ in 0..<60 {
        now = now.advanced(by: .seconds(Int(random.next() % 20)))
        let sa = makeSA(UInt32(random.next() % 4), child: random.next() % 2 == 0 ? "t.1" : "t.2")
        let effects: [TunnelSession.Effect] =
          switch random.next() % 9 {
          case 0: session.configure([wanted], now: now)
          case 1: session.configure([changed], now: now)
          case 2: session.configure(random.next() % 2 == 0 ? [] : [waiting], now: now)
          case 3: session.take(.childUp(sa), now: now)
          case 4: session.take(.childDown(sa), now: now)
          case 5: session.take(.sessionDown(sa), now: now)
          case 6: session.initiatingFailed("no", now: now)
          case 7: session.charonLost(now: now)
          default: session.timeout(now: now)
          }
        for effect in effects {
          switch effect {
          case .cameUp:
            #expect(!isUp, "up twice, seed \(seed)")
            isUp = true
          case .wentDown:
            #expect(isUp, "down twice, seed \(seed)")
            isUp = false
          case .initiate(let wanted): #expect(session.current == nil && wanted.initiates, "seed \(seed)")
          case .terminate(let id): #expect(session.current?.uniqueID != id, "the current SA is ended, seed \(seed)")
          case .renew(let wanted): #expect(session.current != nil && wanted.initiates, "seed \(seed)")
          case .replaced(let sa): #expect(session.current?.uniqueID == sa.uniqueID, "seed \(seed)")
          case .renewalFailed, .ppkAged: break
          }
        }
        if session.current != nil { #expect(isUp, "seed \(seed)") }
      }
    }
  }
}
