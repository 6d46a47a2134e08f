// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// An IP address with the length of its prefix: an interface's address with its subnet, or a destination of a route.
public struct AddressPrefix: Sendable, Hashable {
  public let family: LinkAddress.Family
  /// 4 or 16 bytes in network order.
  public let bytes: [UInt8]
  /// 0 to 32, or to 128.
  public let length: UInt8

  /// - Returns: nil when the bytes or the length do not fit an address of IPv4 or IPv6.
  public init?(bytes: [UInt8], length: UInt8) {
    guard bytes.count == 4 || bytes.count == 16, Int(length) <= bytes.count * 8 else { return nil }
    family = bytes.count == 4 ? .ipv4 : .ipv6
    self.bytes = bytes
    self.length = length
  }

  /// From the texts that RFC 5952 and the dotted form of IPv4 know, without a zone.
  public init?(address: String, length: UInt8) {
    guard let bytes = Self.bytes(of: address) else { return nil }
    self.init(bytes: bytes, length: length)
  }

  /// From an address and a mask such as `255.255.255.0`; nil also when the mask has holes.
  public init?(address: String, mask: String) {
    guard let bytes = Self.bytes(of: address), bytes.count == 4, let mask = Self.bytes(of: mask), mask.count == 4 else {
      return nil
    }
    let number = mask.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    guard (~number).leadingZeroBitCount + (~number).nonzeroBitCount == 32 else { return nil }
    self.init(bytes: bytes, length: UInt8(number.nonzeroBitCount))
  }

  /// The address of a link.
  public init?(_ address: LinkAddress) { self.init(bytes: address.bytes, length: address.prefixLength) }

  /// The subnet: the address with zeros behind the prefix.
  public var network: AddressPrefix {
    let masked = bytes.indices.map { bytes[$0] & ~Self.hostBits(at: $0, length) }
    return AddressPrefix(bytes: masked, length: length) ?? self
  }

  /// The last address of the subnet.
  var last: [UInt8] { bytes.indices.map { bytes[$0] | Self.hostBits(at: $0, length) } }

  /// Whether it is an IPv6 address that is valid on its link only (RFC 4291 section 2.5.6).
  public var isLinkLocal: Bool { family == .ipv6 && bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80 }

  /// The bits of a byte that are behind the prefix.
  private static func hostBits(at position: Int, _ length: UInt8) -> UInt8 {
    UInt8(0xFF >> min(max(Int(length) - position * 8, 0), 8))
  }

  private static func bytes(of text: String) -> [UInt8]? {
    for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
      var bytes = [UInt8](repeating: 0, count: count)
      if inet_pton(family, text, &bytes) == 1 { return bytes }
    }
    return nil
  }

  /// The address alone.
  public var addressText: String {
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let code = family == .ipv4 ? AF_INET : AF_INET6
    guard inet_ntop(code, bytes, &buffer, socklen_t(buffer.count)) != nil else { return "" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

extension AddressPrefix: CustomStringConvertible {
  /// Such as `192.0.2.1/24`.
  public var description: String { "\(addressText)/\(length)" }
}
