// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import IPsec

@Suite struct ValidationTests {
  /// Changes a configuration that is right, and expects one fault.
  private func expectFault(
    _ severity: Correction.Severity, _ path: String, _ reason: String, isDown: Bool = true,
    sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout Fixture) throws -> Void
  ) throws {
    var fixture = try Fixture()
    fixture.configuration.sksProfiles = ["Qkd"]
    try fixture.addTunnel(
      ppk: .manual(id: "1", key: try fixture.seal("0123456789abcdef0123456789abcdef"), isRequired: true))
    #expect(fixture.mapping.corrections.isEmpty, sourceLocation: sourceLocation)
    try change(&fixture)
    let mapping = fixture.mapping
    let fits = mapping.corrections.contains { correction in
      correction.severity == severity && correction.path.hasSuffix(path) && correction.reason.contains(reason)
    }
    #expect(fits, "expected '\(reason)' at …\(path), got \(mapping.corrections)", sourceLocation: sourceLocation)
    #expect((mapping.tunnels[0].reasonDown != nil) == isDown, sourceLocation: sourceLocation)
    #expect(mapping.desired.connections.isEmpty == isDown, sourceLocation: sourceLocation)
    if isDown { #expect(mapping.desired.secrets.isEmpty, sourceLocation: sourceLocation) }
  }

  @Test func danglingReferencesAreFoundWhereTheyAre() throws {
    let profile = "ikev2-profile-name[ikev2-profile-name='p1']"
    try expectFault(.reference, profile + "/keyring", "no keyring 'key_mgmt'") {
      $0.configuration.profiles[0].keyring = "key_mgmt"
    }
    try expectFault(.reference, profile + "/keyring-ppk", "no keyring 'x'") {
      $0.configuration.profiles[0].ppkKeyring = "x"
    }
    try expectFault(.reference, "profile[profile-name='test1']/set/transform-set/transform1", "no transform set 'ts3'")
    {
      $0.configuration.ipsecProfiles[0].transformSets = ["ts3"]
    }
    try expectFault(.reference, "profile[profile-name='test1']/set/ikev2-profile", "no IKEv2 profile 'x'") {
      $0.configuration.ipsecProfiles[0].ikev2Profile = "x"
    }
    try expectFault(.reference, "tunnel/protection/ipsec/profile", "no IPsec profile 'x'") {
      $0.configuration.tunnels[0].profile = "x"
    }
    try expectFault(.reference, "ppk/dynamic/sks-profile", "no SKS profile 'other'") {
      $0.configuration.keyrings[0].peers[0].ppk = .dynamic(sksProfile: "other", isRequired: false)
    }
    try expectFault(.reference, "ikev2-proposal-name[ikev2-proposal-name='x']", "no IKEv2 proposal 'x'") {
      var policy = IKEv2Policy(name: "a")
      policy.proposals = ["x"]
      $0.configuration.policies = [policy]
    }
  }

  @Test func aReferenceIsRefusedOrOnlySaid() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.profiles[0].keyring = "x"
    #expect(fixture.mapping.refusals(.refuse).count == 1)
    #expect(fixture.mapping.refusals(.warn).isEmpty)
    #expect(fixture.mapping.tunnels[0].reasonDown == "there is no keyring 'x'")
  }

  @Test func aTunnelNeedsItsEnds() throws {
    try expectFault(.error, "tunnel/source", "no source") { $0.configuration.tunnels[0].source = nil }
    try expectFault(.error, "tunnel/destination", "no destination") { $0.configuration.tunnels[0].destination = nil }
    try expectFault(.error, "tunnel/protection/ipsec/profile", "not protected") {
      $0.configuration.tunnels[0].profile = nil
    }
    try expectFault(.error, "tunnel/destination", "same address") {
      $0.configuration.tunnels[0].source = .address(try #require(IPv4Address("10.10.10.1")))
    }
    try expectFault(.error, "match/fvrf/vrf-name", "charon has one socket") {
      $0.configuration.profiles[0].fvrf = .named(["red"])
    }
    var policy = IKEv2Policy(name: "a")
    policy.proposals = ["pr"]
    policy.fvrf = .named(["default", "red"])
    try expectFault(.error, "match/fvrf/vrfs/vrf[vrf-name='red']", "default VRF", isDown: false) {
      $0.configuration.proposals = [IKEv2Proposal(name: "pr")]
      $0.configuration.policies = [policy]
    }
    try expectFault(.error, "match/fvrf", "does not match VRF 'red'") { $0.configuration.tunnels[0].fvrf = "red" }
  }

  @Test func aShutTunnelMayBeIncomplete() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.tunnels[0].isShutdown = true
    fixture.configuration.tunnels[0].source = nil
    #expect(fixture.mapping.corrections.isEmpty)
    #expect(fixture.mapping.desired == DesiredState())
    #expect(fixture.mapping.tunnels[0].reasonDown == "the interface is shut down")
  }

  @Test func aSourceInterfaceWithoutAddressIsAReasonAndNoFault() throws {
    var fixture = try Fixture()
    try fixture.addTunnel()
    fixture.configuration.tunnels[0].source = .interface("GigabitEthernet0/1/0/2", nil)
    #expect(fixture.mapping.corrections.isEmpty)
    #expect(fixture.mapping.tunnels[0].reasonDown?.contains("GigabitEthernet0/1/0/2") == true)
  }

  @Test func keyringsAreChecked() throws {
    try expectFault(.error, "peer[peer-name='b']/identity", "peer 'a'", isDown: false) { fixture in
      var (first, second) = (Keyring.Peer(name: "a"), Keyring.Peer(name: "b"))
      first.identity = .fqdn("X.example.com")
      second.identity = .fqdn("x.EXAMPLE.com")
      fixture.configuration.keyrings[0].peers += [first, second]
    }
    var fixture = try Fixture()
    try fixture.addTunnel()
    var (first, second) = (Keyring.Peer(name: "a"), Keyring.Peer(name: "b"))
    first.identity = .fqdn("example.com")
    second.identity = .domain("example.com")
    fixture.configuration.keyrings[0].peers += [first, second]
    #expect(fixture.mapping.faults.isEmpty, "a name and a domain may be spelled alike")

    try expectFault(.error, "/mask", "not contiguous") {
      $0.configuration.keyrings[0].peers[0].range = IPv4Range("10.10.10.1", "255.0.255.255")
      $0.configuration.profiles[0].keyring = nil
    }
    try expectFault(.error, "pre-shared-key/local", "needs a remote one", isDown: false) {
      $0.configuration.keyrings[0].peers[0].preSharedKey = .separate(
        local: try $0.seal("aaaaaaaaaaaaaaaa"), remote: nil)
    }
    try expectFault(.warning, "pre-shared-key", "short", isDown: false) {
      $0.configuration.keyrings[0].peers[0].preSharedKey = .both(try $0.seal("cisco"))
    }
    try expectFault(.error, "pre-shared-key", "FIPS", isDown: false) {
      $0.configuration.isFIPSMode = true
      $0.configuration.keyrings[0].peers[0].preSharedKey = .both(try $0.seal("cisco"))
    }
  }

  @Test func ppksAreChecked() throws {
    try expectFault(.error, "ppk/manual/key", "no password") {
      $0.configuration.keyrings[0].peers[0].ppk = .manual(id: "1", key: nil, isRequired: false)
    }
    try expectFault(.error, "ppk/manual/id", "only letters", isDown: false) {
      $0.configuration.keyrings[0].peers[0].ppk = .manual(id: "a.b", key: try $0.seal("x"), isRequired: false)
    }
    try expectFault(.error, "ppk/dynamic", "needs an sks-profile") {
      $0.configuration.keyrings[0].peers[0].ppk = .dynamic(sksProfile: nil, isRequired: true)
    }
    try expectFault(.warning, "ppk/manual/key", "32 bytes", isDown: false) {
      $0.configuration.keyrings[0].peers[0].ppk = .manual(id: "1", key: try $0.seal("cisco123"), isRequired: false)
    }
    try expectFault(.error, "ppk/manual/id", "another key", isDown: false) { fixture in
      var other = Keyring.Peer(name: "other")
      other.ppk = .manual(id: "1", key: try fixture.seal("anotherkeyanotherkeyanotherkey12"), isRequired: true)
      fixture.configuration.keyrings[0].peers.append(other)
    }
    try expectFault(.error, "ikev2-profile-name[ikev2-profile-name='p1']/keyring-ppk", "no PPK for 10.10.10.1") {
      fixture in
      fixture.configuration.keyrings[0].peers[0].ppk = nil
    }
  }

  @Test func profilesAndTransformsAreChecked() throws {
    try expectFault(.error, "transform-set[transform-set-name='ts1']/transform", "integrity algorithm") {
      $0.configuration.transformSets[0].integrity = nil
    }
    try expectFault(.error, "transform-set[transform-set-name='ts1']/transform", "encryption algorithm") {
      $0.configuration.transformSets[0].encryption = nil
    }
    try expectFault(.error, "set/transform-set", "no transform set") {
      $0.configuration.ipsecProfiles[0].transformSets = []
    }
    try expectFault(.error, "match/identity/remote", "no domain name", isDown: false) {
      $0.configuration.profiles[0].matches.append(.fqdn("*.example.com"))
    }
    try expectFault(.error, "match/identity/remote", "matches no peer") { $0.configuration.profiles[0].matches = [] }
    try expectFault(.error, "/keyring", "no preshared key for 10.99.0.1") {
      $0.configuration.tunnels[0].destination = IPv4Address("10.99.0.1")
    }
    try expectFault(.warning, "profile-name='q']/match/identity/remote", "another keyring", isDown: false) {
      var other = $0.configuration.profiles[0]
      other.name = "q"
      other.keyring = nil
      $0.configuration.profiles.append(other)
    }
    try expectFault(.warning, "/integrities", "needs no integrity", isDown: false) {
      var proposal = IKEv2Proposal(name: "x")
      proposal.encryptions = [.aesGCM256]
      proposal.integrities = [.sha256]
      $0.configuration.proposals.append(proposal)
    }
  }

  @Test func tunnelsThatCannotBeToldApartAreRefused() throws {
    var fixture = try Fixture()
    try fixture.addTunnel(1)
    try fixture.addTunnel(2)
    #expect(fixture.mapping.faults.contains { $0.reason.contains("'tunnel-ip1' has the same source and destination") })
    #expect(fixture.mapping.desired.connections.map(\.tunnel) == ["tunnel-ip1"])
    fixture.configuration.tunnels[1].source = .address(try #require(IPv4Address("10.10.10.4")))
    #expect(fixture.mapping.faults.contains { $0.reason.contains("another preshared key for the peer 10.10.10.1") })
  }

  @Test func theUserspaceDataPlaneCarriesOneTunnel() throws {
    var fixture = try Fixture()
    try fixture.addTunnel(1)
    try fixture.addTunnel(2, destination: "10.10.20.1")
    let mapping = IPsecMapping(fixture.configuration, dataPlane: .userspace)
    #expect(mapping.faults.count == 1)
    #expect(mapping.faults[0].path.contains("tunnel-ip2"))
    #expect(mapping.faults[0].reason.contains("'tunnel-ip1'"))
    fixture.configuration.tunnels[0].isShutdown = true
    #expect(IPsecMapping(fixture.configuration, dataPlane: .userspace).faults.isEmpty)
  }
}
