// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Hexadecimal text, as SKIP carries keys, key identifiers and random strings.
public enum Hexadecimal {
  /// Which letters the digits above nine are written with.
  public enum LetterCase: String, Codable, Equatable, Sendable, CaseIterable {
    case lower
    case upper
    /// Every second letter in upper case: legal, and a trap for clients that fold or compare without care.
    case mixed
  }

  /// Two digits for each byte.
  public static func encode(_ bytes: some Sequence<UInt8>, letters: LetterCase = .lower) -> [UInt8] {
    var digits: [UInt8] = []
    var isUpper = letters == .upper
    for nibble in bytes.lazy.flatMap({ [$0 >> 4, $0 & 15] }) {
      if nibble < 10 {
        digits.append(UInt8(ascii: "0") + nibble)
      } else {
        digits.append((isUpper ? UInt8(ascii: "A") : UInt8(ascii: "a")) + nibble - 10)
        if letters == .mixed { isUpper.toggle() }
      }
    }
    return digits
  }

  /// The bytes of an even number of digits in either case, or `nil`.
  public static func decode(_ digits: some Collection<UInt8>) -> [UInt8]? {
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    var high: UInt8?
    for character in digits {
      guard let value = digit(character) else { return nil }
      if let upper = high {
        bytes.append(upper << 4 | value)
        high = nil
      } else {
        high = value
      }
    }
    return bytes
  }

  /// The value of one digit, or `nil`.
  static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
