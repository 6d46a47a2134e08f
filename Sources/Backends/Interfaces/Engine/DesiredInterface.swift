// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Netlink

/// What the configuration asks of an interface.
struct DesiredInterface: Sendable, Equatable {
  /// The name in the configuration.
  var name: String
  var isUp = true
  /// As the kernel counts it: the largest packet, without the header of layer 2.
  var mtu: UInt32?
  var description: String?
  /// The primary address first.
  var ipv4: [AddressPrefix] = []
  var ipv6: [AddressPrefix] = []
  /// Prefixes whose lower half is made from the MAC address.
  var eui64: [AddressPrefix] = []
  /// In the place of the one that the kernel makes.
  var linkLocal: AddressPrefix?
  /// IPv6 is wanted also without an address.
  var isIPv6Enabled = false
  /// A protocol is to protect the link, and its port has the addresses: they are not for the bare link.
  var awaitsProtection = false
  /// Changes of its status are logged.
  var logsStatus = true

  /// Such as Loopback0: it exists by being configured.
  static func isLoopback(_ name: String) -> Bool {
    name.hasPrefix("Loopback") && name.utf8.count > 8
      && name.utf8.dropFirst(8).allSatisfy { (0x30...0x39).contains($0) }
  }
}

/// What is asked of one Linux link; what is nil or empty is left as it is.
struct LinkWish: Sendable, Equatable {
  /// The addresses that a link is to have, besides those that are none of ours.
  struct Addresses: Sendable, Equatable {
    var ipv4: [AddressPrefix] = []
    var ipv6: [AddressPrefix] = []
    var eui64: [AddressPrefix] = []
    var linkLocal: AddressPrefix?
    var isIPv6Wanted = false
  }

  var isUp: Bool?
  var mtu: UInt32?
  var alias: String?
  /// Nil leaves addresses as they are; empty takes away those of ours.
  var addresses: Addresses?
}

/// Which links an interface is made of, and what is asked of each.
struct InterfaceWish: Sendable, Equatable {
  /// The link that the interface is.
  var link: String
  /// The link that has the addresses, if it is another.
  var layer3Link: String?
  var wishes: [String: LinkWish] = [:]
  /// What it waits for, in words.
  var pending: String?

  /// - Parameters:
  ///   - link: the name of the interface's own link.
  ///   - carrier: what the protocols on top say.
  ///   - isSettled: whether they have said anything.
  init(_ desired: DesiredInterface, link: String, carrier: PortDirectory.Carrier?, isSettled: Bool) {
    self.link = link
    var own = LinkWish(isUp: desired.isUp, mtu: desired.mtu, alias: desired.description.map(Self.alias))
    let addresses = LinkWish.Addresses(
      ipv4: desired.ipv4, ipv6: desired.ipv6, eui64: desired.eui64, linkLocal: desired.linkLocal,
      isIPv6Wanted: desired.isIPv6Enabled || !desired.ipv6.isEmpty || !desired.eui64.isEmpty
        || desired.linkLocal != nil)
    switch carrier {
    case nil where desired.awaitsProtection && !isSettled:
      // Whoever protects it has not spoken yet, as after a restart: what is there may be right. What is down stays down,
      // since nothing keeps frames in clear off it yet.
      if desired.isUp { own.isUp = nil }
      pending = "the protected port is not there yet"
    case nil: own.addresses = addresses
    case .awaited?:
      own.addresses = .init()
      pending = "the protected port is not there yet"
    case .link(let name, let overhead)?:
      own.addresses = .init()
      layer3Link = name
      wishes[name] = LinkWish(
        isUp: desired.isUp, mtu: desired.mtu.flatMap { $0 > overhead ? $0 - overhead : nil }, addresses: addresses)
    case .member(let name, let leastMTU)?:
      // Layer 3 is the bond's. Whoever protects the link sets its port up and down, and the bond the port's MTU.
      own.addresses = .init()
      own.mtu = max(own.mtu ?? 0, leastMTU)
      layer3Link = name
      wishes[name] = LinkWish(addresses: .init())
      if addresses != .init() { pending = "\(link) is a member of a bond, which has the addresses" }
    case .device(let name)?:
      // The interface has no link of its own.
      own.addresses = addresses
      layer3Link = name
      wishes[name] = own
      return
    }
    wishes[link] = own
  }

  /// A remark as the kernel takes it: at most 255 bytes, cut between characters.
  static func alias(_ description: String) -> String {
    var alias = description
    while alias.utf8.count > LinkSettings.maximumAliasLength { alias.removeLast() }
    return alias
  }
}
