// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The requests about MACsec devices, as values. The attributes' numbers are those of linux/if_link.h and
/// linux/if_macsec.h, which never change; taking them from the headers would bind the build to the headers' age.
enum MACsecMessages {
  static let familyName = "macsec"
  static let kind = "macsec"
  static let keyIdentifierLength = 16
  static let saltLength = 12
  /// Of the check value, in bytes: all four suites have the same.
  private static let checkValueLength: UInt8 = 16

  /// IFLA_MACSEC_
  enum LinkAttribute {
    static let sci: UInt16 = 1
    static let checkValueLength: UInt16 = 3
    static let cipherSuite: UInt16 = 4
    static let window: UInt16 = 5
    static let encodingAssociation: UInt16 = 6
    static let encrypts: UInt16 = 7
    static let protects: UInt16 = 8
    static let includesSCI: UInt16 = 9
    static let replayProtect: UInt16 = 12
    static let validation: UInt16 = 13
  }

  /// MACSEC_ATTR_
  enum Attribute {
    static let index: UInt16 = 1
    static let channel: UInt16 = 2
    static let association: UInt16 = 3
    static let device: UInt16 = 4
    static let transmitList: UInt16 = 5
    static let receiveList: UInt16 = 6
    static let transmitCounters: UInt16 = 7
    static let deviceCounters: UInt16 = 8
  }

  /// MACSEC_SECY_ATTR_
  enum DeviceAttribute {
    static let sci: UInt16 = 1
    static let encodingAssociation: UInt16 = 2
    static let window: UInt16 = 3
    static let cipherSuite: UInt16 = 4
    static let protects: UInt16 = 6
    static let replayProtect: UInt16 = 7
    static let validation: UInt16 = 9
    static let encrypts: UInt16 = 10
  }

  /// MACSEC_RXSC_ATTR_
  enum ChannelAttribute {
    static let sci: UInt16 = 1
    static let isActive: UInt16 = 2
    static let associations: UInt16 = 3
    static let counters: UInt16 = 4
  }

  /// MACSEC_SA_ATTR_
  enum AssociationAttribute {
    static let number: UInt16 = 1
    static let isActive: UInt16 = 2
    static let packetNumber: UInt16 = 3
    static let key: UInt16 = 4
    static let keyIdentifier: UInt16 = 5
    static let counters: UInt16 = 6
    static let shortIdentifier: UInt16 = 8
    static let salt: UInt16 = 9
  }

  /// MACSEC_CMD_
  enum Command: UInt8 {
    case getDevices = 0
    case addChannel = 1
    case deleteChannel = 2
    case addTransmit = 4
    case deleteTransmit = 5
    case updateTransmit = 6
    case addReceive = 7
    case deleteReceive = 8
    case updateReceive = 9
  }

  // MARK: The device

  static func newDevice(_ device: NewMACsecDevice, sequence: UInt32) throws(NetlinkError) -> NetlinkMessage {
    var data = NetlinkWriter()
    data.attribute(LinkAttribute.sci, device.sci.bigEndian)
    data.attribute(LinkAttribute.checkValueLength, checkValueLength)
    data.attribute(LinkAttribute.cipherSuite, device.cipherSuite)
    data.attribute(LinkAttribute.includesSCI, UInt8(1))
    append(device.settings, to: &data)
    return try RouteMessages.newLink(
      name: device.name, kind: kind, parent: device.parent, data: data.bytes, sequence: sequence)
  }

  static func changeDevice(_ index: UInt32, _ settings: MACsecSettings, sequence: UInt32) -> NetlinkMessage {
    var data = NetlinkWriter()
    append(settings, to: &data)
    return changeDevice(index, data: data.bytes, sequence: sequence)
  }

  /// Transmit with this association from now on, if it is active.
  static func changeDevice(_ index: UInt32, encodingAssociation: UInt8, sequence: UInt32) -> NetlinkMessage {
    var data = NetlinkWriter()
    data.attribute(LinkAttribute.encodingAssociation, encodingAssociation)
    return changeDevice(index, data: data.bytes, sequence: sequence)
  }

  private static func changeDevice(_ index: UInt32, data: [UInt8], sequence: UInt32) -> NetlinkMessage {
    var info = NetlinkWriter()
    info.attribute(RouteMessages.LinkAttribute.infoKind, text: kind)
    info.attribute(RouteMessages.LinkAttribute.infoData, data, nested: true)
    var writer = RouteMessages.linkHeader(index: index)
    writer.attribute(RouteMessages.LinkAttribute.linkInfo, info.bytes, nested: true)
    return NetlinkMessage(
      type: RouteMessages.MessageType.newLink, flags: [.request, .acknowledge], sequence: sequence,
      payload: writer.bytes)
  }

  private static func append(_ settings: MACsecSettings, to data: inout NetlinkWriter) {
    data.attribute(LinkAttribute.window, settings.replayWindow)
    data.attribute(LinkAttribute.encrypts, UInt8(settings.encrypts ? 1 : 0))
    data.attribute(LinkAttribute.protects, UInt8(settings.protects ? 1 : 0))
    data.attribute(LinkAttribute.replayProtect, UInt8(settings.replayProtect ? 1 : 0))
    data.attribute(LinkAttribute.validation, settings.validation.rawValue)
  }

