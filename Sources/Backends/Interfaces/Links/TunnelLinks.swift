// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Netlink

/// The Linux links behind tunnel interfaces, for whoever runs the tunnels.
///
/// A tunnel is named as in the configuration (`tunnel-ip1`). Its addresses, MTU, remark and administrative state are
/// the business of the backend of interfaces, which gives them to the link as soon as it is there.
public protocol TunnelLinks: Sendable {
  /// Whether the kernel has XFRM interfaces. Found out once.
  var hasXFRMInterfaces: Bool { get }

  /// Makes the XFRM interface of a tunnel, if it is not there as it should be: one with another identifier is replaced.
  ///
  /// - Parameters:
  ///   - identifier: what the SAs of the tunnel carry as `if_id`; not 0.
  ///   - underlying: the Linux link that the tunnel's packets leave by; nil leaves that to routing.
  /// - Returns: the name of the link.
  func ensure(_ tunnel: String, identifier: UInt32, underlying: String?) throws(TunnelLinkError) -> String

  /// Says that the tunnel is carried by a link that somebody else makes, such as charon's TUN device `ipsec0`.
  func adopt(_ tunnel: String, link: String)

  /// Says which destinations are routed to the tunnel besides its own subnets.
  func route(_ destinations: [AddressPrefix], to tunnel: String)

  /// Takes away the XFRM interfaces that an earlier agent has made for tunnels other than these. What somebody else has
  /// made stays.
  func removeStrays(except tunnels: Set<String>) throws(TunnelLinkError)

  /// Takes away what `ensure`, `adopt` and `route` made. Nothing happens when there is nothing.
  func remove(_ tunnel: String) throws(TunnelLinkError)
}

/// Why a tunnel's link cannot be had.
public struct TunnelLinkError: Error, Sendable, Hashable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// The links in the network namespace of the calling thread, over rtnetlink.
public struct KernelTunnelLinks: TunnelLinks {
  private let ports: PortDirectory
  public let hasXFRMInterfaces: Bool

  /// The group of the links that an agent has made: it stays with them when the agent ends. A number that nobody
  /// comes by: the letters `agtd`.
  static let group: UInt32 = 0x6167_7464

  public init(ports: PortDirectory) {
    self.ports = ports
    hasXFRMInterfaces = (try? RTNetlink.hasXFRMInterfaces()) ?? false
  }

  public func ensure(
    _ tunnel: String, identifier: UInt32, underlying: String?
  ) throws(TunnelLinkError) -> String {
    let name = ports.linkName(of: tunnel)
    do throws(NetlinkError) {
      let parent = try underlying.flatMap { (name) throws(NetlinkError) in try RTNetlink.link(named: name)?.index }
      if let link = try RTNetlink.link(named: name) {
        guard link.kind == "xfrm" else {
          throw .invalidRequest("there is a link of that name which is no XFRM interface")
        }
        if link.xfrmIdentifier == identifier, parent == nil || link.parent == parent {
          ports.carry(tunnel, on: nil)
          return name
        }
        try RTNetlink.deleteLink(index: link.index)
      }
      try RTNetlink.add(NewLink(name: name, kind: .xfrm(identifier: identifier, underlying: parent), group: Self.group))
    } catch {
      throw TunnelLinkError("the XFRM interface \(name) of \(tunnel): \(error)")
    }
    ports.carry(tunnel, on: nil)
    return name
  }

  public func removeStrays(except tunnels: Set<String>) throws(TunnelLinkError) {
    do throws(NetlinkError) {
      for link in Self.strays(try RTNetlink.links(), except: Set(tunnels.map { ports.linkName(of: $0) })) {
        do throws(NetlinkError) { try RTNetlink.deleteLink(index: link.index) } catch {
          if error.refusal != ENODEV { throw error }
        }
      }
    } catch { throw TunnelLinkError("XFRM interfaces of an earlier agent: \(error)") }
  }

  /// The links that agents have made and that are not among these.
  static func strays(_ links: [Link], except names: Set<String>) -> [Link] {
    links.filter { $0.kind == "xfrm" && $0.group == group && !names.contains($0.name) }
  }

  public func adopt(_ tunnel: String, link: String) { ports.carry(tunnel, on: .device(link)) }

  public func route(_ destinations: [AddressPrefix], to tunnel: String) { ports.route(destinations, to: tunnel) }

  public func remove(_ tunnel: String) throws(TunnelLinkError) {
    ports.route([], to: tunnel)
    ports.carry(tunnel, on: nil)
    let name = ports.linkName(of: tunnel)
    do throws(NetlinkError) {
      guard let link = try RTNetlink.link(named: name), link.kind == "xfrm" else { return }
      try RTNetlink.deleteLink(index: link.index)
    } catch {
      if error.refusal == ENODEV { return }
      throw TunnelLinkError("the XFRM interface \(name) of \(tunnel): \(error)")
    }
  }
}
