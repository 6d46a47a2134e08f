// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import KeyService
import Secrets
import Synchronization
import Testing

@testable import SKS

/// The whole service against a server that misbehaves.
@Suite(.serialized) struct ServiceTests {
  let fixture: ServiceFixture
  init() throws { fixture = try ServiceFixture() }

  /// A server whose capabilities are in order, connected; `reply` answers the rest.
  private func connect(
    _ reply: @escaping @Sendable (String, Int) -> CannedServer.Reply
  ) async throws -> StunnelServer {
    let server = try StunnelServer(
      version: "TLSv1.3", secrets: [ServiceFixture.identity: ServiceFixture.keyDigits]
    ) { target, number in target == "/capabilities" ? .answer(200, CannedKME.capabilities) : reply(target, number) }
    try fixture.configure(port: server.port, try fixture.psk(hash: .sha256))
    try await fixture.wait { $0.status == .connected }
    return server
  }

  private func newKey(deadline: Duration = .seconds(10)) async throws -> KeyMaterial {
    try await fixture.service.newKey(try NewKeyRequest(deadline: deadline), profile: "P")
  }

  private func error(_ body: () async throws -> some Sendable) async -> KeyServiceError? {
    do {
      _ = try await body()
      return nil
    } catch { return error as? KeyServiceError }
  }

