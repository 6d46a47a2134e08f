// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A unicast route with one way out.
public struct Route: Sendable, Hashable {
  /// The table that is looked up unless rules say otherwise.
  public static let mainTable: UInt32 = 254
  /// RTPROT_STATIC: routes of an administrator.
  public static let staticOrigin: UInt8 = 4

  /// Its length is 0 for the default route.
  public var destination: AddressPrefix
  /// The index of the link that packets leave by.
  public var link: UInt32?
  /// The next hop; nil when the destination is on the link.
  public var gateway: [UInt8]?
  public var table: UInt32
  /// Who made it (RTPROT_).
  public var origin: UInt8
  /// Of routes to one destination that with the lowest metric is used.
  public var metric: UInt32

  public init(
    to destination: AddressPrefix, link: UInt32?, gateway: [UInt8]? = nil, table: UInt32 = Route.mainTable,
    origin: UInt8 = Route.staticOrigin, metric: UInt32 = 0
  ) {
    self.destination = destination
    self.link = link
    self.gateway = gateway
    self.table = table
    self.origin = origin
    self.metric = metric
  }
}
