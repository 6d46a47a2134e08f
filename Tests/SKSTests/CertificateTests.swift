// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import KeyService
import Secrets
import Testing

@testable import SKS

/// TLS with certificates, hosts of all kinds, sources and proxies.
@Suite(.serialized) struct CertificateTests {
  let authority: TestAuthority
  let fixture: ServiceFixture

  init() throws {
    authority = try TestAuthority()
    try authority.issue("server", alternativeNames: "IP:127.0.0.1,IP:::1,DNS:localhost")
    try authority.issue("client", alternativeNames: "DNS:router1")
    fixture = try ServiceFixture()
  }

  private func server(_ options: [String], address: String = "127.0.0.1") throws -> OpenSSLServer {
    try OpenSSLServer(
      ["-cert", "server.pem", "-key", "server.key"] + options, address: address, folder: authority.folder)
  }

  private func credentials(withClient: Bool) throws -> Authentication {
    .certificates(
      try CertificateCredentials(
        authorities: try authority.read("ca.pem"), chain: withClient ? try authority.read("client.pem") : nil,
        privateKey: withClient
          ? try fixture.seal(String(decoding: try authority.read("client.key"), as: UTF8.self)) : nil))
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"])
  func mutualAuthentication(version: String) async throws {
    let server = try server([version, "-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"])
    try fixture.configure(port: server.port, try credentials(withClient: true))
    try await fixture.takeAll()
    #expect(fixture.state?.authentication == .certificate && fixture.state?.pskIdentity == nil)
  }

  @Test(arguments: ["-tls1_2", "-tls1_3"])
  func aClientWithoutCertificateIsRefused(version: String) async throws {
    let server = try server([version, "-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"])
    try fixture.configure(port: server.port, try credentials(withClient: false))
    let state = try await fixture.wait { $0.statistics.requestTotal >= 2 }
    #expect(state.status != .connected && state.capabilities == nil)
    // In TLS 1.3 the refusal comes after the request may have gone out: that is no certain "not sent".
    let all = state.statistics
    #expect(version == "-tls1_2" ? all.requestFailed >= 1 : all.requestFailed + all.responseFailed >= 1)
  }

  @Test func oneSidedAuthentication() async throws {
    let server = try server([])
    try fixture.configure(port: server.port, try credentials(withClient: false))
    try await fixture.takeAll()
  }

  @Test func anotherAuthorityIsRefused() async throws {
    let server = try server([])
    let other = try TestAuthority()
    defer { try? FileManager.default.removeItem(at: other.folder) }
    try fixture.configure(
      port: server.port, .certificates(try CertificateCredentials(authorities: try other.read("ca.pem"))))
    let state = try await fixture.wait { $0.statistics.requestFailed >= 1 }
    #expect(state.status == .connecting && state.reason == .sendRequestFailed)
    #expect(state.statistics.lastTransaction.statusText.contains("certificate is not trusted"))
    #expect(state.statistics.lastTransaction.clientStatus == 60)
    // Nor is it trusted by the system.
    try fixture.configure(port: server.port, .systemTrust)
    try await fixture.wait { $0.statistics.requestFailed >= 3 }
    #expect(fixture.state?.status == .connecting && fixture.events.isEmpty)
  }

  @Test func aCertificateForAnotherNameIsRefused() async throws {
    try authority.issue("server", alternativeNames: "IP:127.0.0.2,DNS:example.test")
    let server = try server([])
    try fixture.configure(port: server.port, try credentials(withClient: false))
    let state = try await fixture.wait { $0.statistics.requestFailed >= 1 }
    #expect(state.status == .connecting && state.statistics.responseTotal == 0)
  }

  /// The name that is asked for and proven need not be the one that is connected to.
  @Test func theServerIsProvenByTheNameThatIsAskedFor() async throws {
    try authority.issue("server", alternativeNames: "DNS:kme.example.test")
    let server = try server([])
    try fixture.configure(port: server.port, try credentials(withClient: false)) {
      $0.tls.serverName = .hostname("kme.example.test")
    }
    try await fixture.takeAll()
    #expect(fixture.state?.server?.host.text == "127.0.0.1")
    #expect((fixture.state?.diagnostics.tls?.certificateExpiry ?? 0) > 1_700_000_000)
    try fixture.configure(port: server.port, try credentials(withClient: false)) {
      $0.tls.serverName = .hostname("other.example.test")
    }
    let state = try await fixture.wait { $0.diagnostics.consecutiveFailures >= 1 }
    #expect(state.status == .connecting && state.reason == .sendRequestFailed)
  }

  @Test(arguments: [("-tls1_2", TLSParameters.Version.tls13), ("-tls1_3", .tls12)])
  func anotherVersionOfTLSIsNotTaken(served: String, wanted: TLSParameters.Version) async throws {
    let server = try server([served])
    try fixture.configure(port: server.port, try credentials(withClient: false)) { $0.tls.version = wanted }
    let state = try await fixture.wait { $0.statistics.requestFailed >= 1 }
    #expect(state.status == .connecting && state.diagnostics.tls == nil)
    #expect(state.diagnostics.lastError == "the TLS handshake failed")
  }

  @Test func unusableCertificatesAreTold() async throws {
    let server = try server([])
    let junk = Array("no certificate".utf8)
    try fixture.configure(port: server.port, .certificates(try CertificateCredentials(authorities: junk)))
    let state = try await fixture.wait { $0.statistics.requestTotal >= 1 && $0.status != .connecting }
    #expect(state.status == .registrationFailed)
  }

  @Test func unusableCredentialsAreFoundBeforeACommit() throws {
    func check(_ authentication: Authentication) -> String? {
      do {
        try ProfileConfiguration(authentication: authentication).check(sealer: fixture.sealer)
        return nil
      } catch { return error.description }
    }
    func trustpoint(_ ca: String, _ chain: String, _ key: String) throws -> Authentication {
      .certificates(
        try CertificateCredentials(
          authorities: try authority.read(ca), chain: try authority.read(chain),
          privateKey: try fixture.seal(String(decoding: try authority.read(key), as: UTF8.self))))
    }
    #expect(try check(.systemTrust) == nil && check(fixture.psk()) == nil)
    #expect(try check(trustpoint("ca.pem", "client.pem", "client.key")) == nil)
    #expect(try check(trustpoint("ca.key", "client.pem", "client.key"))?.contains("authorities") == true)
    #expect(try check(trustpoint("ca.pem", "client.key", "client.key"))?.contains("own certificate") == true)
    #expect(try check(trustpoint("ca.pem", "client.pem", "client.pem"))?.contains("private key is not") == true)
    #expect(try check(trustpoint("ca.pem", "client.pem", "server.key"))?.contains("does not belong") == true)
    try ServerProgram.run(
      ["openssl", "pkey", "-in", "client.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"],
      in: authority.folder)
    #expect(try check(trustpoint("ca.pem", "client.pem", "locked.key"))?.contains("encrypted") == true)
    #expect(try check(fixture.psk("abc")) != nil, "an odd number of digits")
    let foreign = try Sealer(try MasterKey()).seal(SecretBytes(copying: [1]))
    #expect(try check(.psk(PreSharedKey(identity: "r", key: foreign))) != nil)
  }

  /// An encrypted key must neither connect nor ask a terminal for its password.
  @Test func anEncryptedKeyIsACredentialFailure() async throws {
    let server = try server(["-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"])
    try ServerProgram.run(
      ["openssl", "pkey", "-in", "client.key", "-aes256", "-passout", "pass:x", "-out", "locked.key"],
      in: authority.folder)
    let locked = try fixture.seal(String(decoding: try authority.read("locked.key"), as: UTF8.self))
    try fixture.configure(
      port: server.port,
      .certificates(
        try CertificateCredentials(
          authorities: try authority.read("ca.pem"), chain: try authority.read("client.pem"), privateKey: locked)))
    let state = try await fixture.wait { $0.status == .registrationFailed }
    #expect(state.statistics.lastTransaction.statusText == "the TLS credential is unusable")
  }

  @Test func hostNamesAndIPv6() async throws {
    let server = try server([])
    try fixture.configure(port: server.port, try credentials(withClient: false)) {
      $0.server = Endpoint(host: .hostname("localhost"), port: server.port)
    }
    try await fixture.takeAll()
    #expect(fixture.state?.server?.host.text == "localhost")
    let six = try self.server([], address: "[::1]")
    fixture.service.configure([("P", nil)])
    try fixture.configure(port: six.port, try credentials(withClient: false)) {
      $0.server = Endpoint(host: .ipv6("::1"), port: six.port)
    }
    try await fixture.takeAll()
  }

  @Test func aNameThatDoesNotExist() async throws {
    try fixture.configure(port: 1, .systemTrust) {
      $0.server = Endpoint(host: .hostname("kme.invalid"), port: 1)
    }
    let state = try await fixture.wait { $0.statistics.requestFailed >= 1 }
    #expect(state.statistics.lastTransaction.statusText == "the server's name cannot be resolved")
  }

  // MARK: Source interface and VRF

  @Test func sourceInterface() async throws {
    let server = try server([])
    try fixture.configure(port: server.port, try credentials(withClient: false)) {
      $0.sourceInterface = SourceInterface(name: "Loopback0", link: "lo")
    }
    try await fixture.takeAll()
    #expect(fixture.state?.sourceInterface == "Loopback0")
  }

  @Test func theAddressIsThatOfTheLinkThatCarriesTheInterface() async throws {
    let server = try server([])
    try fixture.configure(port: server.port, try credentials(withClient: false)) {
      $0.sourceInterface = SourceInterface(name: ServiceFixture.carried, link: "no-such-link")
    }
    try await fixture.takeAll()
  }

  @Test func anAbsentSourceInterfaceIsARegistrationFailure() async throws {
    for link in ["no-such-link", nil] {
      try fixture.configure(port: 1, .systemTrust) {
        $0.sourceInterface = SourceInterface(name: "HundredGigE0/1/0/17", link: link)
      }
      let state = try await fixture.wait { $0.status == .registrationFailed }
      #expect(state.reason == .clientRegistrationFailed && state.statistics.requestFailed >= 1)
      #expect(state.statistics.lastTransaction.statusText.hasPrefix("the source interface does not exist"))
      fixture.service.configure([("P", nil)])
    }
  }

  @Test func anAbsentVRFIsARegistrationFailure() async throws {
    try fixture.configure(port: 1, .systemTrust) { $0.vrf = "no-such-vrf" }
    let state = try await fixture.wait { $0.status == .registrationFailed }
    #expect(state.statistics.lastTransaction.statusText.hasPrefix("the connection cannot be bound to the VRF"))
  }

  // MARK: Proxy

  private func tinyproxy(allowedPort: UInt16) throws -> (program: ServerProgram, port: UInt16) {
    let folder = try ServerProgram.makeFolder()
    let port = try ServerProgram.freePort()
    let configuration = """
      Port \(port)
      Listen 127.0.0.1
      Timeout 30
      LogLevel Info
      MaxClients 20
      ConnectPort \(allowedPort)
      """
    try configuration.write(to: folder.appendingPathComponent("proxy.conf"), atomically: true, encoding: .utf8)
    let program = try ServerProgram(
      ["tinyproxy", "-d", "-c", folder.path + "/proxy.conf"], folder: folder, ready: "Starting main loop")
    return (program, port)
  }

  @Test func proxyTunnelsToThePSKServer() async throws {
    let server = try StunnelServer(
      version: "TLSv1.3", secrets: [ServiceFixture.identity: ServiceFixture.keyDigits]
    ) { target, _ in CannedKME.reply(target) }
    let proxy = try tinyproxy(allowedPort: server.port)
    try fixture.configure(port: server.port, try fixture.psk()) {
      $0.proxy = Endpoint(host: .ipv4("127.0.0.1"), port: proxy.port)
    }
    try await fixture.takeAll()
    #expect(proxy.program.output.contains("CONNECT"), "\(proxy.program.output)")
  }

  @Test func aProxyThatRefuses() async throws {
    let server = try server([])
    let proxy = try tinyproxy(allowedPort: 1)
    try fixture.configure(port: server.port, try credentials(withClient: false)) {
      $0.proxy = Endpoint(host: .hostname("localhost"), port: proxy.port)
    }
    let state = try await fixture.wait { $0.statistics.requestFailed >= 1 }
    #expect(state.statistics.lastTransaction.statusText == "the proxy refused to tunnel: 403 Forbidden")
    #expect(state.status == .connecting && state.statistics.responseTotal == 0)
  }

  @Test func aProxyThatIsNotThere() async throws {
    let port = try ServerProgram.freePort()
    try fixture.configure(port: 1, .systemTrust) { $0.proxy = Endpoint(host: .ipv4("127.0.0.1"), port: port) }
    let state = try await fixture.wait { $0.statistics.requestFailed >= 1 }
    #expect(state.statistics.lastTransaction.statusText == "no connection to the server: Connection refused")
    #expect(state.statistics.lastTransaction.clientStatus == 7)
  }
}
