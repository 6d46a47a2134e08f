// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets
import Testing

@testable import SKS

/// Requests of consumers: at most once, bounded, and always answered.
@Suite struct EngineJobTests {
  private let identifier: KeyIdentifier
  init() throws { identifier = try #require(KeyIdentifier("0aF1")) }

  @Test func waitsForTheConnection() {
    var harness = EngineHarness()
    harness.request(.newKey(remote: nil, sizeInBits: 256))
    #expect(harness.started.isEmpty)
    harness.poll()
    harness.answer(200, EngineHarness.capabilities)
    #expect(harness.started.last?.request == .newKey(remote: "Bob", sizeInBits: 256))
    harness.answer(200, EngineHarness.key)
    guard case .success(.key(let key))? = harness.answers.first else {
      Issue.record("no key came: \(harness.answers)")
      return
    }
    #expect(key.identifier == identifier && key.secret.count == 32 && key.remoteSystem == "Bob")
  }

  @Test func givesUpAtItsDeadlineAndSaysWhy() {
    var harness = EngineHarness()
    harness.request(.newKey(remote: nil, sizeInBits: nil), deadline: .seconds(3))
    harness.poll()
    harness.fail(.notSent)
    harness.timeoutWhenDue()
    #expect(harness.errors == [.notConnected("no connection to the server")])
    #expect(harness.engine.jobTimeout == nil)
  }

  @Test func aDeadlineInFlightPutsTheDeliveryInDoubt() {
    var harness = EngineHarness.connected()
    harness.request(.newKey(remote: nil, sizeInBits: nil), deadline: .seconds(3))
    harness.timeoutWhenDue()
    #expect(harness.errors == [.deliveryInDoubt("no answer within the deadline")])
    #expect(harness.cancelled == [2] && harness.statistics.cancelCount == 1)
    #expect(harness.errors.allSatisfy { $0.burnsKey })
  }

  @Test func aKeyRequestIsNeverSentAgainAfterADoubt() {
    for request in [
      ConsumerRequest.newKey(remote: nil, sizeInBits: nil), .key(identifier, remote: nil, sizeInBits: nil),
    ] {
      for cause in [TransportFailure.Cause.timeout, .closed, .receive, .answerTooLarge, .malformedAnswer, .send] {
        var harness = EngineHarness.connected()
        harness.request(request)
        harness.fail(.noAnswer, cause)
        #expect(harness.started.count == 1 && harness.engine.jobs.isEmpty)
        guard case .deliveryInDoubt? = harness.errors.first else {
          Issue.record("\(cause): \(harness.errors)")
          continue
        }
      }
      for status in [500, 502, 504, 401, 404] as [UInt16] {
        var harness = EngineHarness.connected()
        harness.request(request)
        harness.answer(status)
        #expect(harness.started.count == 1 && harness.errors == [.refused(status: Int(status))])
      }
    }
  }

  @Test func whatWasCertainlyNotProcessedIsSentAgainButNotForEver() {
    var harness = EngineHarness.connected()
    harness.request(.newKey(remote: nil, sizeInBits: nil), deadline: .seconds(300))
    for _ in 0..<4 {
      harness.fail(.notSent)
      harness.timeoutWhenDue()
    }
    #expect(harness.started.count == 4)
    #expect(harness.errors == [.notConnected("no connection to the server")])
    for status in [503, 429] as [UInt16] {
      var busy = EngineHarness.connected()
      busy.request(.newKey(remote: nil, sizeInBits: nil), deadline: .seconds(300))
      for _ in 0..<4 {
        busy.answer(status)
        busy.timeoutWhenDue()
      }
      #expect(busy.started.count == 4 && busy.errors == [.refused(status: Int(status))])
    }
  }

  @Test func aKeyByIdentifierIsAskedForWithinItsWindowOnly() {
    var harness = EngineHarness.connected()
    harness.request(.key(identifier, remote: nil, sizeInBits: nil))
    let start = harness.now
    var count = 0
    while harness.errors.isEmpty, count < 100 {
      count += 1
      harness.answer(400)
      harness.timeoutWhenDue()
    }
    #expect(harness.errors == [.keyNotFound(identifier)])
    #expect(harness.now.since(start) >= .seconds(10) && harness.now.since(start) < .seconds(20))
    #expect(count > 3 && count < 60 && harness.engine.status == .connected, "400 is no failure of the server")
    // Within the window it may still come.
    var late = EngineHarness.connected()
    late.request(.key(identifier, remote: nil, sizeInBits: nil))
    late.answer(400)
    late.timeoutWhenDue()
    late.answer(200, EngineHarness.key)
    #expect(late.errors.isEmpty && late.answers.count == 1)
  }

  @Test func aNewKeyIsNotAskedForAgainAfter400() {
    var harness = EngineHarness.connected()
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.answer(400)
    #expect(harness.errors == [.refused(status: 400)])
  }

  @Test func theEchoMustFit() throws {
    var harness = EngineHarness.connected()
    harness.request(.key(try #require(KeyIdentifier("0af1")), remote: nil, sizeInBits: nil))
    harness.answer(200, EngineHarness.key)
    #expect(harness.errors == [.invalidAnswer("keyId 0aF1 came instead of 0af1")])
  }

  @Test func theSizeOfAFetchedKeyIsChecked() {
    var harness = EngineHarness.connected()
    harness.request(.key(identifier, remote: nil, sizeInBits: 128))
    harness.answer(200, EngineHarness.key)
    #expect(harness.errors == [.invalidAnswer("the key has 256 bits instead of 128")])
  }

  @Test func anIdentifierThatIsNoneOfSKIPIsNotSent() throws {
    var harness = EngineHarness.connected()
    harness.request(.key(try #require(KeyIdentifier("../../x")), remote: nil, sizeInBits: nil))
    #expect(harness.started.isEmpty && harness.errors.count == 1)
  }

  @Test func entropyMayBeSentAgainAfterAnything() {
    var harness = EngineHarness.connected()
    harness.request(.entropy(bits: 8), deadline: .seconds(60))
    harness.fail(.noAnswer)
    harness.timeoutWhenDue()
    harness.answer(500)
    harness.timeoutWhenDue()
    harness.answer(200, #"{"randomStr":"5a","minentropy":8}"#)
    #expect(harness.started.count == 3 && harness.errors.isEmpty)
    guard case .success(.entropy(let bytes))? = harness.answers.first else {
      Issue.record("no entropy came")
      return
    }
    #expect(bytes.withUnsafeBytes { Array($0) } == [0x5a])
  }

  @Test func whatIsNotOfferedIsNotAskedFor() {
    let none = #"{"entropy":false,"key":false,"algorithm":"a","localSystemID":"A","remoteSystemID":["B"]}"#
    var harness = EngineHarness.connected(capabilities: none)
    harness.request(.entropy(bits: nil))
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    #expect(harness.errors == [.notOffered("entropy"), .notOffered("keys")] && harness.started.isEmpty)
  }

  @Test func threeRemotesAndItselfNeedAChoice() {
    let many =
      #"{"entropy":true,"key":true,"algorithm":"a","localSystemID":"A","remoteSystemID":["A","B","C","D"]}"#
    var harness = EngineHarness.connected(capabilities: many)
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    #expect(harness.errors == [.ambiguousRemote(candidates: ["B", "C", "D"])])
    harness.change { $0.remoteSystem = "C" }
    #expect(harness.engine.status == .connected, "the remote system is no matter of the connection")
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    #expect(harness.started.last?.request == .newKey(remote: "C", sizeInBits: nil))
    harness.request(.newKey(remote: "D", sizeInBits: nil))
    #expect(harness.started.last?.request == .newKey(remote: "D", sizeInBits: nil))
    // A new choice gives up the request for the old one only.
    harness.change { $0.remoteSystem = "B" }
    #expect(harness.errors.count == 2 && harness.statistics.cancelCount == 1 && harness.engine.jobs.count == 1)
  }

  @Test func capabilitiesAreAnsweredOnceKnown() {
    var harness = EngineHarness()
    harness.request(.capabilities)
    #expect(harness.answers.isEmpty)
    harness.poll()
    harness.answer(200, EngineHarness.capabilities)
    guard case .success(.capabilities(let capabilities))? = harness.answers.first else {
      Issue.record("no capabilities came")
      return
    }
    #expect(capabilities.remoteSystems == ["Alice", "Bob"])
  }

  @Test func requestsAreBoundedInNumber() {
    var harness = EngineHarness.connected()
    for _ in 0..<(ProfileEngine.maximumJobs + 5) { harness.request(.newKey(remote: nil, sizeInBits: nil)) }
    #expect(harness.started.count == ProfileEngine.maximumInFlight)
    #expect(harness.errors == Array(repeating: .busy, count: 5))
    harness.answer(200, EngineHarness.key, transaction: harness.started.first?.transaction)
    #expect(harness.started.count == ProfileEngine.maximumInFlight + 1, "the next one takes the place")
    harness.checkInvariants()
  }

  /// Random inputs in random order keep the invariants, and every request is answered exactly once.
  @Test(arguments: 0..<20) func anyOrderOfEventsKeepsTheInvariants(seed: UInt64) {
    var random = JitterSource(seed: seed)
    func pick(_ count: Int) -> Int {
      Int(random.spread(.nanoseconds(count * 100), fromPercent: 0).wholeNanoseconds / 100) % count
    }
    var harness = EngineHarness()
    var asked = 0
    var done: [RequestID: Int] = [:]
    for step in 0..<400 {
      switch pick(12) {
      case 0: harness.pollWhenDue()
      case 1, 2:
        asked += 1
        harness.request(
          [
            .newKey(remote: nil, sizeInBits: nil), .entropy(bits: 8), .key(identifier, remote: nil, sizeInBits: nil),
            .capabilities,
          ][pick(4)])
      case 3: harness.advance(.milliseconds(pick(20_000)))
      case 4: harness.timeoutWhenDue()
      case 5 where pick(5) == 0: harness.change { $0.server = EngineHarness.endpoint(UInt16(10_000 + step)) }
      case 6 where asked > 0: harness.cancel(RequestID(number: UInt64(1 + pick(asked))))
      default:
        guard let start = harness.started.randomElement(using: &random) else { continue }
        switch pick(5) {
        case 0: harness.answer([400, 500, 503, 200][pick(4)], "{", transaction: start.transaction)
        case 1:
          let stage = [TransportFailure.Stage.notSent, .noAnswer, .refused][pick(3)]
          harness.result(
            .failure(TransportFailure(stage: stage, cause: .connect, clientCode: 7)), transaction: start.transaction)
        default:
          let body =
            start.request == .capabilities
            ? EngineHarness.capabilities
            : start.request.deliversKey ? EngineHarness.key : #"{"randomStr":"5a","minentropy":8}"#
          harness.answer(200, body, transaction: start.transaction)
        }
      }
      for case .complete(let id, _) in harness.effects { done[id, default: 0] += 1 }
      harness.effects.removeAll { if case .complete = $0 { true } else { false } }
      harness.checkInvariants()
    }
    harness.configure(nil)
    for case .complete(let id, _) in harness.effects { done[id, default: 0] += 1 }
    #expect(done.count == asked && done.values.allSatisfy { $0 == 1 }, "seed \(seed)")
  }
}

extension JitterSource: RandomNumberGenerator {
  public mutating func next() -> UInt64 { spread(.nanoseconds(Int64.max), fromPercent: 0).wholeNanoseconds }
}
