// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import Netlink

/// Byte vectors are those of a little-endian machine, as written by the kernel.
func bytes(_ hex: String) -> [UInt8] {
  let digits = hex.filter { !$0.isWhitespace }
  return stride(from: 0, to: digits.count, by: 2).map { offset in
    let start = digits.index(digits.startIndex, offsetBy: offset)
    return UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16) ?? 0
  }
}

@Suite struct NetlinkMessageTests {
  // RTM_NEWLINK: index 7, up|running|lower-up, name "eth0", mtu 1500, address, master 3, operstate up, kind "veth".
  static let link = bytes(
    """
    70000000 1000 0200 05000000 d2040000
    00 00 0100 07000000 43100100 00000000
    0900 0300 65746830 00 000000
    0800 0400 dc050000
    0a00 0100 020000000001 0000
    0800 0a00 03000000
    0800 0500 09000000
    0500 1000 06 000000
    1000 1280 0900 0100 76657468 00 000000
    0600 ff3f 0000 0000
    """)
  // RTM_NEWADDR: IPv4 192.0.2.1/24 on link 7, peer address 192.0.2.2.
  static let address = bytes(
    """
    28000000 1400 0200 05000000 d2040000
    02 18 80 00 07000000
    0800 0100 c0000202
    0800 0200 c0000201
    """)

  @Test func decodesALink() throws {
    let message = try #require(try NetlinkMessage.decode(Self.link).first)
    #expect(message.sequence == 5 && message.port == 1234 && message.flags == .multipart)
    let link = try RouteMessages.link(message)
    #expect(
      link
        == Link(
          index: 7, name: "eth0", flags: Link.Flags(rawValue: 0x11043), operationalState: .up, mtu: 1500,
          hardwareAddress: [2, 0, 0, 0, 0, 1], master: 3, parent: 9, kind: "veth", hardwareType: 1))
    #expect(link?.flags.isSuperset(of: [.up, .running, .lowerUp]) == true && link?.isVRF == false)
    #expect(try RouteMessages.address(message) == nil)
  }

  @Test func decodesAnAddress() throws {
    let message = try #require(try NetlinkMessage.decode(Self.address).first)
    let address = try RouteMessages.address(message)
    #expect(
      address
        == LinkAddress(
          family: .ipv4, bytes: [192, 0, 2, 1], prefixLength: 24, scope: .universe, link: 7, isTentative: false))
    #expect(try RouteMessages.link(message) == nil)
  }

  @Test func severalMessagesInADatagram() throws {
    #expect(try NetlinkMessage.decode(Self.link + Self.address).count == 2)
    #expect(try NetlinkMessage.decode([]).isEmpty)
  }

  @Test func encodingAndDecodingFit() throws {
    let request = try RouteMessages.getLink(named: "eth0", sequence: 9)
    #expect(try NetlinkMessage.decode(request.encoded) == [request])
    #expect(
      request.encoded
        == bytes(
          """
          2c000000 1200 0100 09000000 00000000
          00 00 0000 00000000 00000000 00000000
          0900 0300 65746830 00 000000
          """))
    #expect(
      RouteMessages.getAddresses(link: 7, sequence: 1).encoded
        == bytes("18000000 1600 0103 01000000 00000000 00 00 00 00 07000000"))
  }

  @Test(arguments: ["", "abcdefghijklmnop", "a\0b"])
  func wrongNamesAreRefused(name: String) {
    #expect(throws: NetlinkError.self) { try RouteMessages.getLink(named: name, sequence: 1) }
  }

  /// Every truncation of a good datagram is an error or fewer messages, never a trap.
  @Test func truncationsAreErrors() throws {
    for full in [Self.link, Self.address] {
      for length in 1..<full.count {
        #expect(throws: NetlinkError.self, "\(length) of \(full.count)") {
          try NetlinkMessage.decode(Array(full[..<length]))
        }
        // The same with a header that says so: then the attributes are cut.
        guard length >= 16 else { continue }
        var cut = Array(full[..<length])
        cut[0] = UInt8(length)
        if let message = try NetlinkMessage.decode(cut).first {
          _ = try? RouteMessages.link(message)
          _ = try? RouteMessages.address(message)
        }
      }
    }
  }

  @Test func anyByteMayBeWrong() {
    for full in [Self.link, Self.address] {
      for position in full.indices {
        for value in [0, 1, 3, 4, 0x7F, 0x80, 0xFF] as [UInt8] {
          var altered = full
          altered[position] = value
          for message in (try? NetlinkMessage.decode(altered)) ?? [] {
            _ = try? RouteMessages.link(message)
            _ = try? RouteMessages.address(message)
            _ = try? message.failure()
          }
        }
      }
    }
  }

  @Test(arguments: [
    (
      "an attribute shorter than its header",
      "24000000 1000 0000 05000000 00000000 00000100 07000000 00000000 00000000 0300 0300"
    ),
    (
      "an attribute longer than the message",
      "24000000 1000 0000 05000000 00000000 00000100 07000000 00000000 00000000 0900 0300"
    ),
    ("no name", "20000000 1000 0000 05000000 00000000 00000100 07000000 00000000 00000000"),
    (
      "index 0", "2c000000 1000 0000 05000000 00000000 00000100 00000000 00000000 00000000 0900 0300 65746830 00 000000"
    ),
    (
      "an MTU of two bytes",
      "34000000 1000 0000 05000000 00000000 00000100 07000000 00000000 00000000 0900 0300 65746830 00 000000 0600 0400 dc05 0000"
    ),
    ("no header", "14000000 1000 0000 05000000 00000000 00000100"),
  ])
  func malformedLinks(what: String, hex: String) throws {
    let message = try #require(try NetlinkMessage.decode(bytes(hex)).first, "\(what)")
    #expect(throws: NetlinkError.self, "\(what)") { try RouteMessages.link(message) }
  }

  @Test(arguments: [
    ("no address", "18000000 1400 0000 05000000 00000000 02 18 00 00 07000000"),
    ("IPv6 of four bytes", "20000000 1400 0000 05000000 00000000 0a 18 00 00 07000000 0800 0100 c0000201"),
    ("a prefix of 33 bits", "20000000 1400 0000 05000000 00000000 02 21 00 00 07000000 0800 0100 c0000201"),
  ])
  func malformedAddresses(what: String, hex: String) throws {
    let message = try #require(try NetlinkMessage.decode(bytes(hex)).first, "\(what)")
    #expect(throws: NetlinkError.self, "\(what)") { try RouteMessages.address(message) }
  }

  @Test func otherFamiliesAreNotAddressesOfOurs() throws {
    let message = try #require(
      try NetlinkMessage.decode(bytes("18000000 1400 0000 05000000 00000000 07 18 00 00 07000000")).first)
    #expect(try RouteMessages.address(message) == nil)
  }
}

