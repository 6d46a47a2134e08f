// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

extension MKPDU {
  /// All parameter sets in the order of their types, up to where the ICV follows.
  ///
  /// Fails when a set is too long for its 12-bit length, or all of them for a frame.
  public func encoded() throws(MKAError) -> [UInt8] {
    var writer = ByteWriter()
    let flags =
      (basic.isKeyServer ? 0x80 : 0) | (basic.desiresMACsec ? 0x40 : 0) | UInt16(basic.capability.rawValue) << 4
    try Self.write(basic.version, basic.keyServerPriority, flags: UInt8(flags >> 4), to: &writer) { body in
      body.append(basic.sci.rawValue)
      body.append(basic.memberIdentifier)
      body.append(basic.messageNumber)
      body.append(Self.algorithmAgility)
      body.append(basic.ckn.bytes)
    }
    if let livePeers {
      try Self.write(SetType.livePeerList, livePeers.keyServerSSCI, to: &writer) {
        Self.write(livePeers.peers, to: &$0)
      }
    }
    if let potentialPeers {
      try Self.write(SetType.potentialPeerList, 0, to: &writer) { Self.write(potentialPeers, to: &$0) }
    }
    if let sakUse { try Self.write(sakUse, to: &writer) }
    if let distributedSAK { try Self.write(distributedSAK, to: &writer) }
    if let distributedCAK {
      try Self.write(SetType.distributedCAK, 0, to: &writer) { body in
        body.append(distributedCAK.wrapped)
        body.append(distributedCAK.ckn.bytes)
      }
    }
    if let keyManagementDomain {
      try Self.write(SetType.keyManagementDomain, 0, to: &writer) { $0.append(keyManagementDomain) }
    }
    if let announcement {
      for element in announcement where element.value.count > AnnouncementTLV.maximumValueLength {
        throw MKAError(.tooMany, "an announced element is longer than \(AnnouncementTLV.maximumValueLength) octets")
      }
      try Self.write(SetType.announcement, 0, to: &writer) { body in
        for element in announcement {
          let value = element.value
          body.append(UInt16(element.type) << 9 | UInt16(value.count))
          body.append(value)
        }
      }
    }
    if let extendedPacketNumbers {
      try Self.write(SetType.extendedPacketNumbers, extendedPacketNumbers.suspensionTime, to: &writer) { body in
        body.append(extendedPacketNumbers.latestLowestAcceptablePNHigh)
        body.append(extendedPacketNumbers.oldLowestAcceptablePNHigh)
      }
    }
    for set in unknown {
      try Self.write(
        set.type, UInt8(truncatingIfNeeded: set.flags >> 4), flags: UInt8(set.flags & 0x0F), to: &writer
      ) { $0.append(set.body) }
    }
    if hasICVIndicator {
      writer.append(SetType.icvIndicator)
      writer.append([0, 0, UInt8(Self.icvLength)])
    }
    guard writer.bytes.count + Self.icvLength <= Self.maximumLength else {
      throw MKAError(.tooMany, "the parameter sets do not fit a frame")
    }
    return writer.bytes
  }

  /// Writes header, body and padding; `flags` are the high four bits of the third octet.
  private static func write(
    _ type: UInt8, _ second: UInt8, flags: UInt8 = 0, to writer: inout ByteWriter, body: (inout ByteWriter) -> Void
  ) throws(MKAError) {
    var content = ByteWriter()
    body(&content)
    guard content.bytes.count <= 0xFFF else { throw MKAError(.tooMany, "parameter set \(type) is too long") }
    writer.append(type)
    writer.append(second)
    writer.append(UInt16(flags) << 12 | UInt16(content.bytes.count))
    writer.append(content.bytes)
    writer.pad(from: writer.bytes.count - content.bytes.count)
  }

  private static func write(_ peers: [PeerListEntry], to writer: inout ByteWriter) {
    for peer in peers {
      writer.append(peer.memberIdentifier)
      writer.append(peer.messageNumber)
    }
  }

  private static func write(_ use: SAKUse, to writer: inout ByteWriter) throws(MKAError) {
    func flags(_ key: SAKUse.Key?) -> UInt8 {
      guard let key else { return 0 }
      return key.associationNumber.rawValue << 2 | (key.transmits ? 2 : 0) | (key.receives ? 1 : 0)
    }
    func write(_ key: SAKUse.Key?, to body: inout ByteWriter) {
      body.append(key?.identifier.keyServer ?? MemberIdentifier(high: 0, low: 0))
      body.append(key?.identifier.number ?? 0)
      // Beside delay protection some receivers refuse a zero, even for a key that is not there.
      body.append(key?.lowestAcceptablePN ?? (use.delayProtect ? 1 : 0))
    }
    guard use.usesMACsec else {
      try Self.write(SetType.sakUse, 0, to: &writer) { _ in }
      return
    }
    let third: UInt8 = (use.plainTransmit ? 8 : 0) | (use.plainReceive ? 4 : 0) | (use.delayProtect ? 1 : 0)
    try Self.write(SetType.sakUse, flags(use.latest) << 4 | flags(use.old), flags: third, to: &writer) { body in
      write(use.latest, to: &body)
      write(use.old, to: &body)
    }
  }

  private static func write(_ distributed: DistributedSAK, to writer: inout ByteWriter) throws(MKAError) {
    guard case .key(let key) = distributed else {
      try Self.write(SetType.distributedSAK, 0, to: &writer) { _ in }
      return
    }
    let second = key.associationNumber.rawValue << 6 | key.confidentialityOffset.rawValue << 4
    try Self.write(SetType.distributedSAK, second, to: &writer) { body in
      body.append(key.number)
      // GCM-AES-128 goes without its identifier (IEEE 802.1X-2020 figure 11-11).
      if key.cipherSuiteIdentifier != CipherSuite.gcmAES128.identifier { body.append(key.cipherSuiteIdentifier) }
      body.append(key.wrapped)
    }
  }
}
