// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import Netlink

/// The bytes of requests that change something, compared with those that iproute2 sends for the same.
@Suite struct ChangeMessagesTests {
  @Test func xfrmInterface() throws {
    let message = try RouteMessages.newLink(
      NewLink(name: "tunnel-ip1", kind: .xfrm(identifier: 7, underlying: 3)), sequence: 1)
    #expect(
      message.encoded
        == bytes(
          """
          54000000 1000 0506 01000000 00000000
          00 00 0000 00000000 00000000 00000000
          0f00 0300 74756e6e656c2d697031 00 00
          2400 1280  0900 0100 7866726d 00 000000
          1400 0280  0800 0100 03000000  0800 0200 07000000
          """
        ))
    #expect(throws: NetlinkError.self) {
      try RouteMessages.newLink(NewLink(name: "t", kind: .xfrm(identifier: 0, underlying: nil)), sequence: 1)
    }
  }

  @Test func namesAreChecked() {
    for name in ["", ".", "..", "a/b", "a b", "a:b", "sixteen-letters-", "a\u{0}"] {
      #expect(throws: NetlinkError.self, "\(name)") {
        try RouteMessages.newLink(NewLink(name: name, kind: .dummy), sequence: 1)
      }
    }
  }

  @Test func settings() throws {
    let message = try RouteMessages.setLink(
      index: 5, LinkSettings(isUp: true, mtu: 1500, alias: "up"), sequence: 2)
    #expect(
      message.encoded
        == bytes(
          """
          30000000 1000 0500 02000000 00000000
          00 00 0000 05000000 01000000 01000000
          0800 0400 dc050000  0600 1400 7570 0000
          """))
    let down = try RouteMessages.setLink(index: 5, LinkSettings(isUp: false), sequence: 3)
    #expect(down.encoded == bytes("20000000 1000 0500 03000000 00000000 00 00 0000 05000000 00000000 01000000"))
    let member = try RouteMessages.setLink(index: 5, LinkSettings(master: 9), sequence: 3)
    #expect(
      member.encoded
        == bytes("28000000 1000 0500 03000000 00000000 00 00 0000 05000000 00000000 00000000 0800 0a00 09000000"))
    #expect(throws: NetlinkError.self) {
      try RouteMessages.setLink(index: 5, LinkSettings(alias: String(repeating: "x", count: 256)), sequence: 4)
    }
  }

  @Test func addresses() throws {
    let address = try #require(AddressPrefix(address: "192.0.2.1", length: 26))
    #expect(
      RouteMessages.addAddress(address, origin: 173, link: 7, sequence: 1).encoded
        == bytes(
          """
          38000000 1400 0506 01000000 00000000
          02 1a 00 00 07000000
          0800 0200 c0000201  0800 0100 c0000201  0800 0400 c000023f  0500 0b00 ad 000000
          """))
    let host = try #require(AddressPrefix(address: "192.0.2.1", length: 32))
    #expect(
      RouteMessages.deleteAddress(host, link: 7, sequence: 1).encoded
        == bytes(
          "28000000 1500 0500 01000000 00000000 02 20 00 00 07000000 0800 0200 c0000201 0800 0100 c0000201"))
    // Link-local addresses have the scope of the link.
    let local = try #require(AddressPrefix(address: "fe80::1", length: 64))
    #expect(RouteMessages.addAddress(local, origin: 0, link: 7, sequence: 1).payload[3] == 253)
  }

  @Test func routesAreReadAsTheyAreWritten() throws {
    for route in [
      Route(to: try #require(AddressPrefix(address: "198.51.100.0", length: 24)), link: 3),
      Route(
        to: try #require(AddressPrefix(address: "0.0.0.0", length: 0)), link: 3, gateway: [192, 0, 2, 1], table: 70_000,
        origin: 173, metric: 20),
      Route(to: try #require(AddressPrefix(address: "2001:db8::", length: 32)), link: 9, table: 100),
    ] {
      var message = try RouteMessages.replaceRoute(route, sequence: 1)
      message.flags = []
      #expect(try RouteMessages.route(message) == route)
    }
    let destination = try #require(AddressPrefix(address: "198.51.100.0", length: 24))
    #expect(throws: NetlinkError.self) {
      try RouteMessages.replaceRoute(Route(to: destination, link: nil), sequence: 1)
    }
    #expect(throws: NetlinkError.self) {
      try RouteMessages.replaceRoute(Route(to: destination, link: 1, gateway: [1]), sequence: 1)
    }
  }

  @Test(arguments: [
    ("255.255.255.0", 24), ("255.255.255.255", 32), ("0.0.0.0", 0), ("128.0.0.0", 1), ("255.255.255.252", 30),
  ])
  func masksAreLengths(mask: String, length: Int) throws {
    #expect(try #require(AddressPrefix(address: "192.0.2.1", mask: mask)).length == UInt8(length))
  }

  @Test func whatIsNoAddressOrMaskIsNil() {
    #expect(AddressPrefix(address: "192.0.2.1", mask: "255.0.255.0") == nil)
    #expect(AddressPrefix(address: "192.0.2.1", mask: "0.0.0.255") == nil)
    #expect(AddressPrefix(address: "2001:db8::1", mask: "255.255.255.0") == nil)
    #expect(AddressPrefix(address: "192.0.2.1", length: 33) == nil)
    #expect(AddressPrefix(address: "192.0.2", length: 24) == nil)
    #expect(AddressPrefix(address: "2001:db8::1", length: 128)?.description == "2001:db8::1/128")
    #expect(AddressPrefix(address: "192.0.2.77", length: 28)?.network.description == "192.0.2.64/28")
    #expect(AddressPrefix(address: "2001:db8:ffff::1", length: 33)?.network.description == "2001:db8:8000::/33")
  }
}

