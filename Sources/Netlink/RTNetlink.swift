// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Reads links and addresses from the kernel. Each call is a fresh look; nothing is cached.
public enum RTNetlink {
  /// The link of a name; nil when there is none.
  public static func link(named name: String) throws(NetlinkError) -> Link? {
    try one { (sequence) throws(NetlinkError) in try RouteMessages.getLink(named: name, sequence: sequence) }
  }

  /// The link of an index; nil when there is none.
  public static func link(index: UInt32) throws(NetlinkError) -> Link? {
    try one { (sequence) throws(NetlinkError) in RouteMessages.getLink(index: index, sequence: sequence) }
  }

  private static func one(
    _ make: (UInt32) throws(NetlinkError) -> NetlinkMessage
  ) throws(NetlinkError) -> Link? {
    var socket = try NetlinkSocket(.route)
    do {
      for message in try socket.exchange(make) {
        if let link = try RouteMessages.link(message) { return link }
      }
      return nil
    } catch NetlinkError.refused(errorNumber: ENODEV, _) {
      return nil
    }
  }

  /// All links of this network namespace, by index.
  public static func links() throws(NetlinkError) -> [Link] {
    var socket = try NetlinkSocket(.route)
    var links: [Link] = []
    for message in try socket.exchange({ (sequence) throws(NetlinkError) in
      try RouteMessages.getLink(named: nil, sequence: sequence)
    }) {
      if let link = try RouteMessages.link(message) { links.append(link) }
    }
    return links.sorted { $0.index < $1.index }
  }

  /// The addresses of a link, IPv4 before IPv6, each in the kernel's order (primary addresses first).
  public static func addresses(of link: Link) throws(NetlinkError) -> [LinkAddress] {
    try addresses(ofLink: link.index)
  }

  /// The addresses of the link with this index.
  public static func addresses(ofLink index: UInt32) throws(NetlinkError) -> [LinkAddress] {
    var socket = try NetlinkSocket(.route)
    var addresses: [LinkAddress] = []
    do {
      for message in try socket.exchange({ (sequence) throws(NetlinkError) in
        RouteMessages.getAddresses(link: index, sequence: sequence)
      }) {
        // Kernels without strict checking send the addresses of all links.
        if let address = try RouteMessages.address(message), address.link == index { addresses.append(address) }
      }
    } catch NetlinkError.refused(errorNumber: ENODEV, _) {
      return []
    }
    return addresses.filter { $0.family == .ipv4 } + addresses.filter { $0.family == .ipv6 }
  }
}
