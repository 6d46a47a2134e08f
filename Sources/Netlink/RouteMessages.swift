// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The messages of rtnetlink about links and addresses, as values.
enum RouteMessages {
  enum MessageType {
    static let newLink: UInt16 = 16
    static let deleteLink: UInt16 = 17
    static let getLink: UInt16 = 18
    static let newAddress: UInt16 = 20
    static let deleteAddress: UInt16 = 21
    static let getAddress: UInt16 = 22
    static let newRoute: UInt16 = 24
    static let deleteRoute: UInt16 = 25
    static let getRoute: UInt16 = 26
  }

  enum LinkAttribute {
    static let hardwareAddress: UInt16 = 1
    static let name: UInt16 = 3
    static let mtu: UInt16 = 4
    static let link: UInt16 = 5
    static let master: UInt16 = 10
    static let operationalState: UInt16 = 16
    static let mode: UInt16 = 17
    static let linkInfo: UInt16 = 18
    static let alias: UInt16 = 20
    static let statistics: UInt16 = 23
    static let group: UInt16 = 27
    static let networkNamespace: UInt16 = 28
    /// Inside linkInfo.
    static let infoKind: UInt16 = 1
    static let infoData: UInt16 = 2
    /// Inside the data of an XFRM interface.
    static let xfrmLink: UInt16 = 1
    static let xfrmIdentifier: UInt16 = 2
    static let bondMode: UInt16 = 1
    /// Inside the data of a veth.
    static let vethPeer: UInt16 = 1
  }

  enum AddressAttribute {
    static let address: UInt16 = 1
    static let local: UInt16 = 2
    static let broadcast: UInt16 = 4
    static let flags: UInt16 = 8
    static let origin: UInt16 = 11
  }

  /// The longest name of a link, in bytes (IFNAMSIZ without its end).
  static let maximumNameLength = 15

  // MARK: Requests

  /// For one link by name, or for all.
  static func getLink(named name: String?, sequence: UInt32) throws(NetlinkError) -> NetlinkMessage {
    var writer = linkHeader(index: 0)
    if let name { writer.attribute(LinkAttribute.name, text: try checked(name: name)) }
    return NetlinkMessage(
      type: MessageType.getLink, flags: name == nil ? [.request, .dump] : [.request], sequence: sequence,
      payload: writer.bytes)
  }

  /// For one link by index.
  static func getLink(index: UInt32, sequence: UInt32) -> NetlinkMessage {
    NetlinkMessage(
      type: MessageType.getLink, flags: [.request], sequence: sequence, payload: linkHeader(index: index).bytes)
  }

  /// For the addresses of all links, or of one where the kernel filters strictly.
  static func getAddresses(link: UInt32, sequence: UInt32) -> NetlinkMessage {
    var writer = NetlinkWriter()
    writer.append(UInt8(AF_UNSPEC))
    writer.append(UInt8(0))
    writer.append(UInt8(0))
    writer.append(UInt8(0))
    writer.append(link)
    return NetlinkMessage(
      type: MessageType.getAddress, flags: [.request, .dump], sequence: sequence, payload: writer.bytes)
  }

  /// A struct ifinfomsg.
  static func linkHeader(index: UInt32, flags: Link.Flags = [], changing: Link.Flags = []) -> NetlinkWriter {
    var writer = NetlinkWriter()
    writer.append(UInt8(AF_UNSPEC))
    writer.append(UInt8(0))
    writer.append(UInt16(0))
    writer.append(index)
    writer.append(flags.rawValue)
    writer.append(changing.rawValue)
    return writer
  }

  /// A name that a link can have.
  static func checked(name: String) throws(NetlinkError) -> String {
    let isUsable =
      (1...maximumNameLength).contains(name.utf8.count) && name != "." && name != ".."
      && !name.utf8.contains { $0 <= 0x20 || $0 == 0x2F || $0 == 0x3A || $0 == 0x7F }
    guard isUsable else {
      throw .invalidRequest(
        "'\(name)' is not a link's name: it has 1 to \(maximumNameLength) bytes, and no space, '/' or ':' in it")
    }
    return name
  }

  // MARK: Answers

