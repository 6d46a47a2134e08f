// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import Netlink

/// Byte vectors are those of a little-endian machine, as written by the kernel.
private func octets(_ hex: String) -> [UInt8] {
  let digits = Array(hex.filter { !$0.isWhitespace })
  return stride(from: 0, to: digits.count, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16) ?? 0 }
}

@Suite struct MACsecMessagesTests {
  static let settings = MACsecSettings(
    protects: true, encrypts: true, validation: .strict, replayProtect: true, replayWindow: 64)
  static let keyIdentifier = [UInt8](0xA0...0xAF)

  @Test func asksForAFamily() throws {
    let request = GenericNetlink.getFamily(named: "macsec", sequence: 9)
    #expect(
      request.encoded
        == octets("20000000 1000 0100 09000000 00000000 03 01 0000 0b00 0200 6d616373656300 00"))
    // CTRL_CMD_NEWFAMILY with name, number and version.
    let answer = NetlinkMessage(
      type: 16, flags: [], sequence: 9,
      payload: octets("01 02 0000 0b00 0200 6d616373656300 00 0600 0100 1c00 0000 0800 0300 01000000"))
    #expect(try GenericNetlink.familyIdentifier(answer) == 28)
  }

  @Test func makesADevice() throws {
    let device = NewMACsecDevice(
      name: "ms-eth0", parent: 7, sci: 0x0200_0000_0001_0001, cipherSuite: 0x0080_C200_0100_0004,
      settings: Self.settings)
    let message = try MACsecMessages.newDevice(device, sequence: 1)
    #expect(message.type == 16 && message.flags == [.request, .acknowledge, .create, .exclusive])
    #expect(
      message.payload
        == octets(
          """
          00 00 0000 00000000 00000000 00000000
          0c00 0300 6d732d6574683000
          0800 0500 07000000
          6400 1280
            0b00 0100 6d6163736563 00 00
            5400 0280
              0c00 0100 0200000000010001
              0500 0300 10 000000
              0c00 0400 0400000100c28000
              0500 0900 01 000000
              0800 0500 40000000
              0500 0700 01 000000
              0500 0800 01 000000
              0500 0c00 01 000000
              0500 0d00 02 000000
          """))
    let named = NewMACsecDevice(
      name: "a name too long for a link", parent: 7, sci: 1, cipherSuite: 1, settings: Self.settings)
    #expect(throws: NetlinkError.self) { try MACsecMessages.newDevice(named, sequence: 1) }
  }

  @Test func changesADevice() {
    let message = MACsecMessages.changeDevice(9, encodingAssociation: 3, sequence: 1)
    #expect(message.type == 16 && message.flags == [.request, .acknowledge])
    #expect(
      message.payload
        == octets(
          """
          00 00 0000 09000000 00000000 00000000
          1c00 1280 0b00 0100 6d6163736563 00 00 0c00 0280 0500 0600 03 000000
          """))
    let state = MACsecMessages.setOperationalState(9, isDormantByDefault: true, .dormant, sequence: 1)
    #expect(
      state.payload
        == octets("00 00 0000 09000000 00000000 00000000 0500 1100 01 000000 0500 1000 05 000000"))
  }

  @Test func addsAndDeletesChannels() {
    let add = MACsecMessages.channel(.addChannel, family: 28, device: 9, sci: 0x0200_0000_0002_0001, sequence: 1)
    #expect(add.type == 28 && add.flags == [.request, .acknowledge])
    #expect(
      add.payload
        == octets(
          "01 01 0000 0800 0100 09000000 1800 0280 0c00 0100 0200000000020001 0500 0200 01 000000"))
    let delete = MACsecMessages.channel(
      .deleteChannel, family: 28, device: 9, sci: 0x0200_0000_0002_0001, sequence: 1)
    #expect(delete.payload == octets("02 01 0000 0800 0100 09000000 1000 0280 0c00 0100 0200000000020001"))
  }

  @Test func installsAReceiveAssociationWithExtendedPacketNumbers() throws {
    let association = NewMACsecAssociation(
      number: 2, packetNumber: 1, isActive: true, keyIdentifier: Self.keyIdentifier,
      extended: NewMACsecAssociation.Extension(shortIdentifier: 2, salt: [UInt8](0x50...0x5B)))
    let message = try MACsecMessages.add(
      association, keyLength: 16, family: 28, device: 9, channel: 0x0200_0000_0002_0001, sequence: 1)
    #expect(
      message.payload
        == octets(
          """
          07 01 0000
          0800 0100 09000000
          6000 0380
            1400 0400 00000000000000000000000000000000
            0500 0100 02 000000
            0c00 0300 0100000000000000
            1400 0500 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf
            0500 0200 01 000000
            0800 0800 00000002
            1000 0900 505152535455565758595a5b
          1000 0280 0c00 0100 0200000000020001
          """))
  }

  @Test func fillsTheKeyInAtItsPlace() throws {
    let key = [UInt8](1...32)
    let association = NewMACsecAssociation(
      number: 1, packetNumber: 1, isActive: false, keyIdentifier: Self.keyIdentifier, extended: nil)
    let message = try MACsecMessages.add(
      association, keyLength: 32, family: 28, device: 9, channel: nil, sequence: 1)
    var encoded = message.encoded
    let secret = NetlinkSecret(range: MACsecMessages.keyRange(keyLength: 32)) { use in key.withUnsafeBytes(use) }
    try secret.fill(&encoded)
    let filled = try #require(try NetlinkMessage.decode(encoded).first)
    let nested = try #require(try GenericNetlink.attributes(filled).nested(3))
    #expect(nested.bytes(4).map(Array.init) == key)
    #expect(try nested.uint32(3) == 1 && nested.bytes(8) == nil && nested.bytes(9) == nil)
    // Nothing but the key is changed.
    encoded.replaceSubrange((16 + 20)..<(16 + 52), with: [UInt8](repeating: 0, count: 32))
    #expect(encoded == message.encoded)
    let short = NetlinkSecret(range: MACsecMessages.keyRange(keyLength: 32)) { use in key[..<16].withUnsafeBytes(use) }
    #expect(throws: NetlinkError.self) { try short.fill(&encoded) }
  }

  @Test func refusesAssociationsThatCannotBe() throws {
    func add(_ number: UInt8, _ key: Int, _ identifier: Int, _ pn: UInt64) throws(NetlinkError) {
      let association = NewMACsecAssociation(
        number: number, packetNumber: pn, isActive: true, keyIdentifier: [UInt8](repeating: 0, count: identifier),
        extended: nil)
      _ = try MACsecMessages.add(association, keyLength: key, family: 28, device: 9, channel: nil, sequence: 1)
    }
    try add(3, 16, 16, UInt64(UInt32.max))
    #expect(throws: NetlinkError.self) { try add(4, 16, 16, 1) }
    #expect(throws: NetlinkError.self) { try add(0, 24, 16, 1) }
    #expect(throws: NetlinkError.self) { try add(0, 16, 15, 1) }
    #expect(throws: NetlinkError.self) { try add(0, 16, 16, 1 << 32) }
  }

  @Test func updatesAndDeletesAssociations() throws {
    let enable = try MACsecMessages.update(
      1, isActive: true, packetNumber: nil, isExtended: false, family: 28, device: 9, channel: nil, sequence: 1)
    #expect(
      enable.payload
        == octets("06 01 0000 0800 0100 09000000 1400 0380 0500 0100 01 000000 0500 0200 01 000000"))
    let raise = try MACsecMessages.update(
      1, isActive: nil, packetNumber: 500, isExtended: true, family: 28, device: 9, channel: 5, sequence: 1)
    #expect(
      raise.payload
        == octets(
          """
          09 01 0000 0800 0100 09000000 1800 0380 0500 0100 01 000000 0c00 0300 f401000000000000
          1000 0280 0c00 0100 0000000000000005
          """))
    let delete = MACsecMessages.delete(1, family: 28, device: 9, channel: nil, sequence: 1)
    #expect(delete.payload == octets("05 01 0000 0800 0100 09000000 0c00 0380 0500 0100 01 000000"))
  }

  /// One device of a dump: settings, one transmit association with 32-bit numbers, one receive channel with one.
  static let dump = octets(
    """
    00 01 0000
    0800 0100 09000000
    6800 0400
      0c00 0100 0200000000010001
      0500 0200 01 000000
      0c00 0400 0100000100c28000
      0500 0500 10 000000
      0500 0800 01 000000
      0500 0600 01 000000
      0500 0700 01 000000
      0500 0900 02 000000
      0500 0a00 01 000000
      0500 0b00 01 000000
      0800 0300 40000000
      0400 0e00
    1c00 0700 0c00 0200 0700000000000000 0c00 0400 d204000000000000
    1000 0800 0c00 0400 0300000000000000
    4000 0500 3c00 0100
      0500 0100 01 000000
      0800 0300 08000000
      1400 0500 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf
      0500 0200 01 000000
      0c00 0600 0800 0700 07000000
    6000 0600 5c00 0100
      0500 0200 01 000000
      0c00 0100 0200000000020001
      3400 0300 3000 0100
        0500 0100 01 000000
        0500 0200 01 000000
        0800 0300 0a000000
        1400 0500 a0a1a2a3a4a5a6a7a8a9aaabacadaeaf
      1000 0400 0c00 0500 0900000000000000
    """)

  @Test func readsADevice() throws {
    let device = try MACsecMessages.device(NetlinkMessage(type: 28, flags: [], sequence: 1, payload: Self.dump))
    #expect(device.index == 9 && device.sci == 0x0200_0000_0001_0001 && device.cipherSuite == 0x0080_C200_0100_0001)
    #expect(device.settings == Self.settings && device.encodingAssociation == 1)
    #expect(device.counters[MACsecCounter.Device.inPacketsNoTag] == 3)
    #expect(device.counters[MACsecCounter.Device.inPacketsBadTag] == 0)
    #expect(device.transmitCounters[MACsecCounter.Transmit.outPacketsEncrypted] == 7)
    #expect(device.transmitCounters[MACsecCounter.Transmit.outOctetsEncrypted] == 1_234)
    let transmit = try #require(device.transmit.first)
    #expect(transmit.number == 1 && transmit.isActive && transmit.packetNumber == 8)
    #expect(transmit.keyIdentifier == Self.keyIdentifier)
    #expect(transmit.counters[MACsecCounter.Association.outPacketsEncrypted] == 7)
    let channel = try #require(device.receive.first)
    #expect(channel.sci == 0x0200_0000_0002_0001 && channel.isActive)
    #expect(channel.counters[MACsecCounter.Receive.inPacketsOK] == 9)
    #expect(channel.associations.map(\.packetNumber) == [10])
  }

  /// No answer, cut or changed anywhere, does more than throw.
  @Test func survivesDamagedAnswers() {
    for end in 0..<Self.dump.count {
      _ = try? MACsecMessages.device(
        NetlinkMessage(type: 28, flags: [], sequence: 1, payload: Array(Self.dump.prefix(end))))
    }
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<5_000 {
      var damaged = Self.dump
      for _ in 0..<3 { damaged[Int.random(in: damaged.indices, using: &generator)] = .random(in: 0...255) }
      _ = try? MACsecMessages.device(NetlinkMessage(type: 28, flags: [], sequence: 1, payload: damaged))
    }
  }
}
