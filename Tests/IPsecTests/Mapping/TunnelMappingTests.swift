// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import IPsec

@Suite struct TunnelMappingTests {
  @Test func aTunnelBecomesOneConnectionAndOneSecret() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.global.dpd = 10
    fixture.configuration.profiles[0].lifetime = 600
    fixture.configuration.ipsecProfiles[0].lifetime = 1000
    fixture.configuration.ipsecProfiles[0].pfs = .ecp256
    fixture.configuration.tunnels[0].interfaceID = 7
    let mapping = fixture.mapping
    #expect(mapping.corrections.isEmpty)
    #expect(mapping.tunnels == [.init(name: "tunnel-ip1", connections: ["agentd:tunnel-ip1:1"])])
    let connection = try #require(mapping.desired.connections.first)
    #expect(mapping.desired.connections.count == 1)
    #expect(connection.initiates)
    let message = connection.message()
    let settings = message.connection
    #expect(message.sections.map(\.name) == ["agentd:tunnel-ip1:1"])
    #expect(settings["version"] == "2")
    #expect(settings.list("local_addrs") == ["10.10.10.3"])
    #expect(settings.list("remote_addrs") == ["10.10.10.1"])
    #expect(settings["reauth_time"] == "0")
    #expect(settings["rekey_time"] == "540")
    #expect(settings["over_time"] == "60")
    #expect(settings["dpd_delay"] == "10")
    #expect(settings["mobike"] == "no")
    #expect(settings["ppk_id"] == nil)
    #expect(settings.section("local")?["auth"] == "psk")
    #expect(settings.section("local")?["id"] == "10.10.10.3")
    #expect(settings.section("remote")?["id"] == "10.10.10.1")
    let child = message.child
    #expect(settings.section("children")?.sections.map(\.name) == [connection.childName])
    #expect(child.list("esp_proposals") == ["aes256-sha256-ecp256"])
    #expect(child.list("local_ts") == ["0.0.0.0/0"])
    #expect(child["rekey_time"] == "900")
    #expect(child["life_time"] == "1000")
    #expect(child["start_action"] == "none")
    #expect(child["dpd_action"] == "start")
    #expect(child["if_id_in"] == "7")
    let secret = try #require(mapping.desired.secrets.first)
    #expect(mapping.desired.secrets.count == 1)
    #expect(secret.owners == ["10.10.10.1"])
    let load = try secret.message(opening: fixture.sealer)
    #expect(load["type"] == "ike")
    #expect(load["id"]?.hasPrefix("agentd:ike:k1/init:") == true)
    #expect(try VICIMessage(decoding: load.encoded())["data"] == "averylongpresharedkey1")
  }

  @Test func aResponderWaits() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.ipsecProfiles[0].isResponderOnly = true
    let connection = try #require(fixture.mapping.desired.connections.first)
    #expect(!connection.initiates)
    #expect(connection.message().child["dpd_action"] == "none")
    #expect(connection.message().child["close_action"] == "none")
  }

  @Test func aManualPPKIsOwnedByBothFormsOfItsID() throws {
    var fixture = try Fixture()
    let key = try fixture.seal("0123456789abcdef0123456789abcdef")
    try fixture.addTunnel(ppk: .manual(id: "123", key: key, isRequired: true))
    let mapping = fixture.mapping
    #expect(mapping.corrections.isEmpty)
    let settings = try #require(mapping.desired.connections.first).message().connection
    #expect(settings["ppk_id"] == "123")
    #expect(settings["ppk_required"] == "yes")
    let ppk = try #require(mapping.desired.secrets.first { $0.kind == .ppk })
    #expect(ppk.owners == ["123", "keyid:123"])
    #expect(ppk.content == .sealed(key))
  }

  @Test func withoutKeyringPPKThereIsNone() throws {
    var fixture = try Fixture()
    try fixture.addTunnel(
      ppk: .manual(id: "123", key: try fixture.seal("0123456789abcdef0123456789abcdef"), isRequired: true))
    fixture.configuration.profiles[0].ppkKeyring = nil
    #expect(fixture.mapping.desired.connections.first?.ppk == nil)
    #expect(!fixture.mapping.desired.secrets.contains { $0.kind == .ppk })
  }

  @Test func aDynamicPPKWaitsForItsIDAndNeverRestartsByItself() throws {
    var fixture = try Fixture()
    fixture.configuration.sksProfiles = ["Qkd"]
    try fixture.addTunnel(ppk: .dynamic(sksProfile: "Qkd", isRequired: true))
    let mapping = fixture.mapping
    #expect(mapping.corrections.isEmpty)
    let connection = try #require(mapping.desired.connections.first)
    #expect(connection.ppk == .dynamic(sksProfile: "Qkd", isRequired: true))
    let settings = connection.message().connection
    #expect(settings["ppk_id"] == nil)
    #expect(settings["ppk_required"] == "yes")
    #expect(settings["keyingtries"] == "1")
    #expect(connection.message().child["dpd_action"] == "none")
    #expect(connection.message(dynamicPPK: "ab12").connection["ppk_id"] == "keyid:ab12")
    let placeholder = try #require(mapping.desired.secrets.first { $0.kind == .ppk })
    #expect(placeholder.content == .random)
    #expect(!placeholder.owners.isEmpty, "a PPK without owner would fit every ID")
  }

  @Test func separateKeysAreOneGroupWithOursLast() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    let (local, remote) = (try fixture.seal("localkeylocalkey"), try fixture.seal("remotekeyremotekey"))
    fixture.configuration.keyrings[0].peers[0].preSharedKey = .separate(local: local, remote: remote)
    let secrets = fixture.mapping.desired.secrets
    #expect(secrets.map(\.content) == [.sealed(remote), .sealed(local)])
    #expect(Set(secrets.map(\.group)).count == 1)
    #expect(Set(secrets.map(\.id)).count == 2)
  }

  @Test func eachIdentityOfTheProfileIsAConnection() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.profiles[0].matches += [.fqdn("RouterB.example.com"), .domain("example.com")]
    fixture.configuration.profiles[0].localIdentity = .fqdn("RouterA.example.com")
    let mapping = fixture.mapping
    #expect(mapping.corrections.isEmpty)
    let remotes = mapping.desired.connections.map { $0.message().connection.section("remote")?["id"] }
    #expect(remotes == ["10.10.10.1", "fqdn:RouterB.example.com", "fqdn:*.example.com"])
    #expect(
      Set(mapping.desired.connections.map { $0.message().connection.section("local")?["id"] }) == [
        "fqdn:RouterA.example.com"
      ])
    #expect(
      mapping.desired.secrets.flatMap(\.owners) == ["10.10.10.1", "fqdn:RouterB.example.com", "fqdn:*.example.com"])
  }

  @Test func narrowerPeersOfADomainHaveKeysOfTheirOwn() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.profiles[0].matches = [.domain("example.com")]
    var own = Keyring.Peer(name: "own")
    own.identity = .fqdn("special.example.com")
    own.preSharedKey = .both(try fixture.seal("specialspecialspecial"))
    var foreign = Keyring.Peer(name: "foreign")
    foreign.identity = .fqdn("a.example.org")
    foreign.preSharedKey = .both(try fixture.seal("foreignforeignforeign"))
    fixture.configuration.keyrings[0].peers += [own, foreign]
    // Who begins does not know the name: the key that it signs with is owned by its own identity, and a warning says so.
    let beginning = fixture.mapping
    #expect(
      beginning.desired.secrets.flatMap(\.owners) == ["fqdn:*.example.com", "10.10.10.3", "fqdn:special.example.com"])
    #expect(beginning.corrections.contains { $0.severity == .warning && $0.reason.contains("without knowing") })
    fixture.configuration.ipsecProfiles[0].isResponderOnly = true
    let answering = fixture.mapping
    #expect(answering.desired.secrets.flatMap(\.owners) == ["fqdn:*.example.com", "fqdn:special.example.com"])
    #expect(!answering.corrections.contains { $0.reason.contains("without knowing") })
  }

  @Test func whoBeginsExpectsTheNameThatItsKeyringHas() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.profiles[0].matches = [.domain("example.com")]
    fixture.configuration.keyrings[0].peers[0].identity = .fqdn("far.example.com")
    let connection = try #require(fixture.mapping.desired.connections.first)
    #expect(connection.message().connection.section("remote")?["id"] == "fqdn:far.example.com")
    #expect(fixture.mapping.desired.secrets.flatMap(\.owners).first == "fqdn:far.example.com")
    // A name outside of the domain is not narrower.
    fixture.configuration.keyrings[0].peers[0].identity = .fqdn("far.example.org")
    let wide = try #require(fixture.mapping.desired.connections.first)
    #expect(wide.message().connection.section("remote")?["id"] == "fqdn:*.example.com")
  }

  @Test func aResponderFindsItsKeyByIdentity() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    var byName = Keyring.Peer(name: "byName")
    byName.identity = .fqdn("ROUTERB.example.com")
    let key = try fixture.seal("byNamebyNamebyName")
    byName.preSharedKey = .both(key)
    fixture.configuration.keyrings[0].peers.append(byName)
    fixture.configuration.profiles[0].matches = [.fqdn("RouterB.example.com")]
    #expect(fixture.mapping.desired.secrets.first?.content != .sealed(key), "an initiator goes by the address")
    fixture.configuration.ipsecProfiles[0].isResponderOnly = true
    #expect(fixture.mapping.desired.secrets.first?.content == .sealed(key))
  }

  @Test func anyIdentityTakesThePeersOwnOrIsWarnedOf() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.profiles[0].matches = [.any]
    #expect(fixture.mapping.desired.secrets.first?.owners == ["%any"])
    #expect(fixture.mapping.corrections.contains { $0.severity == .warning && $0.reason.contains("every peer") })
    fixture.configuration.keyrings[0].peers[0].identity = .fqdn("b.example.com")
    #expect(fixture.mapping.desired.secrets.first?.owners == ["fqdn:b.example.com"])
    #expect(fixture.mapping.corrections.isEmpty)
    #expect(
      fixture.mapping.desired.connections.first?.message().connection.section("remote")?["id"] == "fqdn:b.example.com")
  }

  @Test func signaturesTakeCertificatesOfTrustpoints() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.profiles[0].localAuthentication = .rsaSignature
    fixture.configuration.profiles[0].remoteAuthentications = [.rsaSignature]
    fixture.configuration.profiles[0].keyring = nil
    fixture.configuration.profiles[0].trustpoints = ["ca", "me"]
    #expect(fixture.mapping.faults.contains { $0.severity == .reference && $0.reason.contains("trustpoint 'ca'") })
    var authority = Trustpoint(name: "ca")
    authority.authorities = [[1, 2, 3]]
    var own = Trustpoint(name: "me")
    own.certificate = [4, 5]
    own.key = try fixture.seal("key")
    own.keyIdentifier = "00ff"
    fixture.configuration.trustpoints = [authority, own]
    let mapping = fixture.mapping
    #expect(mapping.corrections.isEmpty)
    let settings = try #require(mapping.desired.connections.first).message().connection
    #expect(settings.section("local")?["auth"] == "pubkey")
    #expect(settings.section("local")?.elements.contains(.list(name: "certs", [[4, 5]])) == true)
    #expect(settings.section("remote")?["auth"] == "rsa")
    #expect(settings.section("remote")?.elements.contains(.list(name: "cacerts", [[1, 2, 3]])) == true)
    #expect(mapping.desired.secrets.isEmpty)
    #expect(mapping.desired.keys.map(\.identifier) == ["00ff"])
    fixture.configuration.profiles[0].trustpoints = ["ca"]
    #expect(
      fixture.mapping.faults.map(\.reason) == [
        "rsa-signature needs a trustpoint with a certificate and its private key"
      ])
    #expect(fixture.mapping.desired == DesiredState())
  }

  @Test func bothWaysToAuthenticateAreTwoConnections() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    var authority = Trustpoint(name: "ca")
    authority.authorities = [[1]]
    fixture.configuration.trustpoints = [authority]
    fixture.configuration.profiles[0].trustpoints = ["ca"]
    fixture.configuration.profiles[0].remoteAuthentications = [.preShared, .rsaSignature]
    let remotes = fixture.mapping.desired.connections.map { $0.message().connection.section("remote")?["auth"] }
    #expect(remotes == ["psk", "rsa"])
  }

  @Test func whatChangesInATunnelChangesItsDigestAndNoOther() throws {
    var fixture = try Fixture()
    try fixture.addTunnel(1)
    try fixture.addTunnel(2, destination: "10.10.20.1")
    let before = fixture.mapping.desired.connections.map(\.childName)
    #expect(before == fixture.mapping.desired.connections.map(\.childName))
    fixture.configuration.ipsecProfiles[1].pfs = .ecp521
    let after = fixture.mapping.desired.connections.map(\.childName)
    #expect(before[0] == after[0])
    #expect(before[1] != after[1])
  }

  @Test func aManualPPKsIDIsPartOfTheDigestADynamicOneIsNot() throws {
    var fixture = try Fixture()
    let key = try fixture.seal("0123456789abcdef0123456789abcdef")
    try fixture.addTunnel(ppk: .manual(id: "1", key: key, isRequired: true))
    let first = fixture.mapping.desired.connections[0].childName
    fixture.configuration.keyrings[0].peers[0].ppk = .manual(id: "2", key: key, isRequired: true)
    let second = fixture.mapping.desired.connections[0].childName
    #expect(first != second)
    fixture.configuration.keyrings[0].peers[0].ppk = .manual(id: "2", key: key, isRequired: false)
    #expect(fixture.mapping.desired.connections[0].childName != second)
  }

  @Test func theSameSecretOfTwoTunnelsIsLoadedOnce() throws {
    var fixture = try Fixture()
    let key = try fixture.seal("0123456789abcdef0123456789abcdef")
    try fixture.addTunnel(1, ppk: .manual(id: "1", key: key, isRequired: true))
    var second = fixture.configuration.tunnels[0]
    second.name = "tunnel-ip2"
    second.source = .address(try #require(IPv4Address("10.10.10.4")))
    fixture.configuration.tunnels.append(second)
    let mapping = fixture.mapping
    #expect(mapping.faults.isEmpty)
    #expect(mapping.desired.connections.count == 2)
    #expect(mapping.desired.secrets.count == 2)
  }
}
