// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import NetlinkTestSupport
import Synchronization
import Testing

@testable import Netlink

/// What changes make of the kernel's tables, each test alone in a network namespace.
@Suite(.enabled(if: NetworkNamespace.isPermitted, "needs CAP_SYS_ADMIN and CAP_NET_ADMIN for network namespaces"))
struct ChangeTests {
  @Test func makesSetsAndDeletesAPair() async throws {
    try await NetworkNamespace.run {
      try RTNetlink.add(NewLink(name: "left", kind: .veth(peer: "right"), mtu: 1400))
      let left = try #require(try RTNetlink.link(named: "left"))
      let right = try #require(try RTNetlink.link(named: "right"))
      #expect(left.kind == "veth" && left.mtu == 1400 && left.isEthernet && !left.flags.contains(.up))
      try RTNetlink.set(link: left.index, LinkSettings(isUp: true, mtu: 1300, alias: "to the right"))
      try RTNetlink.set(link: right.index, LinkSettings(isUp: true))
      let now = try #require(try RTNetlink.link(index: left.index))
      #expect(now.flags.contains(.up) && now.mtu == 1300 && now.alias == "to the right")
      try RTNetlink.set(link: left.index, LinkSettings(isUp: false, alias: ""))
      let again = try #require(try RTNetlink.link(index: left.index))
      #expect(!again.flags.contains(.up) && again.alias == nil && again.mtu == 1300)
      #expect(throws: NetlinkError.self) { try RTNetlink.set(link: left.index, LinkSettings(mtu: 100_000)) }
      #expect(throws: NetlinkError.self) {
        try RTNetlink.add(NewLink(name: "left", kind: .veth(peer: "other")))
      }
      try RTNetlink.deleteLink(index: left.index)
      #expect(try RTNetlink.link(named: "right") == nil)
    }
  }

  @Test func addsAddressesWithTheirOrigin() async throws {
    try await NetworkNamespace.run {
      try RTNetlink.add(NewLink(name: "left", kind: .veth(peer: "right")))
      let link = try #require(try RTNetlink.link(named: "left"))
      let first = try #require(AddressPrefix(address: "192.0.2.1", mask: "255.255.255.0"))
      let second = try #require(AddressPrefix(address: "192.0.2.2", length: 24))
      let sixth = try #require(AddressPrefix(address: "2001:db8::1", length: 64))
      for address in [first, second, sixth] { try RTNetlink.add(address, origin: 173, toLink: link.index) }
      let addresses = try RTNetlink.addresses(of: link)
      #expect(addresses.compactMap(\.text) == ["192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64"])
      #expect(addresses.map(\.isSecondary) == [false, true, false])
      #expect(addresses.allSatisfy { $0.origin == 173 }, "kernels before 5.18 do not keep the origin")
      do {
        try RTNetlink.add(first, toLink: link.index)
        Issue.record("an address was added twice")
      } catch {
        #expect((error as? NetlinkError)?.refusal == EEXIST, "\(error)")
      }
      // The secondary one goes with the first of its subnet.
      try RTNetlink.delete(first, fromLink: link.index)
      #expect(try RTNetlink.addresses(of: link).compactMap(\.text) == ["2001:db8::1/64"])
      try RTNetlink.delete(sixth, fromLink: link.index)
      #expect(try RTNetlink.addresses().filter { $0.link == link.index }.isEmpty)
    }
  }

  @Test func addsAndDeletesRoutes() async throws {
    try await NetworkNamespace.run {
      try RTNetlink.add(NewLink(name: "left", kind: .veth(peer: "right")))
      let link = try #require(try RTNetlink.link(named: "left"))
      try RTNetlink.set(link: link.index, LinkSettings(isUp: true))
      try RTNetlink.add(try #require(AddressPrefix(address: "192.0.2.1", length: 24)), toLink: link.index)
      let destination = try #require(AddressPrefix(address: "198.51.100.0", length: 24))
      let onLink = Route(to: destination, link: link.index, origin: 173)
      let behind = Route(
        to: try #require(AddressPrefix(address: "203.0.113.0", length: 25)), link: link.index, gateway: [192, 0, 2, 9],
        table: 1000, origin: 173, metric: 7)
      try RTNetlink.replace(onLink)
      try RTNetlink.replace(onLink)
      try RTNetlink.replace(behind)
      let routes = try RTNetlink.routes(.ipv4)
      #expect(routes.filter { $0.origin == 173 }.count == 2 && routes.contains(onLink) && routes.contains(behind))
      try RTNetlink.delete(onLink)
      try RTNetlink.delete(behind)
      #expect(try RTNetlink.routes(.ipv4).filter { $0.origin == 173 }.isEmpty)
      #expect(throws: NetlinkError.self) { try RTNetlink.delete(onLink) }
      let sixth = Route(to: try #require(AddressPrefix(address: "2001:db8:1::", length: 48)), link: link.index)
      try RTNetlink.replace(sixth)
      #expect(try RTNetlink.routes(.ipv6).contains { $0.destination == sixth.destination && $0.link == link.index })
    }
  }

  @Test func countsWhatALinkCarried() async throws {
    try await NetworkNamespace.run {
      let loopback = try #require(try RTNetlink.link(named: "lo"))
      try RTNetlink.set(link: loopback.index, LinkSettings(isUp: true))
      let before = try #require(try RTNetlink.statistics(ofLink: loopback.index))
      let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
      defer { close(descriptor) }
      var target = sockaddr_in()
      target.sin_family = sa_family_t(AF_INET)
      target.sin_port = in_port_t(9).bigEndian
      target.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
      let sent = withUnsafePointer(to: &target) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          sendto(descriptor, [UInt8](repeating: 0, count: 100), 100, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      #expect(sent == 100)
      let after = try #require(try RTNetlink.statistics()[loopback.index])
      #expect(after.sentPackets > before.sentPackets && after.sentBytes >= before.sentBytes + 100)
      #expect(try RTNetlink.statistics(ofLink: 0x7FFF_FFF0) == nil)
    }
  }

  @Test func aGroupStaysWithALink() async throws {
    try await NetworkNamespace.run {
      try RTNetlink.add(NewLink(name: "marked", kind: .veth(peer: "far"), group: 0x6167_7464))
      try RTNetlink.add(NewLink(name: "other", kind: .veth(peer: "further")))
      #expect(try RTNetlink.link(named: "marked")?.group == 0x6167_7464)
      #expect(try RTNetlink.link(named: "other")?.group == 0)
      #expect(try RTNetlink.links().filter { $0.group == 0x6167_7464 }.map(\.name) == ["marked"])
    }
  }

  @Test func tellsWhetherThereAreXFRMInterfaces() async throws {
    try await NetworkNamespace.run {
      let has = try RTNetlink.hasXFRMInterfaces()
      #expect(try RTNetlink.link(named: "agentd-probe") == nil)
      let new = NewLink(name: "tunnel-ip1", kind: .xfrm(identifier: 9, underlying: nil))
      if has {
        try RTNetlink.add(new)
        let link = try #require(try RTNetlink.link(named: "tunnel-ip1"))
        #expect(link.kind == "xfrm" && link.xfrmIdentifier == 9)
      } else {
        #expect(throws: NetlinkError.self) { try RTNetlink.add(new) }
      }
    }
  }

  @Test func watcherTellsOfLinksAndAddresses() async throws {
    try await NetworkNamespace.run {
      let watcher = try LinkWatcher()
      defer { watcher.stop() }
      let log = Log()
      _ = watcher.subscribe { log.append($0) }
      #expect(log.wait { $0.contains { if case .appeared(let link) = $0 { link.name == "lo" } else { false } } })
      try RTNetlink.add(NewLink(name: "left", kind: .veth(peer: "right")))
      let link = try #require(try RTNetlink.link(named: "left"))
      try RTNetlink.set(link: link.index, LinkSettings(mtu: 1400))
      try RTNetlink.add(try #require(AddressPrefix(address: "192.0.2.1", length: 24)), toLink: link.index)
      try RTNetlink.deleteLink(index: link.index)
      #expect(log.wait { $0.contains { if case .vanished(let gone) = $0 { gone.name == "left" } else { false } } })
      let mine = log.events.filter { $0.link == link.index }
      #expect(mine.first.map { if case .appeared = $0 { true } else { false } } == true)
      #expect(mine.contains { if case .changed(_, let now) = $0 { now.mtu == 1400 } else { false } })
      #expect(mine.contains { if case .addressAdded(let it) = $0 { it.text == "192.0.2.1/24" } else { false } })
      #expect(mine.contains { if case .addressRemoved(let it) = $0 { it.text == "192.0.2.1/24" } else { false } })
      #expect(watcher.table.link(named: "left") == nil && watcher.table.link(named: "lo") != nil)
    }
  }

  @Test func watcherSurvivesMoreEventsThanTheQueueHolds() async throws {
    try await NetworkNamespace.run {
      let watcher = try LinkWatcher()
      defer { watcher.stop() }
      let log = Log()
      // A subscriber that sleeps until the queue has overflowed.
      let gate = Mutex(false)
      _ = watcher.subscribe { events in
        while !gate.withLock({ $0 }) { usleep(1000) }
        log.append(events)
      }
      try RTNetlink.add(NewLink(name: "left", kind: .veth(peer: "right")))
      let link = try #require(try RTNetlink.link(named: "left"))
      for number in 0..<3000 { try RTNetlink.set(link: link.index, LinkSettings(mtu: UInt32(1000 + number % 400))) }
      try RTNetlink.set(link: link.index, LinkSettings(mtu: 777))
      gate.withLock { $0 = true }
      #expect(log.wait(seconds: 20) { _ in watcher.table.link(named: "left")?.mtu == 777 })
      #expect(
        log.wait { events in
          events.contains {
            switch $0 {
            case .appeared(let now), .changed(_, let now): now.mtu == 777
            default: false
            }
          }
        }, "the state after the overflow is told, as an appearance or a change")
      #expect(watcher.table.link(named: "left")?.mtu == 777)
    }
  }

  /// Events that a watcher told of.
  private final class Log: Sendable {
    private let told = Mutex<[LinkEvent]>([])
    func append(_ events: [LinkEvent]) { told.withLock { $0 += events } }
    var events: [LinkEvent] { told.withLock { $0 } }

    func wait(seconds: Int = 10, until isEnough: ([LinkEvent]) -> Bool) -> Bool {
      for _ in 0..<(seconds * 100) {
        if isEnough(events) { return true }
        usleep(10_000)
      }
      return false
    }
  }
}
