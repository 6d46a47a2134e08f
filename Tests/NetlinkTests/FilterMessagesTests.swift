// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import Netlink

@Suite struct FilterMessagesTests {
  static let filter = LinkFilter(
    link: "eth0",
    patterns: [LinkFilter.Pattern(0x88E5), LinkFilter.Pattern(0x888E), LinkFilter.Pattern(tags: [0x8100], 0x88E5)])

  @Test func replacesInOneBatch() {
    let messages = FilterMessages.replace(Self.filter, sequence: 5)
    #expect(messages.map(\.sequence) == Array(5..<UInt32(5 + messages.count)))
    // Beginning, table made, deleted and made anew, and for each direction a chain, three rules and the last; end.
    let kinds = messages.map(\.type)
    let chain: [UInt16] = [0xA03, 0xA06, 0xA06, 0xA06, 0xA06]
    #expect(kinds == [16, 0xA00, 0xA02, 0xA00] + chain + chain + [17])
    #expect(messages.first?.payload == [0, 0, 0, 10] && messages.last?.payload == [0, 0, 0, 10])
    for message in messages.dropFirst().dropLast() {
      #expect(message.flags.contains(.acknowledge) && message.payload.prefix(4) == [5, 0, 0, 0])
      #expect(message.flags.contains(.append) == (message.type == 0xA06))
    }
  }

  @Test func hooksChainsThatDrop() throws {
    let chains = FilterMessages.replace(Self.filter, sequence: 5).filter { $0.type == 0xA03 }
    let priorities: [UInt32] = [UInt32(bitPattern: -1_000), 1_000]
    for (index, chain) in chains.enumerated() {
      let attributes = try NetlinkAttributes(chain.payload[4...])
      let hook = try #require(try attributes.nested(4))
      #expect(try attributes.text(1) == "agentd-port-eth0" && attributes.text(7) == "filter")
      #expect(try attributes.uint32(5) == 0)  // NF_DROP
      #expect(try hook.uint32(1)?.bigEndian == UInt32(index))
      #expect(try hook.uint32(2)?.bigEndian == priorities[index])
      #expect(try FilterMessages.hookedLink(chain) == "eth0")
    }
  }

  @Test func acceptsByEtherTypeAndDropsTheRest() throws {
    let rules = FilterMessages.replace(Self.filter, sequence: 5).filter { $0.type == 0xA06 }
    // The last rule counts.
    #expect(
      try rules.compactMap { try FilterMessages.rule($0) }.map(\.counted) == [nil, nil, nil, 0, nil, nil, nil, 0])
    #expect(try rules.compactMap { try FilterMessages.rule($0)?.chain }.prefix(4).allSatisfy { $0 == "ingress" })
    // payload load 2b @ link header + 12 => reg 1; cmp eq reg 1 0x88e5; immediate accept
    let accept: [UInt8] = [
      0x34, 0, 1, 0x80, 12, 0, 1, 0, 0x70, 0x61, 0x79, 0x6C, 0x6F, 0x61, 0x64, 0, 0x24, 0, 2, 0x80,
      8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 0, 8, 0, 3, 0, 0, 0, 0, 12, 8, 0, 4, 0, 0, 0, 0, 2,
      0x2C, 0, 1, 0x80, 8, 0, 1, 0, 0x63, 0x6D, 0x70, 0, 0x20, 0, 2, 0x80,
      8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 0, 12, 0, 3, 0x80, 6, 0, 1, 0, 0x88, 0x8E, 0, 0,
      0x30, 0, 1, 0x80, 14, 0, 1, 0, 0x69, 0x6D, 0x6D, 0x65, 0x64, 0x69, 0x61, 0x74, 0x65, 0, 0, 0, 0x1C, 0, 2, 0x80,
      8, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 2, 0x80, 12, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1,
    ]
    // Rules are in the order of their EtherTypes: the one with a tag, EAPOL, MACsec.
    let attributes = try NetlinkAttributes(rules[1].payload[4...])
    #expect(attributes.bytes(4).map(Array.init) == accept)
  }

  @Test func equalFiltersHaveEqualComments() {
    let same = LinkFilter(link: "eth1", patterns: Set(Self.filter.patterns.shuffled()))
    #expect(same.comment == Self.filter.comment && same.comment == "agentd 1: 8100>88e5 888e 88e5")
    var other = same
    other.patterns.insert(LinkFilter.Pattern(0x88CC))
    #expect(other.comment != same.comment)
  }

  @Test func takesOnlyItsOwnTables() throws {
    let tables = FilterMessages.replace(Self.filter, sequence: 1).filter { $0.type == 0xA00 }
    let table = try #require(try FilterMessages.table(tables[1]))
    #expect(table.link == "eth0" && table.comment == FilterMessages.userData(Self.filter.comment))
    let foreign = LinkFilter(link: "x", patterns: [])
    var message = try #require(FilterMessages.replace(foreign, sequence: 1).first { $0.type == 0xA00 })
    message.payload[8] = UInt8(ascii: "b")
    #expect(try FilterMessages.table(message) == nil)
  }

  @Test func cutsAStackOffInBothFamilies() throws {
    let messages = try StackMessages.install(link: "eth0", sequence: 5)
    #expect(messages.map(\.sequence) == Array(5..<UInt32(5 + messages.count)))
    let one: [UInt16] = [0xA00, 0xA02, 0xA00, 0xA03, 0xA06]
    #expect(messages.map(\.type) == [16] + one + one + [17])
    #expect(messages.dropFirst().dropLast().map { $0.payload[0] } == Array(repeating: 1, count: 5) + [3, 3, 3, 3, 3])
    let chain = try NetlinkAttributes(messages[4].payload[4...])
    // Accepts by default; hooked to no link.
    #expect(try chain.uint32(5)?.bigEndian == 1 && chain.nested(4)?.text(3) == nil)
    // meta load iifname => reg 1; cmp eq reg 1 "eth0"
    let rule = try #require(try NetlinkAttributes(messages[5].payload[4...]).bytes(4).map(Array.init))
    let expected: [UInt8] = [
      0x24, 0, 1, 0x80, 9, 0, 1, 0, 0x6D, 0x65, 0x74, 0x61, 0, 0, 0, 0, 0x14, 0, 2, 0x80,
      8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 6,
      0x38, 0, 1, 0x80, 8, 0, 1, 0, 0x63, 0x6D, 0x70, 0, 0x2C, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1,
      8, 0, 2, 0, 0, 0, 0, 0, 0x18, 0, 3, 0x80, 0x14, 0, 1, 0, 0x65, 0x74, 0x68, 0x30,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
    #expect(Array(rule.prefix(expected.count)) == expected)
    #expect(throws: NetlinkError.self) { try StackMessages.install(link: "a name too long for a link", sequence: 1) }
  }
}