/// The table that follows messages.
@Suite struct LinkTableTests {
  private static func link(_ index: UInt32, _ name: String, mtu: UInt32 = 1500) -> Link {
    Link(index: index, name: name, flags: .up, operationalState: .up, mtu: mtu, hardwareAddress: [])
  }
  private static func address(_ link: UInt32, _ last: UInt8, isTentative: Bool = false) -> LinkAddress {
    LinkAddress(
      family: .ipv4, bytes: [192, 0, 2, last], prefixLength: 24, scope: .universe, link: link, isTentative: isTentative)
  }

  @Test func tellsTheDifferenceOfTables() {
    var table = LinkTable()
    #expect(
      table.resynchronize(links: [Self.link(1, "a"), Self.link(2, "b")], addresses: [Self.address(1, 1)])
        == [.appeared(Self.link(1, "a")), .appeared(Self.link(2, "b")), .addressAdded(Self.address(1, 1))])
    #expect(table.resynchronize(links: [Self.link(1, "a"), Self.link(2, "b")], addresses: [Self.address(1, 1)]) == [])
    #expect(
      table.resynchronize(
        links: [Self.link(1, "renamed"), Self.link(3, "c")], addresses: [Self.address(1, 1, isTentative: true)])
        == [
          .vanished(Self.link(2, "b")), .changed(from: Self.link(1, "a"), to: Self.link(1, "renamed")),
          .appeared(Self.link(3, "c")), .addressAdded(Self.address(1, 1, isTentative: true)),
        ])
    #expect(table.link(named: "renamed")?.index == 1 && table.link(named: "b") == nil)
    #expect(table.addresses(ofLink: 1).count == 1)
    // The addresses of a link go with it.
    #expect(
      table.resynchronize(links: [], addresses: []) == [
        .addressRemoved(Self.address(1, 1, isTentative: true)), .vanished(Self.link(1, "renamed")),
        .vanished(Self.link(3, "c")),
      ])
  }

  @Test func followsMessages() throws {
    var table = LinkTable()
    let new = try #require(try NetlinkMessage.decode(NetlinkMessageTests.link).first)
    let events = try table.take(new)
    guard case .appeared(let link)? = events.first else { Issue.record("\(events)"); return }
    #expect(try table.take(new) == [])
    let address = try #require(try NetlinkMessage.decode(NetlinkMessageTests.address).first)
    #expect(try table.take(address).count == 1)
    var gone = address
    gone.type = 21
    #expect(try table.take(gone).count == 1)
    #expect(try table.take(gone) == [])
    var deleted = new
    deleted.type = 17
    #expect(try table.take(deleted) == [.vanished(link)])
    #expect(try table.take(deleted) == [])
  }
}
