// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Netlink

/// What has been given to a link, so that it can be taken back.
struct LinkMemory: Sendable, Equatable {
  /// Addresses that were configured since the agent began; those of earlier are known by their origin.
  var addresses: Set<AddressPrefix> = []
  var alias: String?
  var mtu: UInt32?
  /// What the link had before an MTU was configured, if that was seen.
  var mtuBefore: UInt32?
}

/// The steps from what a link is to what is asked of it. Pure: the same input gives the same steps, and none once the
/// link is as it should be.
///
/// An address is ours if it has the agent's origin (IFA_PROTO), or was configured since the agent began; only those are
/// ever taken away. The kernel takes secondary IPv4 addresses away with the first one of their subnet, so they are given
/// back after it.
struct LinkPlan: Sendable, Equatable {
  enum Step: Sendable, Hashable {
    case setMTU(UInt32)
    case setAlias(String)
    case setUp(Bool)
    /// Lets the link have IPv6 addresses at all.
    case enableIPv6
    case remove(AddressPrefix)
    /// `isOurs` is false for those that are only given back.
    case add(AddressPrefix, isOurs: Bool)
  }

  /// RTPROT_ and IFAPROT_ have no number for management agents; this one is not assigned to any other program.
  static let origin: UInt8 = 173
  /// The MTU of Ethernet.
  private static let ethernetMTU: UInt32 = 1500

  private(set) var steps: [Step] = []
  /// The link as it is known after the steps.
  private(set) var memory: LinkMemory

  /// - Parameters:
  ///   - isIPv6Disabled: what the kernel says of the link.
  ///   - actual: the addresses of the link in the kernel's order.
  init(_ wish: LinkWish, link: Link, addresses actual: [LinkAddress], isIPv6Disabled: Bool, memory: LinkMemory) {
    self.memory = memory
    planSettings(wish, link)
    guard let addresses = wish.addresses else { return }
    if addresses.isIPv6Wanted, isIPv6Disabled { steps.append(.enableIPv6) }
    planIPv4(addresses.ipv4, actual.filter { $0.family == .ipv4 })
    planIPv6(addresses, link, actual.filter { $0.family == .ipv6 })
  }

  private mutating func planSettings(_ wish: LinkWish, _ link: Link) {
    if let mtu = wish.mtu {
      if memory.mtu == nil, memory.mtuBefore == nil, link.mtu != mtu { memory.mtuBefore = link.mtu }
      memory.mtu = mtu
      if link.mtu != mtu { steps.append(.setMTU(mtu)) }
    } else if let given = memory.mtu {
      let before = memory.mtuBefore ?? (link.isEthernet ? Self.ethernetMTU : nil)
      if link.mtu == given, let before, before != given { steps.append(.setMTU(before)) }
      (memory.mtu, memory.mtuBefore) = (nil, nil)
    }
    if let alias = wish.alias {
      memory.alias = alias
      if link.alias ?? "" != alias { steps.append(.setAlias(alias)) }
    } else if let given = memory.alias {
      if link.alias == given { steps.append(.setAlias("")) }
      memory.alias = nil
    }
    if let isUp = wish.isUp, link.flags.contains(.up) != isUp { steps.append(.setUp(isUp)) }
  }

  private func isOurs(_ address: LinkAddress) -> Bool {
    address.origin == Self.origin || AddressPrefix(address).map { memory.addresses.contains($0) } ?? false
  }

  // MARK: IPv4

  private mutating func planIPv4(_ wanted: [AddressPrefix], _ actual: [LinkAddress]) {
    let present = actual.compactMap(AddressPrefix.init)
    var removed = Set(zip(present, actual).filter { isOurs($1) && !wanted.contains($0) }.map(\.0))
    // The primary address comes before all others of its subnet; those in front of it are taken away and given back, if
    // all are ours or wanted.
    if let primary = wanted.first {
      let neighbours = present.filter { $0 != primary && $0.network == primary.network && !removed.contains($0) }
      let place = present.firstIndex(of: primary) ?? present.endIndex
      let inFront = neighbours.filter { present.firstIndex(of: $0) ?? 0 < place }
      if inFront.allSatisfy(wanted.contains) { removed.formUnion(inFront) }
    }
    for address in present where removed.contains(address) { steps.append(.remove(address)) }
    // With the first one of a subnet the kernel takes the others.
    let lost = present.filter { address in
      !removed.contains(address) && present.first { $0.network == address.network }.map(removed.contains) ?? false
    }
    let kept = Set(present).subtracting(removed).subtracting(lost)
    for address in wanted where !kept.contains(address) { steps.append(.add(address, isOurs: true)) }
    for address in lost where !wanted.contains(address) { steps.append(.add(address, isOurs: false)) }
    remember(wanted, .ipv4)
  }

  // MARK: IPv6

  private mutating func planIPv6(_ addresses: LinkWish.Addresses, _ link: Link, _ actual: [LinkAddress]) {
    var wanted = addresses.ipv6
    wanted += addresses.eui64.compactMap { Self.eui64($0, link.hardwareAddress) }
    if let linkLocal = addresses.linkLocal { wanted.append(linkLocal) }
    let present = actual.compactMap(AddressPrefix.init)
    var isLinkLocalLost = false
    for (address, held) in zip(present, actual) where !wanted.contains(address) {
      // The configured link-local address is there instead of others.
      let isReplaced = address.isLinkLocal && addresses.linkLocal != nil
      guard isReplaced || isOurs(held) else { continue }
      steps.append(.remove(address))
      if address.isLinkLocal, !isReplaced { isLinkLocalLost = true }
    }
    for address in wanted where !present.contains(address) { steps.append(.add(address, isOurs: true)) }
    // The kernel makes a link-local address when a link comes up, not when another one goes.
    if isLinkLocalLost, link.flags.contains(.up), let prefix = AddressPrefix(address: "fe80::", length: 64),
      let made = Self.eui64(prefix, link.hardwareAddress), !present.contains(made)
    {
      steps.append(.add(made, isOurs: false))
    }
    remember(wanted, .ipv6)
  }

  private mutating func remember(_ wanted: [AddressPrefix], _ family: LinkAddress.Family) {
    memory.addresses = memory.addresses.filter { $0.family != family }.union(wanted)
  }

  /// The address of a prefix with the interface identifier of a MAC address (RFC 4291 appendix A); nil for a link
  /// without one. Bits of the prefix that reach into the lower half give way.
  static func eui64(_ prefix: AddressPrefix, _ hardwareAddress: [UInt8]) -> AddressPrefix? {
    guard hardwareAddress.count == 6, prefix.family == .ipv6 else { return nil }
    let identifier =
      [hardwareAddress[0] ^ 0x02] + hardwareAddress[1...2] + [0xFF, 0xFE] + hardwareAddress[3...5]
    return AddressPrefix(bytes: Array(prefix.bytes[..<8]) + identifier, length: prefix.length)
  }
}
