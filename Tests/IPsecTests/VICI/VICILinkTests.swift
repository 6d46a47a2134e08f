// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

private let start = ContinuousClock.now

private func versionAnswer(_ daemon: String, _ version: String) throws -> [UInt8] {
  var message = VICIMessage()
  message.add("daemon", daemon)
  message.add("version", version)
  return try VICIPacket.response(message).framed()
}

@Suite struct VICILinkTests {
  @Test func aCommandLinkIsReadyAfterTheVersion() throws {
    var link = VICILink(purpose: .commands)
    #expect(link.start() == [.connect])
    let request = VICIPacket.request(command: "version", VICIMessage())
    #expect(link.connected(now: start) == [.write(try VICIFrame(request))])
    #expect(!link.isReady)
    let effects = link.receive(try versionAnswer("charon-systemd", "5.9.8"), now: start)
    guard case .ready(let version?, unknown: []) = effects.first, effects.count == 1 else {
      Issue.record("expected ready, got \(effects)")
      return
    }
    #expect(version.numbers == [5, 9, 8])
    #expect(version.description == "charon-systemd 5.9.8")
    #expect(link.isReady)
  }

  @Test(arguments: [("pluto", "5.9.8"), ("charon", "5.8.4"), ("charon", "x")])
  func anotherDaemonOrAnOldOneIsNotUsed(daemon: String, version: String) throws {
    var link = VICILink(purpose: .commands)
    _ = link.start()
    _ = link.connected(now: start)
    let effects = link.receive(try versionAnswer(daemon, version), now: start)
    #expect(effects == [.close, .down(VICIError(.incompatible, ""))])
    #expect(link.nextTimeout != nil)
  }

  @Test func laterVersionsAreTaken() throws {
    for version in ["5.9.0", "5.9.14", "6.0.3", "6.0dr3", "10.1"] {
      var link = VICILink(purpose: .commands)
      _ = link.start()
      _ = link.connected(now: start)
      _ = link.receive(try versionAnswer("charon-systemd", version), now: start)
      #expect(link.isReady, "\(version)")
    }
  }

  @Test func anEventLinkTellsWhichEventsAreNotKnown() throws {
    var link = VICILink(purpose: .events(["ike-updown", "alert", "log"]))
    _ = link.start()
    #expect(link.connected(now: start) == [.write(try VICIFrame(.register(event: "ike-updown")))])
    #expect(
      link.receive(try VICIPacket.confirmed.framed(), now: start) == [.write(try VICIFrame(.register(event: "alert")))])
    #expect(
      link.receive(try VICIPacket.unknownEvent.framed(), now: start) == [.write(try VICIFrame(.register(event: "log")))]
    )
    #expect(link.receive(try VICIPacket.confirmed.framed(), now: start) == [.ready(version: nil, unknown: ["alert"])])
    let event = try VICIPacket.event("log", VICIMessage()).framed()
    #expect(link.receive(event, now: start) == [.event("log", VICIMessage())])
  }

  @Test func attemptsAreRepeatedAtDoublingTimesUpToTheLimit() {
    var link = VICILink(purpose: .commands)
    var now = start
    var waits: [Duration] = []
    _ = link.start()
    for _ in 0..<8 {
      #expect(link.connectingFailed(VICIError(.disconnected, ""), now: now) == [.down(VICIError(.disconnected, ""))])
      let due = link.nextTimeout ?? now
      waits.append(now.duration(to: due))
      #expect(link.timeout(now: due.advanced(by: .milliseconds(-1))).isEmpty)
      now = due
      #expect(link.timeout(now: now) == [.connect])
    }
    #expect(waits == [50, 100, 200, 400, 800, 1000, 1000, 1000].map { .milliseconds($0) })
  }

  @Test func aBrokenConnectionFinishesItsJobsAndIsMadeAgain() throws {
    var link = VICILink(purpose: .commands)
    _ = link.start()
    _ = link.connected(now: start)
    _ = link.receive(try versionAnswer("charon-systemd", "5.9.8"), now: start)
    let job = VICIConnection.Job(id: 3, task: .command("stats", VICIMessage(), stream: nil), limit: .seconds(1))
    #expect(link.submit(job, now: start).count == 1)
    #expect(
      link.closed("gone", now: start) == [
        .finished(3, .failure(VICIError(.disconnected, ""))), .close, .down(VICIError(.disconnected, "")),
      ])
    #expect(link.submit(job, now: start) == [.finished(3, .failure(VICIError(.disconnected, "")))])
    #expect(link.timeout(now: start.advanced(by: .seconds(1))) == [.connect])
  }

  @Test func aDaemonThatDoesNotGreetIsLeft() {
    var link = VICILink(purpose: .commands)
    _ = link.start()
    _ = link.connected(now: start)
    let due = link.nextTimeout ?? start
    #expect(due == start.advanced(by: .seconds(5)))
    #expect(link.timeout(now: due) == [.close, .down(VICIError(.timedOut, ""))])
  }

  @Test func whatIsStoppedStaysStopped() throws {
    var link = VICILink(purpose: .commands)
    _ = link.start()
    _ = link.connected(now: start)
    #expect(link.stop() == [.close])
    #expect(link.nextTimeout == nil)
    #expect(link.receive(try versionAnswer("charon", "5.9.8"), now: start).isEmpty)
    #expect(link.timeout(now: start.advanced(by: .seconds(60))).isEmpty)
  }
}
