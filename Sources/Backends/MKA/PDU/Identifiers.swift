// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// An Ethernet address.
public struct MACAddress: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The 48 bits, the first octet being the most significant.
  public let rawValue: UInt64

  /// Takes the low 48 bits.
  public init(rawValue: UInt64) { self.rawValue = rawValue & 0xFFFF_FFFF_FFFF }

  /// The six octets as sent.
  public var bytes: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: rawValue >> UInt64(40 - 8 * $0)) } }

  /// The PAE group address, 01:80:C2:00:00:03, where MKPDUs go (IEEE 802.1X-2020 table 11-1).
  public static let paeGroup = MACAddress(rawValue: 0x0180_C200_0003)

  public static func < (left: MACAddress, right: MACAddress) -> Bool { left.rawValue < right.rawValue }

  public var description: String {
    bytes.map { Hex.text([$0], uppercase: false) }.joined(separator: ":")
  }
}

/// A secure channel identifier: the address of a port and a port identifier (IEEE 802.1AE 7.1.2).
public struct SCI: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The address in the upper 48 bits, the port identifier in the lower 16.
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public init(address: MACAddress, port: UInt16 = 1) { rawValue = address.rawValue << 16 | UInt64(port) }

  public var address: MACAddress { MACAddress(rawValue: rawValue >> 16) }
  public var port: UInt16 { UInt16(truncatingIfNeeded: rawValue) }

  public static func < (left: SCI, right: SCI) -> Bool { left.rawValue < right.rawValue }

  /// As operators of IOS XR know it: `008a.96d6.194c/0001`.
  public var description: String {
    let digits = Array(Hex.text(rawValue, octets: 8, uppercase: false))
    return String(digits[0..<4]) + "." + String(digits[4..<8]) + "." + String(digits[8..<12]) + "/"
      + String(digits[12..<16])
  }
}

/// The random 96 bits by which a participant is known for as long as it lives (IEEE 802.1X-2020 9.4.2).
public struct MemberIdentifier: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The length in octets.
  public static let length = 12

  let high: UInt64
  let low: UInt32

  init(high: UInt64, low: UInt32) {
    self.high = high
    self.low = low
  }

  /// Nil unless there are exactly 12 octets.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Self.length else { return nil }
    high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt32($1) }
  }

  public var bytes: [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * $0)) }
      + (0..<4).map { UInt8(truncatingIfNeeded: low >> UInt32(24 - 8 * $0)) }
  }

  public static func < (left: MemberIdentifier, right: MemberIdentifier) -> Bool {
    (left.high, left.low) < (right.high, right.low)
  }

  public var description: String { Hex.text(bytes, uppercase: true) }
}

/// The Key Identifier (KI) of a SAK: who made it, and the number that its maker gave it (IEEE 802.1X-2020 9.8).
public struct SAKIdentifier: Sendable, Hashable, CustomStringConvertible {
  /// The key server's member identifier.
  public var keyServer: MemberIdentifier
  /// The key number (KN), from 1.
  public var number: UInt32

  public init(keyServer: MemberIdentifier, number: UInt32) {
    self.keyServer = keyServer
    self.number = number
  }

  /// The 16 octets that name the key to a SecY.
  public var bytes: [UInt8] {
    keyServer.bytes + (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(24 - 8 * $0)) }
  }

  public var description: String { Hex.text(bytes, uppercase: true) }
}

/// The number of a secure association within its channel, 0 to 3.
public struct AssociationNumber: Sendable, Hashable, CustomStringConvertible {
  public let rawValue: UInt8

  /// Takes the low two bits.
  public init(truncating value: UInt8) { rawValue = value & 3 }

  /// The next number; 0 follows 3.
  public var next: AssociationNumber { AssociationNumber(truncating: rawValue &+ 1) }

  public static let zero = AssociationNumber(truncating: 0)

  public var description: String { String(rawValue) }
}

/// Hexadecimal text of things that are no secrets.
enum Hex {
  static func text(_ bytes: some Sequence<UInt8>, uppercase: Bool) -> String {
    let digits = Array((uppercase ? "0123456789ABCDEF" : "0123456789abcdef").utf8)
    var text: [UInt8] = []
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  static func text(_ value: UInt64, octets: Int, uppercase: Bool) -> String {
    text((0..<octets).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (octets - 1 - $0))) }, uppercase: uppercase)
  }

  /// Nil unless the text is an even number of hexadecimal digits.
  static func bytes(_ text: some StringProtocol) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
