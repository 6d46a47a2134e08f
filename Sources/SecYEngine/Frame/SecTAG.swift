// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The MAC Security TAG (IEEE 802.1AE-2018 clause 9), as it stands in a frame.
struct SecTAG {
  static let etherType: UInt16 = 0x88E5
  /// The length in octets without and with an SCI.
  static let shortLength = 8
  static let longLength = 16
  static let icvLength = 16
  /// User data shorter than this has its length in the tag (9.7).
  static let shortestUnmarkedData = 48

  /// The bits of the TCI, in the octet that they share with the association number (9.5).
  enum Bit {
    static let version: UInt8 = 0x80
    static let endStation: UInt8 = 0x40
    static let explicitSCI: UInt8 = 0x20
    static let singleCopyBroadcast: UInt8 = 0x10
    static let encrypted: UInt8 = 0x08
    static let changed: UInt8 = 0x04
    static let associationNumber: UInt8 = 0x03
  }

  let control: UInt8
  /// The length of the user data when below 48, otherwise 0.
  let shortDataLength: Int
  let packetNumber: UInt32
  /// Nil when the frame does not say.
  let sci: UInt64?

  var length: Int { control & Bit.explicitSCI != 0 ? Self.longLength : Self.shortLength }
  var associationNumber: Int { Int(control & Bit.associationNumber) }
  var isEncrypted: Bool { control & Bit.encrypted != 0 }
  var isChanged: Bool { control & Bit.changed != 0 }
  /// A reserved coding by which frames for the KaY are known.
  var isForKaY: Bool { isEncrypted && !isChanged }

  /// Reads a tag whose EtherType was seen at `at`.
  ///
  /// Nil when it is not valid by 9.12: version other than 0, an SCI beside ES or SCB, reserved bits, a length that does
  /// not fit. `length` counts the octets from the tag to the frame's end.
  @inline(__always)
  init?(_ frame: UnsafeRawBufferPointer, at: Int, length: Int) {
    guard length >= Self.shortLength + Self.icvLength + 2 else { return nil }
    control = frame[at + 2]
    let short = frame[at + 3]
    guard control & Bit.version == 0, short < Self.shortestUnmarkedData, short != 1 else { return nil }
    shortDataLength = Int(short)
    packetNumber = UInt32(bigEndian: frame.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self))
    let source = at >= 12 ? Octets.address(frame, at: 6) : 0
    var tagLength = Self.shortLength
    if control & Bit.explicitSCI != 0 {
      guard control & (Bit.endStation | Bit.singleCopyBroadcast) == 0, length >= Self.longLength else { return nil }
      tagLength = Self.longLength
      sci = UInt64(bigEndian: frame.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self))
    } else if control & Bit.singleCopyBroadcast != 0 {
      sci = source << 16
    } else if control & Bit.endStation != 0 {
      sci = source << 16 | 1
    } else {
      sci = nil
    }
    let secured = length - tagLength - Self.icvLength
    guard short == 0 ? secured >= Self.shortestUnmarkedData : secured >= Int(short) else { return nil }
  }

  /// Writes a tag; `sci` nil leaves it out.
  @inline(__always)
  static func write(
    to frame: UnsafeMutableRawBufferPointer, at: Int, control: UInt8, dataLength: Int, packetNumber: UInt32,
    sci: UInt64?
  ) {
    frame.storeBytes(of: etherType.bigEndian, toByteOffset: at, as: UInt16.self)
    frame[at + 2] = sci == nil ? control : control | Bit.explicitSCI
    frame[at + 3] = dataLength < shortestUnmarkedData ? UInt8(truncatingIfNeeded: dataLength) : 0
    frame.storeBytes(of: packetNumber.bigEndian, toByteOffset: at + 4, as: UInt32.self)
    if let sci { frame.storeBytes(of: sci.bigEndian, toByteOffset: at + 8, as: UInt64.self) }
  }
}

/// Numbers in frames.
enum Octets {
  @inline(__always)
  static func etherType(_ frame: UnsafeRawBufferPointer, at: Int) -> UInt16 {
    UInt16(bigEndian: frame.loadUnaligned(fromByteOffset: at, as: UInt16.self))
  }

  /// Six octets as a number.
  @inline(__always)
  static func address(_ frame: UnsafeRawBufferPointer, at: Int) -> UInt64 {
    UInt64(UInt16(bigEndian: frame.loadUnaligned(fromByteOffset: at, as: UInt16.self))) << 32
      | UInt64(UInt32(bigEndian: frame.loadUnaligned(fromByteOffset: at + 2, as: UInt32.self)))
  }
}
