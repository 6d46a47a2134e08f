// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import KeyService
import Secrets
import Testing

@testable import SKS

/// TLS with pre-shared keys against servers that others wrote, with canned answers.
@Suite(.serialized) struct PreSharedKeyTests {
  private func openSSL(_ options: [String]) throws -> OpenSSLServer {
    try OpenSSLServer(
      ["-nocert", "-psk_identity", ServiceFixture.identity, "-psk", ServiceFixture.keyDigits] + options)
  }

  @Test(arguments: [
    "DHE-PSK-AES256-CBC-SHA384", "DHE-PSK-AES256-CBC-SHA", "ECDHE-PSK-CHACHA20-POLY1305", "PSK-AES256-GCM-SHA384",
  ])
  func openSSLServerWithTLS12(suite: String) async throws {
    let server = try openSSL(["-tls1_2", "-cipher", suite])
    let fixture = try ServiceFixture()
    try fixture.configure(port: server.port, try fixture.psk())
    try await fixture.takeAll()
    #expect(fixture.events == [.connected])
    #expect(fixture.state?.statistics.requestTotal == 4 && fixture.state?.authentication == .psk)
    #expect(fixture.state?.pskIdentity == ServiceFixture.identity)
  }

  @Test(arguments: [PreSharedKey.Hash.sha256, .automatic])
  func openSSLServerWithTLS13AndSHA256(hash: PreSharedKey.Hash) async throws {
    let server = try openSSL(["-tls1_3"])
    let fixture = try ServiceFixture()
    try fixture.configure(port: server.port, try fixture.psk(hash: hash))
    try await fixture.takeAll()
    // The automatic choice begins with SHA-384, which this server does not share.
    #expect(fixture.state?.statistics.retryCount == (hash == .automatic ? 1 : 0))
  }

  @Test(arguments: [PreSharedKey.Hash.sha384, .automatic])
  func openSSLServerWithTLS13AndSHA384(hash: PreSharedKey.Hash) async throws {
    let folder = try ServerProgram.makeFolder()
    let digits = Array(ServiceFixture.keyDigits)
    let key = stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
    try SessionFile.writeSHA384(key: key, to: folder.path + "/session.pem")
    let server = try OpenSSLServer(
      ["-nocert", "-tls1_3", "-psk_identity", ServiceFixture.identity, "-psk_session", "session.pem"], folder: folder)
    let fixture = try ServiceFixture()
    try fixture.configure(port: server.port, try fixture.psk(hash: hash))
    try await fixture.takeAll()
    #expect(fixture.state?.statistics.retryCount == 0)
  }

  /// A server that wants another group asks for a second hello, in which the key must be offered anew.
  @Test(arguments: [PreSharedKey.Hash.sha256, .automatic])
  func openSSLServerThatRetriesTheHello(hash: PreSharedKey.Hash) async throws {
    let server = try openSSL(["-tls1_3", "-groups", "P-384"])
    let fixture = try ServiceFixture()
    try fixture.configure(port: server.port, try fixture.psk(hash: hash))
    try await fixture.takeAll()
  }

  @Test func aHashThatTheServerDoesNotShareFails() async throws {
    let server = try openSSL(["-tls1_3"])
    let fixture = try ServiceFixture()
    try fixture.configure(port: server.port, try fixture.psk(hash: .sha384))
    let state = try await fixture.wait { $0.statistics.requestFailed >= 2 }
    #expect(state.status == .connecting && state.reason == .sendRequestFailed && state.statistics.responseTotal == 0)
  }

