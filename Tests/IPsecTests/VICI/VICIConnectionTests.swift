// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import IPsec

private let start = ContinuousClock.now

private func command(_ id: UInt64, _ name: String, stream: String? = nil) -> VICIConnection.Job {
  .init(id: id, task: .command(name, VICIMessage(), stream: stream), limit: .seconds(10))
}

private func frame(_ packet: VICIPacket) throws -> VICIConnection.Effect { .write(try VICIFrame(packet)) }

private func message(_ name: String, _ value: String) -> VICIMessage {
  var message = VICIMessage()
  message.add(name, value)
  return message
}

@Suite struct VICIConnectionTests {
  @Test func oneCommandIsUnderWayAtATimeAndTheOthersWaitInOrder() throws {
    var connection = VICIConnection()
    #expect(try connection.submit(command(1, "a"), now: start) == [frame(.request(command: "a", VICIMessage()))])
    #expect(connection.submit(command(2, "b"), now: start).isEmpty)
    #expect(connection.submit(command(3, "c"), now: start).isEmpty)
    let answer = message("x", "1")
    #expect(
      try connection.receive(VICIPacket.response(answer).framed(), now: start)
        == [.finished(1, .success(answer)), frame(.request(command: "b", VICIMessage()))])
    #expect(
      try connection.receive(VICIPacket.unknownCommand.framed(), now: start)
        == [.finished(2, .failure(VICIError(.unknown, ""))), frame(.request(command: "c", VICIMessage()))])
    #expect(
      try connection.receive(VICIPacket.response(answer).framed(), now: start) == [.finished(3, .success(answer))])
    #expect(connection.nextTimeout == nil)
  }

  @Test func aRefusalCarriesTheDaemonsWords() throws {
    var connection = VICIConnection()
    _ = connection.submit(command(1, "load-conn"), now: start)
    var answer = message("success", "no")
    answer.add("errmsg", "invalid value for: ppk_id")
    let effects = try connection.receive(VICIPacket.response(answer).framed(), now: start)
    guard case .finished(1, .failure(let error)) = effects.first else {
      Issue.record("expected a failure, got \(effects)")
      return
    }
    #expect(error.code == .refused)
    #expect(error.description.contains("invalid value for: ppk_id"))
    #expect(error.description.contains("load-conn"))
  }

  @Test func aStreamedCommandIsRegisteredCommandedAndUnregistered() throws {
    var connection = VICIConnection()
    #expect(
      try connection.submit(command(7, "list-sas", stream: "list-sa"), now: start) == [
        frame(.register(event: "list-sa"))
      ])
    #expect(
      try connection.receive(VICIPacket.confirmed.framed(), now: start)
        == [frame(.request(command: "list-sas", VICIMessage()))])
    let parts = [message("a", "1"), message("a", "2")]
    let bytes = try parts.flatMap { part in try VICIPacket.event("list-sa", part).framed() }
    #expect(connection.receive(bytes, now: start) == [.part(7, parts[0]), .part(7, parts[1])])
    #expect(
      try connection.receive(VICIPacket.response(VICIMessage()).framed(), now: start)
        == [frame(.unregister(event: "list-sa"))])
    // A late one is dropped.
    #expect(try connection.receive(VICIPacket.event("list-sa", parts[0]).framed(), now: start).isEmpty)
    #expect(
      try connection.receive(VICIPacket.confirmed.framed(), now: start) == [.finished(7, .success(VICIMessage()))])
  }

  @Test func aStreamThatIsNotKnownFailsAndTheConnectionLivesOn() throws {
    var connection = VICIConnection()
    _ = connection.submit(command(1, "list-x", stream: "x"), now: start)
    _ = connection.submit(command(2, "version"), now: start)
    #expect(
      try connection.receive(VICIPacket.unknownEvent.framed(), now: start)
        == [.finished(1, .failure(VICIError(.unknown, ""))), frame(.request(command: "version", VICIMessage()))])
  }

  @Test func eventsComeBetweenACommandAndItsAnswer() throws {
    var connection = VICIConnection()
    #expect(
      try connection.submit(.init(id: 1, task: .subscribe(event: "ike-updown"), limit: .seconds(1)), now: start)
        == [frame(.register(event: "ike-updown"))])
    #expect(
      try connection.receive(VICIPacket.confirmed.framed(), now: start) == [.finished(1, .success(VICIMessage()))])
    _ = connection.submit(command(2, "stats"), now: start)
    let up = message("up", "yes")
    let bytes = try VICIPacket.event("ike-updown", up).framed() + VICIPacket.response(VICIMessage()).framed()
    #expect(connection.receive(bytes, now: start) == [.event("ike-updown", up), .finished(2, .success(VICIMessage()))])
  }

  @Test func noAnswerWithinTheLimitEndsTheConnectionAndEveryJob() throws {
    var connection = VICIConnection()
    _ = connection.submit(command(1, "list-sas"), now: start)
    _ = connection.submit(command(2, "stats"), now: start)
    let due = try #require(connection.nextTimeout)
    #expect(due == start.advanced(by: .seconds(10)))
    #expect(connection.timeout(now: start.advanced(by: .seconds(9))).isEmpty)
    let effects = connection.timeout(now: due)
    #expect(
      effects == [
        .finished(1, .failure(VICIError(.timedOut, ""))), .finished(2, .failure(VICIError(.disconnected, ""))),
        .failed(VICIError(.timedOut, "")),
      ])
    #expect(connection.submit(command(3, "x"), now: due) == [.finished(3, .failure(VICIError(.timedOut, "")))])
    #expect(try connection.receive(VICIPacket.response(VICIMessage()).framed(), now: due).isEmpty)
  }

  @Test(arguments: [
    VICIPacket.response(VICIMessage()), .confirmed, .unknownEvent, .unknownCommand,
    .request(command: "x", VICIMessage()), .register(event: "x"), .unregister(event: "x"),
  ])
  func whatNothingAskedForEndsTheConnection(packet: VICIPacket) throws {
    var connection = VICIConnection()
    #expect(try connection.receive(packet.framed(), now: start) == [.failed(VICIError(.malformed, ""))])
  }

  @Test func aRegistrationIsNotAnsweredByAResponse() throws {
    var connection = VICIConnection()
    _ = connection.submit(command(1, "list-sas", stream: "list-sa"), now: start)
    let effects = try connection.receive(VICIPacket.response(VICIMessage()).framed(), now: start)
    #expect(effects.last == .failed(VICIError(.malformed, "")))
  }

  @Test func aMessageThatDoesNotFitFailsAloneAndTheNextGoesOn() throws {
    var connection = VICIConnection()
    var large = VICIMessage()
    for index in 0..<9 { large.elements.append(.value(name: "\(index)", [UInt8](repeating: 0, count: 65535))) }
    let job = VICIConnection.Job(id: 1, task: .command("load-cert", large, stream: nil), limit: .seconds(1))
    #expect(connection.submit(job, now: start) == [.finished(1, .failure(VICIError(.tooLong, "")))])
    #expect(try connection.submit(command(2, "a"), now: start) == [frame(.request(command: "a", VICIMessage()))])
  }

  @Test func tooManyWaitingCommandsAreRefused() {
    var connection = VICIConnection()
    for id in 0...UInt64(VICIConnection.maximumWaiting) { _ = connection.submit(command(id, "a"), now: start) }
    #expect(
      connection.submit(command(9999, "a"), now: start) == [.finished(9999, .failure(VICIError(.overloaded, "")))])
  }

  @Test func aSecretGoesOverTheWireAndIntoNoDescription() throws {
    var message = VICIMessage()
    message.add("data", SecretBytes(copying: Array("s3cr3t".utf8)))
    let wire = try message.encoded()
    #expect(message.encodedCount == wire.count)
    #expect(try VICIMessage(decoding: wire)["data"] == "s3cr3t")
    #expect(!"\(message)".contains("s3cr3t"))
    #expect(message["data"] == nil)
    var dumped = ""
    dump(message, to: &dumped)
    #expect(!dumped.contains("s3cr3t"))
  }

  @Test func anyBytesAtAnyTimeEndInAnswersOrAFailureOnce() throws {
    for seed in 0..<300 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      var connection = VICIConnection()
      var submitted: Set<UInt64> = []
      var finished: Set<UInt64> = []
      var failures = 0
      func count(_ effects: [VICIConnection.Effect]) {
        for effect in effects {
          switch effect {
          case .finished(let id, _): #expect(finished.insert(id).inserted, "job \(id) finished twice, seed \(seed)")
          case .failed: failures += 1
          default: break
          }
        }
      }
      for step in 0..<200 as Range<UInt64> {
        switch random.next() % 4 {
        case 0:
          submitted.insert(step)
          count(connection.submit(command(step, "c", stream: random.next() % 2 == 0 ? "e" : nil), now: start))
        case 1: count(try connection.receive(VICIPacket.confirmed.framed(), now: start))
        case 2: count(try connection.receive(VICIPacket.response(VICIMessage()).framed(), now: start))
        default:
          let event = try VICIPacket.event("e", VICIMessage()).framed()
          count(connection.receive(event, now: start))
          if random.next() % 20 == 0 { count(connection.receive([0, 0, 0, 1, UInt8(random.next() % 9)], now: start)) }
        }
      }
      count(connection.disconnected("end"))
      #expect(finished == submitted, "seed \(seed)")
      #expect(failures == 1, "seed \(seed)")
    }
  }
}
