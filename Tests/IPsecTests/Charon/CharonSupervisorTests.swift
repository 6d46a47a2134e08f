// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

private let start = ContinuousClock.now
private func after(_ duration: Duration) -> ContinuousClock.Instant { start.advanced(by: duration) }

@Suite struct CharonSupervisorTests {
  @Test func withoutAnotherOneACharonIsStarted() {
    var supervisor = CharonSupervisor()
    #expect(supervisor.start(isLocked: false, recorded: 7, now: start) == [.report(.starting), .spawn])
    #expect(supervisor.spawned(100, now: start) == [.watch(100)])
    #expect(supervisor.nextTimeout == after(.seconds(10)))
    #expect(supervisor.ready(100, now: start) == [.report(.running(100, isAdopted: false))])
    #expect(supervisor.nextTimeout == nil)
    #expect(supervisor.restartCount == 0)
  }

  @Test func theOneThatIsThereIsAdopted() {
    var supervisor = CharonSupervisor()
    #expect(supervisor.start(isLocked: true, recorded: 55, now: start) == [.watch(55), .report(.starting)])
    #expect(supervisor.unreachable(now: start).isEmpty)
    #expect(supervisor.ready(55, now: start) == [.report(.running(55, isAdopted: true))])
  }

  @Test func oneThatIsThereButNotRecordedIsAdoptedByItsSocket() {
    var supervisor = CharonSupervisor()
    #expect(supervisor.start(isLocked: true, recorded: nil, now: start) == [.report(.starting)])
    #expect(supervisor.ready(56, now: start) == [.watch(56), .report(.running(56, isAdopted: true))])
  }

