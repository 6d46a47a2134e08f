// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Reads numbers in the host's order; running out of bytes is an error.
struct NetlinkReader {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  mutating func integer<T: FixedWidthInteger>(_: T.Type) throws(NetlinkError) -> T {
    let size = MemoryLayout<T>.size
    guard rest.count >= size else { throw .malformed("\(rest.count) bytes where \(size) were expected") }
    var value: T = 0
    withUnsafeMutableBytes(of: &value) { $0.copyBytes(from: rest.prefix(size)) }
    rest = rest.dropFirst(size)
    return value
  }

  mutating func uint8() throws(NetlinkError) -> UInt8 { try integer(UInt8.self) }
  mutating func uint16() throws(NetlinkError) -> UInt16 { try integer(UInt16.self) }
  mutating func uint32() throws(NetlinkError) -> UInt32 { try integer(UInt32.self) }
  mutating func int32() throws(NetlinkError) -> Int32 { try integer(Int32.self) }
}

/// Builds payloads: numbers in the host's order, attributes padded to four bytes.
struct NetlinkWriter {
  private(set) var bytes: [UInt8] = []

  static func aligned(_ length: Int) -> Int { (length + 3) & ~3 }

  mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }

  mutating func append(bytes more: [UInt8]) { bytes += more }

  /// An attribute; `nested` says that its value is attributes.
  mutating func attribute(_ type: UInt16, _ value: [UInt8], nested: Bool = false) {
    append(UInt16(4 + value.count))
    append(nested ? type | NetlinkAttributes.nestedFlag : type)
    bytes += value
    bytes += repeatElement(0, count: Self.aligned(value.count) - value.count)
  }

  /// An attribute that holds a text and its end.
  mutating func attribute(_ type: UInt16, text: String) { attribute(type, Array(text.utf8) + [0]) }

  mutating func attribute<T: FixedWidthInteger & UnsignedInteger>(_ type: UInt16, _ value: T) {
    attribute(type, withUnsafeBytes(of: value) { Array($0) })
  }
}

/// The attributes of a message, by type; of a type that occurs twice the last counts.
struct NetlinkAttributes: Sendable {
  /// The bits of a type that do not belong to it: nested, and network byte order.
  static let nestedFlag: UInt16 = 0x8000
  private static let typeMask: UInt16 = 0x3FFF

  private var values: [UInt16: ArraySlice<UInt8>] = [:]

  init(_ bytes: ArraySlice<UInt8>) throws(NetlinkError) {
    var rest = bytes
    // Less than an attribute's header at the end is padding.
    while rest.count >= 4 {
      var reader = NetlinkReader(rest)
      let length = Int(try reader.uint16())
      let type = try reader.uint16() & Self.typeMask
      guard length >= 4, length <= rest.count else {
        throw .malformed("attribute \(type) with a length of \(length) and \(rest.count) bytes left")
      }
      values[type] = rest[(rest.startIndex + 4)..<(rest.startIndex + length)]
      rest = rest.dropFirst(NetlinkWriter.aligned(length))
    }
  }

  func bytes(_ type: UInt16) -> ArraySlice<UInt8>? { values[type] }

  func uint8(_ type: UInt16) throws(NetlinkError) -> UInt8? { try integer(type) }
  func uint32(_ type: UInt16) throws(NetlinkError) -> UInt32? { try integer(type) }
  func uint64(_ type: UInt16) throws(NetlinkError) -> UInt64? { try integer(type) }

  private func integer<T: FixedWidthInteger>(_ type: UInt16) throws(NetlinkError) -> T? {
    guard let value = values[type] else { return nil }
    guard value.count >= MemoryLayout<T>.size else {
      throw .malformed("attribute \(type) with \(value.count) bytes instead of \(MemoryLayout<T>.size)")
    }
    var reader = NetlinkReader(value)
    return try reader.integer(T.self)
  }

  /// A text up to its end; bytes that are no UTF-8 are replaced.
  func text(_ type: UInt16) throws(NetlinkError) -> String? {
    values[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// The values in the order of their types: those of a list, which the kernel numbers.
  var list: [ArraySlice<UInt8>] { values.sorted { $0.key < $1.key }.map(\.value) }

  func nested(_ type: UInt16) throws(NetlinkError) -> NetlinkAttributes? {
    guard let value = values[type] else { return nil }
    return try NetlinkAttributes(value)
  }
}
