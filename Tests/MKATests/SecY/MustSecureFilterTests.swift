// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Glibc
import NetlinkTestSupport
import Testing

@testable import MKA
@testable import Netlink

/// The filter in the kernel, on one end of a pair of links; the other end is the network outside.
@Suite(.enabled(if: NetworkNamespace.isPermitted, "needs CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW"))
struct MustSecureFilterTests {
  /// A port with an address, 192.0.2.1, and what is outside of it, in a namespace of their own.
  private final class Port {
    let port: Link
    let outside: Link
    private let sniffer: EAPOLSocket
    /// The last byte of an address that nothing was sent to so far.
    private var destination: UInt32 = 10

    init() throws {
      try RTNetlink.add(NewLink(name: "port", kind: .veth(peer: "outside")))
      for name in ["port", "outside"] {
        // No autoconfiguration: its frames would be counted.
        try? "1".write(toFile: "/proc/sys/net/ipv6/conf/\(name)/disable_ipv6", atomically: false, encoding: .utf8)
        let link = try #require(try RTNetlink.link(named: name))
        try RTNetlink.set(link: link.index, LinkSettings(isUp: true))
      }
      port = try #require(try RTNetlink.link(named: "port"))
      outside = try #require(try RTNetlink.link(named: "outside"))
      let address = try #require(AddressPrefix(address: "192.0.2.1", length: 24))
      try RTNetlink.add(address, toLink: port.index)
      sniffer = try EAPOLSocket(interfaceIndex: outside.index, etherType: 3)  // all types
    }

    func frame(_ etherTypes: [UInt16], to link: Link, from source: Link, _ payload: [UInt8]) -> [UInt8] {
      let types = etherTypes.enumerated().flatMap { index, type -> [UInt8] in
        let tag: [UInt8] = index < etherTypes.count - 1 ? [0, 5] : []
        return [UInt8(type >> 8), UInt8(type & 255)] + tag
      }
      return link.hardwareAddress + source.hardwareAddress + types + payload
        + [UInt8](repeating: 0, count: max(0, 46 - payload.count))
    }

