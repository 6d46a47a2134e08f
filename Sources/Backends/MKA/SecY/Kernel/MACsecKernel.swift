// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Netlink

/// What a ``KernelSecY`` asks of the kernel, so that it can be tested without one. See ``MACsecNetlink`` for each.
protocol MACsecKernel: Sendable {
  func devices(maximumAge: Duration) throws(NetlinkError) -> [UInt32: MACsecDevice]
  func add(_ device: NewMACsecDevice) throws(NetlinkError)
  func change(_ device: UInt32, _ settings: MACsecSettings) throws(NetlinkError)
  func change(_ device: UInt32, encodingAssociation: UInt8) throws(NetlinkError)
  func setOperationalState(
    _ device: UInt32, isDormantByDefault: Bool?, _ state: Link.OperationalState
  ) throws(NetlinkError)
  func delete(_ device: UInt32) throws(NetlinkError)
  func addChannel(_ sci: UInt64, to device: UInt32) throws(NetlinkError)
  func deleteChannel(_ sci: UInt64, from device: UInt32) throws(NetlinkError)
  func add(
    _ association: NewMACsecAssociation, keyLength: Int, to device: UInt32, channel: UInt64?,
    withKey: ((UnsafeRawBufferPointer) -> Void) -> Void
  ) throws(NetlinkError)
  func update(
    _ number: UInt8, isActive: Bool?, packetNumber: UInt64?, isExtended: Bool, of device: UInt32, channel: UInt64?
  ) throws(NetlinkError)
  func delete(_ number: UInt8, from device: UInt32, channel: UInt64?) throws(NetlinkError)

  func link(named name: String) throws(NetlinkError) -> Link?
  func link(index: UInt32) throws(NetlinkError) -> Link?
  func set(_ link: UInt32, _ settings: LinkSettings) throws(NetlinkError)
  func cutOffStack(_ link: String) throws(NetlinkError)
  func reconnectStack(_ link: String) throws(NetlinkError)
}

extension MACsecNetlink: MACsecKernel {
  func link(named name: String) throws(NetlinkError) -> Link? { try RTNetlink.link(named: name) }
  func link(index: UInt32) throws(NetlinkError) -> Link? { try RTNetlink.link(index: index) }
  func set(_ link: UInt32, _ settings: LinkSettings) throws(NetlinkError) { try RTNetlink.set(link: link, settings) }
  func cutOffStack(_ link: String) throws(NetlinkError) {
    if try !LinkStack.isCutOff(link: link) { try LinkStack.cutOff(link: link) }
  }
  func reconnectStack(_ link: String) throws(NetlinkError) { try LinkStack.reconnect(link: link) }
}
