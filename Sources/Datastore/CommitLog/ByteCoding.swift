// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Writes the pieces of coded trees: numbers of variable length, texts, and texts that are written once and then numbered.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []
  private var texts: [String: UInt64] = [:]

  mutating func byte(_ value: UInt8) { bytes.append(value) }

  /// Seven bits a byte, lowest first.
  mutating func number(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
  mutating func number(_ value: Int) { number(UInt64(max(0, value))) }

  /// The sign in the lowest bit.
  mutating func signed(_ value: Int64) { number(UInt64(bitPattern: value << 1 ^ value >> 63)) }

  mutating func data(_ value: some Collection<UInt8>) {
    number(value.count)
    bytes.append(contentsOf: value)
  }
  mutating func text(_ value: String) { data(value.utf8) }

  /// A name: its number if it was written before, else 0 and the name.
  mutating func name(_ value: String) {
    if let known = texts[value] { return number(known) }
    texts[value] = UInt64(texts.count + 1)
    number(UInt64(0))
    text(value)
  }
}

/// Reads what `ByteWriter` wrote. Every read is bounded by the bytes that are there.
struct ByteReader {
  struct Malformed: Error { let offset: Int }

  private let bytes: [UInt8]
  private(set) var offset = 0
  private var texts: [String] = []

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { offset == bytes.count }
  var remaining: Int { bytes.count - offset }
  var malformed: Malformed { Malformed(offset: offset) }

  mutating func byte() throws(Malformed) -> UInt8 {
    guard offset < bytes.count else { throw malformed }
    defer { offset += 1 }
    return bytes[offset]
  }

  mutating func number() throws(Malformed) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte()
      guard shift < 64, shift < 63 || next & 0x7F <= 1 else { throw malformed }
      value |= UInt64(next & 0x7F) << shift
      if next & 0x80 == 0 { return value }
      shift += 7
    }
  }

  /// How many things follow; each takes a byte at least.
  mutating func count() throws(Malformed) -> Int {
    let value = try number()
    guard value <= UInt64(remaining) else { throw malformed }
    return Int(value)
  }

  mutating func signed() throws(Malformed) -> Int64 {
    let value = try number()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  mutating func data() throws(Malformed) -> ArraySlice<UInt8> {
    let length = try count()
    defer { offset += length }
    return bytes[offset..<offset + length]
  }

  mutating func text() throws(Malformed) -> String {
    String(decoding: try data(), as: UTF8.self)
  }

  mutating func name() throws(Malformed) -> String {
    let number = try number()
    if number == 0 {
      let text = try text()
      texts.append(text)
      return text
    }
    guard number <= UInt64(texts.count) else { throw malformed }
    return texts[Int(number) - 1]
  }
}
