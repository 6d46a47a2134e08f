// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

@Suite struct NegotiationReportTests {
  @Test(arguments: [
    ("using PPK for PPK_ID 'ppk-one'", NegotiationReport.ppkUsed(id: "ppk-one")),
    ("PPK required but no PPK found for 'a'b'", .ppkMissing(id: "a'b", isRequired: true)),
    ("no PPK for 'x' found, ignored because PPK is not required", .ppkMissing(id: "x", isRequired: false)),
    ("PPK required but peer does not support PPK", .failure("a PPK is required and the far end does not use PPKs")),
    (
      "tried 1 shared key for '192.0.2.1' - '192.0.2.2', but MAC mismatched",
      .failure("the far end has another preshared key, or another PPK")
    ),
    ("received AUTHENTICATION_FAILED notify error", .failure("the far end refuses our authentication")),
    ("received NO_PROPOSAL_CHOSEN notify error", .failure("the far end accepts none of our proposals")),
    (
      "received TS_UNACCEPTABLE notify, no CHILD_SA built",
      .failure("the far end does not accept a tunnel for all traffic")
    ),
    ("giving up after 2 retransmits", .failure("the far end does not answer")),
  ])
  func linesThatTellWhyAreUnderstood(line: String, report: NegotiationReport) {
    #expect(NegotiationReport(line) == report)
  }

  @Test(arguments: [
    "", "established CHILD_SA", "received 1 cert requests", "received packet", "using PPK for PPK_ID ppk",
    "PPK required but no PPK found for 'open", "no PPK available, using NO_PPK_AUTH notify", "tried",
    "PPK required but no PPK found for '" + String(repeating: "x", count: 256) + "'",
  ])
  func othersAreNot(line: String) {
    #expect(NegotiationReport(line) == nil)
  }

  @Test func eventsAreTakenApart() throws {
    var section = VICIMessage()
    section.add("uniqueid", "3")
    section.add("state", "ESTABLISHED")
    let sa = try #require(IKESA(connection: "c", section))
    var up = VICIMessage()
    up.add("up", "yes")
    up.add("c", section)
    #expect(CharonEvent("ike-updown", up) == .sessionUp(sa))
    #expect(CharonEvent("ike-updown", VICIMessage([.section(name: "c", section)])) == .sessionDown(sa))
    #expect(CharonEvent("child-updown", up) == .childUp(sa))
    let pair = VICIMessage([.section(name: "old", section), .section(name: "new", section)])
    #expect(CharonEvent("ike-rekey", VICIMessage([.section(name: "c", pair)])) == .rekeyed(old: sa, new: sa))
    var session = section
    session.add("child-sas", VICIMessage([.section(name: "k", pair)]))
    guard case .childRekeyed = CharonEvent("child-rekey", VICIMessage([.section(name: "c", session)])) else {
      Issue.record("expected a rekeyed child")
      return
    }
    for name in CharonEvent.names + ["alert"] { #expect(CharonEvent(name, VICIMessage()) == nil, "\(name)") }
  }

  @Test func quantumResistanceIsWhatWasUsed() throws {
    var section = VICIMessage()
    section.add("uniqueid", "3")
    section.add("state", "ESTABLISHED")
    let without = try #require(IKESA(connection: "c", section))
    section.add("ppk", "yes")
    let with = try #require(IKESA(connection: "c", section))
    let manual = DesiredConnection.PPK.manual(id: "1", isRequired: false)
    let dynamic = DesiredConnection.PPK.dynamic(sksProfile: "q", isRequired: true)
    #expect(QuantumResistance(with, manual).text == "Enabled with manual PPK")
    #expect(QuantumResistance(with, dynamic).text == "Enabled with dynamic PPK")
    #expect(QuantumResistance(without, manual).text == "Disabled")
    #expect(QuantumResistance(with, nil).text == "Disabled")
  }

  @Test func tunnelsAreReadFromOurNamesOnly() {
    #expect(TunnelKeeper.tunnel(of: "agentd:tunnel-ip1:2") == "tunnel-ip1")
    for name in ["tunnel-ip1", "agentd:", "agentd:x", "agentd::1", "other:tunnel-ip1:2"] {
      #expect(TunnelKeeper.tunnel(of: name) == nil, "\(name)")
    }
  }
}
