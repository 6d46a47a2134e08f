// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Text to value (RFC 7950 section 9), in the form that XML carries.
extension SchemaType {
  /// Parses the text of a value.
  ///
  /// - Parameters:
  ///   - text: UTF-8. For all types but string, leading and trailing whitespace is ignored.
  ///   - resolvePrefix: the module a prefix stands for; called with an empty string for a name without prefix.
  ///   - sealer: seals the values of secret types; nil leaves them strings (for tools that read only schemas).
  ///   - existing: the secret stored where this one is written to, if there is one.
  ///   - isDefault: true for the text of a `default` statement, where an integer may be hexadecimal or octal
  ///     (section 9.2.1).
  public func parse(
    _ text: some StringProtocol, resolvePrefix: (String) -> Module?, sealer: Sealer?, existing: Sealed? = nil,
    isDefault: Bool = false
  ) throws(ValueError) -> Value {
    var text = String(text)
    let result = text.withUTF8 { bytes -> Result<Value, ValueError> in
      do throws(ValueError) {
        return .success(
          try parse(
            utf8: bytes, resolvePrefix: resolvePrefix, sealer: sealer, existing: existing, isDefault: isDefault))
      } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// As the other form, from octets, which must be UTF-8.
  public func parse(
    utf8 bytes: UnsafeBufferPointer<UInt8>, resolvePrefix: (String) -> Module?, sealer: Sealer?,
    existing: Sealed? = nil, isDefault: Bool = false
  ) throws(ValueError) -> Value {
    switch base {
    case .string: return try parseString(bytes, sealer, existing)
    case .union: return try parseUnion(bytes, resolvePrefix, sealer, existing, isDefault)
    case .leafref:
      guard let target = leafrefTarget?.type else { throw ValueError(.unresolvedType, "the leafref has no target") }
      return try target.valueType.parse(
        utf8: bytes, resolvePrefix: resolvePrefix, sealer: sealer, existing: existing, isDefault: isDefault)
    default: break
    }
    let bytes = Self.trimmed(bytes)
    switch base {
    case .int8, .int16, .int32, .int64: return try parseSigned(bytes, isDefault)
    case .uint8, .uint16, .uint32, .uint64: return try parseUnsigned(bytes, isDefault)
    case .decimal64: return try parseDecimal(bytes)
    case .boolean: return try parseBoolean(bytes)
    case .enumeration: return try parseEnumeration(bytes)
    case .bits: return try parseBits(bytes)
    case .binary: return try parseBinary(bytes)
    case .empty:
      guard bytes.isEmpty else { throw ValueError(.lexical, "a value of type empty has no text") }
      return .empty
    case .identityref: return try parseIdentity(bytes, resolvePrefix)
    case .instanceIdentifier:
      return .instanceIdentifier(try InstanceIdentifier.parse(bytes, resolvePrefix: resolvePrefix))
    case .string, .union, .leafref: throw ValueError(.lexical, "not a simple type")
    }
  }

  static func trimmed(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x09 || byte == 0x0D }
    var first = 0
    var last = bytes.count
    while first < last, isSpace(bytes[first]) { first += 1 }
    while last > first, isSpace(bytes[last - 1]) { last -= 1 }
    return UnsafeBufferPointer(rebasing: bytes[first..<last])
  }

  /// The text for a message: short, and one line.
  private static func quoted(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    let text = String(decoding: bytes.prefix(64), as: UTF8.self)
    return bytes.count > 64 ? "'\(text)…'" : "'\(text)'"
  }

  // MARK: Strings

  private func parseString(
    _ bytes: UnsafeBufferPointer<UInt8>, _ sealer: Sealer?, _ existing: Sealed?
  ) throws(ValueError) -> Value {
    if !lengths.isEmpty {
      var count = 0
      for byte in bytes where byte & 0xC0 != 0x80 { count += 1 }
      try checkLength(count, unit: "characters")
    }
    for pattern in patterns where !pattern.accepts(bytes) { throw mismatch(pattern, bytes) }
    guard let encoding = secretEncoding, let sealer else { return .string(String(decoding: bytes, as: UTF8.self)) }
    do throws(SecretsError) {
      return .sealed(
        try sealer.parse(written: UnsafeRawBufferPointer(bytes), encoding: encoding, existing: existing))
    } catch { throw ValueError(.secret, error.message) }
  }

  private func checkLength(_ count: Int, unit: String) throws(ValueError) {
    for interval in lengths where interval.lower <= Int128(count) && Int128(count) <= interval.upper { return }
    let allowed = lengths.map(\.description).joined(separator: " | ")
    throw ValueError(
      .length, lengthError.message ?? "the value has \(count) \(unit), which its type does not allow",
      appTag: lengthError.appTag, expected: "\(allowed) \(unit) are allowed")
  }

  private func mismatch(_ pattern: Pattern, _ bytes: UnsafeBufferPointer<UInt8>) -> ValueError {
    let value = secretEncoding == nil ? Self.quoted(bytes) : "the value"
    let verb = pattern.isInverted ? "matches" : "does not match"
    return ValueError(
      .pattern, pattern.errorText.message ?? "\(value) \(verb) the pattern '\(pattern.source)'",
      appTag: pattern.errorText.appTag,
      expected: "a value that \(pattern.isInverted ? "does not match" : "matches") \(pattern.source)")
  }

  private func parseBinary(_ bytes: UnsafeBufferPointer<UInt8>) throws(ValueError) -> Value {
    guard let decoded = Base64.decode(bytes) else {
      throw ValueError(.lexical, "the value is not base64", expected: "base64 is expected (RFC 4648 section 4)")
    }
    if !lengths.isEmpty { try checkLength(decoded.count, unit: "octets") }
    return .binary(decoded)
  }

  // MARK: Numbers

  private func notANumber(_ bytes: UnsafeBufferPointer<UInt8>) -> ValueError {
    ValueError(.lexical, "\(Self.quoted(bytes)) is not a value of type \(base.rawValue)", expected: rangeText)
  }

  private func outOfRange(_ bytes: UnsafeBufferPointer<UInt8>) -> ValueError {
    ValueError(
      .range, rangeError.message ?? "\(Self.quoted(bytes)) is out of range", appTag: rangeError.appTag,
      expected: rangeText)
  }

  private var rangeText: String {
    if base == .decimal64 {
      let allowed = ranges.map { interval in
        "\(decimalText(interval.lower))..\(decimalText(interval.upper))"
      }
      return allowed.isEmpty
        ? "a number with up to \(fractionDigits) fraction digits is expected"
        : "\(allowed.joined(separator: " | ")) is allowed"
    }
    let intervals = ranges.isEmpty ? base.integerRange.map { [$0] } ?? [] : ranges
    return "\(intervals.map(\.description).joined(separator: " | ")) is allowed"
  }

  private func decimalText(_ value: Int128) -> String {
    var output: [UInt8] = []
    DecimalText.append(Int64(truncatingIfNeeded: value), digits: Int(fractionDigits), to: &output)
    return String(decoding: output, as: UTF8.self)
  }

  private func isInRange(_ value: Int128) -> Bool {
    if ranges.count <= 1 { return leastInteger <= value && value <= greatestInteger }
    return ranges.contains { $0.lower <= value && value <= $0.upper }
  }

  private func parseSigned(_ bytes: UnsafeBufferPointer<UInt8>, _ isDefault: Bool) throws(ValueError) -> Value {
    switch IntegerText.parse(bytes, anyRadix: isDefault) {
    case .success(let value):
      guard isInRange(value) else { throw outOfRange(bytes) }
      return .int(Int64(truncatingIfNeeded: value))
    case .failure(.malformed): throw notANumber(bytes)
    case .failure(.tooLarge): throw outOfRange(bytes)
    }
  }

  private func parseUnsigned(_ bytes: UnsafeBufferPointer<UInt8>, _ isDefault: Bool) throws(ValueError) -> Value {
    switch IntegerText.parse(bytes, anyRadix: isDefault) {
    case .success(let value):
      guard isInRange(value) else { throw outOfRange(bytes) }
      return .uint(UInt64(truncatingIfNeeded: value))
    case .failure(.malformed): throw notANumber(bytes)
    case .failure(.tooLarge): throw outOfRange(bytes)
    }
  }

  private func parseDecimal(_ bytes: UnsafeBufferPointer<UInt8>) throws(ValueError) -> Value {
    switch DecimalText.parse(bytes, digits: Int(fractionDigits)) {
    case .success(let value):
      let wide = Int128(value)
      guard ranges.isEmpty || ranges.contains(where: { $0.lower <= wide && wide <= $0.upper }) else {
        throw outOfRange(bytes)
      }
      return .decimal64(value, digits: fractionDigits)
    case .failure(let problem): throw problem.isOutOfRange ? outOfRange(bytes) : notANumber(bytes)
    }
  }

  private func parseBoolean(_ bytes: UnsafeBufferPointer<UInt8>) throws(ValueError) -> Value {
    if bytes.elementsEqual("true".utf8) { return .boolean(true) }
    if bytes.elementsEqual("false".utf8) { return .boolean(false) }
    throw ValueError(
      .lexical, "\(Self.quoted(bytes)) is not a value of type boolean", expected: "'true' or 'false' is expected")
  }

  // MARK: Names

  private func parseEnumeration(_ bytes: UnsafeBufferPointer<UInt8>) throws(ValueError) -> Value {
    let name = String(decoding: bytes, as: UTF8.self)
    guard let index = nameIndex[name] else {
      throw ValueError(
        .unknownName, "\(Self.quoted(bytes)) is not one of the values of this enumeration",
        expected: Self.names(enums.map(\.name), near: name))
    }
    return .enumeration(enums[index])
  }

  private func parseBits(_ bytes: UnsafeBufferPointer<UInt8>) throws(ValueError) -> Value {
    var result: [BitValue] = []
    for word in bytes.split(whereSeparator: { $0 == 0x20 || $0 == 0x0A || $0 == 0x09 || $0 == 0x0D }) {
      let name = String(decoding: word, as: UTF8.self)
      guard let index = nameIndex[name] else {
        throw ValueError(
          .unknownName, "'\(name)' is not a bit of this type", expected: Self.names(bits.map(\.name), near: name))
      }
      guard !result.contains(bits[index]) else { throw ValueError(.lexical, "the bit '\(name)' stands twice") }
      result.append(bits[index])
    }
    return .bits(result.sorted { $0.position < $1.position })
  }

  private static func names(_ names: [String], near name: String) -> String {
    if let near = NearestName.hint(name, among: names) { return near }
    let shown = names.prefix(20).joined(separator: ", ")
    return "one of \(shown)\(names.count > 20 ? ", …" : "") is expected"
  }

  private func parseIdentity(
    _ bytes: UnsafeBufferPointer<UInt8>, _ resolvePrefix: (String) -> Module?
  ) throws(ValueError) -> Value {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let (prefix, name) = Identifier.reference(text) else {
      throw ValueError(.lexical, "\(Self.quoted(bytes)) is not the name of an identity")
    }
    let module = resolvePrefix(prefix ?? "")
    guard let module else {
      throw ValueError(.unknownPrefix, "the prefix '\(prefix ?? "")' of \(Self.quoted(bytes)) is not declared")
    }
    if let found = identityIndex[name]?.first(where: { $0.module === module }) { return .identity(found) }
    throw ValueError(
      .unknownName, "\(Self.quoted(bytes)) is not a value of this identityref",
      expected: Self.names(identities.map { "\($0.module.name):\($0.name)" }, near: "\(module.name):\(name)"))
  }

  private func parseUnion(
    _ bytes: UnsafeBufferPointer<UInt8>, _ resolvePrefix: (String) -> Module?, _ sealer: Sealer?, _ existing: Sealed?,
    _ isDefault: Bool
  ) throws(ValueError) -> Value {
    var reasons: [String] = []
    for (index, member) in members.enumerated() {
      do throws(ValueError) {
        let value = try member.parse(
          utf8: bytes, resolvePrefix: resolvePrefix, sealer: sealer, existing: existing, isDefault: isDefault)
        return .union(member: index, value)
      } catch {
        let name = member.typedefName ?? member.base.rawValue
        if reasons.count < 8 { reasons.append("\(name): \(error.expected ?? error.message)") }
      }
    }
    let holdsSecret = members.contains { $0.secretEncoding != nil }
    throw ValueError(
      .union, "\(holdsSecret ? "the value" : Self.quoted(bytes)) is of none of the types it may have",
      expected: reasons.joined(separator: "; "))
  }
}

extension Restriction.Interval: CustomStringConvertible {
  public var description: String { lower == upper ? "\(lower)" : "\(lower)..\(upper)" }
}

/// Integers as text (RFC 7950 section 9.2.1): decimal; in `default` statements also hexadecimal with `0x`, octal with a
/// leading zero.
enum IntegerText {
  enum Problem: Error { case malformed, tooLarge }

