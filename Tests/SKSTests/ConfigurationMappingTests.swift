// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Secrets
import Testing
import YANG

@testable import SKS

/// Each leaf of a profile, and what is refused.
@Suite struct ConfigurationMappingTests {
  let fixture: BackendFixture
  init() throws { fixture = try BackendFixture() }

  /// What the service gets for a profile.
  private func mapped(_ change: (inout KMEModel) -> Void) throws -> ProfileConfiguration {
    var configuration = ConfigurationFixture()
    configuration.setRemote("P", change)
    try fixture.commit(configuration)
    return try #require(fixture.backend.service.configuration(of: "P"))
  }

  @Test func addresses() throws {
    #expect(try mapped { $0.server = .init(ipv4: "192.0.2.34", port: 10_001) }.server?.host == .ipv4("192.0.2.34"))
    #expect(try mapped { $0.server = .init(ipv6: "2001:db8::1", port: 65_535) }.server?.port == 65_535)
    let proxied = try mapped {
      $0.server = .init(hostname: "kme.example.net", port: 1)
      $0.httpProxy = .init(ipv6: "::1", port: 8_080)
    }
    #expect(proxied.server == Endpoint(host: .hostname("kme.example.net"), port: 1))
    #expect(proxied.proxy == Endpoint(host: .ipv6("::1"), port: 8_080))
    #expect(try mapped { $0.httpProxy = .init(hostname: "p", port: 3) }.proxy?.host == .hostname("p"))
    #expect(try mapped { $0.server = .init() }.server == nil)
    #expect(try mapped { $0.server.vrf = "blue" }.vrf == "blue")
    #expect(try mapped { $0.server.vrf = "default" }.vrf == nil)
  }