  @Test func oneThatIsThereAndHangsIsReplaced() {
    var supervisor = CharonSupervisor()
    _ = supervisor.start(isLocked: true, recorded: 55, now: start)
    #expect(supervisor.timeout(now: after(.seconds(9))).isEmpty)
    #expect(supervisor.timeout(now: after(.seconds(10))) == [.kill(55)])
    // It may still answer while it is being ended: too late.
    #expect(supervisor.ready(55, now: after(.seconds(10))).isEmpty)
    let effects = supervisor.exited(55, "gone", now: after(.seconds(10)))
    #expect(
      effects == [
        .report(.down(reason: "the charon that was there does not answer", restartIn: .milliseconds(100)))
      ])
    #expect(supervisor.timeout(now: after(.seconds(11))) == [.report(.starting), .spawn])
  }

  @Test func anUnknownHolderOfTheLockIsWaitedForAndNeverKilled() {
    var supervisor = CharonSupervisor()
    _ = supervisor.start(isLocked: true, recorded: nil, now: start)
    for round in 1...3 {
      let effects = supervisor.timeout(now: after(.seconds(10 * round)))
      guard case .report(.down) = effects.first, effects.count == 1 else {
        Issue.record("expected a report only, got \(effects)")
        return
      }
    }
    #expect(supervisor.lockReleased(now: after(.seconds(31))) == [.report(.starting), .spawn])
  }

  @Test func restartsComeLaterAndLaterUntilACharonStaysHealthy() {
    var supervisor = CharonSupervisor()
    var now = start
    var waits: [Duration] = []
    _ = supervisor.start(isLocked: false, recorded: nil, now: now)
    for process in 1...12 as ClosedRange<Int32> {
      _ = supervisor.spawned(process, now: now)
      _ = supervisor.ready(process, now: now)
      let effects = supervisor.exited(process, "signal 9", now: now)
      guard case .report(.down("signal 9", let wait)) = effects.first else {
        Issue.record("expected down, got \(effects)")
        return
      }
      waits.append(wait)
      now = now.advanced(by: wait)
      #expect(supervisor.timeout(now: now) == [.report(.starting), .spawn])
    }
    #expect(waits.prefix(4) == [.milliseconds(100), .milliseconds(200), .milliseconds(400), .milliseconds(800)])
    #expect(waits.last == .seconds(30))
    #expect(supervisor.restartCount == 12)
    _ = supervisor.spawned(99, now: now)
    _ = supervisor.ready(99, now: now)
    now = now.advanced(by: .seconds(60))
    #expect(
      supervisor.exited(99, "signal 9", now: now)
        == [.report(.down(reason: "signal 9", restartIn: .milliseconds(100)))])
  }

  @Test func aSilentCharonIsGivenTimeThenReplaced() {
    var supervisor = CharonSupervisor()
    _ = supervisor.start(isLocked: false, recorded: nil, now: start)
    _ = supervisor.spawned(5, now: start)
    _ = supervisor.ready(5, now: start)
    #expect(supervisor.unreachable(now: start) == [.report(.silent(5))])
    #expect(supervisor.unreachable(now: after(.seconds(1))).isEmpty)
    #expect(supervisor.ready(5, now: after(.seconds(20))) == [.report(.running(5, isAdopted: false))])
    #expect(supervisor.unreachable(now: after(.seconds(40))) == [.report(.silent(5))])
    #expect(supervisor.timeout(now: after(.seconds(70))) == [.kill(5)])
  }

  @Test func oneThatDoesNotComeUpIsKilledAndTriedAgain() {
    var supervisor = CharonSupervisor()
    _ = supervisor.start(isLocked: false, recorded: nil, now: start)
    _ = supervisor.spawned(5, now: start)
    #expect(supervisor.timeout(now: after(.seconds(10))) == [.kill(5)])
    #expect(supervisor.exited(5, "", now: after(.seconds(10))).count == 1)
    #expect(supervisor.nextTimeout == after(.milliseconds(10100)))
  }

  @Test func aProgramThatCannotBeStartedIsTriedAgain() {
    var supervisor = CharonSupervisor()
    _ = supervisor.start(isLocked: false, recorded: nil, now: start)
    #expect(
      supervisor.spawningFailed("no such file", now: start)
        == [.report(.down(reason: "no such file", restartIn: .milliseconds(100)))])
  }

  @Test func leavingTouchesNothing() {
    var supervisor = CharonSupervisor()
    _ = supervisor.start(isLocked: false, recorded: nil, now: start)
    _ = supervisor.spawned(5, now: start)
    _ = supervisor.ready(5, now: start)
    #expect(supervisor.leave() == [.report(.stopped)])
    #expect(supervisor.exited(5, "", now: start).isEmpty)
  }

  @Test func stoppingAsksThenKills() {
    var supervisor = CharonSupervisor()
    _ = supervisor.start(isLocked: false, recorded: nil, now: start)
    _ = supervisor.spawned(5, now: start)
    _ = supervisor.ready(5, now: start)
    #expect(supervisor.stop(now: start) == [.terminate(5)])
    #expect(supervisor.timeout(now: after(.seconds(5))) == [.kill(5)])
    #expect(supervisor.nextTimeout == nil)
    #expect(supervisor.exited(5, "", now: after(.seconds(5))) == [.report(.stopped)])
  }

  @Test func anyOrderOfInputsSignalsOnlyProcessesThatWereNamed() {
    for seed in 0..<500 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      var supervisor = CharonSupervisor()
      var now = start
      var named: Set<Int32> = [55]
      _ = supervisor.start(isLocked: random.next() % 2 == 0, recorded: 55, now: now)
      for _ in 0..<100 {
        now = now.advanced(by: .seconds(Int(random.next() % 20)))
        let process = Int32(random.next() % 4) + 55
        let effects: [CharonSupervisor.Effect]
        switch random.next() % 6 {
        case 0:
          named.insert(process)
          effects = supervisor.spawned(process, now: now)
        case 1:
          named.insert(process)
          effects = supervisor.ready(process, now: now)
        case 2: effects = supervisor.exited(process, "", now: now)
        case 3: effects = supervisor.unreachable(now: now)
        case 4: effects = supervisor.spawningFailed("", now: now)
        default: effects = supervisor.timeout(now: now)
        }
        for effect in effects {
          switch effect {
          case .kill(let process), .terminate(let process): #expect(named.contains(process), "seed \(seed)")
          default: break
          }
        }
        if let due = supervisor.nextTimeout { #expect(due > start, "seed \(seed)") }
      }
    }
  }
}
