// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models
import Testing

@testable import Interfaces

typealias InterfaceModel = Interface.Interfaces.Interface

@Suite struct ConfigurationTests {
  private func configuration(_ name: String = "eth0", _ change: (inout InterfaceModel) -> Void)
    -> InterfaceConfiguration
  {
    var model = InterfaceModel(interfaceName: name)
    change(&model)
    return InterfaceConfiguration(model)
  }

  @Test func takesAllThatLinuxHas() {
    let taken = configuration("HundredGigE0/1/0/10") {
      $0.description = "to the lab"
      $0.mtu = 1514
      $0.ipv4.addresses.address = .init(address: "192.0.2.1", netmask: "255.255.255.0")
      $0.ipv4.addresses.secondaries.secondary.set(.init(address: "192.0.2.2", netmask: "255.255.255.252"))
      $0.ipv6.addresses.ipv6Address.set(
        .init(address: .ipv6AddressNoZone("2001:db8::1"), prefixLength: 64, zone: .string("0")))
      $0.ipv6.addresses.eui64Addresses.eui64Address.set(
        .init(address: .ipv6AddressNoZone("2001:db8:1::"), prefixLength: 64, zone: .string("0")))
      $0.ipv6.addresses.linkLocalAddress = .init(address: .ipv6AddressNoZone("fe80::1"), zone: .string("0"))
      $0.macsec.pskKeychain.keychainName = "keys"
    }
    #expect(taken.faults.isEmpty)
    #expect(
      taken.desired
        == DesiredInterface(
          name: "HundredGigE0/1/0/10", isUp: true, mtu: 1500, description: "to the lab",
          ipv4: [prefix("192.0.2.1/24"), prefix("192.0.2.2/30")], ipv6: [prefix("2001:db8::1/64")],
          eui64: [prefix("2001:db8:1::/64")], linkLocal: prefix("fe80::1/64"), awaitsProtection: true))
    #expect(configuration { $0.shutdown = .init() }.desired.isUp == false)
    #expect(configuration { $0.ipv6.enable = .init() }.desired.isIPv6Enabled)
  }

  /// The header counts for interfaces of IOS XR, and not for links of Linux.
  @Test(arguments: [
    ("HundredGigE0/0/0/1", 1514, 1500), ("MgmtEth0/RP0/CPU0/0", 1514, 1500), ("Bundle-Ether1", 9214, 9200),
    ("tunnel-ip1", 1400, 1400), ("eth0", 1500, 1500), ("Loopback0", 1500, 1500),
  ])
  func sizesAreThoseOfThePlatformThatNamesTheInterface(name: String, configured: UInt32, taken: UInt32) {
    #expect(configuration(name) { $0.mtu = configured }.desired.mtu == taken)
  }

  private func faults(_ change: (inout InterfaceModel) -> Void) -> [String] {
    configuration("TenGigE0/0/0/0", change).faults.map { fault in
      fault.elements.map { $0.key.map { key in "\(key)" } ?? $0.name }.joined(separator: "/")
    }
  }

  @Test func refusesEachThingThatLinuxHasNot() {
    #expect(faults { $0.bandwidth = 1 } == ["bandwidth"])
    #expect(faults { $0.dampening = .init() } == ["dampening"])
    #expect(faults { $0.encapsulation.ppp = .init() } == ["encapsulation"])
    #expect(faults { $0.subInterfaceType.pointToPoint = .init() } == ["sub-interface-type"])
    #expect(faults { $0.mtu = 81 } == ["mtu"])
    #expect(faults { $0.mtu = 82 } == [])
    #expect(faults { $0.ipv4.addresses.unnumbered = "Loopback0" } == ["ipv4/addresses/unnumbered"])
    #expect(faults { $0.ipv4.addresses.dhcp = .init() } == ["ipv4/addresses/dhcp"])
    #expect(faults { $0.ipv6.addresses.dhcp = .init() } == ["ipv6/addresses/dhcp"])
    #expect(faults { $0.ipv6.addresses.autoconfig = .init() } == ["ipv6/addresses/autoconfig"])
    #expect(
      faults { $0.ipv6.addresses.dhcpClientOptions = .init() } == ["ipv6/addresses/dhcp-client-options"])
    // All of them at once.
    #expect(
      faults {
        $0.bandwidth = 1
        $0.dampening = .init()
        $0.mtu = 64
      }.count == 3)
  }

  @Test(arguments: [
    ("0.0.0.1", "255.0.0.0", "ipv4/addresses/address/address"),
    ("224.0.0.1", "255.0.0.0", "ipv4/addresses/address/address"),
    ("192.0.2.1", "0.0.0.0", "ipv4/addresses/address/address"),
    ("192.0.2.1", "255.0.255.0", "ipv4/addresses/address/netmask"),
  ])
  func refusesIPv4AddressesThatNoInterfaceHas(address: String, mask: String, place: String) {
    #expect(faults { $0.ipv4.addresses.address = .init(address: address, netmask: mask) } == [place])
  }

  @Test func refusesWhatRoutingWouldNeed() {
    #expect(
      faults {
        $0.ipv4.addresses.address = .init(address: "192.0.2.1", netmask: "255.255.255.0", routeTag: 1, algorithm: 128)
      } == ["ipv4/addresses/address/route-tag", "ipv4/addresses/address/algorithm"])
  }

  @Test func secondaryAddressesNeedAPrimaryOneThatIsAnother() {
    #expect(
      faults { $0.ipv4.addresses.secondaries.secondary.set(.init(address: "192.0.2.2", netmask: "255.255.255.0")) }
        == ["ipv4/addresses/secondaries"])
    #expect(
      faults {
        $0.ipv4.addresses.address = .init(address: "192.0.2.2", netmask: "255.255.255.0")
        $0.ipv4.addresses.secondaries.secondary.set(.init(address: "192.0.2.2", netmask: "255.255.0.0"))
      } == ["ipv4/addresses/secondaries/192.0.2.2"])
  }

  @Test(arguments: [
    ("192.0.2.1", 24, "0", "192.0.2.1/address"), ("ff02::1", 64, "0", "ff02::1/address"), ("::", 64, "0", "::/address"),
    ("fe80::1", 64, "0", "fe80::1"), ("2001:db8::1", 64, "blue", "2001:db8::1/zone"),
    ("2001:db8::1", 0, "0", "2001:db8::1/address"),
  ])
  func refusesIPv6AddressesThatNoInterfaceHas(address: String, length: UInt8, zone: String, place: String) {
    let refused = faults {
      $0.ipv6.addresses.ipv6Address.set(
        .init(address: .ipv6AddressNoZone(address), prefixLength: length, zone: .string2(zone)))
    }
    #expect(refused == ["ipv6/addresses/" + place])
  }
}