  /// Sets a link's mode, which says whether it is fit for use as soon as its carrier is there or only when told so,
  /// and tells its operational state (RFC 2863; linux Documentation/networking/operstates.rst).
  static func setOperationalState(
    _ index: UInt32, isDormantByDefault: Bool? = nil, _ state: Link.OperationalState, sequence: UInt32
  ) -> NetlinkMessage {
    var writer = RouteMessages.linkHeader(index: index)
    if let isDormantByDefault {
      writer.attribute(RouteMessages.LinkAttribute.mode, UInt8(isDormantByDefault ? 1 : 0))
    }
    writer.attribute(RouteMessages.LinkAttribute.operationalState, state.rawValue)
    return NetlinkMessage(
      type: RouteMessages.MessageType.newLink, flags: [.request, .acknowledge], sequence: sequence,
      payload: writer.bytes)
  }

  // MARK: Channels and associations

  static func getDevices(family: UInt16, sequence: UInt32) -> NetlinkMessage {
    GenericNetlink.message(
      family: family, command: Command.getDevices.rawValue, flags: [.request, .dump], attributes: [],
      sequence: sequence)
  }

  /// Adds or deletes a receive channel.
  static func channel(
    _ command: Command, family: UInt16, device: UInt32, sci: UInt64, sequence: UInt32
  ) -> NetlinkMessage {
    var channel = channelWriter(sci)
    if command == .addChannel { channel.attribute(ChannelAttribute.isActive, UInt8(1)) }
    return message(command, family: family, device: device, channel: channel, association: nil, sequence: sequence)
  }

  /// Installs an association: a transmit one, or one of the receive channel given. Its key is to be filled in.
  static func add(
    _ association: NewMACsecAssociation, keyLength: Int, family: UInt16, device: UInt32, channel: UInt64?,
    sequence: UInt32
  ) throws(NetlinkError) -> NetlinkMessage {
    guard association.number <= 3, association.keyIdentifier.count == keyIdentifierLength,
      association.extended.map({ $0.salt.count == saltLength }) ?? true, keyLength == 16 || keyLength == 32
    else { throw .invalidRequest("a secure association with a number, key or salt that none can have") }
    var writer = NetlinkWriter()
    // First, so that its place is known.
    writer.attribute(AssociationAttribute.key, [UInt8](repeating: 0, count: keyLength))
    writer.attribute(AssociationAttribute.number, association.number)
    try append(association.packetNumber, isExtended: association.extended != nil, to: &writer)
    writer.attribute(AssociationAttribute.keyIdentifier, association.keyIdentifier)
    writer.attribute(AssociationAttribute.isActive, UInt8(association.isActive ? 1 : 0))
    if let extended = association.extended {
      writer.attribute(AssociationAttribute.shortIdentifier, extended.shortIdentifier.bigEndian)
      writer.attribute(AssociationAttribute.salt, extended.salt)
    }
    return message(
      channel == nil ? .addTransmit : .addReceive, family: family, device: device, channel: channel.map(channelWriter),
      association: writer, sequence: sequence)
  }

  /// Where the key of ``add(_:keyLength:family:device:channel:sequence:)`` stands in the payload: after the header of
  /// the family, the device's index, and the headers of the association and of the key.
  static func keyRange(keyLength: Int) -> Range<Int> { 20..<(20 + keyLength) }

  /// Changes what is given of an association.
  static func update(
    _ number: UInt8, isActive: Bool?, packetNumber: UInt64?, isExtended: Bool, family: UInt16, device: UInt32,
    channel: UInt64?, sequence: UInt32
  ) throws(NetlinkError) -> NetlinkMessage {
    var writer = NetlinkWriter()
    writer.attribute(AssociationAttribute.number, number)
    if let packetNumber { try append(packetNumber, isExtended: isExtended, to: &writer) }
    if let isActive { writer.attribute(AssociationAttribute.isActive, UInt8(isActive ? 1 : 0)) }
    return message(
      channel == nil ? .updateTransmit : .updateReceive, family: family, device: device,
      channel: channel.map(channelWriter), association: writer, sequence: sequence)
  }

  static func delete(
    _ number: UInt8, family: UInt16, device: UInt32, channel: UInt64?, sequence: UInt32
  ) -> NetlinkMessage {
    var writer = NetlinkWriter()
    writer.attribute(AssociationAttribute.number, number)
    return message(
      channel == nil ? .deleteTransmit : .deleteReceive, family: family, device: device,
      channel: channel.map(channelWriter), association: writer, sequence: sequence)
  }

  private static func channelWriter(_ sci: UInt64) -> NetlinkWriter {
    var channel = NetlinkWriter()
    channel.attribute(ChannelAttribute.sci, sci.bigEndian)
    return channel
  }

  private static func append(
    _ packetNumber: UInt64, isExtended: Bool, to writer: inout NetlinkWriter
  ) throws(NetlinkError) {
    if isExtended {
      writer.attribute(AssociationAttribute.packetNumber, packetNumber)
    } else if let short = UInt32(exactly: packetNumber) {
      writer.attribute(AssociationAttribute.packetNumber, short)
    } else {
      throw .invalidRequest("packet number \(packetNumber) without extended packet numbers")
    }
  }

  private static func message(
    _ command: Command, family: UInt16, device: UInt32, channel: NetlinkWriter?, association: NetlinkWriter?,
    sequence: UInt32
  ) -> NetlinkMessage {
    var writer = NetlinkWriter()
    writer.attribute(Attribute.index, device)
    if let association { writer.attribute(Attribute.association, association.bytes, nested: true) }
    if let channel { writer.attribute(Attribute.channel, channel.bytes, nested: true) }
    return GenericNetlink.message(
      family: family, command: command.rawValue, flags: [.request, .acknowledge], attributes: writer.bytes,
      sequence: sequence)
  }
}
