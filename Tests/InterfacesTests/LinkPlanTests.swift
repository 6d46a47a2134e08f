// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import Interfaces
@testable import Netlink

/// A link as the kernel would have it, for plans to be carried out on.
struct SimulatedLink {
  var link: Link
  var addresses: [LinkAddress] = []
  var isIPv6Disabled = false

  init(_ name: String = "eth0", mtu: UInt32 = 1500, isUp: Bool = false) {
    link = Link(
      index: 7, name: name, flags: isUp ? .up : [], operationalState: .up, mtu: mtu,
      hardwareAddress: [0x02, 0, 0, 0, 0, 0x01], hardwareType: 1)
  }

  /// With an address that somebody else gave it.
  mutating func give(_ text: String, origin: UInt8 = 0) {
    add(prefix(text), origin: origin)
  }

  var texts: [String] { addresses.compactMap(\.text) }

  /// What the kernel does with a step.
  mutating func perform(_ step: LinkPlan.Step) {
    switch step {
    case .setMTU(let mtu): link.mtu = mtu
    case .setAlias(let alias): link.alias = alias.isEmpty ? nil : alias
    case .setUp(let isUp):
      if isUp { link.flags.insert(.up) } else { link.flags.remove(.up) }
      if !isUp { addresses.removeAll { $0.family == .ipv6 } }
    case .enableIPv6: isIPv6Disabled = false
    case .add(let address, let isOurs):
      #expect(!addresses.compactMap(AddressPrefix.init).contains(address), "\(address) is there already")
      add(address, origin: isOurs ? LinkPlan.origin : 0)
    case .remove(let address):
      guard let place = addresses.firstIndex(where: { AddressPrefix($0) == address }) else { return }
      let gone = addresses.remove(at: place)
      if gone.family == .ipv4, !gone.isSecondary {
        addresses.removeAll { $0.isSecondary && AddressPrefix($0)?.network == address.network }
      }
    }
  }

  private mutating func add(_ address: AddressPrefix, origin: UInt8) {
    let isSecondary =
      address.family == .ipv4 && addresses.contains { AddressPrefix($0)?.network == address.network }
    addresses.append(
      LinkAddress(address, link: link.index, isSecondary: isSecondary, origin: origin))
  }

  /// Plans and performs until nothing is left; the steps of all rounds.
  mutating func converge(to wish: LinkWish, _ memory: inout LinkMemory) -> [LinkPlan.Step] {
    var all: [LinkPlan.Step] = []
    for _ in 0..<4 {
      let plan = LinkPlan(
        wish, link: link, addresses: addresses, isIPv6Disabled: isIPv6Disabled, memory: memory)
      memory = plan.memory
      if plan.steps.isEmpty { return all }
      all += plan.steps
      for step in plan.steps { perform(step) }
    }
    Issue.record("no end of steps: \(all)")
    return all
  }
}

extension LinkAddress {
  fileprivate init(_ prefix: AddressPrefix, link: UInt32, isSecondary: Bool, origin: UInt8) {
    self.init(
      family: prefix.family, bytes: prefix.bytes, prefixLength: prefix.length,
      scope: prefix.isLinkLocal ? .link : .universe, link: link, isTentative: false, isSecondary: isSecondary,
      origin: origin)
  }
}

func prefix(_ text: String) -> AddressPrefix {
  let parts = text.split(separator: "/")
  guard parts.count == 2, let length = UInt8(parts[1]),
    let prefix = AddressPrefix(address: String(parts[0]), length: length)
  else { preconditionFailure("\(text) is no address of a test") }
  return prefix
}

@Suite struct LinkPlanTests {
  private func wish(_ ipv4: [String] = [], _ ipv6: [String] = []) -> LinkWish {
    LinkWish(
      addresses: .init(
        ipv4: ipv4.map(prefix), ipv6: ipv6.map(prefix), isIPv6Wanted: !ipv6.isEmpty))
  }

