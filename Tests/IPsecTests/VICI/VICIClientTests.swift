// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Synchronization
import Testing

@testable import IPsec

@Suite struct VICIClientTests {
  private func makeClient(_ path: String, events: [String] = []) throws -> (VICIClient, NoticeLog) {
    let log = NoticeLog()
    var settings = VICILink.Settings()
    settings.greetingLimit = .milliseconds(300)
    let client = try VICIClient(path: path, events: events, settings: settings) { log.append($0) }
    try client.start()
    return (client, log)
  }

  @Test func commandsAreAnsweredAndEventsCome() async throws {
    let directory = TestDirectory()
    let peer = try ScriptedPeer(path: directory.path + "/vici") { _, packet in
      guard case .register("ike-updown") = packet else { return ScriptedPeer.greeting(packet) }
      return try? VICIPacket.confirmed.framed() + VICIPacket.event("ike-updown", VICIMessage()).framed()
    }
    defer { peer.stop() }
    let (client, log) = try makeClient(peer.path, events: ["ike-updown"])
    defer { client.stop() }
    #expect(await log.waitForReady())
    #expect(await log.wait { $0 == .listening(unknown: []) })
    #expect(await log.wait { $0 == .event("ike-updown", VICIMessage()) })
    #expect(try await client.call("stats") == VICIMessage())
    guard case .ready(_, let process) = log.all.first(where: { if case .ready = $0 { true } else { false } }) else {
      return
    }
    #expect(process == getpid())
  }

  @Test func aHundredCallersAtOnceGetTheirOwnAnswers() async throws {
    let directory = TestDirectory()
    let peer = try ScriptedPeer(path: directory.path + "/vici") { _, packet in
      guard case .request(let command, let message) = packet, command == "echo" else {
        return ScriptedPeer.greeting(packet)
      }
      return try? VICIPacket.response(message).framed()
    }
    defer { peer.stop() }
    let (client, log) = try makeClient(peer.path)
    defer { client.stop() }
    #expect(await log.waitForReady())
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for index in 0..<100 {
        group.addTask {
          var message = VICIMessage()
          message.add("index", index)
          return try await client.call("echo", message)["index"] == "\(index)"
        }
      }
      for try await isOwn in group { #expect(isOwn) }
    }
  }

  @Test func theClientComesBackAfterItsPeer() async throws {
    let directory = TestDirectory()
    let path = directory.path + "/vici"
    let (client, log) = try makeClient(path)
    defer { client.stop() }
    #expect(await log.wait { if case .down(.commands, let error) = $0 { error.code == .disconnected } else { false } })
    await #expect(throws: VICIError(.disconnected, "")) { try await client.call("stats") }
    let first = try ScriptedPeer(path: path) { _, packet in ScriptedPeer.greeting(packet) }
    #expect(await log.waitForReady(count: 1))
    first.stop()
    let second = try ScriptedPeer(path: path) { _, packet in ScriptedPeer.greeting(packet) }
    defer { second.stop() }
    #expect(await log.waitForReady(count: 2))
    try await client.call("stats")
  }

  @Test func aPeerThatHangsUpInTheMiddleFailsTheCommandOnly() async throws {
    let directory = TestDirectory()
    let peer = try ScriptedPeer(path: directory.path + "/vici") { connection, packet in
      if case .request("stats", _) = packet, connection == 0 { return nil }
      return ScriptedPeer.greeting(packet)
    }
    defer { peer.stop() }
    let (client, log) = try makeClient(peer.path)
    defer { client.stop() }
    #expect(await log.waitForReady())
    await #expect(throws: VICIError(.disconnected, "")) { try await client.call("stats") }
    #expect(await log.waitForReady(count: 2))
    try await client.call("stats")
  }

  @Test func aPeerThatIsSilentIsLeftAfterTheLimit() async throws {
    let directory = TestDirectory()
    let peer = try ScriptedPeer(path: directory.path + "/vici") { connection, packet in
      if case .request("stats", _) = packet, connection == 0 { return [] }
      return ScriptedPeer.greeting(packet)
    }
    defer { peer.stop() }
    let (client, log) = try makeClient(peer.path)
    defer { client.stop() }
    #expect(await log.waitForReady())
    let begin = ContinuousClock.now
    await #expect(throws: VICIError(.timedOut, "")) { try await client.call("stats", limit: .milliseconds(100)) }
    #expect(begin.duration(to: .now) < .seconds(5))
    #expect(await log.waitForReady(count: 2))
    try await client.call("stats")
  }

  @Test(
    arguments: [
      [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0, 0, 0, 1, 9], [0, 0, 0, 1, 5], [0, 0, 0, 3, 1, 3, 9],
      [0, 0, 0, 2, 0, 0], [0, 8, 0, 1], [0, 0, 0, 1, 2],
    ] as [[UInt8]])
  func aPeerThatAnswersTheGreetingWithRubbishIsNeverReady(bytes: [UInt8]) async throws {
    let directory = TestDirectory()
    let peer = try ScriptedPeer(path: directory.path + "/vici") { connection, packet in
      connection == 0 ? bytes : ScriptedPeer.greeting(packet)
    }
    defer { peer.stop() }
    let (client, log) = try makeClient(peer.path)
    defer { client.stop() }
    // The first connection is left, with the second all is well.
    #expect(await log.waitForReady())
    guard case .down(.commands, let error) = log.all.first else {
      Issue.record("expected the first notice to be down, got \(log.all)")
      return
    }
    #expect([.malformed, .incompatible, .timedOut].contains(error.code), "\(error)")
  }

  @Test func aStreamWithoutEndIsBounded() async throws {
    let directory = TestDirectory()
    let peer = try ScriptedPeer(path: directory.path + "/vici") { _, packet in
      guard case .request("list-sas", _) = packet else { return ScriptedPeer.greeting(packet) }
      let event = (try? VICIPacket.event("list-sa", VICIMessage()).framed()) ?? []
      let response = (try? VICIPacket.response(VICIMessage()).framed()) ?? []
      return Array(repeatElement(event, count: 5000).joined()) + response
    }
    defer { peer.stop() }
    let (client, log) = try makeClient(peer.path)
    defer { client.stop() }
    #expect(await log.waitForReady())
    #expect(try await client.list("list-sas", event: "list-sa").count == 5000)
    await #expect(throws: VICIError(.tooLong, "")) {
      try await client.list("list-sas", event: "list-sa", maximumParts: 100)
    }
    try await client.call("stats")
  }

  @Test func stoppingFailsWhatWaits() async throws {
    let directory = TestDirectory()
    let peer = try ScriptedPeer(path: directory.path + "/vici") { _, packet in
      if case .request("stats", _) = packet { return [] }
      return ScriptedPeer.greeting(packet)
    }
    defer { peer.stop() }
    let (client, log) = try makeClient(peer.path)
    #expect(await log.waitForReady())
    let answer = Task { try await client.call("stats") }
    try await Task.sleep(for: .milliseconds(50))
    client.stop()
    await #expect(throws: VICIError(.disconnected, "")) { try await answer.value }
    await #expect(throws: VICIError(.disconnected, "")) { try await client.call("stats") }
  }

  @Test func aPathThatIsNoneIsSaidSo() async throws {
    let (client, log) = try makeClient("/" + String(repeating: "x", count: 200))
    defer { client.stop() }
    #expect(await log.wait { if case .down(_, let error) = $0 { error.description.contains("path") } else { false } })
  }
}
