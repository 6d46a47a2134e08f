// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import COpenSSL

/// Room for one message, wiped before each use and at its end: keys pass through it.
///
/// It belongs to one thread. What does not fit is not written, and `isOverfull` says so.
public final class MessageBuffer {
  /// The longest message, in octets.
  public static let capacity = 65_536

  public let storage: UnsafeMutableRawBufferPointer
  public private(set) var count = 0
  public private(set) var isOverfull = false

  public init() {
    storage = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.capacity, alignment: 16)
    storage.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    OPENSSL_cleanse(storage.baseAddress, storage.count)
    storage.deallocate()
  }

  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[..<count]) }

  /// Empties it and wipes what it held.
  public func wipe() {
    OPENSSL_cleanse(storage.baseAddress, count)
    count = 0
    isOverfull = false
  }

  /// Says that `count` octets were put into `storage`.
  public func filled(_ count: Int) { self.count = min(max(count, 0), Self.capacity) }

  public func append(_ source: UnsafeRawBufferPointer) {
    guard source.count <= Self.capacity - count else {
      isOverfull = true
      return
    }
    UnsafeMutableRawBufferPointer(rebasing: storage[count..<count + source.count]).copyMemory(from: source)
    count += source.count
  }

  /// In network order.
  public func append<Number: FixedWidthInteger>(_ number: Number) {
    withUnsafeBytes(of: number.bigEndian) { append($0) }
  }

  public func append(_ flag: Bool) { append(flag ? UInt8(1) : 0) }

  /// A text with its length before it, cut at 255 octets.
  public func append(_ text: String) {
    let utf8 = Array(text.utf8.prefix(255))
    append(UInt8(utf8.count))
    utf8.withUnsafeBytes { append($0) }
  }

}

/// Takes a message apart. It never reads beyond the end.
public struct MessageReader {
  private let bytes: UnsafeRawBufferPointer
  public private(set) var offset = 0

  public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  public var remaining: Int { bytes.count - offset }

  public mutating func number<Number: FixedWidthInteger>(_: Number.Type = Number.self) throws(ControlError) -> Number {
    let size = MemoryLayout<Number>.size
    guard remaining >= size else { throw ControlError(.length, "a message ends within a number") }
    defer { offset += size }
    return Number(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
  }

  public mutating func flag() throws(ControlError) -> Bool {
    switch try number(UInt8.self) {
    case 0: return false
    case 1: return true
    case let other: throw ControlError(.value, "a flag is \(other)")
    }
  }

  /// Lends the octets: they are valid as long as the message is.
  public mutating func octets(_ count: Int) throws(ControlError) -> UnsafeRawBufferPointer {
    guard count >= 0, remaining >= count else { throw ControlError(.length, "a message ends within octets") }
    defer { offset += count }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
  }

  public mutating func text() throws(ControlError) -> String {
    String(decoding: try octets(Int(try number(UInt8.self))), as: UTF8.self)
  }

  public func end() throws(ControlError) {
    guard remaining == 0 else { throw ControlError(.length, "a message has \(remaining) octets too many") }
  }

  mutating func value<Value: RawRepresentable>(_: Value.Type = Value.self) throws(ControlError) -> Value
  where Value.RawValue == UInt8 {
    let raw = try number(UInt8.self)
    guard let value = Value(rawValue: raw) else { throw ControlError(.value, "\(Value.self) has no code \(raw)") }
    return value
  }
}
