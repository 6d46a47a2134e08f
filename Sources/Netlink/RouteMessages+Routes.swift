// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The messages of rtnetlink about routes.
extension RouteMessages {
  private enum RouteAttribute {
    static let destination: UInt16 = 1
    static let outputLink: UInt16 = 4
    static let gateway: UInt16 = 5
    static let metric: UInt16 = 6
    static let table: UInt16 = 15
  }

  private static let unicast: UInt8 = 1
  /// The scope of what is on the link, and of what is behind a gateway.
  private static let linkScope: UInt8 = 253
  private static let universeScope: UInt8 = 0
  /// In requests to delete: any.
  private static let nowhereScope: UInt8 = 255

  /// Adds a route, or puts it in the place of the one with the same destination, metric and table.
  static func replaceRoute(_ route: Route, sequence: UInt32) throws(NetlinkError) -> NetlinkMessage {
    guard route.link != nil || route.gateway != nil else {
      throw .invalidRequest("a route needs a link or a gateway")
    }
    let scope = route.gateway == nil && route.destination.family == .ipv4 ? linkScope : universeScope
    return NetlinkMessage(
      type: MessageType.newRoute, flags: [.request, .acknowledge, .create, .replace], sequence: sequence,
      payload: try payload(route, scope: scope))
  }

  static func deleteRoute(_ route: Route, sequence: UInt32) throws(NetlinkError) -> NetlinkMessage {
    NetlinkMessage(
      type: MessageType.deleteRoute, flags: [.request, .acknowledge], sequence: sequence,
      payload: try payload(route, scope: nowhereScope))
  }

  static func getRoutes(family: LinkAddress.Family, sequence: UInt32) -> NetlinkMessage {
    var writer = NetlinkWriter()
    writer.append(UInt8(family == .ipv4 ? AF_INET : AF_INET6))
    writer.append(bytes: Array(repeating: 0, count: 11))
    return NetlinkMessage(
      type: MessageType.getRoute, flags: [.request, .dump], sequence: sequence, payload: writer.bytes)
  }

  /// A struct rtmsg and its attributes.
  private static func payload(_ route: Route, scope: UInt8) throws(NetlinkError) -> [UInt8] {
    let destination = route.destination
    guard route.gateway.map({ $0.count == destination.bytes.count }) ?? true else {
      throw .invalidRequest("a route's gateway is of another family than its destination")
    }
    var writer = NetlinkWriter()
    writer.append(UInt8(destination.family == .ipv4 ? AF_INET : AF_INET6))
    writer.append(destination.length)
    writer.append(UInt8(0))  // prefix length of the source
    writer.append(UInt8(0))  // type of service
    writer.append(UInt8(route.table < 256 ? route.table : 0))
    writer.append(route.origin)
    writer.append(scope)
    writer.append(unicast)
    writer.append(UInt32(0))
    if destination.length > 0 { writer.attribute(RouteAttribute.destination, destination.bytes) }
    if let link = route.link { writer.attribute(RouteAttribute.outputLink, link) }
    if let gateway = route.gateway { writer.attribute(RouteAttribute.gateway, gateway) }
    if route.metric > 0 { writer.attribute(RouteAttribute.metric, route.metric) }
    writer.attribute(RouteAttribute.table, route.table)
    return writer.bytes
  }

  /// A unicast route with one way out; nil when the message is about something else.
  static func route(_ message: NetlinkMessage) throws(NetlinkError) -> Route? {
    guard message.type == MessageType.newRoute else { return nil }
    var reader = NetlinkReader(message.payload[...])
    let family = try reader.uint8()
    let prefixLength = try reader.uint8()
    _ = try reader.uint16()
    let shortTable = try reader.uint8()
    let origin = try reader.uint8()
    _ = try reader.uint8()
    let type = try reader.uint8()
    _ = try reader.uint32()
    guard Int32(family) == AF_INET || Int32(family) == AF_INET6, type == unicast else { return nil }
    let length = Int32(family) == AF_INET ? 4 : 16
    let attributes = try NetlinkAttributes(reader.rest)
    let bytes = attributes.bytes(RouteAttribute.destination).map(Array.init) ?? Array(repeating: 0, count: length)
    guard bytes.count == length, let destination = AddressPrefix(bytes: bytes, length: prefixLength) else {
      throw .malformed("a route to \(bytes.count) bytes with prefix length \(prefixLength)")
    }
    let gateway = attributes.bytes(RouteAttribute.gateway).map(Array.init)
    let link = try attributes.uint32(RouteAttribute.outputLink)
    guard gateway != nil || link != nil else { return nil }  // several ways out
    return Route(
      to: destination, link: link, gateway: gateway,
      table: try attributes.uint32(RouteAttribute.table) ?? UInt32(shortTable), origin: origin,
      metric: try attributes.uint32(RouteAttribute.metric) ?? 0)
  }
}
