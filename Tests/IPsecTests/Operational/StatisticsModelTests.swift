// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models
import Testing

@testable import IPsec

@Suite struct StatisticsModelTests {
  /// As charon 5.9.8 answered after one rekey of each kind.
  static let counters: VICIMessage = {
    var section = VICIMessage()
    for (name, value) in [
      ("ike-rekey-init", 1), ("ike-rekey-resp", 2), ("child-rekey", 3), ("invalid", 4), ("invalid-spi", 5),
      ("ike-init-in-req", 6), ("ike-init-in-resp", 7), ("ike-init-out-req", 8), ("ike-init-out-resp", 9),
      ("ike-auth-in-req", 10), ("ike-auth-in-resp", 11), ("ike-auth-out-req", 12), ("ike-auth-out-resp", 13),
      ("create-child-in-req", 14), ("create-child-in-resp", 15), ("create-child-out-req", 16),
      ("create-child-out-resp", 17), ("info-in-req", 18), ("info-in-resp", 19), ("info-out-req", 20),
      ("info-out-resp", 21),
    ] { section.add(name, value) }
    var answer = VICIMessage()
    answer.add("counters", VICIMessage([.section(name: "", section)]))
    answer.add("success", true)
    return answer
  }()

  @Test func charonsCountersStandWhereTheyBelong() throws {
    let counters = try #require(CharonCounters(Self.counters))
    let model = IKEv2Node.Stats(counters, FailureCounts())
    #expect(model.ikeSAInitCnt == .init(txReq: 8, rxRes: 7, txRes: 9, rxReq: 6))
    #expect(model.ikeAuthCnt == .init(txReq: 12, rxRes: 11, txRes: 13, rxReq: 10))
    #expect(model.createChildSACnt == .init(txReq: 16, rxRes: 15, txRes: 17, rxReq: 14))
    #expect(model.informationalCnt == .init(txReq: 20, rxRes: 19, txRes: 21, rxReq: 18))
    #expect(model.createChildSAIKERekeyCnt == .init(txReq: 1, txRes: 2))
    #expect(model.invalidSyntaxCnt.rxReq == 4)
    #expect(model.invalidIKESPICnt.rxReq == 5)
    #expect(model.txSucc == 116)
    #expect(model.rxSucc == 100)
    #expect(model.cookieCnt == .init(), "what nobody counts is absent, not zero")
    #expect(model.rxReadPyld == nil)
  }

  @Test func countersOf32BitsGoAround() {
    var counters = CharonCounters()
    counters.initial.requestsOut = 1 << 32 + 5
    #expect(IKEv2Node.Stats(counters, FailureCounts()).ikeSAInitCnt.txReq == 5)
  }

  @Test func withoutCountersOnlyFailuresAreKnown() {
    #expect(CharonCounters(VICIMessage()) == nil)
    let model = IKEv2Node.Stats(nil, FailureCounts())
    #expect(model.txSucc == nil)
    #expect(model.ppkAuthFailCnt == 0)
  }

  @Test func failuresAreReadFromTheLog() {
    var counts = FailureCounts()
    for (line, usesPPK) in [
      ("received AUTHENTICATION_FAILED notify error", true), ("received AUTHENTICATION_FAILED notify error", false),
      ("tried 2 shared keys for 'a' - 'b', but MAC mismatched", true),
      ("PPK required but no PPK found for 'xyz'", true), ("no PPK for 'xyz' found, ignored", true),
      ("received PPK_ID 'a', but expected 'b'", true), ("sending packet", true),
      ("giving up after 5 retransmits", true),
    ] { counts.take(line, usesPPK: usesPPK) }
    #expect(counts.authenticationFailures == 3)
    #expect(counts.ppkAuthenticationFailures == 2)
    #expect(counts.ppkIDMismatches == 3)
    #expect(counts.ppkFetchFailures == 0)
  }

  @Test func theSummaryCountsByRoleAndState() throws {
    var fixture = try Fixture()
    try fixture.addTunnel(1, ppk: .dynamic(sksProfile: "s", isRequired: true))
    fixture.configuration.sksProfiles = ["s"]
    fixture.configuration.isFIPSMode = true
    var protected = SAMaker.sa(1, pairs: [(1, 1)])
    protected.usesPPK = true
    var incoming = SAMaker.sa(2, tunnel: 2)
    incoming.role = .responder
    var negotiating = SAMaker.sa(3, tunnel: 3, state: "CONNECTING")
    negotiating.role = .responder
    let sessions = [[protected], [incoming], [negotiating, SAMaker.sa(4, tunnel: 3, state: "DELETING")]].enumerated()
      .map { SessionState(number: UInt32($0.offset + 1), owner: "tunnel-ip\($0.offset + 1)", sas: $0.element) }
    let model = IKEv2Node.Summary(sessions, ConfiguredFacts(fixture.configuration, fixture.mapping))
    #expect(
      model
        == .init(
          fipsMode: "Enabled", totalSA: 4, totalSAActive: 2, totalSANegotiating: 1, totalOutgoingSA: 2,
          outgoingSAActive: 1, outgoingSANegotiating: 0, totalIncomingSA: 2, incomingSAActive: 1,
          incomingSANegotiating: 1, ppkTotalSessCnt: 1, ppkDynamicSessCnt: 1, ppkManualSessCnt: 0))
  }
}

