// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Reads the members of one JSON object (RFC 8259) straight out of a buffer that will be wiped.
///
/// Written for answers that carry keys: a general decoder would leave copies of the key in strings that nothing wipes.
/// The whole text is checked, also the members that nobody asks for. Bounded in depth; the caller bounds the size.
struct JSONScanner {
  /// How deep arrays and objects may nest.
  static let maximumDepth = 32
  /// How many members of the outermost object are kept.
  static let maximumMembers = 256

  /// A value, by where it stands in the buffer.
  enum Value: Equatable {
    /// The text between the quotes, still escaped.
    case string(Range<Int>)
    case number(Range<Int>)
    case boolean(Bool)
    case null
    /// The elements of an array of the outermost object; deeper ones are only checked.
    case array([Value])
    case object
  }

  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The members of the object that the text must be. A name that occurs twice is an error.
  static func members(of bytes: UnsafeRawBufferPointer) throws(SKIPAnswerError) -> [String: Value] {
    var scanner = JSONScanner(bytes)
    scanner.skipSpace()
    guard scanner.take("{") else { throw SKIPAnswerError("it is not a JSON object") }
    var members: [String: Value] = [:]
    try scanner.objectBody(depth: 1) { (scanner, name) throws(SKIPAnswerError) in
      let value = try scanner.value(depth: 1, keepsElements: true)
      guard members.count < maximumMembers else { throw SKIPAnswerError("it has too many members") }
      guard members.updateValue(value, forKey: try scanner.text(name)) == nil else {
        throw SKIPAnswerError("a member occurs twice")
      }
    }
    scanner.skipSpace()
    guard scanner.position == bytes.count else { throw SKIPAnswerError("something follows the JSON object") }
    return members
  }

  /// The text of a string value, unescaped. For names and identifiers, never for keys.
  static func text(_ range: Range<Int>, in bytes: UnsafeRawBufferPointer) throws(SKIPAnswerError) -> String {
    try JSONScanner(bytes).text(range)
  }

  /// Decodes a string value of hexadecimal digits of either case into a buffer of its own.
  static func hexadecimal(
    _ range: Range<Int>, in bytes: UnsafeRawBufferPointer, member: String
  ) throws(SKIPAnswerError) -> SecretBytes {
    let refusal = SKIPAnswerError("\(member) is not an even number of hexadecimal digits")
    guard !range.isEmpty, range.count % 2 == 0 else { throw refusal }
    return try SecretBytes(capacity: range.count / 2) { (target) throws(SKIPAnswerError) -> Int in
      for index in 0..<target.count {
        guard let high = hexadecimalDigit(bytes[range.lowerBound + 2 * index]),
          let low = hexadecimalDigit(bytes[range.lowerBound + 2 * index + 1])
        else { throw refusal }
        target[index] = high << 4 | low
      }
      return target.count
    }
  }

