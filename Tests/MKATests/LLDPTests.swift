// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import MKA

/// LLDPDUs and what CAK mode says in them.
@Suite struct LLDPTests {
  static let station = MACAddress(rawValue: 0x0200_0000_0001)

  /// Chassis 02:00:00:00:00:01, port "e0", 21 seconds.
  static let mandatory = hex("0207" + "04" + "020000000001" + "0403" + "07" + "6530" + "0602" + "0015")

  @Test func itIsWrittenAsTheStandardHasIt() throws {
    var message = LLDPDU(chassis: .chassis(Self.station), port: .port(locally: "e0"), timeToLive: 21)
    #expect(try message.encoded() == Self.mandatory + [0, 0])
    message.organizational = [OrganizationallySpecificTLV(organization: 0x0A_67_64, subtype: 16, data: [1, 0, 0x41])]
    let bytes = try message.encoded()
    #expect(bytes == Self.mandatory + hex("fe07" + "0a6764" + "10" + "010041" + "0000"))
    #expect(try LLDPDU(decoding: bytes[...]) == message)
    let frame = try LLDPFrame.encode(message, from: Self.station)
    #expect(frame.count == 60 && frame.prefix(14) == hex("0180c200000e" + "020000000001" + "88cc")[...])
    let decoded = try LLDPFrame.decode(frame)
    #expect(decoded.source == Self.station && decoded.message == message)
  }

  @Test(arguments: [
    "", "00", "0207", "0207040200000000",
    // Without a port, without a time to live, in another order, with a time of one octet.
    "02070402000000000106020015", "0207040200000000010403076530", "04030765300207040200000000010602 0015",
    "0207040200000000010403076530060115",
    // A chassis of no octets, and of more than 255.
    "0201040403076530060200150000",
    // Twice a chassis; an element beyond the end; one of an organisation without a subtype.
    "02070402000000000104030765300602001502070402000000000", "0207040200000000010403076530060200150aff00",
    "020704020000000001040307653006020015fe030a67640000",
  ]) func whatBreaksTheFormatIsRefused(text: String) throws {
    let digits = text.filter { $0 != " " }
    let bytes = hex(String(digits.prefix(digits.count / 2 * 2)))
    #expect(throws: MKAError.self) { try LLDPDU(decoding: bytes[...]) }
  }

  @Test func whatIsUnknownIsSkipped() throws {
    // System name, management address, an organisation's element of nobody we know, no end.
    let bytes = Self.mandatory + hex("0a0161" + "100101" + "fe04" + "00120f" + "01")
    let message = try LLDPDU(decoding: bytes[...])
    #expect(message.organizational.count == 1)
    #expect(try CAKAnnouncement(message.organizational[0]) == nil)
    let many = Self.mandatory + (0..<200).flatMap { _ in hex("0a0161") }
    #expect(throws: MKAError(.tooMany, "")) { try LLDPDU(decoding: many[...]) }
    #expect(throws: MKAError.self) { try LLDPFrame.decode(hex("0180c200000e0300000000018 8cc".filter { $0 != " " })) }
  }

  @Test func announcementsComeBackAsTheyWere() throws {
    let all: [CAKAnnouncement] = [
      .capability(.init(role: .taker, system: "Alice")), .capability(.init(role: .automatic, system: "")),
      .offer(.init(keyLength: 32, identifier: Array("a key".utf8))),
      .answer(.init(outcome: .notFound, identifier: [UInt8](repeating: 7, count: 256))),
    ]
    for announcement in all { #expect(try CAKAnnouncement(announcement.element) == announcement) }
    func element(_ subtype: UInt8, _ data: String) -> OrganizationallySpecificTLV {
      OrganizationallySpecificTLV(organization: 0x0A_67_64, subtype: subtype, data: hex(data))
    }
    // To come: another version, subtype, role, outcome or length of keys.
    for (subtype, data) in [(16, "0200"), (19, "0100"), (16, "0109"), (18, "010941"), (17, "011841"), (16, "")] {
      #expect(try CAKAnnouncement(element(UInt8(subtype), data)) == nil)
    }
    // Broken: no role, no text, no identifier, one that is too long.
    for (subtype, data) in [
      (16, "01"), (16, "0100ff"), (17, "0120"), (18, "0101"), (17, "0120" + String(repeating: "41", count: 257)),
    ] {
      #expect(throws: MKAError.self) { try CAKAnnouncement(element(UInt8(subtype), data)) }
    }
  }

  @Test func theNameOfAKeyIsTheDigestOfItsIdentifier() throws {
    // The digest of "abc" (FIPS 180-4).
    #expect(
      try CKN(keyIdentifier: Array("abc".utf8)).description
        == "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD")
  }
}