  /// A link; nil when the message is about something else.
  static func link(_ message: NetlinkMessage) throws(NetlinkError) -> Link? {
    guard message.type == MessageType.newLink else { return nil }
    return try link(payload: message.payload)
  }

  /// The link that a message says is there, or was.
  static func link(payload: [UInt8]) throws(NetlinkError) -> Link? {
    var reader = NetlinkReader(payload[...])
    // Bridges tell of their ports in messages of their own family, which do not describe the link.
    guard try reader.uint8() == UInt8(AF_UNSPEC) else { return nil }
    _ = try reader.uint8()
    let hardwareType = try reader.uint16()
    let index = try reader.uint32()
    let flags = Link.Flags(rawValue: try reader.uint32())
    _ = try reader.uint32()
    let attributes = try NetlinkAttributes(reader.rest)
    guard index != 0, let name = try attributes.text(LinkAttribute.name), !name.isEmpty else {
      throw .malformed("a link without index or name")
    }
    let state = try attributes.uint8(LinkAttribute.operationalState)
    let info = try attributes.nested(LinkAttribute.linkInfo)
    let kind = try info?.text(LinkAttribute.infoKind)
    return Link(
      index: index, name: name, flags: flags,
      operationalState: state.flatMap(Link.OperationalState.init(rawValue:)) ?? .unknown,
      mtu: try attributes.uint32(LinkAttribute.mtu) ?? 0,
      hardwareAddress: attributes.bytes(LinkAttribute.hardwareAddress).map(Array.init) ?? [],
      master: try attributes.uint32(LinkAttribute.master), parent: try attributes.uint32(LinkAttribute.link),
      kind: kind, hardwareType: hardwareType, alias: try attributes.text(LinkAttribute.alias),
      xfrmIdentifier: kind == "xfrm"
        ? try info?.nested(LinkAttribute.infoData)?.uint32(LinkAttribute.xfrmIdentifier) : nil,
      bondMode: kind == "bond"
        ? try info?.nested(LinkAttribute.infoData)?.uint8(LinkAttribute.bondMode).flatMap(Link.BondMode.init) : nil,
      group: try attributes.uint32(LinkAttribute.group) ?? 0)
  }

  /// An address of IPv4 or IPv6; nil when the message is about something else.
  static func address(_ message: NetlinkMessage) throws(NetlinkError) -> LinkAddress? {
    guard message.type == MessageType.newAddress else { return nil }
    return try address(payload: message.payload)
  }

  /// The address that a message says is there, or was.
  static func address(payload: [UInt8]) throws(NetlinkError) -> LinkAddress? {
    var reader = NetlinkReader(payload[...])
    let family = try reader.uint8()
    let prefixLength = try reader.uint8()
    let shortFlags = try reader.uint8()
    let scope = try reader.uint8()
    let link = try reader.uint32()
    guard Int32(family) == AF_INET || Int32(family) == AF_INET6 else { return nil }
    let attributes = try NetlinkAttributes(reader.rest)
    let length = Int32(family) == AF_INET ? 4 : 16
    // On point-to-point links `address` is the other end's; `local` is ours wherever it is given.
    let bytes = attributes.bytes(AddressAttribute.local) ?? attributes.bytes(AddressAttribute.address)
    guard let bytes, bytes.count == length, prefixLength <= length * 8 else {
      throw .malformed("an address with \(bytes?.count ?? 0) bytes and prefix length \(prefixLength)")
    }
    let flags = try attributes.uint32(AddressAttribute.flags) ?? UInt32(shortFlags)
    return LinkAddress(
      family: length == 4 ? .ipv4 : .ipv6, bytes: Array(bytes), prefixLength: prefixLength,
      scope: self.scope(scope), link: link, isTentative: flags & 0x48 != 0,  // tentative, duplicate
      isDuplicate: Int32(family) == AF_INET6 && flags & 0x8 != 0,
      isSecondary: Int32(family) == AF_INET && flags & 0x1 != 0,
      origin: try attributes.uint8(AddressAttribute.origin) ?? 0)
  }

  private static func scope(_ value: UInt8) -> LinkAddress.Scope {
    switch value {
    case 0: .universe
    case 200: .site
    case 253: .link
    case 254: .host
    default: .other(value)
    }
  }
}
