// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The ones' complement sum of IP, TCP and UDP (RFC 1071).
enum InternetChecksum {
  /// The sum of 16-bit words in network order, not folded; an odd last octet is the upper half of a word.
  ///
  /// The order of octets within a word does not matter to such a sum but for the result's, so this adds as the machine
  /// loads and turns the result around once.
  static func sum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    guard let base = bytes.baseAddress else { return 0 }
    var low: UInt64 = 0
    var high: UInt64 = 0
    var offset = 0
    while offset + 16 <= bytes.count {
      let first = (base + offset).loadUnaligned(as: UInt64.self)
      let second = (base + offset + 8).loadUnaligned(as: UInt64.self)
      low &+= (first & 0xFFFF_FFFF) &+ (second & 0xFFFF_FFFF)
      high &+= (first >> 32) &+ (second >> 32)
      offset += 16
    }
    while offset + 2 <= bytes.count {
      low &+= UInt64((base + offset).loadUnaligned(as: UInt16.self))
      offset += 2
    }
    if offset < bytes.count { low &+= UInt64(UInt16(bytes[offset]).littleEndian) }
    return UInt64(UInt16(fold(low &+ high)).bigEndian)
  }

  /// 16 bits of a sum.
  static func fold(_ sum: UInt64) -> UInt16 {
    var sum = sum
    while sum >> 16 != 0 { sum = (sum & 0xFFFF) + (sum >> 16) }
    return UInt16(sum)
  }
}
