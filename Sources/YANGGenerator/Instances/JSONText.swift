// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A document as JSON (RFC 7951).
public struct JSONText {
  public private(set) var text = ""

  /// The children of a root as one object.
  public init(_ root: Instance) {
    object(root, module: nil)
  }

  private mutating func object(_ instance: Instance, module: String?) {
    text += "{"
    var groups: [(name: String, instances: [Instance])] = []
    for child in instance.children {
      let isSame = child.schema.module.name == module && child.disguise == nil
      let name = child.disguise?.name ?? child.schema.name
      let qualified = isSame ? name : "\(child.disguise == nil ? child.schema.module.name : "no-such-module"):\(name)"
      let isMany = child.schema.kind == .list || child.schema.kind == .leafList
      if isMany, let index = groups.firstIndex(where: { $0.name == qualified }) {
        groups[index].instances.append(child)
      } else {
        groups.append((qualified, [child]))
      }
    }
    for (index, group) in groups.enumerated() {
      if index > 0 { text += "," }
      text += "\(Self.string(group.name)):"
      let isMany = group.instances[0].schema.kind == .list || group.instances[0].schema.kind == .leafList
      if isMany { text += "[" }
      for (index, instance) in group.instances.enumerated() {
        if index > 0 { text += "," }
        value(instance)
      }
      if isMany { text += "]" }
    }
    if let stray = instance.strayText { text += "\(groups.isEmpty ? "" : ",")\(Self.string(stray))" }
    text += "}"
  }

  private mutating func value(_ instance: Instance) {
    if let scalar = instance.scalar {
      text += Self.value(scalar)
    } else if instance.content != nil {
      text += "{}"
    } else {
      object(instance, module: instance.schema.module.name)
    }
  }

  private static func value(_ scalar: Scalar) -> String {
    switch scalar.base {
    case .empty: scalar.isValid ? "[null]" : string(scalar.text)
    case .boolean where scalar.isValid: scalar.text
    case .int8, .int16, .int32, .uint8, .uint16, .uint32: scalar.isValid ? scalar.text : number(scalar.text)
    case .instanceIdentifier: string(QualifiedText.json(instanceIdentifier: scalar.text))
    default: string(scalar.text)
    }
  }

  /// A text that looks like a number as one, any other as a string.
  private static func number(_ text: String) -> String {
    let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
    let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) } && digits.first != "0"
    return isNumber ? text : string(text)
  }

  /// A JSON string (RFC 8259 section 7).
  public static func string(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      default:
        if scalar.value < 0x20 {
          let hexadecimal = String(scalar.value, radix: 16)
          result += "\\u" + String(repeating: "0", count: 4 - hexadecimal.count) + hexadecimal
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }
}
