// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Secrets
import Testing
import YANG

@testable import IPsec

@Suite struct ConfigurationTableTests {
  private let sealer: Sealer
  private var fixture: ModelFixture

  init() throws {
    sealer = try Sealer(MasterKey())
    fixture = ModelFixture(sealer: sealer)
  }

  private func read(_ fixture: ModelFixture, address: (String) -> IPv4Address? = { _ in nil }) throws
    -> IPsecConfiguration
  {
    var table = ConfigurationTable()
    try table.take(try fixture.changes())
    return table.configuration(address: address)
  }

  @Test func everyPathIsInTheSchema() {
    for path in ConfigurationTable.subscriptions {
      #expect(productSchema.node(at: path) != nil, "\(path)")
    }
  }

  @Test mutating func aTunnelMapsWithAllThatItNeeds() throws {
    try fixture.addTunnel()
    let configuration = try read(fixture)
    let tunnel = try #require(configuration.tunnels.first)
    #expect(tunnel.name == "tunnel-ip1")
    #expect(tunnel.sourceAddress == IPv4Address("10.10.10.3"))
    #expect(tunnel.interfaceID == 1)
    let mapping = IPsecMapping(configuration, dataPlane: .kernel)
    #expect(mapping.refusals(.refuse).isEmpty, "\(mapping.corrections)")
    #expect(mapping.desired.connections.count == 1)
    #expect(mapping.desired.connections.first?.message().child["if_id_in"] == "1")
  }

  @Test mutating func everyLeafOfIKEv2ArrivesWhereItBelongs() throws {
    var proposal = ConfiguredProposal(ikev2ProposalName: "a")
    proposal.encryptions.encryption = ["aes-cbc-128", "aes-gcm-256"]
    proposal.integrities.integrity = ["sha-512", "sha-1"]
    proposal.prfs.prf = ["sha-384"]
    proposal.dhGroups.dhGroup = ["21", "19"]
    fixture.ikev2.proposal.ikev2ProposalNames.ikev2ProposalName.set(proposal)
    var policy = ConfiguredPolicy(ikev2PolicyName: "b")
    policy.match.address.locals.local = [.init(address: "192.0.2.1")]
    policy.match.fvrf.vrfs.vrf = [.init(vrfName: "blue")]
    policy.proposal.ikev2ProposalNames.ikev2ProposalName = [.init(ikev2ProposalName: "a")]
    fixture.ikev2.policy.ikev2PolicyNames.ikev2PolicyName.set(policy)
    var profile = ConfiguredProfile(ikev2ProfileName: "c")
    profile.match.identity.remote.fqdn.fqdns = [.init(fqdnName: "Host.example.com")]
    profile.match.identity.remote.fqdnDomain.fqdnDomains = [.init(fqdnDomainName: "example.org")]
    profile.match.fvrf.any = .init()
    profile.identity.local.fqdn = "me.example.com"
    profile.lifetime = 600
    profile.keyring = "k"
    profile.keyringPPK = "kp"
    profile.pki.trustpoints.trustpoint = [.init(trustpointName: "tp")]
    profile.authentication.local.rsaSignature = .init()
    profile.authentication.remote.preShared = .init()
    profile.authentication.remote.rsaSignature = .init()
    fixture.ikev2.profile.ikev2ProfileNames.ikev2ProfileName.set(profile)
    fixture.ikev2.fipsMode = .init()
    fixture.ikev2.global = .init(dpd: 30, dpdRetryInterval: 3, retransmission: 4)
    let read = try read(fixture)
    // Their order is that of their strength, whatever was written first.
    #expect(read.proposals.first?.encryptions == [.aesGCM256, .aesCBC128])
    #expect(read.proposals.first?.integrities == [.sha512, .sha1])
    #expect(read.proposals.first?.prfs == [.sha384])
    #expect(read.proposals.first?.groups == [.ecp521, .ecp256])
    #expect(read.policies.first?.proposals == ["a"])
    #expect(read.policies.first?.localAddresses.map(\.description) == ["192.0.2.1"])
    #expect(read.policies.first?.fvrf == .named(["blue"]))
    let made = try #require(read.profiles.first)
    #expect(made.matches == [.fqdn("Host.example.com"), .domain("example.org")])
    #expect(made.fvrf == .any)
    #expect(made.localIdentity == .fqdn("me.example.com"))
    #expect(made.lifetime == 600)
    #expect((made.keyring, made.ppkKeyring) == ("k", "kp"))
    #expect(made.trustpoints == ["tp"])
    #expect(made.localAuthentication == .rsaSignature)
    #expect(made.remoteAuthentications == [.preShared, .rsaSignature])
    #expect(read.isFIPSMode)
    #expect((read.global.dpd, read.global.dpdRetryInterval, read.global.retransmission) == (30, 3, 4))
  }

