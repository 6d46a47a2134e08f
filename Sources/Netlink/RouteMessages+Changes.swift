// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The messages of rtnetlink that change links and addresses.
extension RouteMessages {
  // MARK: Links

  static func newLink(_ link: NewLink, sequence: UInt32) throws(NetlinkError) -> NetlinkMessage {
    var data = NetlinkWriter()
    let kind: String
    switch link.kind {
    case .xfrm(let identifier, let underlying):
      guard identifier != 0 else { throw .invalidRequest("an XFRM interface has an identifier other than 0") }
      kind = "xfrm"
      if let underlying { data.attribute(LinkAttribute.xfrmLink, underlying) }
      data.attribute(LinkAttribute.xfrmIdentifier, identifier)
    case .dummy: kind = "dummy"
    case .veth(let peer):
      kind = "veth"
      var end = linkHeader(index: 0)
      end.attribute(LinkAttribute.name, text: try checked(name: peer))
      data.attribute(LinkAttribute.vethPeer, end.bytes, nested: true)
    }
    return try newLink(
      name: link.name, kind: kind, mtu: link.mtu, group: link.group, data: data.bytes, sequence: sequence)
  }

  /// A virtual link of any kind; it is an error when there is one of that name.
  ///
  /// - Parameters:
  ///   - parent: the index of the link that it runs on.
  ///   - data: the attributes of its kind.
  static func newLink(
    name: String, kind: String, parent: UInt32? = nil, mtu: UInt32? = nil, group: UInt32? = nil, data: [UInt8],
    sequence: UInt32
  ) throws(NetlinkError) -> NetlinkMessage {
    var writer = linkHeader(index: 0)
    writer.attribute(LinkAttribute.name, text: try checked(name: name))
    if let mtu { writer.attribute(LinkAttribute.mtu, mtu) }
    if let parent { writer.attribute(LinkAttribute.link, parent) }
    if let group { writer.attribute(LinkAttribute.group, group) }
    var info = NetlinkWriter()
    info.attribute(LinkAttribute.infoKind, text: kind)
    if !data.isEmpty { info.attribute(LinkAttribute.infoData, data, nested: true) }
    writer.attribute(LinkAttribute.linkInfo, info.bytes, nested: true)
    return NetlinkMessage(
      type: MessageType.newLink, flags: [.request, .acknowledge, .create, .exclusive], sequence: sequence,
      payload: writer.bytes)
  }

  static func deleteLink(index: UInt32, sequence: UInt32) -> NetlinkMessage {
    NetlinkMessage(
      type: MessageType.deleteLink, flags: [.request, .acknowledge], sequence: sequence,
      payload: linkHeader(index: index).bytes)
  }

  static func setLink(index: UInt32, _ settings: LinkSettings, sequence: UInt32) throws(NetlinkError) -> NetlinkMessage
  {
    var writer = linkHeader(
      index: index, flags: settings.isUp == true ? .up : [], changing: settings.isUp == nil ? [] : .up)
    if let mtu = settings.mtu { writer.attribute(LinkAttribute.mtu, mtu) }
    if let master = settings.master { writer.attribute(LinkAttribute.master, master) }
    if let alias = settings.alias {
      guard alias.utf8.count <= LinkSettings.maximumAliasLength, !alias.utf8.contains(0) else {
        throw .invalidRequest("a link's remark has at most \(LinkSettings.maximumAliasLength) bytes")
      }
      // Without an end: an empty one takes the remark away.
      writer.attribute(LinkAttribute.alias, Array(alias.utf8))
    }
    return NetlinkMessage(
      type: MessageType.newLink, flags: [.request, .acknowledge], sequence: sequence, payload: writer.bytes)
  }

  /// The counters of the link that a message is about.
  static func statistics(_ message: NetlinkMessage) throws(NetlinkError) -> (link: UInt32, LinkStatistics)? {
    guard message.type == MessageType.newLink else { return nil }
    var reader = NetlinkReader(message.payload[...])
    _ = try reader.uint32()
    let index = try reader.uint32()
    _ = try reader.integer(UInt64.self)
    guard let bytes = try NetlinkAttributes(reader.rest).bytes(LinkAttribute.statistics) else { return nil }
    return (index, try LinkStatistics(bytes))
  }

  // MARK: Addresses

  /// Adds an address to a link; it is an error when the link has it.
  static func addAddress(_ address: AddressPrefix, origin: UInt8, link: UInt32, sequence: UInt32) -> NetlinkMessage {
    var writer = addressHeader(address, link: link)
    // The broadcast address of a subnet that has one: the last (RFC 919).
    if address.family == .ipv4, address.length < 31 { writer.attribute(AddressAttribute.broadcast, address.last) }
    if origin != 0 { writer.attribute(AddressAttribute.origin, [origin]) }
    return NetlinkMessage(
      type: MessageType.newAddress, flags: [.request, .acknowledge, .create, .exclusive], sequence: sequence,
      payload: writer.bytes)
  }

  static func deleteAddress(_ address: AddressPrefix, link: UInt32, sequence: UInt32) -> NetlinkMessage {
    NetlinkMessage(
      type: MessageType.deleteAddress, flags: [.request, .acknowledge], sequence: sequence,
      payload: addressHeader(address, link: link).bytes)
  }

  /// A struct ifaddrmsg with the address, which is the local one and, on point-to-point links too, its own far end.
  private static func addressHeader(_ address: AddressPrefix, link: UInt32) -> NetlinkWriter {
    var writer = NetlinkWriter()
    writer.append(UInt8(address.family == .ipv4 ? AF_INET : AF_INET6))
    writer.append(address.length)
    writer.append(UInt8(0))
    writer.append(UInt8(address.isLinkLocal ? 253 : 0))  // scope
    writer.append(link)
    writer.attribute(AddressAttribute.local, address.bytes)
    writer.attribute(AddressAttribute.address, address.bytes)
    return writer
  }
}
