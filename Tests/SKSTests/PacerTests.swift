// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import KeyService
import Secrets
import Testing

@testable import SKS

@Suite struct DueQueueTests {
  @Test func comesInOrderWhateverHappened() {
    var random = JitterSource(seed: 7)
    var queue = DueQueue()
    var model: [Int: UInt64] = [:]
    for _ in 0..<5_000 {
      let slot = Int(random.next() % 200)
      if random.next() % 4 == 0 {
        queue.set(slot, due: nil)
        model[slot] = nil
      } else {
        let due = random.next() % 10_000
        queue.set(slot, due: MonotonicInstant(nanoseconds: due))
        model[slot] = due
      }
      #expect(queue.first?.due.nanoseconds == model.values.min() && queue.count == model.count)
    }
    var last: UInt64 = 0
    while let (slot, due) = queue.first {
      #expect(model[slot] == due.nanoseconds && due.nanoseconds >= last)
      last = due.nanoseconds
      queue.set(slot, due: nil)
      model[slot] = nil
    }
    #expect(model.isEmpty)
  }
}

@Suite struct PacerTests {
  private func at(_ milliseconds: UInt64) -> MonotonicInstant { .init(nanoseconds: milliseconds * 1_000_000) }

  @Test func boundsTheNumberInFlight() {
    var pacer = Pacer(limits: .init(concurrent: 3, perSecond: 1_000, burst: 100))
    for slot in 0..<10 { pacer.set(slot, due: at(1_000)) }
    #expect(pacer.next(now: at(999)) == nil && pacer.nextTimeout == at(1_000))
    var taken = 0
    while pacer.next(now: at(2_000)) != nil { taken += 1 }
    #expect(taken == 3 && pacer.nextTimeout == nil, "only an end can help now")
    pacer.finished()
    #expect(pacer.next(now: at(2_000)) != nil && pacer.next(now: at(2_000)) == nil)
  }

  @Test func boundsTheRate() {
    var pacer = Pacer(limits: .init(concurrent: 1_000_000, perSecond: 100, burst: 10))
    for slot in 0..<1_000 { pacer.set(slot, due: at(1_000)) }
    var starts: [MonotonicInstant] = []
    var now = at(1_000)
    while starts.count < 1_000 {
      while pacer.next(now: now) != nil { starts.append(now) }
      if let next = pacer.nextTimeout { now = max(next, now) } else { break }
    }
    #expect(starts.count == 1_000)
    #expect(starts.count { $0 == at(1_000) } == 10, "the burst")
    let length = now.since(at(1_000))
    #expect(length >= .milliseconds(9_890) && length <= .milliseconds(9_910), "990 more at 100 a second: \(length)")
  }

  @Test func whoIsDueLongestComesFirst() {
    var pacer = Pacer(limits: .init(concurrent: 1, perSecond: 1_000, burst: 100))
    pacer.set(0, due: at(30))
    pacer.set(1, due: at(10))
    pacer.set(2, due: at(20))
    var order: [Int] = []
    while let slot = pacer.next(now: at(100)) {
      order.append(slot)
      pacer.finished()
    }
    #expect(order == [1, 2, 0])
  }
}

@Suite struct ProfileTableTests {
  private func at(_ seconds: UInt64) -> MonotonicInstant { .init(nanoseconds: seconds * 1_000_000_000) }

  private func run(
    _ table: inout ProfileTable, from start: MonotonicInstant, until end: MonotonicInstant,
    answer: (ProfileTable.RequestKey, SKIPRequest) -> HTTPResult?
  ) -> (starts: [MonotonicInstant], effects: [ProfileTable.Effect]) {
    var starts: [MonotonicInstant] = []
    var others: [ProfileTable.Effect] = []
    var now = start
    while let due = table.nextTimeout, max(due, now) < end {
      now = max(due, now)
      var effects: [ProfileTable.Effect] = []
      table.timeout(now: now, effects: &effects)
      while !effects.isEmpty {
        let effect = effects.removeFirst()
        if case .start(let key, let request, _, _) = effect {
          starts.append(now)
          if let result = answer(key, request) {
            var more: [ProfileTable.Effect] = []
            table.result(key, result, now: now, effects: &more)
            effects += more
          }
        } else {
          others.append(effect)
        }
      }
    }
    return (starts, others)
  }

  private static let refused = HTTPResult.failure(
    TransportFailure(stage: .notSent, cause: .connect, clientCode: 7, systemError: 111))

