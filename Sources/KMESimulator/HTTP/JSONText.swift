// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Writes JSON into bytes, without intermediate strings for key material.
///
/// Commas are placed by the writer; the caller only has to close what it opened, which the closures ensure.
public struct JSONText: Sendable {
  /// What has been written so far.
  public private(set) var bytes: [UInt8] = []
  private var needsComma = false

  /// An empty text.
  public init() {}

  /// Writes an object as the whole text or as an element of an array.
  public mutating func object(_ content: (inout JSONText) -> Void) {
    open("{")
    content(&self)
    close("}")
  }

  /// Writes a member whose value is an object.
  public mutating func object(_ name: String, _ content: (inout JSONText) -> Void) {
    label(name)
    object(content)
  }

  /// Writes a member whose value is an array; the closure writes the elements.
  public mutating func array(_ name: String, _ content: (inout JSONText) -> Void) {
    label(name)
    open("[")
    content(&self)
    close("]")
  }

  /// Writes an array of strings as a member.
  public mutating func member(_ name: String, _ values: [String]) {
    array(name) { text in
      for value in values { text.element(value) }
    }
  }

  /// Writes a string member.
  public mutating func member(_ name: String, _ value: String) {
    label(name)
    element(value)
  }

  /// Writes an integer member.
  public mutating func member(_ name: String, _ value: Int) {
    label(name)
    raw("\(value)")
  }

  /// Writes a boolean member.
  public mutating func member(_ name: String, _ value: Bool) {
    label(name)
    raw(value ? "true" : "false")
  }

  /// Writes a member whose value is a string of ASCII characters that need no escape, such as hexadecimal digits.
  public mutating func member(_ name: String, plain digits: [UInt8]) {
    label(name)
    separate()
    bytes.append(UInt8(ascii: "\""))
    bytes.append(contentsOf: digits)
    bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  /// Writes a string as an element of an array.
  public mutating func element(_ value: String) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    for byte in value.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0..<0x20:
        bytes.append(contentsOf: "\\u00".utf8)
        bytes.append(contentsOf: Hexadecimal.encode([byte]))
      default:
        bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  private mutating func label(_ name: String) {
    element(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  private mutating func raw(_ text: String) {
    separate()
    bytes.append(contentsOf: text.utf8)
    needsComma = true
  }

  private mutating func open(_ bracket: Character) {
    separate()
    bytes.append(contentsOf: String(bracket).utf8)
    needsComma = false
  }

  private mutating func close(_ bracket: Character) {
    bytes.append(contentsOf: String(bracket).utf8)
    needsComma = true
  }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
  }
}
