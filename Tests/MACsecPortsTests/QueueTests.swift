// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Testing

@testable import MACsecPorts

@Suite struct DueQueueTests {
  @Test func slotsComeInTheOrderOfTheirLastTimes() {
    var queue = DueQueue()
    for slot in 0..<100 { queue.set(slot, due: .seconds((slot * 37) % 100)) }
    queue.set(5, due: .seconds(1_000))
    queue.set(6, due: nil)
    queue.set(7, due: .zero)
    var previous = Duration.zero
    var taken: [Int] = []
    while let due = queue.nextDue(), let slot = queue.take(now: .seconds(500)) {
      #expect(due >= previous)
      previous = due
      taken.append(slot)
    }
    #expect(taken.count == 98 && taken.first == 0 || taken.first == 7)
    #expect(!taken.contains(5) && !taken.contains(6))
    #expect(queue.nextDue() == .seconds(1_000))
    #expect(queue.take(now: .seconds(1_000)) == 5)
    #expect(queue.nextDue() == nil)
  }
}

@Suite struct EventFilterTests {
  private func rekey(_ number: UInt32) -> EngineEvent {
    EngineEvent(.sakRekey(.init(keyServer: .init([UInt8](repeating: 1, count: 12))!, number: number), .zero))
  }

  @Test func aFloodIsCutOff() {
    var filter = EventFilter()
    let verdicts = (0..<100).map { _ in filter.judge(EngineEvent(.keyExpired), logging: .each, now: .zero) }
    #expect(verdicts.filter { $0 == .tell }.count == EventFilter.burst)
    #expect(filter.droppedCount == 60)
    #expect(filter.judge(EngineEvent(.keyExpired), logging: .each, now: .seconds(2)) == .tell)
    #expect(filter.judge(EngineEvent(.keyExpired), logging: .each, now: .seconds(2)) == .tell)
    #expect(filter.judge(EngineEvent(.keyExpired), logging: .each, now: .seconds(2)) == .drop)
  }

  @Test func aFloodOfICVsLeavesRoomForOthers() {
    var filter = EventFilter()
    for number in UInt64(0)..<100 {
      let event = EngineEvent(.icvFailure(peer: SCI(rawValue: number), fallback: false))
      _ = filter.judge(event, logging: .each, now: .zero)
    }
    #expect(filter.droppedCount == 80)
    #expect(filter.judge(EngineEvent(.sessionUnsecured("x")), logging: .each, now: .zero) == .tell)
  }

  @Test func newSAKsAreLoggedAsThePolicySays() {
    var filter = EventFilter()
    #expect(filter.judge(rekey(1), logging: .each, now: .zero) == .tell)
    #expect(filter.judge(rekey(2), logging: .none, now: .zero) == .tellWithoutLog)
    #expect(filter.summaryDue == nil)
    for number in 3..<8 {
      let now = Duration.seconds(Int64(number))
      #expect(filter.judge(rekey(UInt32(number)), logging: .summary(.seconds(30)), now: now) == .tellWithoutLog)
    }
    #expect(filter.takeSummary(now: .seconds(32)) == nil)
    #expect(filter.takeSummary(now: .seconds(33)) == 5)
    #expect(filter.takeSummary(now: .seconds(99)) == nil)
    #expect(filter.judge(EngineEvent(.sessionSecured), logging: .summary(.seconds(30)), now: .seconds(99)) == .tell)
  }
}
