// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A document or edit as XML (RFC 7950), with all its namespaces declared where they are used.
public struct XMLText {
  public private(set) var text = ""
  private static let netconf = "urn:ietf:params:xml:ns:netconf:base:1.0"
  private static let yang = "urn:ietf:params:xml:ns:yang:1"

  private let schema: Schema
  /// The modules that the start tag under way declares as prefixes.
  private var declared: Set<String> = []

  /// The children of a root, one after the other.
  public init(_ root: Instance, schema: Schema) {
    self.schema = schema
    for child in root.children { append(child, within: nil) }
  }

  private mutating func append(_ instance: Instance, within namespace: String?) {
    let name = instance.disguise?.name ?? instance.schema.name
    let own = instance.disguise?.namespace ?? instance.schema.module.namespace
    declared = []
    text += "<\(name)"
    if own != namespace { text += " xmlns=\"\(Self.escaped(own))\"" }
    attributes(instance)
    if let content = instance.content {
      text += ">\(content)</\(name)>"
      return
    }
    if let scalar = instance.scalar {
      if scalar.isQualified, scalar.isValid { declare(scalar.text) }
      text += ">\(Self.escaped(scalar.spelling ?? scalar.text))</\(name)>"
      return
    }
    text += ">"
    if let stray = instance.strayText { text += Self.escaped(stray) }
    for child in instance.children { append(child, within: own) }
    text += "</\(name)>"
  }

  /// Declares the modules in a text as prefixes.
  private mutating func declare(_ qualified: String) {
    for name in QualifiedText.modules(qualified) {
      guard let module = schema.module(named: name), declared.insert(name).inserted else { continue }
      text += " xmlns:\(name)=\"\(Self.escaped(module.namespace))\""
    }
  }

  private mutating func attributes(_ instance: Instance) {
    if let operation = instance.operation {
      text += " xmlns:nc=\"\(Self.netconf)\" nc:operation=\"\(operation.rawValue)\""
    }
    guard let insertion = instance.insertion else { return }
    text += " xmlns:yang=\"\(Self.yang)\""
    switch insertion {
    case .first: text += " yang:insert=\"first\""
    case .last: text += " yang:insert=\"last\""
    case .before(let neighbour): neighbourAttributes("before", neighbour, instance.schema)
    case .after(let neighbour): neighbourAttributes("after", neighbour, instance.schema)
    }
  }

  private mutating func neighbourAttributes(_ place: String, _ neighbour: [String], _ schema: SchemaNode) {
    text += " yang:insert=\"\(place)\""
    for (leaf, value) in zip(schema.kind == .list ? schema.keys : [schema], neighbour) {
      let base = leaf.type?.valueType.base
      if base == .identityref || base == .instanceIdentifier { declare(value) }
    }
    if schema.kind == .leafList {
      text += " yang:value=\"\(Self.escaped(neighbour.first ?? ""))\""
      return
    }
    let key = zip(schema.keys, neighbour).map { leaf, value in
      let quote = value.contains("'") ? "\"" : "'"
      return "[k:\(leaf.name)=\(quote)\(value)\(quote)]"
    }
    text += " xmlns:k=\"\(Self.escaped(schema.module.namespace))\" yang:key=\"\(Self.escaped(key.joined()))\""
  }

  /// Text for content and attributes.
  public static func escaped(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "<": result.append(contentsOf: "&lt;".unicodeScalars)
      case ">": result.append(contentsOf: "&gt;".unicodeScalars)
      case "&": result.append(contentsOf: "&amp;".unicodeScalars)
      case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
      case "\r", "\n", "\t": result.append(contentsOf: "&#\(scalar.value);".unicodeScalars)
      default: result.append(scalar)
      }
    }
    return String(result)
  }
}

/// Texts of identityrefs and instance-identifiers whose prefixes are names of modules.
enum QualifiedText {
  /// The names of modules, in order, each once; what is in quotes has none.
  static func modules(_ text: String) -> [String] {
    var modules: [String] = []
    var word = ""
    var quote: Character?
    for character in text {
      if let open = quote {
        if character == open { quote = nil }
        continue
      }
      switch character {
      case "'", "\"":
        quote = character
        word = ""
      case ":":
        if !modules.contains(word) { modules.append(word) }
        word = ""
      case "/", "[", "]", "=", " ": word = ""
      default: word.append(character)
      }
    }
    return modules
  }

  /// As JSON has it (RFC 7951 section 6.11): a name has its module only where that changes from step to step.
  static func json(instanceIdentifier text: String) -> String {
    var result = ""
    var module = ""
    var word = ""
    var quote: Character?
    var isInPredicate = false
    for character in text {
      if let open = quote {
        if character == open { quote = nil }
        result.append(character)
        continue
      }
      switch character {
      case ":":
        if word != module { result += word + ":" }
        if !isInPredicate { module = word }
        word = ""
      case "'", "\"", "/", "[", "]", "=":
        result += word
        word = ""
        result.append(character)
        if character == "[" { isInPredicate = true }
        if character == "]" { isInPredicate = false }
        if character == "'" || character == "\"" { quote = character }
      default: word.append(character)
      }
    }
    return result + word
  }
}
