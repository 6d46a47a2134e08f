// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What a link has carried since it was made (struct rtnl_link_stats64).
public struct LinkStatistics: Sendable, Hashable {
  public var receivedPackets: UInt64 = 0
  public var sentPackets: UInt64 = 0
  public var receivedBytes: UInt64 = 0
  public var sentBytes: UInt64 = 0
  public var receiveErrors: UInt64 = 0
  public var sendErrors: UInt64 = 0
  public var receiveDrops: UInt64 = 0
  public var sendDrops: UInt64 = 0
  public var receivedMulticastPackets: UInt64 = 0

  public init() {}

  /// The counters in the kernel's order; those that later kernels append are not looked at.
  init(_ bytes: ArraySlice<UInt8>) throws(NetlinkError) {
    var reader = NetlinkReader(bytes)
    receivedPackets = try reader.integer(UInt64.self)
    sentPackets = try reader.integer(UInt64.self)
    receivedBytes = try reader.integer(UInt64.self)
    sentBytes = try reader.integer(UInt64.self)
    receiveErrors = try reader.integer(UInt64.self)
    sendErrors = try reader.integer(UInt64.self)
    receiveDrops = try reader.integer(UInt64.self)
    sendDrops = try reader.integer(UInt64.self)
    receivedMulticastPackets = try reader.integer(UInt64.self)
  }
}
