// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Appends a JSON string of these UTF-8 bytes with its quotes.
func appendJSONString(_ text: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
  output.append(UInt8(ascii: "\""))
  appendJSONEscaped(text, to: &output)
  output.append(UInt8(ascii: "\""))
}

/// Appends the inside of a JSON string (RFC 8259 section 7).
func appendJSONEscaped(_ text: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
  // What needs no escape goes over in runs.
  var start = 0
  for index in 0..<text.count {
    let byte = text[index]
    guard needsJSONEscape(byte) else { continue }
    output.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<index]))
    start = index + 1
    output.append(UInt8(ascii: "\\"))
    switch byte {
    case 0x0A: output.append(UInt8(ascii: "n"))
    case 0x0D: output.append(UInt8(ascii: "r"))
    case 0x09: output.append(UInt8(ascii: "t"))
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): output.append(byte)
    default:
      let digits = Array("0123456789abcdef".utf8)
      output.append(contentsOf: "u00".utf8)
      output.append(digits[Int(byte >> 4)])
      output.append(digits[Int(byte & 15)])
    }
  }
  if start == 0 {
    output.append(contentsOf: text)
  } else {
    output.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
  }
}

/// Whether a byte cannot stand in a string as it is, or, as the control character DEL, better does not.
@inline(__always) func needsJSONEscape(_ byte: UInt8) -> Bool {
  byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
}

func appendJSONString(_ text: String, to output: inout [UInt8]) {
  var text = text
  text.withUTF8 { appendJSONString($0, to: &output) }
}
