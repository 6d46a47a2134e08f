// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What a station says of itself by LLDP (IEEE 802.1AB-2016 clause 8): who it is, for how long that is true, and what
/// organisations have added. Elements of other types are skipped.
public struct LLDPDU: Sendable, Hashable {
  /// A chassis or port, named in a way that the subtype tells: 1 to 255 octets.
  public struct Name: Sendable, Hashable {
    public var subtype: UInt8
    public var value: [UInt8]

    public init(subtype: UInt8, value: [UInt8]) {
      self.subtype = subtype
      self.value = value
    }

    /// A chassis known by its MAC address.
    public static func chassis(_ address: MACAddress) -> Name { Name(subtype: 4, value: address.bytes) }

    /// A port by a name that only its chassis knows, cut to 255 octets.
    public static func port(locally name: String) -> Name { Name(subtype: 7, value: Array(name.utf8.prefix(255))) }
  }

  public var chassis: Name
  public var port: Name
  /// For how many seconds it is true; with 0 the station says goodbye.
  public var timeToLive: UInt16
  public var organizational: [OrganizationallySpecificTLV]

  /// The most elements that are read.
  public static let maximumElementCount = 128

  private enum ElementType {
    static let end: UInt8 = 0
    static let chassis: UInt8 = 1
    static let port: UInt8 = 2
    static let timeToLive: UInt8 = 3
    static let organizational: UInt8 = 127
  }

  public init(
    chassis: Name, port: Name, timeToLive: UInt16, organizational: [OrganizationallySpecificTLV] = []
  ) {
    self.chassis = chassis
    self.port = port
    self.timeToLive = timeToLive
    self.organizational = organizational
  }

  // MARK: Coding

  /// Reads the octets behind the EtherType. What comes after the end element is padding.
  ///
  /// Fails when one of the three mandatory elements is missing, out of its place or comes again, when an element ends
  /// behind the octets, and with more than ``maximumElementCount`` elements (9.2.7.7).
  public init(decoding bytes: ArraySlice<UInt8>) throws(MKAError) {
    var reader = ByteReader(bytes)
    chassis = try Self.name(try Self.element(ElementType.chassis, &reader))
    port = try Self.name(try Self.element(ElementType.port, &reader))
    var time = ByteReader(try Self.element(ElementType.timeToLive, &reader))
    timeToLive = try time.uint16()
    organizational = []
    var count = 3
    while reader.remaining >= 2 {
      let (type, value) = try Self.element(&reader)
      guard type != ElementType.end else { return }
      count += 1
      guard count <= Self.maximumElementCount else { throw MKAError(.tooMany, "an LLDPDU of too many elements") }
      switch type {
      case ElementType.chassis, ElementType.port, ElementType.timeToLive:
        throw MKAError(.malformed, "a mandatory element of an LLDPDU comes again")
      case ElementType.organizational:
        var content = ByteReader(value)
        let organization = UInt32(try content.uint8()) << 16 | UInt32(try content.uint16())
        organizational.append(
          OrganizationallySpecificTLV(
            organization: organization, subtype: try content.uint8(), data: Array(content.rest())))
      default: break
      }
    }
  }

  private static func element(_ reader: inout ByteReader) throws(MKAError) -> (UInt8, ArraySlice<UInt8>) {
    let header = try reader.uint16()
    return (UInt8(header >> 9), try reader.take(Int(header & 0x1FF)))
  }

  private static func element(_ type: UInt8, _ reader: inout ByteReader) throws(MKAError) -> ArraySlice<UInt8> {
    let (found, value) = try element(&reader)
    guard found == type else { throw MKAError(.malformed, "an LLDPDU without a mandatory element in its place") }
    return value
  }

  private static func name(_ value: ArraySlice<UInt8>) throws(MKAError) -> Name {
    guard (2...256).contains(value.count), let subtype = value.first else {
      throw MKAError(.malformed, "a chassis or port in an LLDPDU has 1 to 255 octets")
    }
    return Name(subtype: subtype, value: Array(value.dropFirst()))
  }

  /// The octets behind the EtherType. Fails when an element is longer than its 9 bits of length can tell.
  public func encoded() throws(MKAError) -> [UInt8] {
    var writer = ByteWriter()
    func put(_ type: UInt8, _ value: [UInt8]) throws(MKAError) {
      guard value.count <= 0x1FF else { throw MKAError(.invalidLength, "an element too long for LLDP") }
      writer.append(UInt16(type) << 9 | UInt16(value.count))
      writer.append(value)
    }
    try put(ElementType.chassis, [chassis.subtype] + chassis.value)
    try put(ElementType.port, [port.subtype] + port.value)
    try put(ElementType.timeToLive, [UInt8(timeToLive >> 8), UInt8(timeToLive & 0xFF)])
    for content in organizational {
      let organization = content.organization
      try put(
        ElementType.organizational,
        [
          UInt8(organization >> 16 & 0xFF), UInt8(organization >> 8 & 0xFF), UInt8(organization & 0xFF),
          content.subtype,
        ]
          + content.data)
    }
    try put(ElementType.end, [])
    return writer.bytes
  }
}

/// LLDPDUs as Ethernet frames.
public enum LLDPFrame {
  public static let etherType: UInt16 = 0x88CC
  private static let headerLength = 14
  private static let minimumLength = 60

  /// A whole frame, to the nearest bridge, filled up to the least length that Ethernet has.
  public static func encode(_ message: LLDPDU, from source: MACAddress) throws(MKAError) -> [UInt8] {
    var frame = MACAddress.nearestBridge.bytes + source.bytes
    frame += [UInt8(etherType >> 8), UInt8(etherType & 0xFF)]
    frame += try message.encoded()
    if frame.count < minimumLength { frame += [UInt8](repeating: 0, count: minimumLength - frame.count) }
    return frame
  }

  /// The sender and the LLDPDU. Fails for other frames, and for senders that are no station.
  public static func decode(_ frame: [UInt8]) throws(MKAError) -> (source: MACAddress, message: LLDPDU) {
    guard frame.count > headerLength, frame[12] == UInt8(etherType >> 8), frame[13] == UInt8(etherType & 0xFF),
      frame[6] & 1 == 0
    else { throw MKAError(.malformed, "no LLDP frame") }
    let source = frame[6..<12].reduce(0) { $0 << 8 | UInt64($1) }
    return (MACAddress(rawValue: source), try LLDPDU(decoding: frame[headerLength...]))
  }
}

extension MACAddress {
  /// Where LLDP goes that no bridge passes on (IEEE 802.1AB-2016 table 7-1).
  public static let nearestBridge = MACAddress(rawValue: 0x0180_C200_000E)
}