  @Test(arguments: ["TLSv1.2", "TLSv1.3"])
  func stunnel(version: String) async throws {
    let server = try StunnelServer(
      version: version, secrets: [ServiceFixture.identity: ServiceFixture.keyDigits]
    ) { target, _ in CannedKME.reply(target) }
    let fixture = try ServiceFixture()
    try fixture.configure(port: server.port, try fixture.psk())
    try await fixture.takeAll()
    #expect(
      server.backend.requests == [
        "/capabilities", "/key?remoteSystemID=KP-B&size=256", "/key/\(CannedKME.keyID)?remoteSystemID=KP-B",
        "/entropy?minentropy=128",
      ])
  }

  @Test func theTextOfAKeyIsItsBytesUnlessToldOtherwise() async throws {
    let text = "correct horse battery staple 123"
    let digits = text.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    let server = try OpenSSLServer(
      ["-nocert", "-psk_identity", ServiceFixture.identity, "-psk", digits, "-tls1_2", "-cipher", "PSK"])
    let fixture = try ServiceFixture()
    try fixture.configure(
      port: server.port, .psk(try PreSharedKey(identity: ServiceFixture.identity, key: try fixture.seal(text))))
    try await fixture.takeAll()
  }

  @Test(arguments: [["-tls1_2", "-cipher", "PSK"], ["-tls1_3"]])
  func aWrongKeyIsRefused(options: [String]) async throws {
    let server = try openSSL(options)
    let fixture = try ServiceFixture()
    let wrong = String(ServiceFixture.keyDigits.reversed())
    try fixture.configure(port: server.port, try fixture.psk(wrong))
    let state = try await fixture.wait { $0.statistics.requestFailed >= 2 }
    #expect(state.status == .connecting && state.statistics.responseTotal == 0 && state.statistics.requestSuccess == 0)
    #expect(state.statistics.lastTransaction.statusText == "the TLS handshake failed")
  }

  /// Whoever shows a certificate, even one that the system would trust, but does not know the key, gets no request.
  @Test(arguments: [
    ["-tls1_2"], ["-tls1_3"], ["-tls1_2", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "RSAPSK:ALL"],
    ["-tls1_3", "-psk_identity", "someone", "-psk", "aabbccddeeff00112233445566778899"],
    ["-tls1_2", "-cipher", "ALL", "-psk_identity", "router1", "-psk", "aabbccddeeff00112233445566778899"],
  ])
  func anImpostorWithACertificateIsRefused(options: [String]) async throws {
    let authority = try TestAuthority()
    try authority.issue("server", alternativeNames: "IP:127.0.0.1,DNS:localhost")
    let server = try OpenSSLServer(["-cert", "server.pem", "-key", "server.key"] + options, folder: authority.folder)
    for hash in [PreSharedKey.Hash.sha256, .sha384, .automatic] {
      let fixture = try ServiceFixture()
      try fixture.configure(port: server.port, try fixture.psk(hash: hash))
      let state = try await fixture.wait { $0.statistics.requestFailed >= 2 }
      #expect(state.status == .connecting && state.capabilities == nil && fixture.events.isEmpty)
      #expect(state.statistics.requestSuccess == 0 && state.statistics.responseTotal == 0)
      fixture.service.shutdown()
    }
    #expect(!server.program.output.contains("FILE:"), "the impostor was asked for something")
  }

  /// Two profiles with identities of their own at one server must not share connections.
  @Test(arguments: ["TLSv1.2", "TLSv1.3"])
  func identitiesAreNotMixed(version: String) async throws {
    let server = try StunnelServer(
      version: version, secrets: [ServiceFixture.identity: ServiceFixture.keyDigits]
    ) { target, _ in CannedKME.reply(target) }
    let fixture = try ServiceFixture()
    let settings = try ServiceFixture.quick.get()
    let endpoint = Endpoint(host: .ipv4("127.0.0.1"), port: server.port)
    fixture.service.configure([
      ("P", ProfileConfiguration(server: endpoint, authentication: try fixture.psk(), settings: settings)),
      (
        "Q",
        ProfileConfiguration(
          server: endpoint, authentication: try fixture.psk(identity: "stranger"), settings: settings)
      ),
    ])
    try await fixture.takeAll()
    try await Task.sleep(for: .milliseconds(500))
    let stranger = try #require(fixture.service.snapshot(of: "Q"))
    #expect(stranger.statistics.requestFailed > 0 && stranger.statistics.requestSuccess == 0)
    // A changed key counts at once, although the server was connected a moment ago.
    try fixture.configure(port: server.port, try fixture.psk(String(ServiceFixture.keyDigits.reversed())))
    let changed = try await fixture.wait { $0.statistics.requestFailed > 0 }
    #expect(changed.status == .connecting)
  }

  @Test func anUnusableKeyIsToldWithoutShowingIt() async throws {
    let fixture = try ServiceFixture()
    let odd = try PreSharedKey(identity: "r", key: try fixture.seal("hunter2"), form: .hexadecimal)
    try fixture.configure(port: 1, .psk(odd))
    let state = try await fixture.wait { $0.status == .registrationFailed }
    #expect(state.reason == .clientRegistrationFailed)
    #expect(state.statistics.lastTransaction.statusText == "the TLS credential is unusable")
    let foreign = try Sealer(try MasterKey()).seal(SecretBytes(copying: [1, 2, 3]))
    try fixture.configure(port: 1, .psk(try PreSharedKey(identity: "r", key: foreign)))
    try await fixture.wait { $0.status == .registrationFailed && $0.reason == .clientRegistrationFailed }
  }
}
