// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import MKA

@Suite struct MKPDUCodingTests {
  static let own = member("3ff84dc0ba352e20585b3064")
  static let peer = member("cd421cf86ba457938657675b")

  static func message(ckn: String = "1000") throws -> MKPDU {
    MKPDU(
      basic: BasicParameterSet(
        keyServerPriority: 16, isKeyServer: true, capability: .confidentialityWithOffsets,
        sci: SCI(rawValue: 0x0200_0000_000A_0001), memberIdentifier: own, messageNumber: 7,
        ckn: try CKN(hexadecimal: ckn)))
  }

  private func body(_ message: MKPDU) throws -> [UInt8] { try message.encoded() + [UInt8](repeating: 0xCC, count: 16) }

  @Test func theBasicParameterSetHasItsOctets() throws {
    let expected = hex(
      "03 10 f0 1f 02000000000a0001 3ff84dc0ba352e20585b3064 00000007 0080c201 414243 00"
        .filter { $0 != " " })
    #expect(try Self.message(ckn: "414243").encoded() == expected)
  }

  @Test func theSAKUseHasItsOctets() throws {
    var message = try Self.message()
    message.sakUse = SAKUse(
      latest: .init(
        identifier: SAKIdentifier(keyServer: Self.own, number: 2), associationNumber: .init(truncating: 1),
        transmits: false, receives: true, lowestAcceptablePN: 1),
      old: .init(
        identifier: SAKIdentifier(keyServer: Self.own, number: 1), associationNumber: .zero, transmits: true,
        receives: true, lowestAcceptablePN: 0x0102),
      delayProtect: true)
    let basic = try Self.message().encoded().count
    let expected = hex(
      "03 53 10 28 3ff84dc0ba352e20585b3064 00000002 00000001 3ff84dc0ba352e20585b3064 00000001 00000102"
        .filter { $0 != " " })
    #expect(Array(try message.encoded().dropFirst(basic)) == expected)
  }

