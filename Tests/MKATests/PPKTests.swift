// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import MKA

/// PPK mode: keys of a key service in the SAK, and never a silent downgrade.
@Suite struct PPKTests {
  static func policy(
    _ system: String = "A", onFailure: PPKPolicy.FailureAction = .stall, rekey: Duration? = nil
  ) -> Policy {
    var policy = Policy()
    policy.keyDistribution = .ppk(PPKPolicy(system: system, onFailure: onFailure, timeout: .seconds(5)))
    policy.sakRekeyInterval = rekey
    return policy
  }

  static func pair(_ first: Policy, _ second: Policy) -> Simulation {
    let simulation = Simulation(seed: 77)
    simulation.addStation(policy: first, primary: testChain("primary", testKey(1)))
    simulation.addStation(policy: second, primary: testChain("primary", testKey(1)))
    return simulation
  }

  @Test func keysOfTheServiceRollOverWithoutLoss() {
    let simulation = Self.pair(Self.policy("alice", rekey: .seconds(60)), Self.policy("bob", rekey: .seconds(60)))
    #expect(simulation.runUntilSecured(limit: .seconds(4)), "\(simulation.whyNotSecured() ?? "")")
    simulation.run(for: .seconds(600))
    #expect(simulation.lostFrames.isEmpty)
    #expect(simulation.violations.isEmpty)
    let server = simulation.stations[0]
    let client = simulation.stations[1]
    #expect(server.keyRequests.allSatisfy { $0.kind == .new && $0.remoteSystem == "bob" })
    #expect(client.keyRequests.allSatisfy { $0.kind != .new && $0.remoteSystem == "alice" })
    #expect(server.keyRequests.count >= 9)
    let counters = server.kay.participants[0].counters
    #expect(counters.ppkTupleGenerated == UInt32(server.keyRequests.count))
    #expect(counters.sent.distributedPPK >= counters.ppkTupleGenerated)
    #expect(counters.sent.distributedSAK == 0)
    #expect(counters.received.ppkCapable > 100)
    #expect(client.kay.participants[0].counters.ppkRetrieved == counters.ppkTupleGenerated)
    #expect(client.kay.participants[0].counters.received.distributedPPK >= counters.ppkTupleGenerated)
    #expect(server.events.map(\.mnemonic).contains("PPK_IN_USE"))
  }

  @Test func aPeerWithoutPPKGetsNoSAK() {
    let simulation = Self.pair(Self.policy(), Policy())
    simulation.run(for: .seconds(60))
    #expect(simulation.stations.allSatisfy { $0.secY.status == .blocked })
    #expect(simulation.stations[0].kay.participants[0].counters.sent.distributedSAK == 0)
    #expect(simulation.stations[0].keyRequests.isEmpty)
    #expect(simulation.stations[0].events.filter { $0.mnemonic == "PPK_FAILURE" }.count == 1)
    #expect(simulation.stations[0].kay.ppk.reason?.contains("has not shown") == true)
  }

  @Test func aSAKWithoutPPKIsNotTaken() {
    let simulation = Self.pair(Policy(), Self.policy())
    simulation.run(for: .seconds(60))
    #expect(simulation.stations[1].secY.status == .blocked)
    #expect(simulation.stations[1].events.map(\.mnemonic).contains("PPK_FAILURE"))
  }

  @Test func whereThePolicySaysSoItFallsBack() {
    let simulation = Self.pair(Self.policy(onFailure: .fallBack), Policy())
    #expect(simulation.runUntilSecured(limit: .seconds(5)), "\(simulation.whyNotSecured() ?? "")")
    #expect(simulation.stations[0].events.map(\.mnemonic).contains("PPK_FALLBACK"))
    simulation.run(for: .seconds(60))
    #expect(simulation.stations[0].kay.counters.sakRekeys == 0)
  }

  @Test func keysArePairwise() {
    let simulation = Self.pair(Self.policy("a"), Self.policy("b"))
    simulation.addStation(policy: Self.policy("c"), primary: testChain("primary", testKey(1)))
    simulation.run(for: .seconds(20))
    #expect(simulation.stations[0].kay.ppk.reason?.contains("2 live peers") == true)
  }

