// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Reads big-endian numbers from octets, and never beyond their end.
struct ByteReader {
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  var remaining: Int { bytes.endIndex - position }

  mutating func take(_ count: Int) throws(MKAError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else { throw MKAError(.invalidLength, "the message ends too early") }
    defer { position += count }
    return bytes[position..<position + count]
  }

  mutating func rest() -> ArraySlice<UInt8> {
    defer { position = bytes.endIndex }
    return bytes[position...]
  }

  private mutating func number(_ octets: Int) throws(MKAError) -> UInt64 {
    var value: UInt64 = 0
    for byte in try take(octets) { value = value << 8 | UInt64(byte) }
    return value
  }

  mutating func uint8() throws(MKAError) -> UInt8 { UInt8(truncatingIfNeeded: try number(1)) }
  mutating func uint16() throws(MKAError) -> UInt16 { UInt16(truncatingIfNeeded: try number(2)) }
  mutating func uint32() throws(MKAError) -> UInt32 { UInt32(truncatingIfNeeded: try number(4)) }
  mutating func uint64() throws(MKAError) -> UInt64 { try number(8) }

  mutating func memberIdentifier() throws(MKAError) -> MemberIdentifier {
    MemberIdentifier(high: try uint64(), low: try uint32())
  }
}

/// Writes big-endian numbers.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: UInt8) { bytes.append(value) }
  mutating func append(_ value: UInt16) {
    bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    bytes.append(UInt8(truncatingIfNeeded: value))
  }
  mutating func append(_ value: UInt32) {
    append(UInt16(truncatingIfNeeded: value >> 16))
    append(UInt16(truncatingIfNeeded: value))
  }
  mutating func append(_ value: UInt64) {
    append(UInt32(truncatingIfNeeded: value >> 32))
    append(UInt32(truncatingIfNeeded: value))
  }
  mutating func append(_ value: MemberIdentifier) {
    append(value.high)
    append(value.low)
  }
  mutating func append(_ value: some Sequence<UInt8>) { bytes.append(contentsOf: value) }

  /// Adds zeros up to a multiple of four octets from `start`.
  mutating func pad(from start: Int) {
    while (bytes.count - start) % 4 != 0 { bytes.append(0) }
  }
}
