// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Netlink

/// Carries out plans over rtnetlink: reads a link, plans, performs, and reads it again until nothing is left to do.
struct LinkDriver: Sendable {
  /// How it went with one link.
  struct Outcome: Sendable, Equatable {
    var isPresent = false
    var hasChanged = false
    /// What was refused, in words.
    var problems: [String] = []
    var memory: LinkMemory
  }

  /// Steps change what the kernel does by itself (a link that goes down loses its IPv6 addresses), which the next look
  /// sees; more looks than these are not needed.
  private static let maximumLooks = 4

  func converge(_ name: String, to wish: LinkWish, memory: LinkMemory) -> Outcome {
    var outcome = Outcome(memory: memory)
    var failed: Set<LinkPlan.Step> = []
    for _ in 0..<Self.maximumLooks {
      let plan: LinkPlan
      let index: UInt32
      do throws(NetlinkError) {
        guard let link = try RTNetlink.link(named: name) else {
          outcome.isPresent = false
          return outcome
        }
        outcome.isPresent = true
        index = link.index
        let addresses = wish.addresses == nil ? [] : try RTNetlink.addresses(of: link)
        outcome.problems.removeAll { $0.hasPrefix(Self.duplicatePrefix) }
        outcome.problems += addresses.filter(\.isDuplicate).compactMap(\.text).map { Self.duplicatePrefix + $0 }
        plan = LinkPlan(
          wish, link: link, addresses: addresses,
          isIPv6Disabled: wish.addresses?.isIPv6Wanted == true && Self.isIPv6Disabled(name), memory: outcome.memory)
      } catch {
        outcome.problems.append("\(name): \(error)")
        return outcome
      }
      outcome.memory = plan.memory
      let steps = plan.steps.filter { !failed.contains($0) }
      if steps.isEmpty { break }
      for step in steps {
        do throws(NetlinkError) {
          if try Self.perform(step, on: index, name) { outcome.hasChanged = true }
        } catch {
          failed.insert(step)
          outcome.problems.append("\(name): \(Self.text(step)): \(error)")
        }
      }
    }
    return outcome
  }

  private static let duplicatePrefix = "another system has the address "

  /// - Returns: whether anything changed.
  private static func perform(_ step: LinkPlan.Step, on index: UInt32, _ name: String) throws(NetlinkError) -> Bool {
    do throws(NetlinkError) {
      switch step {
      case .setMTU(let mtu): try RTNetlink.set(link: index, LinkSettings(mtu: mtu))
      case .setAlias(let alias): try RTNetlink.set(link: index, LinkSettings(alias: alias))
      case .setUp(let isUp): try RTNetlink.set(link: index, LinkSettings(isUp: isUp))
      case .enableIPv6: try enableIPv6(name)
      case .remove(let address): try RTNetlink.delete(address, fromLink: index)
      case .add(let address, let isOurs):
        try RTNetlink.add(address, origin: isOurs ? LinkPlan.origin : 0, toLink: index)
      }
      return true
    } catch {
      // What somebody else has done meanwhile, or the kernel with the step before.
      switch (step, error.refusal) {
      case (.remove, EADDRNOTAVAIL), (.add, EEXIST): return false
      default: throw error
      }
    }
  }

  private static func text(_ step: LinkPlan.Step) -> String {
    switch step {
    case .setMTU(let mtu): "MTU \(mtu)"
    case .setAlias: "description"
    case .setUp(let isUp): isUp ? "setting it up" : "setting it down"
    case .enableIPv6: "enabling IPv6"
    case .remove(let address): "removing \(address)"
    case .add(let address, _): "address \(address)"
    }
  }

  // MARK: IPv6

  private static func setting(_ name: String) -> String { "/proc/sys/net/ipv6/conf/\(name)/disable_ipv6" }

  private static func isIPv6Disabled(_ name: String) -> Bool {
    let descriptor = open(setting(name), O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var byte: UInt8 = 0
    return read(descriptor, &byte, 1) == 1 && byte == UInt8(ascii: "1")
  }

  private static func enableIPv6(_ name: String) throws(NetlinkError) {
    let descriptor = open(setting(name), O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(call: "open \(setting(name))", errorNumber: errno) }
    defer { close(descriptor) }
    var byte = UInt8(ascii: "0")
    guard write(descriptor, &byte, 1) == 1 else {
      throw .system(call: "write \(setting(name))", errorNumber: errno)
    }
  }

  // MARK: Links and routes

  /// Makes the link of a loopback interface, if there is none. An error in words, if it cannot be made.
  func makeLoopback(_ name: String) -> String? {
    do throws(NetlinkError) {
      guard try RTNetlink.link(named: name) == nil else { return nil }
      try RTNetlink.add(NewLink(name: name, kind: .dummy))
      return nil
    } catch {
      switch error.refusal {
      case EEXIST?: return nil
      case EOPNOTSUPP?: return "\(name): this kernel has no dummy links, which loopback interfaces are made of"
      default: return "\(name): \(error)"
      }
    }
  }

  /// Removes the link of a loopback interface; links of another kind stay.
  func removeLoopback(_ name: String) {
    guard let link = try? RTNetlink.link(named: name), link.kind == "dummy" else { return }
    try? RTNetlink.deleteLink(index: link.index)
  }

  /// Removes addresses of the agent's origin from links that no interface uses: an agent died between a commit and
  /// carrying it out. Links of protocols are left alone: who carries an interface may be said later.
  func removeOrphans(isUsed: (_ link: String) -> Bool) {
    guard let links = try? RTNetlink.links(), let addresses = try? RTNetlink.addresses() else { return }
    let left = Dictionary(grouping: addresses.filter { $0.origin == LinkPlan.origin }, by: \.link)
    for link in links where !isUsed(link.name) && !Self.protocolKinds.contains(link.kind ?? "") {
      for address in (left[link.index] ?? []).compactMap(AddressPrefix.init) {
        try? RTNetlink.delete(address, fromLink: link.index)
      }
    }
  }

  /// Links that MACsec and tunnels put on interfaces.
  private static let protocolKinds: Set<String> = ["macsec", "tun", "xfrm"]

  /// Brings the routes of ours that leave by a link to the wanted destinations.
  func converge(routes wanted: [AddressPrefix], on name: String) -> Outcome {
    var outcome = Outcome(memory: LinkMemory())
    do throws(NetlinkError) {
      guard let link = try RTNetlink.link(named: name) else { return outcome }
      outcome.isPresent = true
      var present: [Route] = []
      for family in [LinkAddress.Family.ipv4, .ipv6] {
        present += try RTNetlink.routes(family).filter { $0.link == link.index && $0.origin == LinkPlan.origin }
      }
      for route in present where !wanted.contains(route.destination) {
        try RTNetlink.delete(route)
        outcome.hasChanged = true
      }
      // The kernel takes routes by links that are up only.
      guard link.flags.contains(.up) else { return outcome }
      for destination in wanted where !present.contains(where: { $0.destination == destination.network }) {
        do throws(NetlinkError) {
          try RTNetlink.replace(Route(to: destination.network, link: link.index, origin: LinkPlan.origin))
          outcome.hasChanged = true
        } catch {
          outcome.problems.append("\(name): route to \(destination): \(error)")
        }
      }
    } catch {
      outcome.problems.append("\(name): routes: \(error)")
    }
    return outcome
  }
}
