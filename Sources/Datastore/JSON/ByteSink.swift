// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Bytes that are being written: memory of its own that grows, without the checks that an array makes for each byte.
struct ByteSink: ~Copyable {
  private var bytes: UnsafeMutablePointer<UInt8>
  private(set) var count = 0
  private var capacity: Int

  init(capacity: Int = 16_384) {
    bytes = .allocate(capacity: capacity)
    self.capacity = capacity
  }

  deinit { bytes.deallocate() }

  /// The place to write to, with room for so many bytes more.
  @inline(__always) private mutating func room(_ needed: Int) -> UnsafeMutablePointer<UInt8> {
    if capacity - count < needed { grow(needed) }
    return bytes + count
  }

  @inline(never) private mutating func grow(_ needed: Int) {
    let larger = max(2 * capacity, count + needed)
    let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
    moved.update(from: bytes, count: count)
    bytes.deallocate()
    bytes = moved
    capacity = larger
  }

  @inline(__always) mutating func append(_ byte: UInt8) {
    room(1).pointee = byte
    count += 1
  }

  @inline(__always) mutating func append(contentsOf more: UnsafeBufferPointer<UInt8>) {
    guard let start = more.baseAddress else { return }
    room(more.count).update(from: start, count: more.count)
    count += more.count
  }

  mutating func append(contentsOf more: String.UTF8View) {
    var text = String(more)
    text.withUTF8 { append(contentsOf: $0) }
  }

  mutating func append(contentsOf more: [UInt8]) { more.withUnsafeBufferPointer { append(contentsOf: $0) } }

  /// An integer in decimal.
  mutating func append(_ magnitude: UInt64, isNegative: Bool) {
    // 20 digits hold the greatest UInt64.
    let place = room(21)
    var first = 21
    var rest = magnitude
    repeat {
      first -= 1
      place[first] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    if isNegative {
      first -= 1
      place[first] = UInt8(ascii: "-")
    }
    for index in first..<21 { place[index - first] = place[index] }
    count += 21 - first
  }

  /// A JSON string with its quotes.
  mutating func append(jsonString text: UnsafeBufferPointer<UInt8>) {
    // With the quotes, when no character needs an escape.
    let place = room(text.count + 2)
    place[0] = UInt8(ascii: "\"")
    for index in 0..<text.count {
      let byte = text[index]
      if needsJSONEscape(byte) { return append(escaping: text) }
      place[index + 1] = byte
    }
    place[text.count + 1] = UInt8(ascii: "\"")
    count += text.count + 2
  }

  private mutating func append(escaping text: UnsafeBufferPointer<UInt8>) {
    var escaped: [UInt8] = []
    appendJSONString(text, to: &escaped)
    append(contentsOf: escaped)
  }

  /// Goes back to a length that it had.
  mutating func truncate(to length: Int) { count = min(count, length) }

  /// Hands on what was written and begins anew.
  mutating func empty(into output: inout [UInt8]) {
    output.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
    count = 0
  }
}