/// Which link gets what.
@Suite struct InterfaceWishTests {
  private var desired: DesiredInterface {
    DesiredInterface(name: "X", mtu: 1500, description: "d", ipv4: [prefix("192.0.2.1/24")])
  }

  @Test func aPlainInterfaceIsItsLink() {
    let wish = InterfaceWish(desired, link: "eth0", carrier: nil, isSettled: false)
    #expect(wish.wishes.keys.sorted() == ["eth0"] && wish.layer3Link == nil && wish.pending == nil)
    #expect(wish.wishes["eth0"]?.addresses?.ipv4 == [prefix("192.0.2.1/24")])
  }

  @Test func aProtectedPortHasNoAddressInClear() {
    var asked = desired
    asked.awaitsProtection = true
    // Nobody has spoken: what is there may be right, nothing is added.
    let silent = InterfaceWish(asked, link: "eth0", carrier: nil, isSettled: false)
    #expect(silent.wishes["eth0"]?.addresses == nil && silent.wishes["eth0"]?.mtu == 1500 && silent.pending != nil)
    #expect(silent.wishes["eth0"]?.isUp == nil, "what is down stays down until something keeps frames in clear off it")
    let awaited = InterfaceWish(asked, link: "eth0", carrier: .awaited, isSettled: true)
    #expect(awaited.wishes["eth0"]?.addresses == .init() && awaited.pending != nil)
    #expect(awaited.wishes["eth0"]?.isUp == true)
    let carried = InterfaceWish(asked, link: "eth0", carrier: .link("macsec0"), isSettled: true)
    #expect(carried.wishes["eth0"]?.addresses == .init() && carried.wishes["eth0"]?.mtu == 1500)
    #expect(carried.wishes["macsec0"]?.addresses?.ipv4 == [prefix("192.0.2.1/24")])
    #expect(carried.wishes["macsec0"]?.mtu == 1468 && carried.layer3Link == "macsec0" && carried.pending == nil)
    let member = InterfaceWish(asked, link: "eth0", carrier: .member("macsec0", leastMTU: 1532), isSettled: true)
    #expect(member.wishes["eth0"]?.mtu == 1532 && member.wishes["eth0"]?.addresses == .init())
    #expect(member.wishes["macsec0"] == LinkWish(addresses: .init()), "up or down is not for us to say")
    #expect(member.pending == "eth0 is a member of a bond, which has the addresses")
    // Given back: MACsec was taken away.
    let back = InterfaceWish(asked, link: "eth0", carrier: nil, isSettled: true)
    #expect(back.wishes["eth0"]?.addresses?.ipv4 == [prefix("192.0.2.1/24")] && back.pending == nil)
  }

  @Test func aTunnelIsTheDeviceThatCarriesIt() {
    let wish = InterfaceWish(desired, link: "tunnel-ip1", carrier: .device("ipsec0"), isSettled: true)
    #expect(wish.wishes.keys.sorted() == ["ipsec0"] && wish.wishes["ipsec0"]?.mtu == 1500)
  }

  @Test func longRemarksAreCutBetweenCharacters() {
    #expect(InterfaceWish.alias(String(repeating: "a", count: 300)).utf8.count == 255)
    #expect(InterfaceWish.alias(String(repeating: "é", count: 200)).utf8.count == 254)
  }
}

@Suite struct PacingTests {
  @Test func failuresWaitLongerAndLonger() {
    var pacing = Pacing()
    var delays: [UInt64] = []
    for _ in 0..<10 {
      let may = pacing.mayTry(at: 1000)
      #expect(may)
      pacing.ended(hasFailed: true, hasChanged: false, at: 1000)
      delays.append((pacing.due ?? 0) - 1000)
    }
    #expect(delays == [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000])
    pacing.ended(hasFailed: false, hasChanged: true, at: 2000)
    #expect(pacing.due == nil)
  }

  @Test func aFightIsGivenUpForAWhile() {
    var pacing = Pacing()
    for step in 0..<10 {
      let may = pacing.mayTry(at: UInt64(step))
      #expect(may)
      pacing.ended(hasFailed: false, hasChanged: true, at: UInt64(step))
    }
    let soon = pacing.mayTry(at: 20)
    #expect(!soon && pacing.isFought && pacing.due == 10_000)
    let later = pacing.mayTry(at: 10_000)
    #expect(later)
    pacing.reset()
    let anew = pacing.mayTry(at: 21)
    #expect(anew)
  }
}
