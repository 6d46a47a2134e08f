// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Base 64 with the standard alphabet and padding (RFC 4648 section 4).
enum Base64 {
  /// Nil for text that is not base 64.
  static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
    guard text.count % 4 == 0 else { return nil }
    var output: [UInt8] = []
    output.reserveCapacity(text.count / 4 * 3)
    var bits: UInt32 = 0
    var padding = 0
    for (index, byte) in text.enumerated() {
      if byte == UInt8(ascii: "=") {
        padding += 1
        guard index >= text.count - 2 else { return nil }
        bits <<= 6
      } else {
        guard padding == 0, let value = value(of: byte) else { return nil }
        bits = bits << 6 | UInt32(value)
      }
      if index % 4 == 3 {
        output.append(UInt8(truncatingIfNeeded: bits >> 16))
        output.append(UInt8(truncatingIfNeeded: bits >> 8))
        output.append(UInt8(truncatingIfNeeded: bits))
        bits = 0
      }
    }
    output.removeLast(min(padding, output.count))
    return output
  }

  private static func value(of byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