  /// The value of one hexadecimal digit of either case.
  static func hexadecimalDigit(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  // MARK: Grammar

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func objectBody(
    depth: Int, member: (inout JSONScanner, Range<Int>) throws(SKIPAnswerError) -> Void
  ) throws(SKIPAnswerError) {
    skipSpace()
    if take("}") { return }
    while true {
      skipSpace()
      guard take("\"") else { throw SKIPAnswerError("a member's name is missing") }
      let name = try stringBody()
      skipSpace()
      guard take(":") else { throw SKIPAnswerError("a colon is missing") }
      try member(&self, name)
      skipSpace()
      if take("}") { return }
      guard take(",") else { throw SKIPAnswerError("an object is not closed") }
    }
  }

  private mutating func value(depth: Int, keepsElements: Bool) throws(SKIPAnswerError) -> Value {
    guard depth <= Self.maximumDepth else { throw SKIPAnswerError("it is nested too deep") }
    skipSpace()
    guard position < bytes.count else { throw SKIPAnswerError("it ends too early") }
    switch bytes[position] {
    case UInt8(ascii: "\""):
      position += 1
      return .string(try stringBody())
    case UInt8(ascii: "{"):
      position += 1
      try objectBody(depth: depth + 1) { (scanner, _) throws(SKIPAnswerError) in
        _ = try scanner.value(depth: depth + 1, keepsElements: false)
      }
      return .object
    case UInt8(ascii: "["):
      position += 1
      return .array(try arrayBody(depth: depth + 1, keepsElements: keepsElements))
    case UInt8(ascii: "t"): return try word("true", .boolean(true))
    case UInt8(ascii: "f"): return try word("false", .boolean(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return .number(try number())
    }
  }

  private mutating func arrayBody(depth: Int, keepsElements: Bool) throws(SKIPAnswerError) -> [Value] {
    var elements: [Value] = []
    skipSpace()
    if take("]") { return elements }
    while true {
      let element = try value(depth: depth, keepsElements: false)
      if keepsElements { elements.append(element) }
      skipSpace()
      if take("]") { return elements }
      guard take(",") else { throw SKIPAnswerError("an array is not closed") }
    }
  }

  private mutating func word(_ word: StaticString, _ value: Value) throws(SKIPAnswerError) -> Value {
    let isThere = word.withUTF8Buffer { word in bytes[position...].starts(with: word) }
    guard isThere else { throw SKIPAnswerError("an unknown word stands for a value") }
    position += word.utf8CodeUnitCount
    return value
  }

  private mutating func number() throws(SKIPAnswerError) -> Range<Int> {
    let start = position
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") { try digits() }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try digits()
    }
    return start..<position
  }

  private mutating func digits() throws(SKIPAnswerError) {
    let start = position
    while position < bytes.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[position] { position += 1 }
    guard position > start else { throw SKIPAnswerError("a value is malformed") }
  }

  /// After the opening quote: the range up to the closing one, which is taken.
  private mutating func stringBody() throws(SKIPAnswerError) -> Range<Int> {
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case UInt8(ascii: "\""):
        position += 1
        return start..<(position - 1)
      case UInt8(ascii: "\\"):
        position += 1
        guard position < bytes.count else { throw SKIPAnswerError("a string is not closed") }
        if bytes[position] == UInt8(ascii: "u") {
          guard unicodeUnit(at: position + 1) != nil else { throw SKIPAnswerError("a string's escape is malformed") }
          position += 5
        } else {
          guard Self.escapes[bytes[position]] != nil else { throw SKIPAnswerError("a string's escape is malformed") }
          position += 1
        }
      case ..<0x20: throw SKIPAnswerError("a string holds a control character")
      default: position += 1
      }
    }
    throw SKIPAnswerError("a string is not closed")
  }

  private static let escapes: [UInt8: UInt8] = [
    UInt8(ascii: "\""): 0x22, UInt8(ascii: "\\"): 0x5C, UInt8(ascii: "/"): 0x2F, UInt8(ascii: "b"): 0x08,
    UInt8(ascii: "f"): 0x0C, UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09,
  ]

  private func unicodeUnit(at start: Int) -> UInt16? {
    guard start + 4 <= bytes.count else { return nil }
    var unit: UInt16 = 0
    for byte in bytes[start..<(start + 4)] {
      guard let digit = Self.hexadecimalDigit(byte) else { return nil }
      unit = unit << 4 | UInt16(digit)
    }
    return unit
  }

  /// Unescapes and checks the UTF-8 of a range that `stringBody` returned.
  private func text(_ range: Range<Int>) throws(SKIPAnswerError) -> String {
    var utf8: [UInt8] = []
    var index = range.lowerBound
    while index < range.upperBound {
      guard bytes[index] == UInt8(ascii: "\\") else {
        utf8.append(bytes[index])
        index += 1
        continue
      }
      if let plain = Self.escapes[bytes[index + 1]] {
        utf8.append(plain)
        index += 2
        continue
      }
      var units = [unicodeUnit(at: index + 2) ?? 0xD800]
      index += 6
      if UTF16.isLeadSurrogate(units[0]), index + 6 <= range.upperBound, bytes[index] == UInt8(ascii: "\\"),
        bytes[index + 1] == UInt8(ascii: "u"), let low = unicodeUnit(at: index + 2)
      {
        units.append(low)
        index += 6
      }
      guard let text = String(validating: units, as: UTF16.self) else {
        throw SKIPAnswerError("a string holds half a surrogate pair")
      }
      utf8.append(contentsOf: text.utf8)
    }
    guard let text = String(validating: utf8, as: UTF8.self) else { throw SKIPAnswerError("a string is not UTF-8") }
    return text
  }
}