  @Test func manyDeadServersMakeNoStormAndEverybodyIsTried() {
    var table = ProfileTable(limits: .init(concurrent: 8, perSecond: 50, burst: 10), seed: 3)
    var effects: [ProfileTable.Effect] = []
    for number in 0..<1_000 {
      table.configure(
        "P\(number)", ProfileConfiguration(server: Endpoint(host: .ipv4("192.0.2.1"), port: 1)), now: at(100),
        effects: &effects)
    }
    let (starts, _) = run(&table, from: at(100), until: at(160)) { _, _ in Self.refused }
    #expect(starts.count <= 10 + 60 * 50 && starts.count > 2_900)
    for second in 100..<160 {
      let count = starts.count { $0 >= at(UInt64(second)) && $0 < at(UInt64(second) + 1) }
      #expect(count <= 60, "in second \(second)")
    }
    let tried = (0..<1_000).count { number in
      table.read("P\(number)") { $1?.statistics.requestTotal ?? 0 } ?? 0 > 0
    }
    #expect(tried == 1_000)
  }

  @Test func nothingIsMadeBeforeItIsDue() {
    var table = ProfileTable(limits: .init(concurrent: 2, perSecond: 10, burst: 2), seed: 3)
    var effects: [ProfileTable.Effect] = []
    for number in 0..<100 {
      table.configure(
        "P\(number)", ProfileConfiguration(server: Endpoint(host: .ipv4("192.0.2.1"), port: 1)), now: at(1),
        effects: &effects)
    }
    table.timeout(now: at(1), effects: &effects)
    let made = (0..<100).count { number in table.read("P\(number)") { $1 != nil } ?? false }
    #expect(made == 2)
  }

  /// In a process of its own, so that no other test's memory is measured.
  @Test func aProfileIsSmall() async {
    await #expect(processExitsWith: .success) { try ProfileTableTests().measureMemory() }
  }

  /// What many profiles with dead servers cost. The bounds are about twice what was measured.
  fileprivate func measureMemory() throws {
    func resident() throws -> Int {
      let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
      return try #require(Int(fields[1])) * 4_096
    }
    let count = 20_000
    var table = ProfileTable(limits: .init(concurrent: 64, perSecond: 1_000_000, burst: 64), seed: 3)
    var effects: [ProfileTable.Effect] = []
    let before = try resident()
    for number in 0..<count {
      table.configure(
        "ProfileR1toR\(number)", ProfileConfiguration(server: Endpoint(host: .ipv4("192.0.2.1"), port: 1)),
        now: at(100), effects: &effects)
    }
    let configured = try resident()
    #expect((configured - before) / count < 1_000)
    _ = run(&table, from: at(100), until: at(101)) { _, _ in Self.refused }
    #expect(table.read("ProfileR1toR\(count - 1)") { $1?.statistics.requestFailed ?? 0 } ?? 0 >= 1)
    #expect(try (resident() - before) / count < 2_000)
  }

  @Test func aRemovedProfileIsForgottenAndItsSlotUsedAgain() {
    var table = ProfileTable(seed: 1)
    var effects: [ProfileTable.Effect] = []
    let configuration = ProfileConfiguration(server: Endpoint(host: .ipv4("192.0.2.1"), port: 1))
    table.configure("A", configuration, now: at(1), effects: &effects)
    table.timeout(now: at(1), effects: &effects)
    guard case .start(let key, _, _, _)? = effects.first else {
      Issue.record("no request was started")
      return
    }
    effects = []
    table.configure("A", nil, now: at(2), effects: &effects)
    guard case .cancel(key)? = effects.first else {
      Issue.record("the request was not given up: \(effects)")
      return
    }
    #expect(table.count == 0 && table.nextTimeout == nil)
    table.configure("B", configuration, now: at(3), effects: &effects)
    effects = []
    table.result(key, Self.refused, now: at(3), effects: &effects)
    #expect(table.read("B") { $1?.statistics.requestFailed ?? 0 } == 0, "B must not get A's result")
    table.timeout(now: at(3), effects: &effects)
    #expect(
      effects.contains { if case .start(let new, _, _, _) = $0 { new.slot == key.slot && new != key } else { false } })
  }

  @Test func unknownProfilesAreAnError() {
    var table = ProfileTable(seed: 1)
    var effects: [ProfileTable.Effect] = []
    table.request(
      RequestID(number: 1), .entropy(bits: nil), profile: "none", deadline: .seconds(1), now: at(1), effects: &effects)
    guard case .complete(_, .failure(.unknownProfile("none")))? = effects.first else {
      Issue.record("\(effects)")
      return
    }
  }

  @Test func aRequestEndsAtItsDeadlineAlsoWithoutAnyOtherEvent() {
    var table = ProfileTable(seed: 1)
    var effects: [ProfileTable.Effect] = []
    table.configure(
      "A", ProfileConfiguration(server: Endpoint(host: .ipv4("192.0.2.1"), port: 1)), now: at(1), effects: &effects)
    table.request(
      RequestID(number: 1), .newKey(remote: nil, sizeInBits: nil), profile: "A", deadline: .seconds(5), now: at(1),
      effects: &effects)
    let (_, others) = run(&table, from: at(1), until: at(20)) { _, _ in nil }
    #expect(
      others.contains { if case .complete(RequestID(number: 1), .failure(.notConnected)) = $0 { true } else { false } })
  }
}
