// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Value to canonical text (RFC 7950 section 9), in the form that XML carries.
extension SchemaType {
  /// Stands for a secret where there is no sealer to encode it.
  public static let hiddenSecret = "********"

  /// The canonical text of a value of this type.
  ///
  /// - Parameters:
  ///   - prefix: the prefix for a module's names; an empty string leaves the prefix out.
  ///   - sealer: encodes secrets as their type asks for; without one they are shown as `hiddenSecret`.
  public func canonicalText(of value: Value, sealer: Sealer? = nil, prefix: (Module) -> String) -> String {
    if case .string(let text) = value { return text }
    var output: [UInt8] = []
    append(canonical: value, to: &output, sealer: sealer, prefix: prefix)
    return String(decoding: output, as: UTF8.self)
  }

  /// Appends the canonical text of a value of this type, as UTF-8.
  public func append(
    canonical value: Value, to output: inout [UInt8], sealer: Sealer? = nil, prefix: (Module) -> String
  ) {
    switch value {
    case .empty: break
    case .boolean(let value): output += value ? Array("true".utf8) : Array("false".utf8)
    case .int(let value): Self.append(value.magnitude, isNegative: value < 0, to: &output)
    case .uint(let value): Self.append(value, isNegative: false, to: &output)
    case .decimal64(let value, let digits): DecimalText.append(value, digits: Int(digits), to: &output)
    case .string(let text): output.append(contentsOf: text.utf8)
    case .binary(let bytes): Base64.append(bytes, to: &output)
    case .enumeration(let value): output.append(contentsOf: value.name.utf8)
    case .bits(let bits):
      for (index, bit) in bits.enumerated() {
        if index > 0 { output.append(0x20) }
        output.append(contentsOf: bit.name.utf8)
      }
    case .identity(let identity):
      let prefix = prefix(identity.module)
      if !prefix.isEmpty {
        output.append(contentsOf: prefix.utf8)
        output.append(UInt8(ascii: ":"))
      }
      output.append(contentsOf: identity.name.utf8)
    case .instanceIdentifier(let identifier):
      let schema = valueType.schema
      identifier.append(to: &output) { name in schema?.module(named: name).map(prefix) ?? name }
    case .union(let member, let value):
      let members = valueType.members
      let type = members.indices.contains(member) ? members[member] : self
      type.append(canonical: value, to: &output, sealer: sealer, prefix: prefix)
    case .sealed(let sealed): output.append(contentsOf: secretText(sealed, sealer).utf8)
    }
  }

  private func secretText(_ sealed: Sealed, _ sealer: Sealer?) -> String {
    guard let sealer, let encoding = valueType.secretEncoding,
      let text = try? sealer.encoded(sealed, encoding: encoding)
    else { return Self.hiddenSecret }
    return text
  }

  /// Appends an integer without going through a string.
  private static func append(_ magnitude: UInt64, isNegative: Bool, to output: inout [UInt8]) {
    if isNegative { output.append(UInt8(ascii: "-")) }
    guard magnitude >= 10 else {
      output.append(0x30 + UInt8(magnitude))
      return
    }
    // 20 digits hold the greatest UInt64.
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var first = digits.count
      var rest = magnitude
      while rest > 0 {
        first -= 1
        digits[first] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      }
      output.append(contentsOf: UnsafeMutableBufferPointer(rebasing: digits[first...]))
    }
  }
}