  @Test func bringsALinkToWhatIsAskedAndLeavesItThere() {
    var link = SimulatedLink()
    var memory = LinkMemory()
    var asked = wish(["192.0.2.1/24", "192.0.2.2/24"], ["2001:db8::1/64"])
    asked.isUp = true
    asked.mtu = 1400
    asked.alias = "to the lab"
    #expect(
      link.converge(to: asked, &memory) == [
        .setMTU(1400), .setAlias("to the lab"), .setUp(true), .add(prefix("192.0.2.1/24"), isOurs: true),
        .add(prefix("192.0.2.2/24"), isOurs: true), .add(prefix("2001:db8::1/64"), isOurs: true),
      ])
    #expect(link.converge(to: asked, &memory) == [])
    // Another agent on the same link, as after a restart, finds nothing to do either.
    var fresh = LinkMemory()
    #expect(link.converge(to: asked, &fresh) == [])
  }

  @Test func takesBackOnlyWhatIsOurs() {
    var link = SimulatedLink(isUp: true)
    link.give("203.0.113.9/24")
    link.give("2001:db8:f::9/64")
    var memory = LinkMemory()
    var asked = wish(["192.0.2.1/24"], ["2001:db8::1/64"])
    asked.mtu = 9000
    asked.alias = "x"
    _ = link.converge(to: asked, &memory)
    #expect(link.texts == ["203.0.113.9/24", "2001:db8:f::9/64", "192.0.2.1/24", "2001:db8::1/64"])
    _ = link.converge(to: LinkWish(addresses: .init()), &memory)
    #expect(link.texts == ["203.0.113.9/24", "2001:db8:f::9/64"])
    #expect(link.link.mtu == 1500 && link.link.alias == nil && link.link.flags.contains(.up))
    #expect(memory == LinkMemory())
  }

  @Test func knowsItsAddressesAfterARestartByTheirOrigin() {
    var link = SimulatedLink()
    link.give("192.0.2.1/24", origin: LinkPlan.origin)
    link.give("192.0.2.7/24")
    var memory = LinkMemory()
    #expect(
      link.converge(to: wish(["192.0.2.5/24"]), &memory) == [
        .remove(prefix("192.0.2.1/24")), .add(prefix("192.0.2.5/24"), isOurs: true),
        .add(prefix("192.0.2.7/24"), isOurs: false),
      ])
    #expect(Set(link.texts) == ["192.0.2.5/24", "192.0.2.7/24"])
  }

  @Test func anAddressThatWasConfiguredIsOursWhoeverAddedIt() {
    var link = SimulatedLink()
    link.give("192.0.2.1/24")
    var memory = LinkMemory()
    #expect(link.converge(to: wish(["192.0.2.1/24"]), &memory) == [])
    #expect(link.converge(to: wish([]), &memory) == [.remove(prefix("192.0.2.1/24"))])
  }

  @Test func thePrimaryAddressComesFirstInItsSubnet() {
    var link = SimulatedLink()
    var memory = LinkMemory()
    _ = link.converge(to: wish(["192.0.2.1/24", "192.0.2.2/24", "198.51.100.1/24"]), &memory)
    // The roles change.
    _ = link.converge(to: wish(["192.0.2.2/24", "192.0.2.1/24", "198.51.100.1/24"]), &memory)
    let first = link.addresses.first { $0.text?.hasPrefix("192.0.2.") == true }
    #expect(first?.text == "192.0.2.2/24" && first?.isSecondary == false)
    #expect(Set(link.texts) == ["192.0.2.1/24", "192.0.2.2/24", "198.51.100.1/24"])
    // A stranger in front stays where it is, rather than being taken away.
    var other = SimulatedLink()
    other.give("192.0.2.9/24")
    var fresh = LinkMemory()
    #expect(other.converge(to: wish(["192.0.2.1/24"]), &fresh) == [.add(prefix("192.0.2.1/24"), isOurs: true)])
  }

  @Test func aChangedMaskIsAnotherAddress() {
    var link = SimulatedLink()
    var memory = LinkMemory()
    _ = link.converge(to: wish(["192.0.2.1/24"]), &memory)
    _ = link.converge(to: wish(["192.0.2.1/25"]), &memory)
    #expect(link.texts == ["192.0.2.1/25"])
  }

  @Test func aLinkThatGoesDownKeepsItsIPv6Addresses() {
    var link = SimulatedLink(isUp: true)
    var memory = LinkMemory()
    var asked = wish([], ["2001:db8::1/64"])
    _ = link.converge(to: asked, &memory)
    asked.isUp = false
    _ = link.converge(to: asked, &memory)
    #expect(link.texts == ["2001:db8::1/64"] && !link.link.flags.contains(.up))
  }

  @Test func enablesIPv6WhereItIsOff() {
    var link = SimulatedLink()
    link.isIPv6Disabled = true
    var memory = LinkMemory()
    #expect(link.converge(to: wish(["192.0.2.1/24"]), &memory) == [.add(prefix("192.0.2.1/24"), isOurs: true)])
    #expect(link.converge(to: wish([], ["2001:db8::1/64"]), &memory).contains(.enableIPv6))
  }

  @Test func makesInterfaceIdentifiers() {
    var link = SimulatedLink(isUp: true)
    var memory = LinkMemory()
    let asked = LinkWish(addresses: .init(eui64: [prefix("2001:db8:1::/64")], isIPv6Wanted: true))
    _ = link.converge(to: asked, &memory)
    #expect(link.texts == ["2001:db8:1::ff:fe00:1/64"])
    // Another MAC address makes another address.
    link.link.hardwareAddress[5] = 2
    _ = link.converge(to: asked, &memory)
    #expect(link.texts == ["2001:db8:1::ff:fe00:2/64"])
  }

  @Test func theConfiguredLinkLocalAddressReplacesTheKernels() {
    var link = SimulatedLink(isUp: true)
    link.give("fe80::ff:fe00:1/64", origin: 3)
    var memory = LinkMemory()
    let asked = LinkWish(addresses: .init(linkLocal: prefix("fe80::1/64"), isIPv6Wanted: true))
    _ = link.converge(to: asked, &memory)
    #expect(link.texts == ["fe80::1/64"])
    _ = link.converge(to: LinkWish(addresses: .init()), &memory)
    #expect(link.texts == ["fe80::ff:fe00:1/64"])
  }

  @Test func restoresTheMTUThatWasThere() {
    var link = SimulatedLink(mtu: 1476)
    link.link.hardwareType = 65534
    var memory = LinkMemory()
    _ = link.converge(to: LinkWish(mtu: 1400), &memory)
    _ = link.converge(to: LinkWish(), &memory)
    #expect(link.link.mtu == 1476)
    // One that somebody has changed since is left alone.
    _ = link.converge(to: LinkWish(mtu: 1400), &memory)
    link.link.mtu = 1300
    #expect(link.converge(to: LinkWish(), &memory) == [])
  }

  @Test(arguments: 0..<300)
  func anyHistoryEndsWhereItIsAsked(seed: UInt64) {
    var random = SplitMix(seed)
    var link = SimulatedLink(isUp: true)
    var memory = LinkMemory()
    let pool = ["192.0.2.1/24", "192.0.2.2/24", "192.0.2.3/24", "192.0.2.1/28", "198.51.100.1/24", "198.51.100.2/24"]
    let strangers = ["192.0.2.200/24", "203.0.113.1/24"]
    for stranger in strangers where Bool.random(using: &random) { link.give(stranger) }
    let foreign = Set(link.texts)
    for _ in 0..<6 {
      // No address twice, also not with another mask.
      var chosen: [AddressPrefix] = []
      for text in pool.shuffled(using: &random).prefix(Int.random(in: 0...4, using: &random)) {
        if !chosen.contains(where: { $0.bytes == prefix(text).bytes }) { chosen.append(prefix(text)) }
      }
      if Int.random(in: 0..<4, using: &random) == 0 { memory = LinkMemory() }  // the agent began anew
      let asked = LinkWish(addresses: .init(ipv4: chosen))
      _ = link.converge(to: asked, &memory)
      #expect(Set(link.texts) == Set(chosen.map(\.description)).union(foreign), "seed \(seed)")
      #expect(
        LinkPlan(asked, link: link.link, addresses: link.addresses, isIPv6Disabled: false, memory: memory).steps == [])
    }
  }
}

/// A generator whose seed is the test's argument.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
