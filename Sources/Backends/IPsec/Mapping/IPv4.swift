// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// An IPv4 address.
public struct IPv4Address: Sendable, Hashable, Comparable, CustomStringConvertible {
  public let bits: UInt32

  public init(bits: UInt32) { self.bits = bits }

  /// Reads four decimal numbers with dots, without leading zeros; nil for anything else.
  public init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var bits: UInt32 = 0
    for part in parts {
      guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        part == "0" || part.first != "0", let octet = UInt8(part)
      else { return nil }
      bits = bits << 8 | UInt32(octet)
    }
    self.bits = bits
  }

  public var description: String {
    [24, 16, 8, 0].map { String(bits >> UInt32($0) & 0xff) }.joined(separator: ".")
  }

  public static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.bits < right.bits }
}

/// An address with a mask, as the models write ranges of peers. The address may have bits that the mask leaves out.
public struct IPv4Range: Sendable, Hashable, CustomStringConvertible {
  public let address: IPv4Address
  public let mask: IPv4Address

  public init(_ address: IPv4Address, mask: IPv4Address) {
    self.address = address
    self.mask = mask
  }

  /// Nil when either is no address.
  public init?(_ address: String, _ mask: String) {
    guard let address = IPv4Address(address), let mask = IPv4Address(mask) else { return nil }
    self.init(address, mask: mask)
  }

  /// The number of ones of the mask; nil when they do not all stand in front.
  public var prefixLength: Int? {
    let ones = mask.bits.nonzeroBitCount
    return mask.bits.leadingZeroBitCount == (ones == 0 ? 32 : 0) && (~mask.bits).leadingZeroBitCount == ones
      ? ones : nil
  }

  /// The range without the bits that the mask leaves out.
  public var network: IPv4Address { IPv4Address(bits: address.bits & mask.bits) }

  public func contains(_ other: IPv4Address) -> Bool { (other.bits ^ address.bits) & mask.bits == 0 }

  /// Whether all addresses of the other range are in this one.
  public func contains(_ other: IPv4Range) -> Bool { contains(other.address) && mask.bits & ~other.mask.bits == 0 }

  public var description: String { "\(address) \(mask)" }
}
