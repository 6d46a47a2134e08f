// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// The messages of rtnetlink about links and addresses, as values.
enum RouteMessages {
  enum MessageType {
    static let newLink: UInt16 = 16
    static let getLink: UInt16 = 18
    static let newAddress: UInt16 = 20
    static let getAddress: UInt16 = 22
  }

  private enum LinkAttribute {
    static let hardwareAddress: UInt16 = 1
    static let name: UInt16 = 3
    static let mtu: UInt16 = 4
    static let link: UInt16 = 5
    static let master: UInt16 = 10
    static let operationalState: UInt16 = 16
    static let linkInfo: UInt16 = 18
    static let filterMask: UInt16 = 29
    /// Inside linkInfo.
    static let infoKind: UInt16 = 1
  }

  private enum AddressAttribute {
    static let address: UInt16 = 1
    static let local: UInt16 = 2
    static let flags: UInt16 = 8
  }

  /// The longest name of a link, in bytes (IFNAMSIZ without its end).
  static let maximumNameLength = 15

  // MARK: Requests

  /// For one link by name, or for all.
  static func getLink(named name: String?, sequence: UInt32) throws(NetlinkError) -> NetlinkMessage {
    var writer = linkHeader(index: 0)
    if let name {
      guard (1...maximumNameLength).contains(name.utf8.count), !name.utf8.contains(0) else {
        throw .invalidRequest("\(name) is not a link's name: it has 1 to \(maximumNameLength) bytes")
      }
      writer.attribute(LinkAttribute.name, text: name)
    }
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

  private static func linkHeader(index: UInt32) -> NetlinkWriter {
    var writer = NetlinkWriter()
    writer.append(UInt8(AF_UNSPEC))
    writer.append(UInt8(0))
    writer.append(UInt16(0))
    writer.append(index)
    writer.append(UInt32(0))  // flags
    writer.append(UInt32(0))  // changed flags
    return writer
  }

  // MARK: Answers

  /// A link; nil when the message is about something else.
  static func link(_ message: NetlinkMessage) throws(NetlinkError) -> Link? {
    guard message.type == MessageType.newLink else { return nil }
    var reader = NetlinkReader(message.payload[...])
    _ = try reader.uint32()  // family, padding and hardware type
    let index = try reader.uint32()
    let flags = Link.Flags(rawValue: try reader.uint32())
    _ = try reader.uint32()
    let attributes = try NetlinkAttributes(reader.rest)
    guard index != 0, let name = try attributes.text(LinkAttribute.name), !name.isEmpty else {
      throw .malformed("a link without index or name")
    }
    let state = try attributes.uint8(LinkAttribute.operationalState)
    return Link(
      index: index, name: name, flags: flags,
      operationalState: state.flatMap(Link.OperationalState.init(rawValue:)) ?? .unknown,
      mtu: try attributes.uint32(LinkAttribute.mtu) ?? 0,
      hardwareAddress: attributes.bytes(LinkAttribute.hardwareAddress).map(Array.init) ?? [],
      master: try attributes.uint32(LinkAttribute.master), parent: try attributes.uint32(LinkAttribute.link),
      kind: try attributes.nested(LinkAttribute.linkInfo)?.text(LinkAttribute.infoKind))
  }

  /// An address of IPv4 or IPv6; nil when the message is about something else.
  static func address(_ message: NetlinkMessage) throws(NetlinkError) -> LinkAddress? {
    guard message.type == MessageType.newAddress else { return nil }
    var reader = NetlinkReader(message.payload[...])
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
      scope: self.scope(scope), link: link, isTentative: flags & 0x48 != 0)  // tentative, duplicate
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