  @Test func theDistributedSAKHasBothForms() throws {
    var message = try Self.message()
    let basic = try message.encoded().count
    let wrap = [UInt8](repeating: 0xAB, count: 24)
    message.distributedSAK = .key(
      .init(
        associationNumber: .init(truncating: 2), confidentialityOffset: .thirty, number: 3,
        cipherSuiteIdentifier: CipherSuite.gcmAES128.identifier, wrapped: wrap))
    #expect(Array(try message.encoded().dropFirst(basic)) == hex("04a0001c00000003") + wrap)
    message.distributedSAK = .key(
      .init(
        associationNumber: .zero, confidentialityOffset: .zero, number: 3,
        cipherSuiteIdentifier: CipherSuite.gcmAESXPN256.identifier, wrapped: wrap + wrap.prefix(16)))
    #expect(
      Array(try message.encoded().dropFirst(basic))
        == hex("0410003400000003 0080c20001000004".filter { $0 != " " }) + wrap + wrap.prefix(16))
    message.distributedSAK = .plain
    #expect(Array(try message.encoded().dropFirst(basic)) == hex("04000000"))
  }

  @Test func theMisprintedIdentifierIsTaken() { #expect(CipherSuite(identifier: 0x0080_0200_0100_0001) == .gcmAES128) }

  @Test(arguments: 0..<8) func whatIsEncodedDecodesToTheSame(block: Int) throws {
    for seed in UInt64(block) * 500..<UInt64(block + 1) * 500 {
      var generator = SeededGenerator(seed: seed)
      let message = MKPDU.random(using: &generator)
      let body = try body(message)
      #expect(try MKPDU(decoding: body[...]) == message, "seed \(seed)")
      #expect(try MKPDU.basicParameterSet(of: body[...]) == message.basic, "seed \(seed)")
    }
  }

  @Test func alteredMessagesNeverTrap() throws {
    for seed in 0..<UInt64(20_000) {
      var generator = SeededGenerator(seed: seed)
      var body = try body(MKPDU.random(using: &generator))
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: body[Int.random(in: body.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
        case 1: body[Int.random(in: body.indices, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 2: body = Array(body.prefix(Int.random(in: 1...body.count, using: &generator)))
        default: body += generator.bytes(4 * Int.random(in: 0...8, using: &generator))
        }
      }
      // Whatever decodes is well formed: it encodes again and decodes to itself.
      guard let decoded = try? MKPDU(decoding: body[...]) else { continue }
      guard let again = try? decoded.encoded() else { continue }
      #expect(try MKPDU(decoding: (again + [UInt8](repeating: 0, count: 16))[...]) == decoded, "seed \(seed)")
    }
  }

  @Test func everyTruncationIsRefusedOrSound() throws {
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<200 {
      let body = try body(MKPDU.random(using: &generator))
      for length in 0..<body.count { _ = try? MKPDU(decoding: body.prefix(length)) }
    }
  }

  /// Sets behind a good basic set, and whether they are acceptable.
  @Test(arguments: [
    ("0100000f" + String(repeating: "00", count: 16), false),  // peer list of 15 octets
    ("01000020" + String(repeating: "00", count: 16), false),  // longer than the message
    ("03000027" + String(repeating: "00", count: 40), false),  // SAK use of 39
    ("0300002c" + String(repeating: "00", count: 44), true),  // SAK use longer than known
    ("0400001b" + String(repeating: "00", count: 28), false),  // distributed SAK of 27
    ("04000023" + String(repeating: "00", count: 36), false),  // of 35
    ("04000024000000010080c20001000002" + String(repeating: "00", count: 24), false),  // 256 bits in 24
    ("05000018" + String(repeating: "00", count: 24), false),  // distributed CAK without name
    ("05000039" + String(repeating: "00", count: 60), false),  // CKN of 33
    ("07000004de050000", false),  // an element beyond its set
    ("07000004e0000000", true),
    ("07000003fe010000", false),  // an organisation's element of 1 octet
    ("08000004" + String(repeating: "00", count: 4), false),  // XPN of 4
    ("c8012003aabbcc00", true),  // unknown
    ("ff000010", true),
    ("ff00000c", false),
    ("ff000010c8000000", false),  // not the last
  ])
  func setsOfWrongFormAreRefused(sets: String, isAcceptable: Bool) throws {
    let body = try Self.message().encoded() + hex(sets) + [UInt8](repeating: 0, count: 16)
    #expect(((try? MKPDU(decoding: body[...])) != nil) == isAcceptable)
  }

  @Test(arguments: [
    (0, 0x00),  // version 0
    (3, 0x1C),  // no CKN
    (3, 0x3D),  // CKN of 33
    (31, 0x02),  // algorithm agility
  ])
  func basicSetsOfWrongFormAreRefused(octet: Int, value: UInt8) throws {
    var body = try body(Self.message(ckn: String(repeating: "ab", count: 32)))
    body[octet] = value
    #expect(throws: MKAError.self) { _ = try MKPDU(decoding: body[...]) }
    #expect(throws: MKAError.self) { _ = try MKPDU.basicParameterSet(of: body[...]) }
  }

  @Test func aSetThatComesTwiceCountsOnce() throws {
    var message = try Self.message()
    message.livePeers = LivePeerList(peers: [PeerListEntry(memberIdentifier: Self.peer, messageNumber: 9)])
    let body = try message.encoded() + hex("01000000") + [UInt8](repeating: 0, count: 16)
    #expect(try MKPDU(decoding: body[...]) == message)
  }
}

@Suite struct MKPDUFrameTests {
  let ick = IntegrityCheckKey(secret: secret("8f1c5cb1c8ed2e5f047906e0473aad4d"))
  let source = MACAddress(rawValue: 0x0200_0000_000A)

  @Test func aFrameIsWhatItSays() throws {
    let frame = try MKPDUFrame(MKPDUCodingTests.message(), source: source, ick: ick)
    #expect(Array(frame.bytes.prefix(18)) == hex("0180c2000003 02000000000a 888e 0305 0034".filter { $0 != " " }))
    let received = try MKPDUFrame(received: frame.bytes + [UInt8](repeating: 0, count: 9))
    #expect(received == frame)
    #expect(try received.verifies(with: ick))
    #expect(try MKPDU(decoding: received.body) == MKPDUCodingTests.message())
  }

  @Test func anyChangedBitSpoilsTheICV() throws {
    let frame = try MKPDUFrame(MKPDUCodingTests.message(), source: source, ick: ick)
    for bit in 0..<frame.bytes.count * 8 {
      var altered = frame.bytes
      altered[bit / 8] ^= 1 << UInt8(bit % 8)
      guard let received = try? MKPDUFrame(received: altered) else { continue }
      #expect(try !received.verifies(with: ick), "bit \(bit)")
    }
  }

  @Test func theICVMayCoverTheStandardHeader() throws {
    let other = MACAddress(rawValue: 0xFFFF_FFFF_FFFF)
    let frame = try MKPDUFrame(
      MKPDUCodingTests.message(), source: source, ick: ick, destination: other, etherType: 0x876F,
      icvCoversStandardHeader: true)
    let standard = try MKPDUFrame(MKPDUCodingTests.message(), source: source, ick: ick)
    #expect(frame.bytes.suffix(16) == standard.bytes.suffix(16))
    let received = try MKPDUFrame(received: frame.bytes, etherType: 0x876F)
    #expect(try received.verifies(with: ick, icvCoversStandardHeader: true))
    #expect(try !received.verifies(with: ick))
  }

  @Test func otherFramesAreNotMKA() throws {
    let frame = try MKPDUFrame(MKPDUCodingTests.message(), source: source, ick: ick).bytes
    for (octet, value) in [(12, 0x08), (14, 2), (15, 3)] as [(Int, UInt8)] {
      var other = frame
      other[octet] = value
      #expect(throws: MKAError(.notMKA, "")) { try MKPDUFrame(received: other) }
    }
    #expect(throws: MKAError(.invalidLength, "")) { try MKPDUFrame(received: Array(frame.dropLast())) }
    #expect(throws: MKAError(.invalidLength, "")) { try MKPDUFrame(received: Array(frame.prefix(17))) }
    #expect(throws: MKAError(.invalidLength, "")) { try MKPDUFrame(received: []) }
  }
}

extension MKPDU {
  /// Any message that can be encoded.
  static func random(using generator: inout SeededGenerator) -> MKPDU {
    func number(_ generator: inout SeededGenerator) -> UInt32 { UInt32.random(in: 0...UInt32.max, using: &generator) }
    func member(_ generator: inout SeededGenerator) -> MemberIdentifier { MemberIdentifier(generator.bytes(12))! }
    func some(_ generator: inout SeededGenerator) -> Bool { Bool.random(using: &generator) }
    func peers(_ generator: inout SeededGenerator) -> [PeerListEntry] {
      (0..<Int.random(in: 0...10, using: &generator)).map { _ in
        PeerListEntry(memberIdentifier: member(&generator), messageNumber: number(&generator))
      }
    }
    func ckn(_ generator: inout SeededGenerator) -> CKN {
      try! CKN(generator.bytes(Int.random(in: CKN.lengths, using: &generator)))
    }
    func key(_ generator: inout SeededGenerator) -> SAKUse.Key {
      SAKUse.Key(
        identifier: SAKIdentifier(keyServer: member(&generator), number: max(1, number(&generator))),
        associationNumber: .init(truncating: UInt8.random(in: 0...3, using: &generator)), transmits: some(&generator),
        receives: some(&generator), lowestAcceptablePN: number(&generator))
    }
    var message = MKPDU(
      basic: BasicParameterSet(
        version: UInt8.random(in: 1...3, using: &generator),
        keyServerPriority: UInt8.random(in: 0...255, using: &generator), isKeyServer: some(&generator),
        desiresMACsec: some(&generator),
        capability: MACsecCapability(rawValue: UInt8.random(in: 0...3, using: &generator))!,
        sci: SCI(rawValue: UInt64.random(in: 0...UInt64.max, using: &generator)),
        memberIdentifier: member(&generator), messageNumber: number(&generator), ckn: ckn(&generator)))
    if some(&generator) {
      message.livePeers = LivePeerList(
        peers: peers(&generator), keyServerSSCI: UInt8.random(in: 0...255, using: &generator))
    }
    if some(&generator) { message.potentialPeers = peers(&generator) }
    if some(&generator) {
      message.sakUse =
        some(&generator)
        ? SAKUse(usesMACsec: false)
        : SAKUse(
          latest: key(&generator), old: some(&generator) ? key(&generator) : nil, plainTransmit: some(&generator),
          plainReceive: some(&generator), delayProtect: some(&generator))
    }
    if some(&generator) {
      let suite = CipherSuite.allCases.randomElement(using: &generator)!
      message.distributedSAK =
        some(&generator)
        ? .plain
        : .key(
          .init(
            associationNumber: .init(truncating: UInt8.random(in: 0...3, using: &generator)),
            confidentialityOffset: ConfidentialityOffset.allCases.randomElement(using: &generator)!,
            number: number(&generator), cipherSuiteIdentifier: suite.identifier,
            wrapped: generator.bytes(suite.keyLength + 8)))
    }
    if some(&generator) { message.distributedCAK = DistributedCAK(wrapped: generator.bytes(24), ckn: ckn(&generator)) }
    if some(&generator) { message.keyManagementDomain = generator.bytes(Int.random(in: 0...40, using: &generator)) }
    if some(&generator) {
      message.announcement = [
        .cipherSuites([CipherSuiteAnnouncement(capability: .integrity, identifier: 1)]),
        .accessInformation(generator.bytes(10)), .keyManagementDomain(generator.bytes(3)),
        .networkIdentity(generator.bytes(5)), .organizationallySpecificSet(generator.bytes(7)),
        .organizationallySpecific(
          OrganizationallySpecificTLV(
            organization: 0x12_3456, subtype: 3, data: generator.bytes(Int.random(in: 0...99, using: &generator)))),
        .other(type: 1, value: generator.bytes(9)),
      ]
    }
    if some(&generator) {
      message.extendedPacketNumbers = XPNParameterSet(
        suspensionTime: UInt8.random(in: 0...120, using: &generator),
        latestLowestAcceptablePNHigh: number(&generator), oldLowestAcceptablePNHigh: number(&generator))
    }
    if some(&generator) {
      message.unknown = [
        UnknownParameterSet(
          type: UInt8.random(in: 9...254, using: &generator), flags: UInt16.random(in: 0...0xFFF, using: &generator),
          body: generator.bytes(Int.random(in: 0...40, using: &generator)))
      ]
    }
    message.hasICVIndicator = some(&generator)
    return message
  }
}
