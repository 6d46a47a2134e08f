// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Netlink

/// From the generated types to what the engine takes, with all that cannot be done on Linux.
struct InterfaceConfiguration {
  typealias Model = Interface.Interfaces.Interface
  /// Something that cannot be done: the elements below the interface that lead to it, and why.
  struct Fault: Sendable, Equatable {
    let elements: [Element]
    let reason: String
  }
  /// A step of a path: a name, and the key of a list's entry.
  struct Element: Sendable, Equatable, ExpressibleByStringLiteral {
    let name: String
    var key: String?
    init(_ name: String, key: String? = nil) {
      self.name = name
      self.key = key
    }
    init(stringLiteral name: String) { self.init(name) }
  }

  /// Interfaces whose MTU counts the header of Ethernet, as IOS XR does. Names of Linux links do not begin so.
  private static let ethernetNames = [
    "FastEthernet", "GigabitEthernet", "TwoPointFiveGigE", "FiveGigE", "TenGigE", "TwentyFiveGigE", "FortyGigE",
    "FiftyGigE",
    "HundredGigE", "TwoHundredGigE", "FourHundredGigE", "EightHundredGigE", "MgmtEth", "Bundle-Ether", "PW-Ether",
    "BVI",
  ]
  private static let ethernetHeaderLength: UInt32 = 14
  /// The smallest that Linux gives any link.
  private static let smallestMTU: UInt32 = 68

  private(set) var desired: DesiredInterface
  private(set) var faults: [Fault] = []

  init(_ model: Model) {
    desired = DesiredInterface(name: model.interfaceName)
    desired.isUp = model.shutdown == nil
    desired.description = model.description
    desired.awaitsProtection = model.macsec.pskKeychain.keychainName != nil
    takeMTU(model.mtu)
    takeIPv4(model.ipv4.addresses)
    takeIPv6(model.ipv6)
    refuseWhatLinuxLacks(model)
  }

  private mutating func fail(_ elements: [Element], _ reason: String) {
    faults.append(Fault(elements: elements, reason: reason))
  }

  private mutating func takeMTU(_ configured: UInt32?) {
    guard let configured else { return }
    let isEthernet = Self.ethernetNames.contains { desired.name.hasPrefix($0) }
    let header = isEthernet ? Self.ethernetHeaderLength : 0
    guard configured >= Self.smallestMTU + header else {
      return fail(["mtu"], "the smallest MTU that Linux gives this interface is \(Self.smallestMTU + header)")
    }
    desired.mtu = configured - header
  }

  // MARK: IPv4

  private mutating func takeIPv4(_ addresses: Model.IPv4.Addresses) {
    let base: [Element] = ["ipv4", "addresses"]
    if let primary = addresses.address {
      let place = base + ["address"]
      refuseRouting(place, tag: primary.routeTag, algorithm: primary.algorithm)
      if let address = checkedIPv4(primary.address, primary.netmask, place) { desired.ipv4.append(address) }
    } else if !addresses.secondaries.secondary.isEmpty {
      fail(base + ["secondaries"], "secondary addresses need a primary one")
    }
    for secondary in addresses.secondaries.secondary {
      let place = base + ["secondaries", Element("secondary", key: secondary.address)]
      refuseRouting(place, tag: secondary.routeTag, algorithm: secondary.algorithm)
      guard let address = checkedIPv4(secondary.address, secondary.netmask, place) else { continue }
      if desired.ipv4.contains(where: { $0.bytes == address.bytes }) {
        fail(place, "\(secondary.address) is the primary address already")
      } else {
        desired.ipv4.append(address)
      }
    }
    if addresses.unnumbered != nil {
      fail(base + ["unnumbered"], "agentd does not lend an interface the address of another one")
    }
    if addresses.dhcp != nil { fail(base + ["dhcp"], "agentd runs no DHCP client") }
  }

  private mutating func checkedIPv4(_ address: String, _ mask: String, _ place: [Element]) -> AddressPrefix? {
    guard let prefix = AddressPrefix(address: address, mask: mask) else {
      fail(place + ["netmask"], "\(mask) is not a mask: ones, then zeros")
      return nil
    }
    guard prefix.length > 0, prefix.bytes[0] != 0, prefix.bytes[0] < 224 else {
      fail(place + ["address"], "\(prefix) is not an address that an interface can have")
      return nil
    }
    return prefix
  }