@Suite struct ConfiguredModelTests {
  @Test func proposalsShowWhatIsOffered() throws {
    var configuration = IPsecConfiguration()
    var proposal = IKEv2Proposal(name: "p")
    proposal.encryptions = [.aesGCM256, .aesCBC128]
    proposal.integrities = [.sha1]
    proposal.groups = [.ecp521]
    configuration.proposals = [proposal]
    let facts = ConfiguredFacts(configuration, IPsecMapping(configuration, dataPlane: .kernel))
    #expect(facts.proposalModels.map(\.name) == ["default", "p"])
    let shown = facts.proposalModels[1]
    #expect(shown.encryptionAlg == ["AES-GCM-256", "AES-CBC-128"])
    #expect(shown.hashAlg == ["SHA1"])
    #expect(shown.prfAlg == ["SHA1"], "as charon is told where none is given")
    #expect(shown.groupAlg == ["Group 21"])
    #expect([shown.totalEncAlg, shown.totalHashAlg, shown.totalPRFAlg, shown.totalGroupAlg] == [2, 1, 1, 1])
    #expect(facts.proposalModels[0].encryptionAlg == ["AES-GCM-256", "AES-CBC-256"])
    #expect(facts.proposalModels[0].groupAlg == ["Group 20", "Group 21", "Group 19"])
  }

  @Test func aConfiguredDefaultHidesOurs() {
    var configuration = IPsecConfiguration()
    configuration.proposals = [IKEv2Proposal(name: "default")]
    configuration.policies = [IKEv2Policy(name: "default")]
    let facts = ConfiguredFacts(configuration, IPsecMapping(configuration, dataPlane: .kernel))
    #expect(facts.proposalModels.count == 1)
    #expect(facts.policyModels.count == 1)
    #expect(facts.policyModels[0].totalProposal == 0)
  }

  @Test func policiesAndProfilesShowTheirLeafs() throws {
    var fixture = try Fixture()
    try fixture.addTunnel(1)
    var policy = IKEv2Policy(name: "pol")
    policy.localAddresses = Set(["10.10.10.3", "10.0.0.9"].compactMap { IPv4Address($0) })
    policy.fvrf = .named(["red", "blue"])
    policy.proposals = ["p1"]
    fixture.configuration.policies = [policy]
    fixture.configuration.profiles[0].localIdentity = .fqdn("a.example")
    fixture.configuration.profiles[0].matches += [.domain("example"), .any, .fqdn("b.example")]
    fixture.configuration.profiles[0].remoteAuthentications = [.preShared, .rsaSignature]
    fixture.configuration.profiles[0].fvrf = .any
    fixture.configuration.global.dpd = 40
    let facts = ConfiguredFacts(fixture.configuration, fixture.mapping)
    let shown = try #require(facts.policyModels.last)
    #expect(shown.addr == ["10.0.0.9", "10.10.10.3"])
    #expect(shown.fvrf == ["blue", "red"])
    #expect([shown.totalLocalAddr, shown.totalProposal, shown.totalFvrf] == [2, 1, 2])
    let profile = try #require(facts.profileModels.first)
    #expect(profile.keyringName == "k1")
    #expect(profile.lifetimeInSec == 86_400)
    #expect(profile.dpdIntervalInSec == 40)
    #expect(profile.matchAny == true)
    #expect(profile.fvrfName == "any")
    #expect(profile.localID.identificationType == .idFQDN)
    #expect(profile.localID.fqdn.id == "a.example")
    #expect(profile.localAuth == .ikev2EdmAuthPreShared)
    #expect(profile.remoteAuth == [.ikev2EdmAuthPreShared, .ikev2EdmAuthRSASig])
    #expect(profile.remoteID.map(\.identificationType) == [.idIPv4Addr, .idFQDN, .idFQDN])
    #expect(profile.remoteID[0].ipv4.mask == "255.255.255.255")
    #expect(profile.remoteID.map(\.fqdn.domain) == [nil, true, false])
  }
}
