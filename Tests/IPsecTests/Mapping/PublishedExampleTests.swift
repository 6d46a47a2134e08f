// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import IPsec

/// The examples of the vendor's published guides, as they are printed, and what has to be corrected in them.
@Suite struct PublishedExampleTests {
  private static func peer(_ name: String, _ address: String, _ key: Sealed, ppk: Keyring.PPK? = nil)
    -> Keyring.Peer
  {
    var peer = Keyring.Peer(name: name)
    peer.range = IPv4Range(address, "255.255.255.0")
    peer.preSharedKey = .both(key)
    peer.ppk = ppk
    return peer
  }

  /// The PPK guide: both routers, for manual and dynamic PPKs.
  private func ppkExample(initiator: Bool, isDynamic: Bool) throws -> Fixture {
    var fixture = try Fixture()
    let number = isDynamic ? 3 : 1
    // Both type-7 texts of the PPK hide one key.
    let ppkText = initiator ? "060506324F41584B56" : "104D000A061843595F"
    let ppk: Keyring.PPK =
      isDynamic
      ? .dynamic(sksProfile: "Qkd", isRequired: true)
      : .manual(id: "123", key: try fixture.sealer.parse(written: ppkText, encoding: .type7), isRequired: true)
    let key = try fixture.sealer.parse(written: "0822455D0A16", encoding: .type7)
    var keyring = Keyring(name: "k\(number)")
    // The responder's keyring names its own address: with this mask it holds the initiator's too.
    keyring.peers = [Self.peer("init", "10.10.10.1", key, ppk: ppk)]
    fixture.configuration.keyrings = [keyring]
    var profile = IKEv2Profile(name: "p\(number)")
    profile.keyring = keyring.name
    profile.ppkKeyring = keyring.name
    profile.matches = [.address(try #require(IPv4Range(initiator ? "10.10.10.1" : "10.10.10.3", "255.255.255.0")))]
    fixture.configuration.profiles = [profile]
    var set = TransformSet(name: isDynamic && initiator ? "ts3" : "ts1")
    set.encryption = isDynamic && initiator ? .aes256 : .aes192
    set.integrity = isDynamic && initiator ? .sha384 : .sha256
    fixture.configuration.transformSets = [set]
    var ipsec = IPsecProfile(name: "test\(number)")
    ipsec.ikev2Profile = profile.name
    // The responder of the dynamic example defines ts1 and names ts3.
    ipsec.transformSets = [isDynamic ? "ts3" : "ts1"]
    ipsec.isResponderOnly = !initiator
    fixture.configuration.ipsecProfiles = [ipsec]
    fixture.configuration.sksProfiles = isDynamic ? ["Qkd"] : []
    var tunnel = TunnelInterface(name: "tunnel-ip1")
    tunnel.source = .interface("GigabitEthernet0/1/0/2", IPv4Address(initiator ? "10.10.10.3" : "10.10.10.1"))
    tunnel.destination = IPv4Address(initiator ? "10.10.10.1" : "10.10.10.3")
    tunnel.profile = ipsec.name
    fixture.configuration.tunnels = [tunnel]
    return fixture
  }

  @Test(arguments: [true, false])
  func theManualPPKExampleMapsAsPrinted(initiator: Bool) throws {
    let mapping = try ppkExample(initiator: initiator, isDynamic: false).mapping
    #expect(mapping.refusals(.refuse).isEmpty)
    let connection = try #require(mapping.desired.connections.first)
    #expect(connection.initiates == initiator)
    #expect(connection.ppk == .manual(id: "123", isRequired: true))
    #expect(connection.message().child.list("esp_proposals") == ["aes192-sha256"])
    // Who begins expects the destination; who answers takes the whole range.
    let expected = initiator ? "10.10.10.1" : "10.10.10.0/24"
    #expect(connection.message().connection.section("remote")?["id"] == expected)
  }

  @Test func bothRoutersOfTheManualExampleHaveOnePPK() throws {
    let texts = ["060506324F41584B56", "104D000A061843595F"]
    let sealer = try Sealer(MasterKey())
    let keys = try texts.map { text in try sealer.parse(written: text, encoding: .type7) }
    #expect(keys[0] == keys[1])
  }

  @Test func theDynamicPPKInitiatorMapsAsPrinted() throws {
    let mapping = try ppkExample(initiator: true, isDynamic: true).mapping
    #expect(mapping.refusals(.refuse).isEmpty)
    #expect(mapping.desired.connections.first?.ppk == .dynamic(sksProfile: "Qkd", isRequired: true))
    #expect(mapping.desired.connections.first?.message().child.list("esp_proposals") == ["aes256-sha384"])
  }

  @Test func theDynamicPPKResponderNamesATransformSetThatItDoesNotHave() throws {
    var fixture = try ppkExample(initiator: false, isDynamic: true)
    #expect(fixture.mapping.refusals(.refuse).map(\.reason) == ["there is no transform set 'ts3'"])
    #expect(fixture.mapping.refusals(.warn).isEmpty)
    #expect(fixture.mapping.tunnels[0].reasonDown == "there is no transform set 'ts3'")
    fixture.configuration.transformSets[0].name = "ts3"
    #expect(fixture.mapping.refusals(.refuse).isEmpty)
    #expect(fixture.mapping.desired.connections.count == 1)
  }

  /// The management-traffic guide's running configuration of router 1.
  private func runningConfiguration(router: Int) throws -> Fixture {
    var fixture = try Fixture()
    let here = router == 1 ? "198.51.100.5" : "198.52.100.21"
    let there = router == 1 ? "198.52.100.21" : "198.52.100.5"
    var proposal = IKEv2Proposal(name: "ikev2_proposal_mgmt_P\(router)")
    proposal.prfs = [.sha256]
    proposal.groups = [.ecp384]
    proposal.integrities = [.sha256]
    proposal.encryptions = [.aesCBC256]
    fixture.configuration.proposals = [proposal]
    var policy = IKEv2Policy(name: "ikev2_policy_mgmt_P\(router)")
    policy.localAddresses = [try #require(IPv4Address(here))]
    policy.proposals = [proposal.name]
    fixture.configuration.policies = [policy]
    var keyring = Keyring(name: "key_mgmt_P\(router)")
    keyring.peers = [Self.peer("Acadia2", "198.52.100.21", try fixture.seal("cisco123"))]
    fixture.configuration.keyrings = [keyring]
    var profile = IKEv2Profile(name: "ikev2_prof_mgmt_P\(router)")
    profile.localAuthentication = .preShared
    profile.keyring = router == 1 ? "key_mgmt" : keyring.name
    profile.lifetime = 600
    profile.matches = [.address(try #require(IPv4Range(there, "255.255.255.0")))]
    fixture.configuration.profiles = [profile]
    var set = TransformSet(name: "ts_mgmt_P\(router)")
    set.encryption = .aes256
    set.integrity = .sha256
    fixture.configuration.transformSets = [set]
    var ipsec = IPsecProfile(name: "ipsec_prof_mgmt_P\(router)")
    ipsec.ikev2Profile = profile.name
    ipsec.pfs = .ecp256
    ipsec.lifetime = 600
    ipsec.transformSets = [set.name]
    fixture.configuration.ipsecProfiles = [ipsec]
    var tunnel = TunnelInterface(name: "tunnel-ip1")
    tunnel.source = .interface("MgmtEth0/RP0/CPU0/0", IPv4Address(here))
    tunnel.destination = IPv4Address(router == 1 ? "5.22.16.25" : "5.22.16.52")
    tunnel.profile = ipsec.name
    fixture.configuration.tunnels = [tunnel]
    return fixture
  }

  @Test func theRunningConfigurationOfRouterOneHasTwoSlips() throws {
    var fixture = try runningConfiguration(router: 1)
    #expect(fixture.mapping.refusals(.refuse).map(\.reason) == ["there is no keyring 'key_mgmt'"])
    fixture.configuration.profiles[0].keyring = "key_mgmt_P1"
    let refusals = fixture.mapping.refusals(.refuse)
    #expect(refusals.count == 1)
    #expect(refusals.first?.reason.contains("no preshared key for 5.22.16.25") == true)
    fixture.configuration.tunnels[0].destination = IPv4Address("198.52.100.21")
    let mapping = fixture.mapping
    #expect(mapping.refusals(.refuse).isEmpty)
    let message = try #require(mapping.desired.connections.first).message()
    #expect(message.connection.list("proposals") == ["aes256-sha256-prfsha256-ecp384"])
    #expect(message.connection["rekey_time"] == "540")
    #expect(message.child.list("esp_proposals") == ["aes256-sha256-ecp256"])
    #expect(message.child["life_time"] == "600")
  }

  @Test func theRunningConfigurationOfRouterTwoHasOneSlip() throws {
    var fixture = try runningConfiguration(router: 2)
    #expect(fixture.mapping.refusals(.refuse).count == 1)
    fixture.configuration.tunnels[0].destination = IPv4Address("198.52.100.5")
    #expect(fixture.mapping.refusals(.refuse).isEmpty)
    #expect(fixture.mapping.corrections.map(\.severity) == [.warning], "cisco123 is short")
  }
}
