// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// An Ethernet frame that carries an MKPDU, and its ICV.
///
/// The ICV is the AES-CMAC of everything from the destination address on (IEEE 802.1X-2020 9.4.1). A network between
/// two ports may want another destination address or EtherType; the ICV may then be made as if the standard's were
/// there.
public struct MKPDUFrame: Sendable, Hashable {
  /// The EtherType of EAPOL.
  public static let etherType: UInt16 = 0x888E
  static let packetType: UInt8 = 5
  static let minimumVersion: UInt8 = 3
  static let headerLength = 18

  public let destination: MACAddress
  public let source: MACAddress
  public let etherType: UInt16
  /// The whole frame without Ethernet padding.
  public let bytes: [UInt8]

  /// The MKPDU with its ICV.
  public var body: ArraySlice<UInt8> { bytes[Self.headerLength...] }

  /// Takes a received frame apart. Octets after the EAPOL length are Ethernet padding and dropped.
  public init(received frame: [UInt8], etherType expected: UInt16 = Self.etherType) throws(MKAError) {
    var reader = ByteReader(frame[...])
    guard frame.count >= Self.headerLength else { throw MKAError(.invalidLength, "the frame is shorter than a header") }
    destination = MACAddress(rawValue: UInt64(try reader.uint16()) << 32 | UInt64(try reader.uint32()))
    source = MACAddress(rawValue: UInt64(try reader.uint16()) << 32 | UInt64(try reader.uint32()))
    etherType = try reader.uint16()
    guard etherType == expected else { throw MKAError(.notMKA, "the EtherType is not EAPOL's") }
    let version = try reader.uint8()
    let type = try reader.uint8()
    guard version >= Self.minimumVersion, type == Self.packetType else {
      throw MKAError(.notMKA, "an EAPOL frame of another type")
    }
    let length = Int(try reader.uint16())
    guard length <= reader.remaining else { throw MKAError(.invalidLength, "the frame is shorter than it says") }
    bytes = length == reader.remaining ? frame : Array(frame[..<(Self.headerLength + length)])
  }

  /// Makes a frame and its ICV.
  public init(
    _ message: MKPDU, source: MACAddress, ick: IntegrityCheckKey, destination: MACAddress = .paeGroup,
    etherType: UInt16 = Self.etherType, icvCoversStandardHeader: Bool = false
  ) throws(MKAError) {
    let content = try message.encoded()
    self.destination = destination
    self.source = source
    self.etherType = etherType
    var writer = ByteWriter()
    writer.append(destination.bytes)
    writer.append(source.bytes)
    writer.append(etherType)
    writer.append([Self.minimumVersion, Self.packetType])
    writer.append(UInt16(content.count + MKPDU.icvLength))
    writer.append(content)
    let icv = try ick.icv(of: icvCoversStandardHeader ? Self.standardized(writer.bytes) : writer.bytes)
    bytes = writer.bytes + icv
  }

  /// Whether the ICV is right, told in a time that does not depend on where it differs.
  public func verifies(with ick: IntegrityCheckKey, icvCoversStandardHeader: Bool = false) throws(MKAError) -> Bool {
    guard bytes.count >= Self.headerLength + MKPDU.icvLength else { return false }
    let covered = Array(bytes.dropLast(MKPDU.icvLength))
    let icv = try ick.icv(of: icvCoversStandardHeader ? Self.standardized(covered) : covered)
    var difference: UInt8 = 0
    for (expected, came) in zip(icv, bytes.suffix(MKPDU.icvLength)) { difference |= expected ^ came }
    return difference == 0
  }

  /// The frame with the standard's destination address and EtherType in place of its own.
  private static func standardized(_ frame: [UInt8]) -> [UInt8] {
    MACAddress.paeGroup.bytes + frame[6..<12] + [UInt8(Self.etherType >> 8), UInt8(Self.etherType & 0xFF)]
      + frame[14...]
  }
}
