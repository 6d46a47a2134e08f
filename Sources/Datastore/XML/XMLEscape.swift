// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Appends text with the characters escaped that XML gives a meaning, and those that parsers would change.
func appendXMLEscaped(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8], inAttribute: Bool) {
  var start = 0
  for (index, byte) in text.enumerated() {
    // All that need care are below '?'.
    guard byte < 0x3F, let escaped = escape(byte, inAttribute: inAttribute) else { continue }
    bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<index]))
    escaped.withUTF8Buffer { bytes.append(contentsOf: $0) }
    start = index + 1
  }
  bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
}

private func escape(_ byte: UInt8, inAttribute: Bool) -> StaticString? {
  switch byte {
  case UInt8(ascii: "&"): "&amp;"
  case UInt8(ascii: "<"): "&lt;"
  case UInt8(ascii: ">"): "&gt;"
  case 0x0D: "&#13;"
  case UInt8(ascii: "\""): inAttribute ? "&quot;" : nil
  case 0x09: inAttribute ? "&#9;" : nil
  case 0x0A: inAttribute ? "&#10;" : nil
  default: nil
  }
}
