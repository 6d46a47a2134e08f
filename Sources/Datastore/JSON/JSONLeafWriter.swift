// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// Writes the values of leafs as JSON (RFC 7951 section 6).
struct JSONLeafWriter {
  let encoding: JSONEncoding
  /// Encodes secrets as their types ask for; without one they show as `SchemaType.hiddenSecret`.
  let sealer: Sealer?

  /// Appends a value of a leaf or leaf-list.
  func append(_ value: Value, of leaf: SchemaNode, to output: inout ByteSink) {
    guard let type = leaf.type else { return }
    Self.append(value, type, leaf.module, sealer, to: &output)
  }

  /// Appends a value of a type, for a leaf of that module.
  static func append(
    _ value: Value, _ type: SchemaType, _ module: Module, _ sealer: Sealer?, to output: inout ByteSink
  ) {
    switch value {
    case .string(var text): text.withUTF8 { output.append(jsonString: $0) }
    case .enumeration(let value):
      // The names of enums may have any characters.
      var name = value.name
      name.withUTF8 { output.append(jsonString: $0) }
    case .int(let number): append(number.magnitude, isNegative: number < 0, type, to: &output)
    case .uint(let number): append(number, isNegative: false, type, to: &output)
    case .boolean(let flag): output.append(contentsOf: flag ? "true".utf8 : "false".utf8)
    case .empty: output.append(contentsOf: "[null]".utf8)
    case .union(let member, let inner):
      let members = type.valueType.members
      append(inner, members.indices.contains(member) ? members[member] : type, module, sealer, to: &output)
    case .decimal64, .binary, .bits:
      var text: [UInt8] = []
      type.append(canonical: value, to: &text, prefix: { $0.name })
      output.append(UInt8(ascii: "\""))
      output.append(contentsOf: text)
      output.append(UInt8(ascii: "\""))
    case .identity(let identity):
      // Of another module than the leaf's with that module's name (section 6.8).
      output.append(UInt8(ascii: "\""))
      if identity.module !== module {
        output.append(contentsOf: identity.module.name.utf8)
        output.append(UInt8(ascii: ":"))
      }
      output.append(contentsOf: identity.name.utf8)
      output.append(UInt8(ascii: "\""))
    case .instanceIdentifier(let identifier):
      var text: [UInt8] = []
      identifier.append(jsonTo: &text)
      text.withUnsafeBufferPointer { output.append(jsonString: $0) }
    case .sealed:
      var text: [UInt8] = []
      type.append(canonical: value, to: &text, sealer: sealer, prefix: { $0.name })
      text.withUnsafeBufferPointer { output.append(jsonString: $0) }
    }
  }

  /// An integer: those of 64 bits are strings.
  private static func append(_ magnitude: UInt64, isNegative: Bool, _ type: SchemaType, to output: inout ByteSink) {
    let isQuoted = type.jsonForm == .string
    if isQuoted { output.append(UInt8(ascii: "\"")) }
    output.append(magnitude, isNegative: isNegative)
    if isQuoted { output.append(UInt8(ascii: "\"")) }
  }

  func append(_ content: AnyContent, to output: inout ByteSink) {
    switch content.form {
    case .json: output.append(contentsOf: content.text.utf8)
    case .xml:
      var text: [UInt8] = []
      AnyConversion(schema: encoding.schema).json(fromXML: content.text).append(to: &text)
      output.append(contentsOf: text)
    }
  }
}
