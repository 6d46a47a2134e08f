// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

extension MKPDU {
  /// Reads the basic parameter set of a body, which names the CAK and so the key that verifies the rest.
  public static func basicParameterSet(of body: ArraySlice<UInt8>) throws(MKAError) -> BasicParameterSet {
    try checkLength(of: body)
    var reader = ByteReader(body.dropLast(icvLength))
    return try decodeBasic(&reader)
  }

  /// Decodes a body: all parameter sets and the ICV behind them, which is not looked at.
  ///
  /// Unknown types are kept aside, a set that comes again is ignored, and a body longer than its format is cut.
  /// Anything else that does not fit is an error, and the MKPDU must then change nothing (IEEE 802.1X-2020 11.11.3).
  public init(decoding body: ArraySlice<UInt8>) throws(MKAError) {
    try Self.checkLength(of: body)
    var reader = ByteReader(body.dropLast(Self.icvLength))
    self.init(basic: try Self.decodeBasic(&reader))
    while reader.remaining > 0 {
      let type = try reader.uint8()
      let second = try reader.uint8()
      let third = try reader.uint8()
      let length = Int(third & 0x0F) << 8 | Int(try reader.uint8())
      if type == SetType.icvIndicator {
        guard length == Self.icvLength, reader.remaining == 0 else {
          throw MKAError(.malformed, "the ICV indicator is not the last set or tells a length other than 16")
        }
        hasICVIndicator = true
        return
      }
      guard (length + 3) & ~3 <= reader.remaining else {
        throw MKAError(.invalidLength, "parameter set \(type) is longer than the message")
      }
      let content = try reader.take(length)
      _ = try reader.take((4 - length % 4) % 4)
      try add(type: type, second: second, third: third, content: content)
    }
  }

  private static func checkLength(of body: ArraySlice<UInt8>) throws(MKAError) {
    guard body.count >= 32, body.count <= maximumLength, body.count % 4 == 0 else {
      throw MKAError(.invalidLength, "an MKPDU has 32 to \(maximumLength) octets in steps of 4, not \(body.count)")
    }
  }

  private static func decodeBasic(_ reader: inout ByteReader) throws(MKAError) -> BasicParameterSet {
    let version = try reader.uint8()
    guard version != 0 else { throw MKAError(.unsupported, "MKA version 0") }
    let priority = try reader.uint8()
    let third = try reader.uint8()
    let length = Int(third & 0x0F) << 8 | Int(try reader.uint8())
    guard length > 28, length - 28 <= CKN.lengths.upperBound else {
      throw MKAError(.malformed, "the basic parameter set has a CKN of \(length - 28) octets")
    }
    let sci = SCI(rawValue: try reader.uint64())
    let member = try reader.memberIdentifier()
    let number = try reader.uint32()
    guard try reader.uint32() == algorithmAgility else { throw MKAError(.unsupported, "unknown algorithm agility") }
    let ckn = try CKN(try reader.take(length - 28))
    _ = try reader.take((4 - length % 4) % 4)
    return BasicParameterSet(
      version: version, keyServerPriority: priority, isKeyServer: third & 0x80 != 0,
      desiresMACsec: third & 0x40 != 0, capability: MACsecCapability(rawValue: third >> 4 & 3) ?? .none, sci: sci,
      memberIdentifier: member, messageNumber: number, ckn: ckn)
  }

  private mutating func add(
    type: UInt8, second: UInt8, third: UInt8, content: ArraySlice<UInt8>
  ) throws(MKAError) {
    switch type {
    case SetType.livePeerList:
      let peers = try Self.decodePeers(content)
      if livePeers == nil { livePeers = LivePeerList(peers: peers, keyServerSSCI: second) }
    case SetType.potentialPeerList:
      let peers = try Self.decodePeers(content)
      if potentialPeers == nil { potentialPeers = peers }
    case SetType.sakUse:
      let use = try Self.decodeSAKUse(second, third, content)
      if sakUse == nil { sakUse = use }
    case SetType.distributedSAK:
      let distributed = try Self.decodeDistributedSAK(second, content)
      if distributedSAK == nil { distributedSAK = distributed }
    case SetType.distributedCAK:
      guard content.count > 24 else { throw MKAError(.malformed, "a distributed CAK without its name") }
      let distributed = DistributedCAK(wrapped: Array(content.prefix(24)), ckn: try CKN(content.dropFirst(24)))
      if distributedCAK == nil { distributedCAK = distributed }
    case SetType.keyManagementDomain:
      if keyManagementDomain == nil { keyManagementDomain = Array(content) }
    case SetType.announcement:
      let elements = try Self.decodeAnnouncement(content)
      if announcement == nil { announcement = elements }
    case SetType.extendedPacketNumbers:
      var reader = ByteReader(content)
      guard reader.remaining >= 8 else { throw MKAError(.malformed, "an XPN parameter set of less than 8 octets") }
      let numbers = XPNParameterSet(
        suspensionTime: second, latestLowestAcceptablePNHigh: try reader.uint32(),
        oldLowestAcceptablePNHigh: try reader.uint32())
      if extendedPacketNumbers == nil { extendedPacketNumbers = numbers }
    default:
      unknown.append(
        UnknownParameterSet(
          type: type, flags: UInt16(second) << 4 | UInt16(third >> 4), body: Array(content)))
    }
  }

