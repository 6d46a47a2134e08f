// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The characters that a YANG file may consist of (RFC 7950 section 14, yang-char), in UTF-8 (RFC 3629).
enum CharacterCheck {
  struct Finding {
    let offset: Int
    let message: String
  }

  static func firstForbidden(in bytes: UnsafeBufferPointer<UInt8>) -> Finding? {
    var index = 0
    let count = bytes.count
    while index < count {
      let byte = bytes[index]
      if byte < 0x80 {
        if byte < 0x20, byte != 0x09, byte != 0x0A, byte != 0x0D {
          return Finding(offset: index, message: "the control character \(hex(UInt32(byte))) is not allowed in YANG")
        }
        index += 1
        continue
      }
      guard let (scalar, length) = UTF8Decoding.scalar(in: bytes, at: index) else {
        return Finding(offset: index, message: "the file is not UTF-8: octet \(hex(UInt32(byte))) is out of place")
      }
      if scalar & 0xFFFE == 0xFFFE || (0xFDD0...0xFDEF).contains(scalar) {
        return Finding(offset: index, message: "the character U+\(hex(scalar)) is not allowed in YANG")
      }
      index += length
    }
    return nil
  }

  private static func hex(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}

/// Strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
enum UTF8Decoding {
  /// The scalar that starts at `index` and its length in octets, nil when there is none.
  static func scalar(in bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (value: UInt32, length: Int)? {
    let first = UInt32(bytes[index])
    if first < 0x80 { return (first, 1) }
    let length: Int
    var value: UInt32
    let least: UInt32
    switch first {
    case 0xC2...0xDF: (length, value, least) = (2, first & 0x1F, 0x80)
    case 0xE0...0xEF: (length, value, least) = (3, first & 0x0F, 0x800)
    case 0xF0...0xF4: (length, value, least) = (4, first & 0x07, 0x10000)
    default: return nil
    }
    guard index + length <= bytes.count else { return nil }
    for next in bytes[(index + 1)..<(index + length)] {
      guard next & 0xC0 == 0x80 else { return nil }
      value = value << 6 | UInt32(next & 0x3F)
    }
    guard value >= least, value <= 0x10FFFF, !(0xD800...0xDFFF).contains(value) else { return nil }
    return (value, length)
  }
}
