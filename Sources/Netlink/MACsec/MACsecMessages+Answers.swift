// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What the kernel says of MACsec devices.
extension MACsecMessages {
  /// A device of a dump.
  static func device(_ message: NetlinkMessage) throws(NetlinkError) -> MACsecDevice {
    let attributes = try GenericNetlink.attributes(message)
    guard let index = try attributes.uint32(Attribute.index), let secy = try attributes.nested(Attribute.device),
      let sci = try secy.uint64(DeviceAttribute.sci), let suite = try secy.uint64(DeviceAttribute.cipherSuite)
    else { throw .malformed("a MACsec device without index, SCI or cipher suite") }
    let validation = try secy.uint8(DeviceAttribute.validation).flatMap(MACsecSettings.Validation.init(rawValue:))
    guard let validation else { throw .malformed("a MACsec device with an unknown validation") }
    var receive: [MACsecDevice.ReceiveChannel] = []
    for bytes in try attributes.nested(Attribute.receiveList)?.list ?? [] {
      receive.append(try channel(try NetlinkAttributes(bytes)))
    }
    return MACsecDevice(
      index: index, sci: sci.bigEndian, cipherSuite: suite,
      settings: MACsecSettings(
        protects: try isSet(secy, DeviceAttribute.protects), encrypts: try isSet(secy, DeviceAttribute.encrypts),
        validation: validation, replayProtect: try isSet(secy, DeviceAttribute.replayProtect),
        replayWindow: try secy.uint32(DeviceAttribute.window) ?? 0),
      encodingAssociation: try secy.uint8(DeviceAttribute.encodingAssociation) ?? 0,
      counters: try counters(attributes, Attribute.deviceCounters),
      transmitCounters: try counters(attributes, Attribute.transmitCounters),
      transmit: try associations(attributes, Attribute.transmitList), receive: receive)
  }

  private static func channel(_ attributes: NetlinkAttributes) throws(NetlinkError) -> MACsecDevice.ReceiveChannel {
    guard let sci = try attributes.uint64(ChannelAttribute.sci) else {
      throw .malformed("a receive channel without SCI")
    }
    return MACsecDevice.ReceiveChannel(
      sci: sci.bigEndian, isActive: try isSet(attributes, ChannelAttribute.isActive),
      counters: try counters(attributes, ChannelAttribute.counters),
      associations: try associations(attributes, ChannelAttribute.associations))
  }

  private static func associations(
    _ attributes: NetlinkAttributes, _ type: UInt16
  ) throws(NetlinkError) -> [MACsecDevice.Association] {
    var result: [MACsecDevice.Association] = []
    for bytes in try attributes.nested(type)?.list ?? [] {
      let association = try NetlinkAttributes(bytes)
      guard let number = try association.uint8(AssociationAttribute.number), number <= 3,
        let packetNumber = try integer(association, AssociationAttribute.packetNumber)
      else { throw .malformed("a secure association without number or packet number") }
      result.append(
        MACsecDevice.Association(
          number: number, isActive: try isSet(association, AssociationAttribute.isActive), packetNumber: packetNumber,
          keyIdentifier: association.bytes(AssociationAttribute.keyIdentifier).map(Array.init) ?? [],
          counters: try counters(association, AssociationAttribute.counters)))
    }
    return result.sorted { $0.number < $1.number }
  }

  private static func isSet(_ attributes: NetlinkAttributes, _ type: UInt16) throws(NetlinkError) -> Bool {
    try attributes.uint8(type).map { $0 != 0 } ?? false
  }

  /// A number of 32 or 64 bits, as the kernel sees fit.
  private static func integer(_ attributes: NetlinkAttributes, _ type: UInt16) throws(NetlinkError) -> UInt64? {
    if attributes.bytes(type)?.count == 8 { return try attributes.uint64(type) }
    return try attributes.uint32(type).map(UInt64.init)
  }

  private static func counters(_ attributes: NetlinkAttributes, _ type: UInt16) throws(NetlinkError) -> MACsecCounters {
    var counters = MACsecCounters()
    guard let nested = try attributes.nested(type) else { return counters }
    // The longest set has ten; its last number is padding.
    for counter: UInt16 in 1...11 {
      // A pad attribute is empty.
      guard let bytes = nested.bytes(counter), bytes.count >= 4 else { continue }
      counters.values[counter] = try integer(nested, counter)
    }
    return counters
  }
}