  private mutating func refuseRouting(_ place: [Element], tag: UInt32?, algorithm: UInt32?) {
    if tag != nil { fail(place + ["route-tag"], "Linux keeps no tag with the route to an interface's subnet") }
    if algorithm != nil { fail(place + ["algorithm"], "flexible algorithms are a matter of routing daemons") }
  }

  // MARK: IPv6

  private mutating func takeIPv6(_ ipv6: Model.IPv6) {
    let base: [Element] = ["ipv6", "addresses"]
    desired.isIPv6Enabled = ipv6.enable != nil
    for entry in ipv6.addresses.ipv6Address {
      let text = Self.text(entry.address)
      let place = base + [Element("ipv6-address", key: text)]
      refuseRouting(place, tag: entry.routeTag, algorithm: entry.algorithm)
      refuseZone(place, entry.zone == .string("0") || entry.zone == .string2("0"))
      guard let address = checkedIPv6(text, entry.prefixLength, place) else { continue }
      if address.isLinkLocal {
        fail(place, "a link-local address is configured as link-local-address")
      } else {
        desired.ipv6.append(address)
      }
    }
    for entry in ipv6.addresses.eui64Addresses.eui64Address {
      let text = Self.text(entry.address)
      let place = base + ["eui64-addresses", Element("eui64-address", key: text)]
      refuseRouting(place, tag: entry.routeTag, algorithm: entry.algorithm)
      refuseZone(place, entry.zone == .string("0") || entry.zone == .string2("0"))
      guard let address = checkedIPv6(text, entry.prefixLength, place) else { continue }
      if address.length > 64 {
        fail(place + ["prefix-length"], "an interface identifier takes the lower 64 bits")
      } else {
        desired.eui64.append(address)
      }
    }
    if let entry = ipv6.addresses.linkLocalAddress {
      let place = base + ["link-local-address"]
      let text = Self.text(entry.address)
      if entry.routeTag != nil { refuseRouting(place, tag: entry.routeTag, algorithm: nil) }
      refuseZone(place, entry.zone == .string("0") || entry.zone == .string2("0"))
      if let address = AddressPrefix(address: text, length: 64), address.isLinkLocal {
        desired.linkLocal = address
      } else {
        fail(place + ["address"], "\(text) is not in fe80::/10")
      }
    }
    if ipv6.addresses.autoconfig != nil {
      fail(base + ["autoconfig"], "agentd does not take addresses from router advertisements")
    }
    if ipv6.addresses.dhcp != nil { fail(base + ["dhcp"], "agentd runs no DHCPv6 client") }
    if ipv6.addresses.dhcpClientOptions != nil {
      fail(base + ["dhcp-client-options"], "agentd runs no DHCPv6 client")
    }
  }

  private mutating func checkedIPv6(_ text: String, _ length: UInt8, _ place: [Element]) -> AddressPrefix? {
    guard let prefix = AddressPrefix(address: text, length: length), prefix.family == .ipv6 else {
      fail(place + ["address"], "\(text) is not an IPv6 address")
      return nil
    }
    guard prefix.bytes[0] != 0xFF, prefix.bytes.contains(where: { $0 != 0 }), length > 0 else {
      fail(place + ["address"], "\(prefix) is not an address that an interface can have")
      return nil
    }
    return prefix
  }

  private mutating func refuseZone(_ place: [Element], _ isDefault: Bool) {
    if !isDefault { fail(place + ["zone"], "only zone 0, the default one, is known") }
  }

  private static func text(_ address: IETFInetTypes.IPAddressNoZone) -> String {
    switch address {
    case .ipv4AddressNoZone(let text), .ipv6AddressNoZone(let text): text
    }
  }

  // MARK: The rest

  private mutating func refuseWhatLinuxLacks(_ model: Model) {
    let type = model.subInterfaceType
    if type.l2transport != nil || type.pointToPoint != nil || type.multipoint != nil {
      fail(["sub-interface-type"], "kinds of subinterfaces are none of Linux's")
    }
    if model.dampening != nil { fail(["dampening"], "Linux does not dampen flapping links") }
    let encapsulation = model.encapsulation
    if encapsulation.ppp != nil || encapsulation.hdlc != nil || encapsulation.mfr != nil
      || encapsulation.frameRelay != nil
    {
      fail(["encapsulation"], "the encapsulation of serial interfaces is not served")
    }
    if model.bandwidth != nil {
      fail(["bandwidth"], "Linux keeps no bandwidth with a link, and nothing here would read it")
    }
  }
}
