// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Numbers as JSON writes them (RFC 8259 section 6).
enum NumberText {
  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  static func isValid(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    var index = text.first == UInt8(ascii: "-") ? 1 : 0
    func digits() -> Bool {
      let start = index
      while index < text.count, isDigit(text[index]) { index += 1 }
      return index > start
    }
    let isZero = index < text.count && text[index] == 0x30
    let start = index
    guard digits(), !isZero || index == start + 1 else { return false }
    if index < text.count, text[index] == UInt8(ascii: ".") {
      index += 1
      guard digits() else { return false }
    }
    if index < text.count, text[index] | 0x20 == UInt8(ascii: "e") {
      index += 1
      if index < text.count, text[index] == UInt8(ascii: "+") || text[index] == UInt8(ascii: "-") { index += 1 }
      guard digits() else { return false }
    }
    return index == text.count
  }

  /// Whether the text has a fraction or an exponent.
  static func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    text.allSatisfy { isDigit($0) || $0 == UInt8(ascii: "-") }
  }

  /// The number without exponent and without a fraction of zeros, such as `1200` for `1.2e3`; nil when that would be
  /// of no use to any type: more than 64 digits.
  static func plain(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    var digits: [UInt8] = []
    /// Places of the decimal point behind the first digit.
    var point: Int?
    var exponent = 0
    var index = text.first == UInt8(ascii: "-") ? 1 : 0
    while index < text.count, text[index] | 0x20 != UInt8(ascii: "e") {
      if text[index] == UInt8(ascii: ".") { point = digits.count } else { digits.append(text[index]) }
      index += 1
    }
    if index < text.count {
      guard let value = Int(String(decoding: text[(index + 1)...], as: UTF8.self)), abs(value) < 1_000 else {
        return nil
      }
      exponent = value
    }
    var places = (point ?? digits.count) + exponent
    guard digits.count <= 512 else { return nil }
    while let last = digits.last, last == 0x30, digits.count > max(places, 1) { digits.removeLast() }
    if digits == [0x30] { return [0x30] }
    while places < 1 {
      digits.insert(0x30, at: 0)
      places += 1
      if digits.count > 64 { return nil }
    }
    while digits.count < places {
      digits.append(0x30)
      if digits.count > 64 { return nil }
    }
    // Zeros in front would make an octal number.
    while places > 1, digits[0] == 0x30 {
      digits.removeFirst()
      places -= 1
    }
    guard digits.count <= 64 else { return nil }
    var result: [UInt8] = text.first == UInt8(ascii: "-") ? [UInt8(ascii: "-")] : []
    result += digits[..<places]
    if places < digits.count { result += [UInt8(ascii: ".")] + digits[places...] }
    return result
  }
}

/// Whether bytes are UTF-8 (RFC 3629): the shortest form, no surrogates, nothing above U+10FFFF.
enum UTF8Check {
  static func isValid(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    var index = 0
    let count = text.count
    while index < count {
      let first = text[index]
      if first < 0x80 {
        index += 1
        continue
      }
      let length: Int
      var lowest: UInt8 = 0x80
      var highest: UInt8 = 0xBF
      switch first {
      case 0xC2...0xDF: length = 2
      case 0xE0...0xEF:
        length = 3
        if first == 0xE0 { lowest = 0xA0 }
        if first == 0xED { highest = 0x9F }
      case 0xF0...0xF4:
        length = 4
        if first == 0xF0 { lowest = 0x90 }
        if first == 0xF4 { highest = 0x8F }
      default: return false
      }
      guard index + length <= count, text[index + 1] >= lowest, text[index + 1] <= highest else { return false }
      for next in (index + 2)..<max(index + 2, index + length) where text[next] & 0xC0 != 0x80 { return false }
      // U+FFFE and U+FFFF are no characters.
      if first == 0xEF, text[index + 1] == 0xBF, text[index + 2] >= 0xBE { return false }
      index += length
    }
    return true
  }
}
