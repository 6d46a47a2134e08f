// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The canonical lexical form of values (RFC 7950 section 9), as bytes.
extension Value {
  /// Appends the value's text. Names of identities and the steps of instance-identifiers get a prefix from `prefix`;
  /// nil writes the name alone. Secrets write nothing: their text needs a key.
  func appendText(to bytes: inout [UInt8], prefix: (Module) -> String?) {
    switch self {
    case .empty, .sealed: break
    case .boolean(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
    case .int(let value):
      if value < 0 { bytes.append(UInt8(ascii: "-")) }
      appendDecimal(value.magnitude, to: &bytes)
    case .uint(let value): appendDecimal(value, to: &bytes)
    case .decimal64(let value, let digits): appendDecimal64(value, digits: Int(digits), to: &bytes)
    case .string(let value): bytes.append(contentsOf: value.utf8)
    case .binary(let value): appendBase64(value, to: &bytes)
    case .enumeration(let value): bytes.append(contentsOf: value.name.utf8)
    case .bits(let values):
      for (index, bit) in values.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: " ")) }
        bytes.append(contentsOf: bit.name.utf8)
      }
    case .identity(let identity):
      if let prefix = prefix(identity.module) {
        bytes.append(contentsOf: prefix.utf8)
        bytes.append(UInt8(ascii: ":"))
      }
      bytes.append(contentsOf: identity.name.utf8)
    case .instanceIdentifier(let identifier): bytes.append(contentsOf: identifier.text { $0 }.utf8)
    case .union(_, let value): value.appendText(to: &bytes, prefix: prefix)
    }
  }

  /// The text with module names as prefixes.
  var moduleQualifiedText: String { lexicalText { $0.name } }

  func lexicalText(prefix: (Module) -> String?) -> String {
    if case .string(let value) = self { return value }
    var bytes: [UInt8] = []
    appendText(to: &bytes, prefix: prefix)
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension InstanceIdentifier {
  /// The text with a prefix for each module name.
  func text(prefix: (String) -> String) -> String {
    var text = ""
    for step in steps {
      text += "/\(prefix(step.module)):\(step.name)"
      for predicate in step.predicates {
        switch predicate {
        case .key(let module, let name, let value):
          text += "[\(prefix(module)):\(name)=\(InstancePath.quoted(value))]"
        case .value(let value): text += "[.=\(InstancePath.quoted(value))]"
        case .position(let place): text += "[\(place)]"
        }
      }
    }
    return text
  }
}

func appendDecimal(_ value: UInt64, to bytes: inout [UInt8]) {
  if value < 10 { return bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value)) }
  withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
    var rest = value
    var start = 20
    while rest > 0 {
      start -= 1
      digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start..<20]))
  }
}

/// At least one digit after the point, no zeros behind that (RFC 7950 section 9.3.2).
private func appendDecimal64(_ value: Int64, digits: Int, to bytes: inout [UInt8]) {
  if value < 0 { bytes.append(UInt8(ascii: "-")) }
  var fraction = String(value.magnitude)
  if fraction.count <= digits { fraction = String(repeating: "0", count: digits - fraction.count + 1) + fraction }
  bytes.append(contentsOf: fraction.dropLast(digits).utf8)
  bytes.append(UInt8(ascii: "."))
  fraction = String(fraction.suffix(digits))
  while fraction.count > 1, fraction.last == "0" { fraction.removeLast() }
  bytes.append(contentsOf: (fraction.isEmpty ? "0" : fraction).utf8)
}

private func appendBase64(_ value: [UInt8], to bytes: inout [UInt8]) {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  bytes.reserveCapacity(bytes.count + (value.count + 2) / 3 * 4)
  var index = 0
  while index < value.count {
    let left = value.count - index
    let group =
      Int(value[index]) << 16 | (left > 1 ? Int(value[index + 1]) << 8 : 0) | (left > 2 ? Int(value[index + 2]) : 0)
    bytes.append(alphabet[group >> 18])
    bytes.append(alphabet[group >> 12 & 63])
    bytes.append(left > 1 ? alphabet[group >> 6 & 63] : UInt8(ascii: "="))
    bytes.append(left > 2 ? alphabet[group & 63] : UInt8(ascii: "="))
    index += 3
  }
}
