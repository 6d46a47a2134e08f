// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why stored bytes could not be read.
public struct TreeCodingError: Error, Sendable, CustomStringConvertible {
  /// Where in the bytes.
  public let offset: Int
  public let message: String
  public var description: String { "at byte \(offset): \(message)" }
}

/// Writes numbers and strings compactly.
struct ByteEncoder {
  private(set) var bytes: [UInt8] = []

  mutating func append(byte: UInt8) { bytes.append(byte) }

  /// Seven bits a byte, the lowest first.
  mutating func append(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  mutating func append(_ count: Int) { append(UInt64(count)) }

  /// Small numbers of either sign take few bytes.
  mutating func append(signed number: Int64) { append(UInt64(bitPattern: (number << 1) ^ (number >> 63))) }

  mutating func append(_ text: String) {
    append(text.utf8.count)
    bytes.append(contentsOf: text.utf8)
  }

  mutating func append(_ data: [UInt8]) {
    append(data.count)
    bytes.append(contentsOf: data)
  }

  mutating func append(raw data: [UInt8]) { bytes.append(contentsOf: data) }
}

/// Reads what `ByteEncoder` wrote; whatever the bytes are, it neither crashes nor allocates beyond their size.
struct ByteDecoder {
  let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var isAtEnd: Bool { offset == bytes.count }
  var remaining: Int { bytes.count - offset }

  func failure(_ message: String) -> TreeCodingError { TreeCodingError(offset: offset, message: message) }

  mutating func byte() throws(TreeCodingError) -> UInt8 {
    guard offset < bytes.count else { throw failure("the data ends early") }
    offset += 1
    return bytes[offset - 1]
  }

  mutating func number() throws(TreeCodingError) -> UInt64 {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try byte()
      guard shift < 63 || byte <= 1 else { throw failure("a number is too big") }
      result |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return result }
      shift += 7
    }
  }

  mutating func signed() throws(TreeCodingError) -> Int64 {
    let number = try number()
    return Int64(bitPattern: number >> 1) ^ -Int64(bitPattern: number & 1)
  }

  /// A number of things of which each takes a byte at least.
  mutating func count() throws(TreeCodingError) -> Int {
    let number = try number()
    guard number <= UInt64(remaining) else { throw failure("a count goes beyond the data") }
    return Int(number)
  }

  mutating func data() throws(TreeCodingError) -> UnsafeRawBufferPointer {
    let count = try count()
    offset += count
    return UnsafeRawBufferPointer(rebasing: bytes[(offset - count)..<offset])
  }

  mutating func string() throws(TreeCodingError) -> String {
    let data = try data()
    guard let text = String(validating: data, as: UTF8.self) else { throw failure("a text is not UTF-8") }
    return text
  }
}