  static func parse(_ bytes: UnsafeBufferPointer<UInt8>, anyRadix: Bool) -> Result<Int128, Problem> {
    var index = 0
    var isNegative = false
    if let first = bytes.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
      isNegative = first == UInt8(ascii: "-")
      index = 1
    }
    guard index < bytes.count else { return .failure(.malformed) }
    var radix: UInt64 = 10
    if anyRadix, bytes[index] == 0x30, bytes.count > index + 1 {
      if bytes[index + 1] == UInt8(ascii: "x") {
        radix = 16
        index += 2
        guard index < bytes.count else { return .failure(.malformed) }
      } else {
        radix = 8
        index += 1
      }
    }
    var value: UInt64 = 0
    var isTooLarge = false
    while index < bytes.count {
      let digit: UInt64
      switch bytes[index] {
      case 0x30...0x39: digit = UInt64(bytes[index] - 0x30)
      case 0x41...0x46: digit = UInt64(bytes[index] - 0x41 + 10)
      case 0x61...0x66: digit = UInt64(bytes[index] - 0x61 + 10)
      default: return .failure(.malformed)
      }
      guard digit < radix else { return .failure(.malformed) }
      let (product, first) = value.multipliedReportingOverflow(by: radix)
      let (sum, second) = product.addingReportingOverflow(digit)
      isTooLarge = isTooLarge || first || second
      value = sum
      index += 1
    }
    if isTooLarge { return .failure(.tooLarge) }
    return .success(isNegative ? -Int128(value) : Int128(value))
  }
}