  @Test mutating func keyringsHaveTheirKeysAndPPKs() throws {
    var keyring = ConfiguredKeyring(ikev2KeyringName: "k")
    var both = ConfiguredKeyring.Peers.Peer(peerName: "both", address: "10.0.0.0", mask: "255.0.0.0")
    both.preSharedKey.password6 = try sealer.parse(written: "!a", encoding: .type6)
    both.ppk.manual = .init(id: "7", key: .init(password: try fixture.seal("b")), required: .init())
    keyring.peers.peer.set(both)
    var separate = ConfiguredKeyring.Peers.Peer(peerName: "separate")
    separate.preSharedKey.local = try fixture.seal("c")
    separate.preSharedKey.remote = try fixture.seal("d")
    separate.ppk.dynamic = .init(sksProfile: "kme", remoteSystemID: "Bob")
    separate.identity.fqdnDomain = "example.com"
    keyring.peers.peer.set(separate)
    fixture.keyrings.keyring.set(keyring)
    let peers = try #require(try read(fixture).keyrings.first).peers
    #expect(try peers.first?.preSharedKey == .both(fixture.seal("a")))
    #expect(peers.first?.range == IPv4Range("10.0.0.0", "255.0.0.0"))
    #expect(try peers.first?.ppk == .manual(id: "7", key: fixture.seal("b"), isRequired: true))
    #expect(try peers.last?.preSharedKey == .separate(local: fixture.seal("c"), remote: fixture.seal("d")))
    #expect(peers.last?.ppk == .dynamic(sksProfile: "kme", isRequired: false, remoteSystem: "Bob"))
    #expect(peers.last?.identity == .domain("example.com"))
    separate.ppk.dynamic.keyLifetime = .init(
      refreshInterval: 600, maximumAge: 3000, alarmThreshold: 50, buffer: .init(size: 4, maximumAge: 60, alarmBelow: 2))
    keyring.peers.peer.set(separate)
    // How long keys are used without a word of where they come from is no PPK to leave out.
    var alone = ConfiguredKeyring.Peers.Peer(peerName: "zz")
    alone.ppk.dynamic.keyLifetime.refreshInterval = 0
    keyring.peers.peer.set(alone)
    var another = fixture
    another.keyrings.keyring.set(keyring)
    var lifetime = PPKLifetime(refreshInterval: .seconds(600), maximumAge: .seconds(3000))
    lifetime.alarmThreshold = 50
    (lifetime.bufferSize, lifetime.bufferMaximumAge, lifetime.bufferAlarmBelow) = (4, .seconds(60), 2)
    let timed = try #require(try read(another).keyrings.first).peers
    #expect(
      timed.first { $0.name == "separate" }?.ppk
        == .dynamic(sksProfile: "kme", isRequired: false, remoteSystem: "Bob", lifetime: lifetime))
    #expect(
      timed.last?.ppk == .dynamic(sksProfile: nil, isRequired: false, lifetime: PPKLifetime(refreshInterval: nil)))
    var table = ConfigurationTable()
    try table.take(try fixture.changes())
    #expect(table.keyClients == ["k/separate": "kme"])
  }

  @Test mutating func ipsecProfilesHaveTheirTransformSetsInOrder() throws {
    var profile = IPsecProfileModel(profileName: "p")
    profile.set.transformSet = .init(transform1: "b", transform2: "a", transform3: "c")
    profile.set.pfs.group20 = .init()
    profile.set.securityAssociation.lifetime.seconds = 3600
    profile.set.responderOnly = .init()
    profile.set.reverseRoute = .init()
    fixture.ipsec.profiles.profile.set(profile)
    var set = TransformSetModel(transformSetName: "a")
    set.transform = .init(espHMACSHA512: .init(), espAES: .init())
    fixture.ipsec.transformSets.transformSet.set(set)
    let read = try read(fixture)
    let made = try #require(read.ipsecProfiles.first)
    #expect(made.transformSets == ["b", "a", "c"])
    #expect(made.pfs == .ecp384)
    #expect(made.lifetime == 3600)
    #expect(made.isResponderOnly && made.addsReverseRoute)
    #expect(read.transformSets.first?.encryption == .aes128)
    #expect(read.transformSets.first?.integrity == .sha512)
  }

  @Test mutating func aChangeTouchesWhatItChanges() throws {
    for number in [2, 10, 1] { try fixture.addTunnel(number, destination: "10.10.11.\(number)") }
    var table = ConfigurationTable()
    try table.take(try fixture.changes())
    let before = try fixture.root
    let configuration = table.configuration { _ in nil }
    #expect(configuration.tunnels.map(\.name) == ["tunnel-ip1", "tunnel-ip2", "tunnel-ip10"])
    fixture.tunnels["tunnel-ip2"]?.isShutdown = true
    fixture.tunnels["tunnel-ip10"] = nil
    fixture.ipsec.profiles.profile.remove("ip10")
    let changes = try fixture.changes(from: before)
    #expect(changes.changes[IPsecProfileModel.schemaPath]?.count == 1)
    try table.take(changes)
    let after = table.configuration { _ in nil }
    #expect(after.tunnels.map(\.isShutdown) == [false, true])
    #expect(after.ipsecProfiles.map(\.name) == ["ip1", "ip2"])
    #expect(after.keyrings == configuration.keyrings)
  }

  @Test mutating func aSourceInterfaceHasTheAddressThatItHasNow() throws {
    try fixture.addTunnel()
    fixture.tunnels["tunnel-ip1"]?.model.source = .init(interfaceName: "GigabitEthernet0/1/0/2")
    #expect(try read(fixture).tunnels.first?.source == .interface("GigabitEthernet0/1/0/2", nil))
    let address = try #require(IPv4Address("10.0.0.9"))
    let found = try read(fixture) { $0 == "GigabitEthernet0/1/0/2" ? address : nil }
    #expect(found.tunnels.first?.sourceAddress == address)
  }

  @Test mutating func aTunnelOfAnotherModeIsRefused() throws {
    try fixture.addTunnel()
    fixture.tunnels["tunnel-ip1"]?.model.mode.ipsec.ipv4 = nil
    let mapping = IPsecMapping(try read(fixture), dataPlane: .kernel)
    #expect(mapping.refusals(.refuse).map(\.path).contains { $0.hasSuffix("tunnel/mode") })
  }

  @Test mutating func trustpointsGiveTheirCertificatesOneByOne() throws {
    func pem(_ text: String) -> String { "-----BEGIN CERTIFICATE-----\n\(text)\n-----END CERTIFICATE-----\n" }
    var trustpoint = TrustpointModel(trustpointName: "tp")
    trustpoint.caCertificates = "a comment\n" + pem("AAAA") + "between\r\n" + pem("BBBB")
    trustpoint.certificate = pem("CCCC") + pem("DDDD")
    trustpoint.privateKey = try fixture.seal("key")
    fixture.trustpoints.trustpoint.set(trustpoint)
    let made = try #require(try read(fixture).trustpoints.first)
    #expect(made.authorities == [Array(pem("AAAA").utf8), Array(pem("BBBB").utf8)])
    #expect(made.certificate == Array(pem("CCCC").utf8))
    #expect(made.intermediates == [Array(pem("DDDD").utf8)])
    #expect(made.keyIdentifier == nil, "it is no certificate")
  }

  @Test mutating func referencesAreCheckedAsConfigured() throws {
    var table = ConfigurationTable()
    try table.take(try fixture.changes())
    #expect(table.referenceCheck == .refuse)
    fixture.ikev2.referenceCheck = .warn
    try table.take(try fixture.changes())
    #expect(table.referenceCheck == .warn)
    let before = try fixture.root
    fixture.ikev2.referenceCheck = nil
    try table.take(try fixture.changes(from: before))
    #expect(table.referenceCheck == .refuse)
  }

  @Test(arguments: [
    ("tunnel-ip1", 1), ("tunnel-ip0", UInt32.max), ("tunnel-ip4294967295", nil), ("tunnel-ip01", nil),
    ("tunnel-ip", nil), ("tunnel-te1", nil), ("tunnel-ip131070", 131_070),
  ])
  func aTunnelsNumberIsThatOfItsInterface(name: String, number: UInt32?) {
    #expect(TunnelInterface.interfaceID(name) == number)
  }

  @Test func textPathsAreFoundInTheSchema() {
    let resolver = ModelPathResolver(productSchema)
    let texts = [
      ModelPath.peer("k/1", "it's [a] \"peer\"".replacing("\"", with: "")) + "/ppk/manual/id",
      ModelPath.profile("p") + "/match/identity/remote", ModelPath.ipsecProfile("x") + "/transform-set/transform2",
      ModelPath.transformSet("t") + "/transform", ModelPath.policy("o") + "/match/address",
      ModelPath.proposal("q") + "/integrities", ModelPath.tunnel("tunnel-ip1") + "/protection/ipsec/profile",
    ]
    for text in texts {
      let path = resolver.path(text)
      let last = text.split(separator: "/").last.map(String.init)
      #expect(path.steps.last?.schema.name == last, "\(text) became \(path)")
    }
    let peer = resolver.path(texts[0])
    #expect(peer.steps.flatMap(\.keys) == [.string("k/1"), .string("it's [a] peer")])
    // What is not there ends the path above it.
    #expect(resolver.path("/Cisco-IOS-XR-um-ikev2-cfg:ikev2/nothing/more").steps.count == 1)
    #expect(resolver.path("").steps.isEmpty)
  }
}
