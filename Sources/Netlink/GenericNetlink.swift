// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Generic netlink: families found by name, and messages of them (linux/genetlink.h).
enum GenericNetlink {
  /// The family that knows the others.
  private static let controlFamily: UInt16 = 16
  private static let getFamily: UInt8 = 3
  private enum Attribute {
    static let identifier: UInt16 = 1
    static let name: UInt16 = 2
  }

  /// A message of a family: a genlmsghdr and attributes.
  static func message(
    family: UInt16, command: UInt8, version: UInt8 = 1, flags: NetlinkMessage.Flags, attributes: [UInt8],
    sequence: UInt32
  ) -> NetlinkMessage {
    var writer = NetlinkWriter()
    writer.append(command)
    writer.append(version)
    writer.append(UInt16(0))
    writer.append(bytes: attributes)
    return NetlinkMessage(type: family, flags: flags, sequence: sequence, payload: writer.bytes)
  }

  /// The attributes of a family's message.
  static func attributes(_ message: NetlinkMessage) throws(NetlinkError) -> NetlinkAttributes {
    var reader = NetlinkReader(message.payload[...])
    _ = try reader.uint32()
    return try NetlinkAttributes(reader.rest)
  }

  /// Asks for a family by name; the kernel loads its module where it can.
  static func getFamily(named name: String, sequence: UInt32) -> NetlinkMessage {
    var writer = NetlinkWriter()
    writer.attribute(Attribute.name, text: name)
    return message(
      family: controlFamily, command: getFamily, flags: [.request], attributes: writer.bytes, sequence: sequence)
  }

  /// The family's number; nil when the message says nothing of it.
  static func familyIdentifier(_ message: NetlinkMessage) throws(NetlinkError) -> UInt16? {
    guard message.type == controlFamily, let bytes = try attributes(message).bytes(Attribute.identifier) else {
      return nil
    }
    var reader = NetlinkReader(bytes)
    return try reader.uint16()
  }

  /// The number of a family; nil when the kernel does not have it.
  static func family(named name: String, _ socket: inout NetlinkSocket) throws(NetlinkError) -> UInt16? {
    do {
      for message in try socket.exchange({ (sequence) throws(NetlinkError) in
        getFamily(named: name, sequence: sequence)
      }) {
        if let identifier = try familyIdentifier(message) { return identifier }
      }
      return nil
    } catch NetlinkError.refused(errorNumber: ENOENT, _) {
      return nil
    }
  }
}
