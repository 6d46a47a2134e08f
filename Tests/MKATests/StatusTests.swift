// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import MKA

@Suite struct StatusTests {
  static let fallback = testChain("spare", testKey(0xFF, bits: 256))

  @Test func aSessionGoesThroughItsStates() {
    let simulation = Simulation(seed: 31)
    simulation.addStation(policy: Policy(), primary: testChain("main", testKey(1)), fallback: Self.fallback)
    func state() -> KaYStatus { simulation.stations[0].kay.status(now: simulation.moment(0)) }
    #expect(state().state == .initial)
    #expect(state().portStatus == .blocked)
    simulation.addStation(policy: Policy(), primary: testChain("main", testKey(1)), fallback: Self.fallback)
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    simulation.run(for: .seconds(5))
    let status = state()
    #expect(status.state == .secured)
    #expect(status.portStatus == .protected)
    #expect(status.latest?.cipherSuite == .gcmAESXPN256)
    #expect(status.latest?.ssci == 2, "the lower SCI of two")
    #expect(status.latest.map { $0.receives && $0.transmits } == true)
    #expect(status.latest?.nextPN ?? 0 > 10)
    #expect(status.old == nil)
    #expect(status.participants.map(\.role) == [.primary, .fallback])
    #expect(status.participants.map(\.state) == [.secured, .active])
    #expect(status.participants.map(\.keyChain) == ["main", "spare"])
    #expect(status.participants.map(\.algorithm) == ["AES-128-CMAC", "AES-256-CMAC"])
    #expect(status.participants.map(\.isKeyServer) == [true, true])
    #expect(status.participants[0].respondedCount == 1)
    #expect(status.participants[0].livePeers.map(\.ssci) == [1])
    #expect(status.participants[0].livePeers[0].cipherSuites?.count == 4)
    #expect(status.participants.allSatisfy { $0.peerKeys.map(\.matches) == [true] })
    #expect(status.principal == testKey(1).ckn)
    #expect(status.securedSince != nil)
  }

  @Test func eventsReadAsOperatorsKnowThem() throws {
    let ckn = try CKN(hexadecimal: "abcd")
    let peer = SCI(rawValue: 0x008A_9600_6090_0001)
    #expect(
      Event(.sessionSecuredWithFallbackPSK, ckn: ckn).line(interface: "Hu0/1/0/0")
        == "%L2-MKA-5-SESSION_SECURED_WITH_FALLBACK_PSK : (Hu0/1/0/0) MKA session secured, CKN:ABCD")
    #expect(
      Event(.icvFailure(peer: peer, fallback: false), ckn: ckn).line(interface: "Hu0/5/0/1")
        == "%L2-MKA-3-MKPDU_ICV_FAILURE: (Hu0/5/0/1), ICV verification failed for "
        + "RxSCI(008a.9600.6090/0001), CKN(ABCD)")
    #expect(Event(.icvSuccess(peer: peer, fallback: true)).mnemonic == "FALLBACK_PSK_MKPDU_ICV_SUCCESS")
  }

  /// Each counter of what a member says of SAKs, made to count by a member that says odd things under a good ICV.
  @Test func oddClaimsAboutSAKsAreCounted() throws {
    let simulation = Simulation(seed: 33)
    let chain = testChain("main", testKey(1))
    for _ in 0..<2 { simulation.addStation(policy: Policy(), primary: chain) }
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    simulation.run(for: .seconds(10))
    let ick = try testKey(1).cak.integrityCheckKey(ckn: testKey(1).ckn)

    /// The next MKPDU of a station, changed under its own ICV, brought to the other.
    func say(from sender: Int, _ change: @escaping @Sendable (inout MKPDU) -> Void) {
      simulation.tap = { frame, station in
        guard station == sender, let received = try? MKPDUFrame(received: frame),
          var message = try? MKPDU(decoding: received.body)
        else { return frame }
        change(&message)
        return try? MKPDUFrame(message, source: received.source, ick: ick).bytes
      }
      simulation.run(for: .milliseconds(2_200))
      simulation.tap = nil
      simulation.run(for: .milliseconds(2_200))
    }
    func failures(_ station: Int) -> ReceiveFailures { simulation.stations[station].kay.counters.failures }
    let before = failures(0)
    say(from: 1) { $0.sakUse?.latest?.identifier.number += 7 }
    #expect(failures(0).sakUseKNMismatch > before.sakUseKNMismatch)
    say(from: 1) { $0.sakUse?.latest?.identifier.keyServer = member("aaaaaaaaaaaaaaaaaaaaaaaa") }
    #expect(failures(0).sakUseKeyMIMismatch > before.sakUseKeyMIMismatch)
    say(from: 1) { $0.sakUse?.latest?.associationNumber = AssociationNumber(truncating: 3) }
    #expect(failures(0).sakUseANNotInUse > before.sakUseANNotInUse)
    say(from: 1) { $0.sakUse?.latest?.receives = false }
    #expect(failures(0).sakUseRxNotSet > before.sakUseRxNotSet)
    let client = failures(1)
    say(from: 0) {
      $0.sakUse?.latest?.receives = false
      $0.sakUse?.latest?.transmits = false
    }
    #expect(failures(1).sakUseKeyServerRxTxNotSet > client.sakUseKeyServerRxTxNotSet)
    say(from: 1) { $0.livePeers?.peers[0].messageNumber = 1 }
    #expect(failures(0).nonRecentPeerListMN > before.nonRecentPeerListMN)
    #expect(simulation.violations.isEmpty)
    #expect(simulation.runUntilSecured(limit: .seconds(18)))
  }

  @Test func aClaimOfAHigherNumberForOurIdentifierMakesANewMember() throws {
    let simulation = Simulation(seed: 34)
    for _ in 0..<2 { simulation.addStation(policy: Policy(), primary: testChain("main", testKey(1))) }
    #expect(simulation.runUntilSecured(limit: .seconds(4)))
    let before = simulation.stations[0].kay.participants[0].memberIdentifier
    let ick = try testKey(1).cak.integrityCheckKey(ckn: testKey(1).ckn)
    simulation.tap = { frame, station in
      guard station == 1, let received = try? MKPDUFrame(received: frame),
        var message = try? MKPDU(decoding: received.body)
      else { return frame }
      message.livePeers?.peers[0].messageNumber += 1_000
      return try? MKPDUFrame(message, source: received.source, ick: ick).bytes
    }
    simulation.run(for: .seconds(2))
    simulation.tap = nil
    #expect(simulation.stations[0].kay.participants[0].memberIdentifier != before)
    #expect(simulation.runUntilSecured(limit: .seconds(12)), "\(simulation.whyNotSecured() ?? "")")
    #expect(simulation.violations.isEmpty)
  }
}