  private static func decodePeers(_ content: ArraySlice<UInt8>) throws(MKAError) -> [PeerListEntry] {
    guard content.count % 16 == 0 else { throw MKAError(.malformed, "a peer list is no whole number of entries") }
    var reader = ByteReader(content)
    var peers: [PeerListEntry] = []
    peers.reserveCapacity(content.count / 16)
    while reader.remaining > 0 {
      peers.append(
        PeerListEntry(memberIdentifier: try reader.memberIdentifier(), messageNumber: try reader.uint32()))
    }
    return peers
  }

  private static func decodeSAKUse(
    _ second: UInt8, _ third: UInt8, _ content: ArraySlice<UInt8>
  ) throws(MKAError) -> SAKUse {
    if content.isEmpty { return SAKUse(usesMACsec: false) }
    guard content.count >= 40 else { throw MKAError(.malformed, "a SAK use of \(content.count) octets") }
    var reader = ByteReader(content)
    func key(_ flags: UInt8, _ reader: inout ByteReader) throws(MKAError) -> SAKUse.Key? {
      let key = SAKUse.Key(
        identifier: SAKIdentifier(keyServer: try reader.memberIdentifier(), number: try reader.uint32()),
        associationNumber: AssociationNumber(truncating: flags >> 2), transmits: flags & 2 != 0,
        receives: flags & 1 != 0, lowestAcceptablePN: try reader.uint32())
      return key.identifier.number == 0 ? nil : key
    }
    let latest = try key(second >> 4, &reader)
    let old = try key(second & 0x0F, &reader)
    return SAKUse(
      latest: latest, old: old, plainTransmit: third & 0x80 != 0, plainReceive: third & 0x40 != 0,
      delayProtect: third & 0x10 != 0)
  }

  private static func decodeDistributedSAK(
    _ second: UInt8, _ content: ArraySlice<UInt8>
  ) throws(MKAError) -> DistributedSAK {
    if content.isEmpty { return .plain }
    guard content.count == 28 || content.count >= 36 else {
      throw MKAError(.malformed, "a distributed SAK of \(content.count) octets")
    }
    var reader = ByteReader(content)
    let number = try reader.uint32()
    var identifier = CipherSuite.gcmAES128.identifier
    if content.count > 28 { identifier = try reader.uint64() }
    var wrapped = reader.rest()
    if let suite = CipherSuite(identifier: identifier) {
      guard wrapped.count >= suite.keyLength + 8 else {
        throw MKAError(.malformed, "a distributed SAK too short for \(suite)")
      }
      wrapped = wrapped.prefix(suite.keyLength + 8)
    }
    return .key(
      DistributedSAK.Key(
        associationNumber: AssociationNumber(truncating: second >> 6),
        confidentialityOffset: ConfidentialityOffset(rawValue: second >> 4 & 3) ?? .zero, number: number,
        cipherSuiteIdentifier: identifier, wrapped: Array(wrapped)))
  }

  private static func decodeAnnouncement(_ content: ArraySlice<UInt8>) throws(MKAError) -> [AnnouncementTLV] {
    var reader = ByteReader(content)
    var elements: [AnnouncementTLV] = []
    while reader.remaining > 0 {
      let header = try reader.uint16()
      let value = try reader.take(Int(header & 0x1FF))
      elements.append(try AnnouncementTLV.decode(type: UInt8(header >> 9), value: value))
    }
    return elements
  }
}