    /// Sends to the port. The socket is bound to the type, so the kernel takes it for what it is.
    func inject(_ etherTypes: [UInt16], _ payload: [UInt8] = [1, 2, 3, 4]) throws {
      let socket = try EAPOLSocket(interfaceIndex: outside.index, etherType: try #require(etherTypes.first))
      try socket.send(frame(etherTypes, to: port, from: outside, payload))
    }

    /// Whether a frame like this, sent to the port, reaches a socket for its type there.
    func takes(_ etherTypes: [UInt16]) throws -> Bool {
      let socket = try EAPOLSocket(interfaceIndex: port.index, etherType: try #require(etherTypes.last))
      try inject(etherTypes)
      return try Self.wait(socket) != nil
    }

    /// Whether a frame like this, sent by a socket on the port, comes out.
    func lets(out etherTypes: [UInt16]) throws -> Bool {
      while try sniffer.receive() != nil {}
      let socket = try EAPOLSocket(interfaceIndex: port.index, etherType: try #require(etherTypes.first))
      // A drop may be reported, or not.
      try? socket.send(frame(etherTypes, to: outside, from: port, [9, 9, 9, 9]))
      return try Self.wait(sniffer) != nil
    }

    /// Whether the port's own stack answers an ARP request for its address: in clear, both ways.
    func answersARP() throws -> Bool {
      while try sniffer.receive() != nil {}
      let request: [UInt8] =
        [0, 1, 8, 0, 6, 4, 0, 1] + outside.hardwareAddress + [192, 0, 2, 2, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1]
      try inject([0x0806], request)
      return try Self.wait(sniffer) != nil
    }

    /// Whether the port's own stack sends a datagram, or asks for an address to send it to.
    func sendsDatagram() throws -> Bool {
      while try sniffer.receive() != nil {}
      let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
      defer { close(descriptor) }
      var target = sockaddr_in()
      target.sin_family = sa_family_t(AF_INET)
      target.sin_port = UInt16(9).bigEndian
      destination += 1
      target.sin_addr.s_addr = UInt32(0xC000_0200 + destination).bigEndian
      let sent = withUnsafePointer(to: &target) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          sendto(descriptor, "x", 1, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      #expect(sent == 1)
      return try Self.wait(sniffer) != nil
    }

    /// The next frame within 150 ms. Frames pass a pair of links at once.
    private static func wait(_ socket: EAPOLSocket) throws -> [UInt8]? {
      for _ in 0..<30 {
        if let frame = try socket.receive() { return frame }
        usleep(5_000)
      }
      return nil
    }
  }

  private static let mka: UInt16 = 0x888E
  private static let ip: UInt16 = 0x0800

  @Test func dropsWhatIsInClearBothWays() async throws {
    try await NetworkNamespace.run {
      let port = try Port()
      // Without the filter all of this passes; otherwise the rest would prove nothing.
      #expect(try port.answersARP() && port.sendsDatagram() && port.takes([Self.ip]) && port.lets(out: [Self.ip]))
      #expect(try port.takes([0x8100, Self.ip]) && port.lets(out: [0x8100, Self.ip]))

      let filter = MustSecureFilter(parent: "port")
      try filter.install()
      #expect(try filter.state() == LinkFilterState(isInPlace: true, droppedIn: 0, droppedOut: 0))
      #expect(try !port.answersARP())
      #expect(try filter.state().droppedIn == 1)
      #expect(try !port.sendsDatagram())
      #expect(try filter.state().droppedOut >= 1)
      #expect(try !port.takes([Self.ip]) && !port.lets(out: [Self.ip]))
      #expect(try !port.takes([0x86DD]) && !port.lets(out: [0x86DD]))
      // A tag does not help.
      #expect(try !port.takes([0x8100, Self.ip]) && !port.lets(out: [0x8100, Self.ip]))
      #expect(
        try !port.takes([0x8100, MustSecureFilter.secTAG]) && !port.lets(out: [0x8100, MustSecureFilter.secTAG]))

      #expect(try port.takes([Self.mka]) && port.lets(out: [Self.mka]))
      #expect(try port.takes([MustSecureFilter.secTAG]) && port.lets(out: [MustSecureFilter.secTAG]))
      try MustSecureFilter.remove(from: "port")
      #expect(try port.answersARP() && port.sendsDatagram())
    }
  }

  @Test func lockedBeforeTheLinkGoesUp() async throws {
    try await NetworkNamespace.run {
      let port = try Port()
      try RTNetlink.set(link: port.port.index, LinkSettings(isUp: false))
      let filter = MustSecureFilter(parent: "port")
      try filter.install()
      try RTNetlink.set(link: port.port.index, LinkSettings(isUp: true))
      #expect(try filter.state().isInPlace && !port.answersARP() && !port.sendsDatagram())
    }
  }

  @Test func letsTheExceptionsPass() async throws {
    try await NetworkNamespace.run {
      let port = try Port()
      let types: [UInt16] = [0x88CC, 0x8809, 0x8808]
      try MustSecureFilter(parent: "port").install()
      for type in types { #expect(try !port.takes([type]) && !port.lets(out: [type]), "\(type)") }
      let exceptions = ClearExceptions(lldp: true, slowProtocols: true, pause: true)
      try MustSecureFilter(parent: "port", exceptions: exceptions).install()
      for type in types { #expect(try port.takes([type]) && port.lets(out: [type]), "\(type)") }
      #expect(try !port.answersARP())
      // Each by itself.
      try MustSecureFilter(parent: "port", exceptions: ClearExceptions(slowProtocols: true)).install()
      #expect(try port.takes([0x8809]) && !port.takes([0x88CC]) && !port.takes([0x8808]))
      // An EtherType of MKA that is configured.
      try MustSecureFilter(parent: "port", etherType: 0x876F).install()
      #expect(try port.takes([0x876F]) && port.lets(out: [0x876F]) && !port.takes([0x8809]))
    }
  }

  @Test func letsTagsInClearPassBeforeASecTAGOnly() async throws {
    try await NetworkNamespace.run {
      let port = try Port()
      let secTAG = MustSecureFilter.secTAG
      try MustSecureFilter(parent: "port", exceptions: ClearExceptions(vlanTags: 1)).install()
      #expect(try port.takes([0x8100, secTAG]) && port.lets(out: [0x8100, secTAG]))
      #expect(try port.takes([secTAG]) && port.lets(out: [secTAG]))
      #expect(try !port.takes([0x8100, Self.ip]) && !port.lets(out: [0x8100, Self.ip]))
      #expect(try !port.lets(out: [0x88A8, 0x8100, secTAG]))
      try MustSecureFilter(parent: "port", exceptions: ClearExceptions(vlanTags: 2)).install()
      #expect(try port.lets(out: [0x88A8, 0x8100, secTAG]) && port.lets(out: [0x8100, secTAG]))
      #expect(try !port.lets(out: [0x88A8, 0x8100, Self.ip]))
    }
  }

  @Test func isFoundAgainAndPutBack() async throws {
    try await NetworkNamespace.run {
      let port = try Port()
      let filter = MustSecureFilter(parent: "port")
      #expect(try !filter.state().isInPlace)
      #expect(try filter.ensure() && !filter.ensure())
      #expect(try MustSecureFilter.filteredLinks() == ["port"])
      // Not the same with other exceptions.
      let other = MustSecureFilter(parent: "port", exceptions: ClearExceptions(lldp: true))
      #expect(try !other.state().isInPlace && other.ensure() && other.state().isInPlace && !filter.state().isInPlace)
      try MustSecureFilter.remove(from: "port")
      try MustSecureFilter.remove(from: "port")
      #expect(try MustSecureFilter.filteredLinks().isEmpty && !other.state().isInPlace)
      // What is left when the link is gone is found, to be removed.
      try filter.install()
      try RTNetlink.deleteLink(index: port.port.index)
      #expect(try MustSecureFilter.filteredLinks() == ["port"])
      try MustSecureFilter.remove(from: "port")
      #expect(try MustSecureFilter.filteredLinks().isEmpty)
    }
  }

  /// Kernels before 6.16 refuse; later ones wait for a link of that name, which then comes with its filter.
  @Test func waitsForTheLinkOrSaysThatThereIsNone() async throws {
    try await NetworkNamespace.run {
      let filter = MustSecureFilter(parent: "port")
      do throws(SecYError) { try filter.install() } catch {
        #expect(error.code == .absent, "\(error)")
        let links = try MustSecureFilter.filteredLinks()
        #expect(links.isEmpty)
        return
      }
      let port = try Port()
      #expect(try filter.state().isInPlace && !port.answersARP() && !port.sendsDatagram())
      #expect(try port.takes([Self.mka]))
    }
  }

  @Test func cutsTheParentsStackOff() async throws {
    try await NetworkNamespace.run {
      let port = try Port()
      #expect(try port.answersARP() && LinkStack.isCutOff(link: "port") == false)
      #expect(try ParentStack.ensureCutOff("port") && !ParentStack.ensureCutOff("port"))
      #expect(try !port.answersARP() && LinkStack.isCutOff(link: "port"))
      // Packet sockets are not part of it, nor is what is sent.
      #expect(try port.takes([Self.ip]) && port.takes([Self.mka]) && port.sendsDatagram())
      try ParentStack.reconnect("port")
      try ParentStack.reconnect("port")
      #expect(try port.answersARP() && !LinkStack.isCutOff(link: "port"))
    }
  }

  @Test func tellsWhenFiltersAreTakenAway() async throws {
    try await NetworkNamespace.run {
      let port = try Port()
      let filter = MustSecureFilter(parent: "port")
      try filter.install()
      let watch = try LinkFilterWatch()
      #expect(!watch.takeRemovals())
      // What is read, and what is added, takes nothing away.
      #expect(try filter.state().isInPlace)
      try ParentStack.ensureCutOff("port")
      _ = watch.takeRemovals()
      try MustSecureFilter.remove(from: "port")
      var poll = pollfd(fd: watch.descriptor, events: Int16(POLLIN), revents: 0)
      #expect(Glibc.poll(&poll, 1, 1_000) == 1)
      #expect(watch.takeRemovals() && !watch.takeRemovals())
      #expect(try filter.ensure() && !port.answersARP())
    }
  }
}
