// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Writes events of a document down again, without white space.
struct JSONCapture {
  private(set) var text: [UInt8] = []
  private var depth = 0
  /// Whether a comma belongs in front of what comes next.
  private var needsComma = false

  /// Whether one whole value was written.
  var isComplete: Bool { depth == 0 && !text.isEmpty }

  mutating func begin(_ bracket: Character) {
    separate()
    depth += 1
    text.append(contentsOf: bracket.utf8)
    needsComma = false
  }

  mutating func end(_ bracket: Character) {
    depth -= 1
    text.append(contentsOf: bracket.utf8)
    needsComma = true
  }

  mutating func name(_ name: UnsafeBufferPointer<UInt8>) {
    separate()
    appendJSONString(name, to: &text)
    text.append(UInt8(ascii: ":"))
    needsComma = false
  }

  mutating func string(_ value: UnsafeBufferPointer<UInt8>) {
    separate()
    appendJSONString(value, to: &text)
  }

  mutating func plain(_ value: some Sequence<UInt8>) {
    separate()
    text.append(contentsOf: value)
  }

  private mutating func separate() {
    if needsComma { text.append(UInt8(ascii: ",")) }
    needsComma = true
  }
}
