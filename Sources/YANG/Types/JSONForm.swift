// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// What a value looks like in JSON (RFC 7951 section 6).
public enum JSONForm: Sendable {
  case string, number, boolean
  /// `[null]`, the value of type empty.
  case null
}

extension SchemaType {
  /// The form in which values of the type are written; nil for a union, whose values have that of their own type.
  public var jsonForm: JSONForm? {
    switch valueType.base {
    case .int8, .int16, .int32, .uint8, .uint16, .uint32: .number
    case .boolean: .boolean
    case .empty: .null
    case .union: nil
    default: .string
    }
  }

  /// Parses a value as JSON writes it.
  ///
  /// - Parameters:
  ///   - form: the form in which it came; another one than the type's is an error.
  ///   - text: UTF-8; a string without its quotes, a number without exponent.
  ///   - resolvePrefix: the module of a name; called with an empty string for a name without one.
  public func parse(
    json form: JSONForm, utf8 text: UnsafeBufferPointer<UInt8>, resolvePrefix: (String) -> Module?,
    sealer: Sealer?, existing: Sealed? = nil
  ) throws(ValueError) -> Value {
    switch base {
    case .leafref:
      guard let target = leafrefTarget?.type else { throw ValueError(.unresolvedType, "the leafref has no target") }
      return try target.valueType.parse(
        json: form, utf8: text, resolvePrefix: resolvePrefix, sealer: sealer, existing: existing)
    case .union:
      var reasons: [String] = []
      for (index, member) in members.enumerated() {
        do throws(ValueError) {
          let value = try member.parse(
            json: form, utf8: text, resolvePrefix: resolvePrefix, sealer: sealer, existing: existing)
          return .union(member: index, value)
        } catch {
          let name = member.typedefName ?? member.base.rawValue
          if reasons.count < 8 { reasons.append("\(name): \(error.expected ?? error.message)") }
        }
      }
      throw ValueError(
        .union, "the value is of none of the types it may have", expected: reasons.joined(separator: "; "))
    default:
      guard form == jsonForm else { throw wrongForm }
      return try parse(utf8: text, resolvePrefix: resolvePrefix, sealer: sealer, existing: existing)
    }
  }

  private var wrongForm: ValueError {
    let wanted =
      switch jsonForm {
      case .number: "a number"
      case .boolean: "true or false"
      case .null: "[null]"
      case .string, nil: "a string"
      }
    return ValueError(
      .lexical, "a value of type \(base.rawValue) is written as \(wanted) in JSON", expected: "\(wanted) is expected")
  }
}