  @Test(arguments: [SimulatedKeyService.Mode.silent, .unavailable, .failing, .short], [0, 1])
  func anOutageStallsAndHeals(mode: SimulatedKeyService.Mode, station: Int) {
    let simulation = Self.pair(Self.policy("a", rekey: .seconds(60)), Self.policy("b", rekey: .seconds(60)))
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    let key = simulation.stations[0].secY.transmitting!.association.identifier
    simulation.keyService.modes[station] = mode
    simulation.run(for: .seconds(200))
    #expect(simulation.whyNotSecured() == nil, "the SAK in use goes on: \(simulation.whyNotSecured() ?? "")")
    #expect(simulation.stations[0].secY.transmitting!.association.identifier == key)
    #expect(simulation.stations[station].events.map(\.mnemonic).contains("PPK_FAILURE"))
    simulation.keyService.modes = [:]
    simulation.run(for: .seconds(60))
    #expect(simulation.stations[0].secY.transmitting!.association.identifier != key)
    #expect(simulation.whyNotSecured() == nil)
    #expect(simulation.lostFrames.isEmpty)
    #expect(simulation.violations.isEmpty)
    let failures = simulation.stations[station].kay.counters.ppkFailures
    switch (mode, station) {
    case (.silent, _): #expect(failures.requestTimeout > 0)
    case (.unavailable, _): #expect(failures.connectionDown > 0)
    case (.failing, 0), (.short, _): #expect(failures.tupleFail > 0)
    default: #expect(failures.retrievalFail > 0)
    }
    if station == 1 { #expect(simulation.stations[0].kay.counters.failures.ppkIDNAK > 0) }
  }

  @Test(arguments: [SimulatedKeyService.Mode.forgetful, .lying, .confused])
  func aPeerWithoutTheKeyRefuses(mode: SimulatedKeyService.Mode) {
    let simulation = Self.pair(Self.policy("a"), Self.policy("b"))
    simulation.keyService.modes[1] = mode
    simulation.run(for: .seconds(40))
    #expect(simulation.stations.allSatisfy { $0.secY.status == .blocked })
    let failures = simulation.stations[0].kay.counters.failures
    let peer = simulation.stations[1].kay.counters.ppkFailures
    if mode == .forgetful {
      #expect(failures.ppkIDNotFound > 0)
      #expect(peer.retrievalFail > 0)
    } else {
      #expect(failures.ppkIDNAK > 0)
      #expect(peer.idMismatch > 0)
    }
    #expect(simulation.stations[1].kay.counters.ppkFailures.retryFail == 1)
    simulation.keyService.modes = [:]
    #expect(simulation.runUntilSecured(limit: .seconds(30)), "\(simulation.whyNotSecured() ?? "")")
    #expect(simulation.violations.isEmpty)
  }

  @Test func afterEnoughFailuresThePolicyMayFallBack() {
    let policy = Self.policy("a", onFailure: .fallBack, rekey: .seconds(120))
    let simulation = Self.pair(policy, policy)
    simulation.keyService.modes[0] = .unavailable
    #expect(simulation.runUntilSecured(limit: .seconds(45)), "\(simulation.whyNotSecured() ?? "")")
    #expect(simulation.stations[0].events.map(\.mnemonic).contains("PPK_FALLBACK"))
    simulation.keyService.modes = [:]
    simulation.run(for: .seconds(150))
    #expect(simulation.stations[0].events.map(\.mnemonic).contains("PPK_IN_USE"))
    #expect(simulation.lostFrames.isEmpty)
  }

  @Test func anAnswerThatNobodyAwaitsIsForgotten() {
    let simulation = Self.pair(Self.policy("a"), Self.policy("b"))
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    simulation.perform(0) { kay, now in
      kay.complete(999, with: .key(identifier: [1], secret: SecretBytes(copying: [])), now: now)
    }
    #expect(simulation.stations[0].kay.counters.ppkFailures.transactionMismatch == 1)
    #expect(simulation.whyNotSecured() == nil)
  }

  @Test func neitherKeyAloneSuffices() throws {
    var random: any RandomSource = SeededRandomSource(generator: SeededGenerator(seed: 1))
    let members = [member("010000000000000000000000"), member("020000000000000000000000")]
    func material(_ byte: UInt8) throws -> PPKMaterial {
      try PPKMaterial(keyIdentifier: [1, 2], secret: SecretBytes(copying: [UInt8](repeating: byte, count: 32)))
    }
    let cak = testKey(1).cak
    let made = try material(5).makeSAK(
      cak: cak, identifier: SAKIdentifier(keyServer: members[0], number: 1), association: .zero, offset: .zero,
      suite: .gcmAESXPN256, members: members, random: &random)
    #expect(made.secret.count == 32)
    let same = try material(5).sak(cak: cak, verifying: made.announcement, members: members.reversed())
    #expect(same.isEqual(to: made.secret))
    #expect(throws: MKAError(.integrity, "")) {
      try material(6).sak(cak: cak, verifying: made.announcement, members: members)
    }
    #expect(throws: MKAError(.integrity, "")) {
      try material(5).sak(cak: testKey(2).cak, verifying: made.announcement, members: members)
    }
    var other = made.announcement
    other.number = 2
    #expect(throws: MKAError(.integrity, "")) { try material(5).sak(cak: cak, verifying: other, members: members) }
  }

  @Test func itsElementsAreCodedAndChecked() throws {
    let all: [PPKAnnouncement] = [
      .capability(.init(system: "KME-1")),
      .refusal(.init(key: SAKIdentifier(keyServer: member("010000000000000000000000"), number: 9), reason: .notFound)),
      .distribution(
        .init(
          associationNumber: .init(truncating: 2), confidentialityOffset: .zero, number: 3, cipherSuite: .gcmAES256,
          nonce: [UInt8](repeating: 1, count: 32), check: [UInt8](repeating: 2, count: 16), keyIdentifier: [9, 9])),
    ]
    for announcement in all { #expect(try PPKAnnouncement(announcement.element) == announcement) }
    func element(_ subtype: UInt8, _ data: [UInt8]) -> AnnouncementTLV {
      .organizationallySpecific(
        OrganizationallySpecificTLV(organization: PPKAnnouncement.organization, subtype: subtype, data: data))
    }
    #expect(try PPKAnnouncement(element(1, [2, 65])) == nil, "a version to come")
    #expect(try PPKAnnouncement(element(9, [1])) == nil, "a subtype to come")
    #expect(throws: MKAError.self) { try PPKAnnouncement(element(1, [1, 0xFF])) }
    #expect(throws: MKAError.self) { try PPKAnnouncement(element(1, [1] + [UInt8](repeating: 65, count: 129))) }
    #expect(throws: MKAError.self) { try PPKAnnouncement(element(2, [1, 0, 0, 0, 1])) }
    #expect(throws: MKAError.self) { try PPKAnnouncement(element(3, [1, 1])) }
  }
}
