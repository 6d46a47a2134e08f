// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A keyed digest of 16 bytes: tells whether two secrets are the same and nothing else about them.
///
/// It is HMAC-SHA-256 under a sub-key of the master key, so it cannot be tried against a word list without that key.
public struct KeyedFingerprint: Sendable, Hashable, CustomStringConvertible {
  /// The length in bytes.
  public static let length = 16

  private let high: UInt64
  private let low: UInt64

  /// Takes the first 16 bytes; nil when there are fewer.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count >= Self.length else { return nil }
    high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    low = bytes.dropFirst(8).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  static let none = KeyedFingerprint(high: 0, low: 0)
  private init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  public var bytes: [UInt8] {
    [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) } }
  }

  /// 32 lower-case hexadecimal digits.
  public var description: String { Hexadecimal.encode(bytes) }
}

/// Hexadecimal text.
enum Hexadecimal {
  static func encode(_ bytes: some Sequence<UInt8>, uppercase: Bool = false) -> String {
    let digits: StaticString = uppercase ? "0123456789ABCDEF" : "0123456789abcdef"
    return digits.withUTF8Buffer { digits in
      var text: [UInt8] = []
      for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
      }
      return String(decoding: text, as: UTF8.self)
    }
  }

  /// The value of one digit of either case.
  static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    guard text.count % 2 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 2)
    var index = text.startIndex
    while index != text.endIndex {
      let next = text.index(after: index)
      guard let high = value(text[index]), let low = value(text[next]) else { return nil }
      bytes.append(high << 4 | low)
      index = text.index(after: next)
    }
    return bytes
  }
}
