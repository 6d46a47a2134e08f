// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Changes links, addresses and routes. Each call is one request that the kernel has carried out, or refused with its
/// reason, when the call returns. All need CAP_NET_ADMIN in the network namespace of the calling thread.
extension RTNetlink {
  // MARK: Links

  /// Makes a virtual link, which is down. Refused with EEXIST when there is a link of that name, with EOPNOTSUPP when
  /// the kernel does not know the kind.
  public static func add(_ link: NewLink) throws(NetlinkError) {
    try perform { (sequence) throws(NetlinkError) in try RouteMessages.newLink(link, sequence: sequence) }
  }

  /// Whether the kernel knows links of kind `xfrm`, if need be by loading a module. Makes none.
  public static func hasXFRMInterfaces() throws(NetlinkError) -> Bool {
    // A size that no link can have: the kernel refuses it, after it has found the kind or has not.
    let probe = NewLink(name: "agentd-probe", kind: .xfrm(identifier: .max, underlying: nil), mtu: 1)
    do {
      try add(probe)
    } catch {
      switch error.refusal {
      case EINVAL?, ERANGE?: return true
      case EOPNOTSUPP?: return false
      default: throw error
      }
    }
    if let link = try link(named: probe.name) { try deleteLink(index: link.index) }
    return true
  }

  /// Removes a virtual link. Refused with ENODEV when there is none, with EOPNOTSUPP when it is no virtual one.
  public static func deleteLink(index: UInt32) throws(NetlinkError) {
    try perform { (sequence) throws(NetlinkError) in RouteMessages.deleteLink(index: index, sequence: sequence) }
  }

  /// Changes settings of a link; either all of them or, with some drivers, those before the one that was refused.
  public static func set(link index: UInt32, _ settings: LinkSettings) throws(NetlinkError) {
    try perform { (sequence) throws(NetlinkError) in
      try RouteMessages.setLink(index: index, settings, sequence: sequence)
    }
  }

  /// The counters of a link; nil when there is no such link.
  public static func statistics(ofLink index: UInt32) throws(NetlinkError) -> LinkStatistics? {
    do {
      var socket = try NetlinkSocket(.route)
      for message in try socket.exchange({ (sequence) throws(NetlinkError) in
        RouteMessages.getLink(index: index, sequence: sequence)
      }) {
        if let (_, statistics) = try RouteMessages.statistics(message) { return statistics }
      }
      return nil
    } catch NetlinkError.refused(errorNumber: ENODEV, _) {
      return nil
    }
  }

  /// The counters of all links, by their indexes.
  public static func statistics() throws(NetlinkError) -> [UInt32: LinkStatistics] {
    var socket = try NetlinkSocket(.route)
    var result: [UInt32: LinkStatistics] = [:]
    for message in try socket.exchange({ (sequence) throws(NetlinkError) in
      try RouteMessages.getLink(named: nil, sequence: sequence)
    }) {
      if let (link, statistics) = try RouteMessages.statistics(message) { result[link] = statistics }
    }
    return result
  }

  // MARK: Addresses

  /// Adds an address. Refused with EEXIST when the link has it, also with another origin.
  ///
  /// - Parameter origin: who adds it (IFA_PROTO), which kernels before 5.18 do not keep; 0 says nothing.
  public static func add(
    _ address: AddressPrefix, origin: UInt8 = 0, toLink index: UInt32
  ) throws(NetlinkError) {
    try perform { (sequence) throws(NetlinkError) in
      RouteMessages.addAddress(address, origin: origin, link: index, sequence: sequence)
    }
  }

  /// Removes an address; IPv4 addresses that are secondary to it go with it. Refused with EADDRNOTAVAIL when the link
  /// does not have it with that prefix length.
  public static func delete(_ address: AddressPrefix, fromLink index: UInt32) throws(NetlinkError) {
    try perform { (sequence) throws(NetlinkError) in
      RouteMessages.deleteAddress(address, link: index, sequence: sequence)
    }
  }

  /// The addresses of all links.
  public static func addresses() throws(NetlinkError) -> [LinkAddress] {
    var socket = try NetlinkSocket(.route)
    var addresses: [LinkAddress] = []
    for message in try socket.exchange({ (sequence) throws(NetlinkError) in
      RouteMessages.getAddresses(link: 0, sequence: sequence)
    }) {
      if let address = try RouteMessages.address(message) { addresses.append(address) }
    }
    return addresses
  }

  // MARK: Routes

  /// Adds a route, or puts it in the place of the one with the same destination, metric and table.
  public static func replace(_ route: Route) throws(NetlinkError) {
    try perform { (sequence) throws(NetlinkError) in try RouteMessages.replaceRoute(route, sequence: sequence) }
  }

  /// Removes the route that agrees in all that is given. Refused with ESRCH when there is none.
  public static func delete(_ route: Route) throws(NetlinkError) {
    try perform { (sequence) throws(NetlinkError) in try RouteMessages.deleteRoute(route, sequence: sequence) }
  }

  /// The unicast routes of all tables that have one way out, in the kernel's order.
  public static func routes(_ family: LinkAddress.Family) throws(NetlinkError) -> [Route] {
    var socket = try NetlinkSocket(.route)
    var routes: [Route] = []
    for message in try socket.exchange({ (sequence) throws(NetlinkError) in
      RouteMessages.getRoutes(family: family, sequence: sequence)
    }) {
      if let route = try RouteMessages.route(message) { routes.append(route) }
    }
    return routes
  }

  /// One request and its acknowledgement.
  static func perform(_ make: (UInt32) throws(NetlinkError) -> NetlinkMessage) throws(NetlinkError) {
    var socket = try NetlinkSocket(.route)
    _ = try socket.exchange(make)
  }
}