  @Test func credentials() throws {
    let key = try fixture.seal("00ff")
    let plain = try mapped { $0.psk = .init(id: "r", key: .init(seven: key)) }
    #expect(plain.authentication == .psk(try PreSharedKey(identity: "r", key: key)))
    let changed = try mapped {
      $0.psk = .init(id: "r", key: .init(seven: key))
      $0.client.tls.pskEncoding = .hexadecimal
      $0.client.tls.pskHash = .sha256
    }
    #expect(
      changed.authentication
        == .psk(try PreSharedKey(identity: "r", key: key, form: .hexadecimal, hash: .sha256)))
    guard
      case .psk(let other) = try mapped({
        $0.psk = .init(id: "r", key: .init(seven: key))
        $0.client.tls.pskHash = .sha384
      }).authentication
    else { throw SKSConfigurationError(element: "", "no pre-shared key") }
    #expect(other.hash == .sha384)
    #expect(try mapped { _ in }.authentication == .systemTrust)
  }

  @Test func client() throws {
    let all = try mapped {
      $0.client = .init(
        remoteSystemID: "Bob", localSystemID: "Alice", tls: .init(version: .tls1_3, serverName: "kme.example"),
        timers: .init(
          connectTimeout: 101, requestTimeout: 102, capabilityRefreshInterval: 0, synchronizationWindow: 0),
        retry: .init(maxAttempts: 20, baseDelay: 103, maxDelay: 104))
    }
    #expect(all.remoteSystem == "Bob" && all.localSystem == "Alice")
    #expect(all.tls == TLSParameters(version: .tls13, serverName: .hostname("kme.example")))
    let settings = all.settings
    #expect(settings.connectTimeout == .milliseconds(101) && settings.requestTimeout == .milliseconds(102))
    #expect(settings.refreshInterval == .zero && settings.keyWindow == .zero && settings.maximumAttempts == 20)
    #expect(settings.minimumBackOff == .milliseconds(103) && settings.maximumBackOff == .milliseconds(104))
    #expect(try mapped { $0.client.tls.version = .tls1_2 }.tls.version == .tls12)
    #expect(try mapped { $0.client.tls.version = .negotiated }.tls.version == .negotiated)
  }

  /// The defaults of the model are those of the engine.
  @Test func defaults() throws {
    #expect(try mapped { _ in }.settings == .standard)
    #expect(SKSServer.Pacing().maxConcurrentAttemptsOrDefault == 64)
    #expect(SKSServer.Pacing().maxAttemptsPerSecondOrDefault == 200)
  }

  @Test func pacingIsCarriedToTheService() throws {
    var configuration = ConfigurationFixture()
    configuration.server.pacing = .init(maxConcurrentAttempts: 3, maxAttemptsPerSecond: 7)
    try fixture.commit(configuration)
    #expect(fixture.backend.service.limits == Pacer.Limits(concurrent: 3, perSecond: 7, burst: 7))
    try fixture.commit(ConfigurationFixture())
    #expect(fixture.backend.service.limits == Pacer.Limits(concurrent: 64, perSecond: 200, burst: 50))
  }

  @Test func interfacesAreMappedOrTheirOwn() throws {
    #expect(try mapped { $0.sourceInterface = "lo" }.sourceInterface == SourceInterface(name: "lo", link: "lo"))
    let absent = try mapped { $0.sourceInterface = "HundredGigE0/1/0/17" }.sourceInterface
    #expect(absent == SourceInterface(name: "HundredGigE0/1/0/17", link: nil))
    #expect(try mapped { $0.sourceInterface = "no-such-link" }.sourceInterface?.link == "no-such-link")
  }

  // MARK: Refusals

  private func refusal(_ change: (inout KMEModel) -> Void) throws -> String? {
    var configuration = ConfigurationFixture()
    configuration.setRemote("P", change)
    let refusals = try fixture.refusals(configuration)
    #expect(refusals.count <= 1)
    return refusals.first
  }

  @Test func whatCannotBeDoneIsRefusedWhereItStands() throws {
    let key = try fixture.seal("k")
    let place = "/sks-server/profiles/profile[P]/type/remote/kme"
    #expect(try refusal { _ in } == nil)
    #expect(try refusal { $0.psk = .init() }?.hasPrefix("\(place)/psk: ") == true)
    #expect(try refusal { $0.psk = .init(id: "r") }?.hasPrefix("\(place)/psk: ") == true)
    let (long, foreign) = (
      try fixture.seal(String(repeating: "k", count: 513)), try Sealer(try MasterKey()).seal(SecretBytes(copying: [1]))
    )
    #expect(
      try refusal { $0.psk = .init(id: "r", key: .init(seven: long)) }
        == "\(place)/psk/key: a pre-shared key has 1 to 512 bytes")
    #expect(
      try refusal { $0.psk = .init(id: "r", key: .init(seven: foreign)) }?.hasPrefix("\(place)/psk/key: ") == true)
    #expect(
      try refusal { $0.psk = .init(id: String(repeating: "ä", count: 64), key: .init(seven: key)) }
        == "\(place)/psk/id: a PSK identity has 1 to 127 bytes and no NUL")
    let odd = try refusal {
      $0.psk = .init(id: "r", key: .init(seven: key))
      $0.client.tls.pskEncoding = .hexadecimal
    }
    #expect(odd?.hasPrefix("\(place)/psk/key: ") == true)
    #expect(
      try refusal { $0.client.trustpoint = "T" } == "\(place)/client/trustpoint: there is no trustpoint T")
    #expect(
      try refusal { $0.client.retry.maxDelay = 500 }
        == "\(place)/client/retry: max-delay (500 ms) is below base-delay (1000 ms)")
    #expect(try refusal { $0.server.vrf = "a-name-of-16-by-" }?.hasPrefix("\(place)/server/vrf: ") == true)
    #expect(try refusal { $0.client.tls.serverName = "." }?.hasPrefix("\(place)/client/tls/server-name: ") == true)
    #expect(try refusal { $0.server = .init(hostname: "a") }?.hasPrefix("\(place)/server: ") == true)
    #expect(try refusal { $0.server = .init(ipv4: "x", port: 1) }?.hasPrefix("\(place)/server/ipv4: ") == true)
  }

  @Test func theLocalKeyEngineIsRefused() throws {
    var configuration = ConfigurationFixture()
    var profile = ProfileModel(profileName: "L")
    profile.deviceIdentifiers.deviceIdentifier.set(.init(deviceIdentifierName: "me"))
    configuration.server.profiles.profile.set(profile)
    let refusals = try fixture.refusals(configuration)
    #expect(refusals.count == 1)
    #expect(refusals.first?.hasPrefix("/sks-server/profiles/profile[L]/device-identifiers: ") == true)
  }

  // MARK: Trustpoints

  @Test func trustpointsGiveCertificatesAndTheirChangesReachWhoRefersToThem() throws {
    let authority = try TestAuthority()
    try authority.issue("client", alternativeNames: "DNS:router1")
    func text(_ name: String) throws -> String { String(decoding: try authority.read(name), as: UTF8.self) }
    var configuration = ConfigurationFixture()
    let full = TrustpointModel(
      trustpointName: "T", caCertificates: try text("ca.pem"), certificate: try text("client.pem"),
      privateKey: try fixture.seal(try text("client.key")))
    configuration.trustpoints.trustpoint.set(full)
    for name in ["a", "b"] { configuration.setRemote(name) { $0.client.trustpoint = "T" } }
    configuration.setRemote("c")
    try fixture.commit(configuration)
    func credentials(_ name: String) -> CertificateCredentials? {
      if case .certificates(let known)? = fixture.backend.service.configuration(of: name)?.authentication {
        known
      } else {
        nil
      }
    }
    let first = try #require(credentials("a"))
    #expect(first === credentials("b"), "shared")
    #expect(try first.privateKey == full.privateKey && first.authorities == Array(text("ca.pem").utf8))
    #expect((first.expiry ?? 0) > Event.Time.now.seconds)
    #expect(try fixture.profile("a").remoteProfileInfo.client.tls.clientCertificateExpiry?.hasSuffix("Z") == true)

    // A new profile shares them as well; a changed trustpoint reaches those that refer to it.
    configuration.setRemote("d") { $0.client.trustpoint = "T" }
    try fixture.commit(configuration)
    #expect(credentials("d") === first)
    configuration.trustpoints.trustpoint.set(.init(trustpointName: "T", caCertificates: try text("ca.pem")))
    #expect(fixture.backend.affectedProfiles(try fixture.changes(to: configuration)) == ["a", "b", "d"])
    try fixture.commit(configuration)
    #expect(credentials("a")?.chain == nil && credentials("d") === credentials("a") && credentials("c") == nil)

    // One that is unusable, or gone, is refused for each of them.
    var broken = configuration
    broken.trustpoints.trustpoint.set(.init(trustpointName: "T", caCertificates: "no certificate"))
    let place = "/sks-server/profiles/profile[a]/type/remote/kme/client/trustpoint"
    #expect(
      try fixture.refusals(broken).first == "\(place): the trustpoint's authorities hold no certificate in PEM form")
    #expect(try fixture.refusals(broken).count == 3)
    broken.trustpoints.trustpoint.set(.init(trustpointName: "T"))
    #expect(try fixture.refusals(broken).first == "\(place): the trustpoint holds no certificate authority")
    broken.trustpoints.trustpoint.remove("T")
    #expect(try fixture.refusals(broken).first == "\(place): there is no trustpoint T")
    // Refusing has changed nothing.
    #expect(credentials("a")?.authorities == first.authorities)
    for name in ["a", "b", "d"] { broken.server.profiles.profile.remove(name) }
    try fixture.commit(broken)
  }
}
