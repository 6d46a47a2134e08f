// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// XML text as bytes: what the protocol's own elements are written with.
extension Array where Element == UInt8 {
  /// Appends markup as it is.
  mutating func append(markup text: StaticString) {
    text.withUTF8Buffer { append(contentsOf: $0) }
  }

  mutating func append(markup text: String) { append(contentsOf: text.utf8) }

  /// Appends text for use in elements and in attributes in double quotes. Every `>` is escaped, so that the end of
  /// message of base:1.0 cannot appear. Characters that XML 1.0 does not allow become U+FFFD.
  mutating func append(escaping text: String) {
    for byte in text.utf8 { append(escaping: byte) }
  }

  mutating func append(escaping byte: UInt8) {
    switch byte {
    case UInt8(ascii: "<"): append(markup: "&lt;" as StaticString)
    case UInt8(ascii: ">"): append(markup: "&gt;" as StaticString)
    case UInt8(ascii: "&"): append(markup: "&amp;" as StaticString)
    case UInt8(ascii: "\""): append(markup: "&quot;" as StaticString)
    case 0x0D: append(markup: "&#13;" as StaticString)
    case 0x00...0x08, 0x0B, 0x0C, 0x0E...0x1F: append(contentsOf: [0xEF, 0xBF, 0xBD])
    default: append(byte)
    }
  }

  /// Appends `<name>text</name>`.
  mutating func append(element name: String, text: String) {
    append(markup: "<\(name)>")
    append(escaping: text)
    append(markup: "</\(name)>")
  }
}