  @Test(arguments: [
    ("dropped", CannedServer.Reply.drop),
    ("half an answer", .bytes(Array("HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{\"keyId\":".utf8))),
    ("half a header", .bytes(Array("HTTP/1.1 200 OK\r\nContent-Le".utf8))),
    ("no HTTP", .bytes(Array("SSH-2.0-OpenSSH_9\r\n".utf8))),
    ("too large", .answer(200, String(repeating: " ", count: 70_000))),
    (
      "too large without a length",
      .bytes(Array(("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: " ", count: 200_000)).utf8))
    ),
    ("silent", .stall(5)),
  ])
  func aDoubtfulDeliveryIsNeverAskedForAgain(what: String, reply: CannedServer.Reply) async throws {
    let server = try await connect { _, _ in reply }
    let error = await error { try await newKey() }
    #expect(error?.burnsKey == true, "\(what): \(String(describing: error))")
    try await Task.sleep(for: .milliseconds(300))
    #expect(server.backend.requests.count { $0.hasPrefix("/key") } == 1, "\(what)")
    let statistics = try #require(fixture.state?.statistics)
    #expect(statistics.requests.key == 1 && statistics.responseFailed + statistics.validationFailed == 1, "\(what)")
  }

  @Test func redirectionsAreNotFollowed() async throws {
    let server = try await connect { _, _ in
      .bytes(
        Array(CannedServer.http(302, "", headers: "Location: https://127.0.0.1:1/key\r\n").utf8))
    }
    #expect(await error { try await newKey() } == .refused(status: 302))
    #expect(server.backend.requests.count { $0.hasPrefix("/key") } == 1)
  }

  @Test func aKeyThatIsNotThereYetIsWaitedFor() async throws {
    let server = try await connect { target, _ in
      target.hasPrefix("/key/") && !Self.isSynchronized.load(ordering: .acquiring)
        ? .answer(400, #"{"error":"not found"}"#) : .answer(200, CannedKME.key)
    }
    Self.isSynchronized.store(false, ordering: .releasing)
    let service = fixture.service
    async let key = service.key(
      try KeyByIdentifierRequest(identifier: try #require(KeyIdentifier(CannedKME.keyID))), profile: "P")
    try await Task.sleep(for: .milliseconds(300))
    Self.isSynchronized.store(true, ordering: .releasing)
    #expect(try await key.identifier.description == CannedKME.keyID)
    let count = server.backend.requests.count { $0.hasPrefix("/key/") }
    #expect(count >= 2 && fixture.state?.statistics.retryCount == UInt32(count - 1))
  }
  private static let isSynchronized = Atomic<Bool>(false)

  @Test func removingTheProfileAnswersItsConsumersAtOnce() async throws {
    let server = try await connect { _, _ in .stall(20) }
    let service = fixture.service
    async let outcome = error { try await service.newKey(try NewKeyRequest(), profile: "P") }
    for _ in 0..<300 where !server.backend.requests.contains(where: { $0.hasPrefix("/key") }) {
      try await Task.sleep(for: .milliseconds(10))
    }
    let start = ContinuousClock.now
    fixture.service.configure([("P", nil)])
    #expect(await outcome == .cancelled("the profile was removed"))
    #expect(ContinuousClock.now - start < .seconds(2) && fixture.state == nil)
    #expect(await error { try await newKey() } == .unknownProfile("P"))
    for _ in 0..<300 where fixture.events.count < 2 { try await Task.sleep(for: .milliseconds(10)) }
    #expect(
      fixture.events
        == [.connected, .lost(.serverRemoved, detail: "the profile was removed")])
  }

  @Test func cancellingTheTaskCancelsTheRequest() async throws {
    let server = try await connect { _, _ in .stall(20) }
    let task = Task { await error { try await newKey() } }
    for _ in 0..<300 where !server.backend.requests.contains(where: { $0.hasPrefix("/key") }) {
      try await Task.sleep(for: .milliseconds(10))
    }
    task.cancel()
    #expect(await task.value == .cancelled("the consumer gave up"))
    #expect(fixture.state?.statistics.cancelCount == 1)
    let early = Task { await error { try await newKey() } }
    early.cancel()
    #expect(await early.value != nil)
  }

  @Test func shutdownAnswersEverybody() async throws {
    let server = try await connect { _, _ in .stall(20) }
    let service = fixture.service
    async let outcome = error { try await service.newKey(try NewKeyRequest(), profile: "P") }
    for _ in 0..<300 where !server.backend.requests.contains(where: { $0.hasPrefix("/key") }) {
      try await Task.sleep(for: .milliseconds(10))
    }
    service.shutdown()
    #expect(await outcome == .cancelled("the service has ended"))
    #expect(await error { try await newKey() } == .cancelled("the service has ended"))
  }

  @Test func theServerComesAndGoes() async throws {
    let port: UInt16
    do {
      let server = try await connect { _, _ in .answer(500, "") }
      port = server.port
      withExtendedLifetime(server) {}
    }
    // The server is gone; a request notices it, and the refresh that follows tells.
    _ = await error { try await newKey(deadline: .seconds(1)) }
    let down = try await fixture.wait { $0.status == .connecting }
    #expect(down.reason == .clientDown && down.capabilities == nil)
    #expect(fixture.events.count == 2)
    #expect(port == down.server?.port)
  }

  @Test func testKeyTellsIdentifierAndFingerprintOnly() async throws {
    let server = try await connect { target, _ in CannedKME.reply(target) }
    let report = try await fixture.service.testKey(profile: "P")
    #expect(report.identifier.description == CannedKME.keyID && report.remoteSystem == "KP-B")
    #expect(report.sizeInBits == 256 && "\(report)".lowercased().contains(CannedKME.keyDigits.lowercased()) == false)
    let fetched = try await fixture.service.testKey(profile: "P", identifier: report.identifier)
    #expect(fetched.fingerprint == report.fingerprint, "both sides of one key")
    withExtendedLifetime(server) {}
  }

  @Test func consumersAreCounted() async throws {
    try fixture.configure(port: 1, .systemTrust)
    let registration = fixture.service.register(KeyClient(kind: .macsecPolicy, name: "m"), profile: "P")
    #expect(fixture.state?.clientCount == 1)
    registration.cancel()
    #expect(fixture.state?.clientCount == 0)
    #expect(fixture.service.profileNames == ["P"] && fixture.service.snapshot(of: "Q") == nil)
  }

  @Test func manyRequestsAtOnceAreAllAnswered() async throws {
    let server = try await connect { target, _ in CannedKME.reply(target) }
    let keys = try await withThrowingTaskGroup(of: KeyMaterial.self) { group in
      for _ in 0..<50 { group.addTask { try await newKey(deadline: .seconds(60)) } }
      return try await group.reduce(into: 0) { count, _ in count += 1 }
    }
    #expect(keys == 50 && server.backend.requests.count { $0.hasPrefix("/key") } == 50)
    let statistics = try #require(fixture.state?.statistics)
    #expect(statistics.requests.key == 50 && statistics.responseSuccess == 51 && statistics.retryCount == 0)
  }
}
