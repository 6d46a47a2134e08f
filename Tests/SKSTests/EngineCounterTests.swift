// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets
import Testing

@testable import SKS

/// One reference test for each counter of Cisco-IOS-XR-sks-server-oper.
@Suite struct EngineCounterTests {
  private let identifier: KeyIdentifier
  init() throws { identifier = try #require(KeyIdentifier("0aF1")) }

  @Test func aNewProfileHasCountedNothing() {
    #expect(EngineHarness().statistics == ProfileStatistics())
  }

  /// The numbers of the guide's example: one request for capabilities, three for keys, all answered.
  @Test func theGuidesExample() {
    var harness = EngineHarness.connected()
    for _ in 0..<3 {
      harness.request(.newKey(remote: nil, sizeInBits: nil))
      harness.advance(.milliseconds(10))
      harness.answer(200, EngineHarness.key)
    }
    let all = harness.statistics
    #expect(all.requests.capability == 1 && all.requests.key == 3)
    #expect(all.requests.keyWithID == 0 && all.requests.entropy == 0)
    #expect(all.responses.capability == 1 && all.responses.key == 3)
    #expect(all.requestTotal == 4 && all.requestFailed == 0 && all.requestSuccess == 4)
    #expect(all.responseTotal == 4 && all.responseFailed == 0 && all.responseSuccess == 4)
    #expect(all.retryCount == 0 && all.ignoredCount == 0 && all.cancelCount == 0 && all.validationFailed == 0)
    #expect(all.lastTransaction.number == 4 && all.lastTransaction.type == .getKey)
    #expect(all.lastTransaction.statusText == "200 OK" && all.lastTransaction.statusCode == 200)
    harness.checkInvariants()
  }

  @Test func requestsByType() throws {
    var harness = EngineHarness.connected()
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.request(.key(identifier, remote: nil, sizeInBits: nil))
    harness.request(.entropy(bits: 8))
    let requests = harness.statistics.requests
    #expect(requests.capability == 1 && requests.key == 1 && requests.keyWithID == 1 && requests.entropy == 1)
    #expect(harness.statistics.responses.key == 0, "no answer came yet")
    harness.checkInvariants()
  }

  @Test func responsesByType() throws {
    var harness = EngineHarness.connected()
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.answer(200, EngineHarness.key)
    harness.request(.key(identifier, remote: nil, sizeInBits: nil))
    harness.answer(200, EngineHarness.key)
    harness.request(.entropy(bits: 8))
    harness.answer(200, #"{"randomStr":"5a","minentropy":8}"#)
    let responses = harness.statistics.responses
    #expect(responses.capability == 1 && responses.key == 1 && responses.keyWithID == 1 && responses.entropy == 1)
    harness.checkInvariants()
  }

  @Test func requestFailedCountsWhatCouldNotBeSent() {
    for stage in [TransportFailure.Stage.refused, .notSent] {
      var harness = EngineHarness()
      harness.poll()
      harness.fail(stage)
      let all = harness.statistics
      #expect(all.requestTotal == 1 && all.requestFailed == 1 && all.requestSuccess == 0 && all.responseTotal == 0)
      harness.checkInvariants()
    }
  }

  @Test func requestSuccessAndResponseFailedCountWhatWasSentInVain() {
    var harness = EngineHarness()
    harness.poll()
    harness.fail(.noAnswer, .timeout, code: 28)
    let all = harness.statistics
    #expect(all.requestSuccess == 1 && all.requestFailed == 0)
    #expect(all.responseTotal == 1 && all.responseFailed == 1 && all.responseSuccess == 0)
    harness.checkInvariants()
  }

  @Test(arguments: [201, 301, 400, 404, 500, 503] as [UInt16])
  func responseFailedCountsEveryStatusButOK(status: UInt16) {
    var harness = EngineHarness()
    harness.poll()
    harness.answer(status, EngineHarness.capabilities)
    #expect(harness.statistics.responseFailed == 1 && harness.statistics.responseSuccess == 0)
    #expect(harness.engine.status == .capabilityFailed)
    harness.checkInvariants()
  }

  @Test func validationFailedCountsWrongContentOnly() {
    var harness = EngineHarness()
    harness.poll()
    harness.answer(200, "{}")
    #expect(harness.statistics.validationFailed == 1 && harness.statistics.responseSuccess == 1)
    harness.pollWhenDue()
    harness.answer(500, "{}")
    #expect(harness.statistics.validationFailed == 1, "an error's body is not looked at")
    harness.pollWhenDue()
    harness.answer(200, EngineHarness.capabilities)
    harness.request(.newKey(remote: nil, sizeInBits: 128))
    harness.answer(200, EngineHarness.key)
    #expect(harness.statistics.validationFailed == 2, "a key of 256 bits instead of 128")
    #expect(harness.errors == [.invalidAnswer("the key has 256 bits instead of 128")])
    harness.checkInvariants()
  }

  @Test func retryCountCountsRepeatedRequests() {
    var harness = EngineHarness()
    harness.poll()
    #expect(harness.statistics.retryCount == 0)
    for number in 1...3 {
      harness.fail(.notSent)
      harness.pollWhenDue()
      #expect(harness.statistics.retryCount == UInt32(number))
    }
    harness.answer(200, EngineHarness.capabilities)
    harness.pollWhenDue()
    #expect(harness.statistics.retryCount == 3, "the periodic request repeats nothing that failed")
    harness.answer(200, EngineHarness.capabilities)
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.answer(503)
    harness.timeoutWhenDue()
    #expect(harness.statistics.retryCount == 4 && harness.statistics.requests.key == 2)
    harness.checkInvariants()
  }

  @Test func ignoredCountCountsAnswersThatNobodyWaitsFor() {
    var harness = EngineHarness.connected()
    let id = harness.request(.newKey(remote: nil, sizeInBits: nil))
    let transaction = harness.started.last?.transaction
    harness.cancel(id)
    harness.answer(200, EngineHarness.key, transaction: transaction)
    #expect(harness.statistics.ignoredCount == 1)
    let before = harness.statistics
    harness.result(
      .failure(TransportFailure(stage: .noAnswer, cause: .closed, clientCode: 52)), transaction: transaction)
    #expect(harness.statistics == before, "a failure is no answer")
    harness.checkInvariants()
  }

  @Test func cancelCountCountsWhatWasInFlight() {
    var harness = EngineHarness.connected()
    let first = harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.cancel(first)
    #expect(harness.statistics.cancelCount == 1 && harness.cancelled == [2])
    #expect(harness.errors == [.cancelled("not needed")])
    #expect(harness.statistics.lastTransaction.statusText == "cancelled")
    // A change of the server gives up a key request and the request for capabilities.
    harness.poll()
    harness.request(.entropy(bits: nil))
    harness.change { $0.server = EngineHarness.endpoint(10_002) }
    #expect(harness.statistics.cancelCount == 3 && harness.cancelled == [2, 3, 4])
    // What waits is not in flight: it is not counted, and goes on waiting.
    let waiting = harness.request(.entropy(bits: nil))
    harness.cancel(waiting)
    #expect(harness.statistics.cancelCount == 3)
    harness.checkInvariants()
  }

  @Test func removingTheProfileCancelsAndAnswersAll() {
    var harness = EngineHarness.connected()
    for _ in 0..<10 { harness.request(.newKey(remote: nil, sizeInBits: nil)) }
    harness.configure(nil)
    #expect(harness.statistics.cancelCount == UInt32(ProfileEngine.maximumInFlight))
    #expect(harness.errors.count == 10 && harness.errors.allSatisfy { if case .cancelled = $0 { true } else { false } })
    #expect(harness.engine.jobTimeout == nil && harness.engine.pollDue == nil)
    harness.checkInvariants()
  }

  @Test func responseTimes() {
    var harness = EngineHarness()
    harness.poll()
    harness.advance(.milliseconds(100))
    harness.answer(200, EngineHarness.capabilities)
    for milliseconds in [10, 40] {
      harness.request(.newKey(remote: nil, sizeInBits: nil))
      harness.advance(.milliseconds(milliseconds))
      harness.answer(200, EngineHarness.key)
    }
    let times = harness.statistics.responseTimes
    #expect(times.maximum == 100 && times.minimum == 10 && times.average == 50 && times.last == 40)
    // An error is an answer too; a missing answer is none.
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.advance(.milliseconds(2))
    harness.answer(404)
    #expect(harness.statistics.responseTimes.last == 2 && harness.statistics.responseTimes.average == 38)
    harness.pollWhenDue()
    harness.advance(.seconds(9))
    harness.fail(.noAnswer)
    #expect(harness.statistics.responseTimes.last == 2 && harness.statistics.responseTimes.maximum == 100)
  }

  @Test func anAnswerTakesAtLeastAMillisecond() {
    var harness = EngineHarness()
    harness.poll()
    harness.advance(.microseconds(3))
    harness.answer(200, EngineHarness.capabilities)
    #expect(harness.statistics.responseTimes.minimum == 1)
  }

  @Test func lastTransaction() {
    var harness = EngineHarness()
    #expect(harness.statistics.lastTransaction.number == 0 && harness.statistics.lastTransaction.type == .unknown)
    harness.poll()
    harness.result(
      .failure(TransportFailure(stage: .notSent, cause: .connect, clientCode: 7, systemError: 111)))
    var last = harness.statistics.lastTransaction
    #expect(last.number == 1 && last.type == .getCapability && last.clientStatus == 7 && last.statusCode == 0)
    #expect(last.statusText == "no connection to the server: Connection refused")
    harness.pollWhenDue()
    harness.answer(503)
    last = harness.statistics.lastTransaction
    #expect(last.number == 2 && last.clientStatus == 22 && last.statusCode == 503)
    #expect(last.statusText == "503 Service Unavailable")
    harness.pollWhenDue()
    harness.answer(200, "[]")
    last = harness.statistics.lastTransaction
    #expect(last.number == 3 && last.clientStatus == 8 && last.statusCode == 200)
    #expect(last.statusText == "200 OK, invalid answer: it is not a JSON object")
  }

  @Test func countersWrap() {
    var harness = EngineHarness.connected()
    harness.engine.statistics.requestTotal = .max
    harness.engine.statistics.requests.key = .max
    harness.engine.statistics.requests.capability = 0
    harness.engine.statistics.responseSuccess = .max
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.answer(200, EngineHarness.key)
    #expect(harness.statistics.requestTotal == 0 && harness.statistics.requests.key == 0)
    #expect(harness.statistics.responseSuccess == 0)
  }

  @Test func countersSurviveAChangeOfTheConfiguration() {
    var harness = EngineHarness.connected()
    harness.change { $0.server = EngineHarness.endpoint(10_002) }
    #expect(harness.statistics.requestTotal == 1)
    harness.poll()
    #expect(harness.statistics.requestTotal == 2 && harness.started.last?.transaction == 2)
  }
}