@Suite struct NetlinkCollectorTests {
  private let dump = RouteMessages.getAddresses(link: 7, sequence: 5)

  @Test func collectsADump() throws {
    var collector = NetlinkCollector(request: dump, limit: 10)
    try collector.take(NetlinkMessageTests.address)
    try collector.take(NetlinkMessageTests.address)
    #expect(!collector.isComplete)
    try collector.take(bytes("14000000 0300 0200 05000000 00000000 00000000"))
    #expect(collector.isComplete && collector.messages.count == 2 && !collector.isInterrupted)
  }

  @Test func otherSequencesAreNotOurs() throws {
    var collector = NetlinkCollector(request: RouteMessages.getAddresses(link: 7, sequence: 6), limit: 10)
    try collector.take(NetlinkMessageTests.address)
    #expect(collector.messages.isEmpty && !collector.isComplete)
  }

  @Test func interruptionIsSeen() throws {
    var collector = NetlinkCollector(request: dump, limit: 10)
    try collector.take(bytes("14000000 0300 1200 05000000 00000000 00000000"))
    #expect(collector.isComplete && collector.isInterrupted)
  }

  @Test func refusalsCarryTheReason() {
    // ENODEV with the kernel's words "no such" in an extended acknowledgement, the request's payload left away.
    let datagram = bytes(
      """
      30000000 0200 0003 05000000 00000000
      edffffff 20000000 1200 0500 05000000 00000000
      0c00 0100 6e6f2073 75636800
      """)
    var collector = NetlinkCollector(request: dump, limit: 10)
    #expect(throws: NetlinkError.refused(errorNumber: 19, reason: "no such")) { try collector.take(datagram) }
    #expect(NetlinkError.refused(errorNumber: 19, reason: "no such").description.contains("no such"))
    var plain = NetlinkCollector(request: dump, limit: 10)
    #expect(throws: NetlinkError.refused(errorNumber: 1, reason: nil)) {
      try plain.take(bytes("24000000 0200 0000 05000000 00000000 ffffffff 20000000 1200 0500 05000000 00000000"))
    }
    var absurd = NetlinkCollector(request: dump, limit: 10)
    #expect(throws: NetlinkError.malformed("error number 7")) {
      try absurd.take(bytes("14000000 0200 0000 05000000 00000000 07000000"))
    }
  }

  @Test func answersAreBounded() throws {
    var collector = NetlinkCollector(request: dump, limit: 2)
    try collector.take(NetlinkMessageTests.address + NetlinkMessageTests.address)
    #expect(throws: NetlinkError.self) { try collector.take(NetlinkMessageTests.address) }
  }
}

/// The real kernel: the loopback interface is everywhere.
@Suite struct RTNetlinkTests {
  @Test func findsTheLoopback() throws {
    let loopback = try #require(try RTNetlink.link(named: "lo"))
    #expect(loopback.flags.contains(.loopback) && loopback.mtu > 0 && loopback.index > 0)
    #expect(try RTNetlink.link(index: loopback.index) == loopback)
    #expect(try RTNetlink.links().contains { $0.name == "lo" && $0.index == loopback.index })
    let addresses = try RTNetlink.addresses(of: loopback)
    #expect(addresses.contains { $0.bytes == [127, 0, 0, 1] && $0.prefixLength == 8 && $0.scope == .host })
    #expect(addresses.allSatisfy { $0.link == loopback.index })
  }

  @Test func absentLinksAreNil() throws {
    #expect(try RTNetlink.link(named: "no-such-link") == nil)
    #expect(try RTNetlink.link(index: 0x7FFF_FFF0) == nil)
    #expect(try RTNetlink.addresses(ofLink: 0x7FFF_FFF0).isEmpty)
  }

  @Test func manyCallsLeakNoDescriptor() throws {
    let before = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    for _ in 0..<200 { _ = try RTNetlink.link(named: "lo") }
    let after = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    #expect(after < before + 100, "other tests open descriptors too, but not hundreds")
  }
}
