// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// What documentation comments say of the schema.
enum Facts {
  static func structure(_ node: SchemaNode) -> String {
    var text: String
    switch node.kind {
    case .container: text = "Container `\(node.path)`\(node.hasPresence ? ", whose presence means something" : "")"
    case .list:
      text = "Entry of list `\(node.path)`"
      let keys = node.keys.map { "`\($0.name)`" }.joined(separator: ", ")
      text += keys.isEmpty ? ", which has no key" : ", keyed by \(keys)"
      if node.isOrderedByUser { text += ", in the user's order" }
    case .notification: text = "Notification `\(node.path)`"
    default: text = "\(node.kind == .input ? "Input" : "Output") `\(node.path)`"
    }
    return text + status(node) + "."
  }

  static func choice(_ node: SchemaNode) -> String {
    var text = "Choice `\(node.name)`"
    if let branch = node.defaultCase { text += ", where none is chosen `\(branch.name)` is in effect" }
    return text + status(node) + "."
  }

  static func choiceCase(_ member: PlannedMember) -> String {
    if case .caseStructure = member.content { return "Case `\(member.node.name)`\(status(member.node))." }
    return "Case `\(member.node.name)`\(status(member.node)). " + Facts.member(member)
  }

  static func member(_ member: PlannedMember) -> String {
    let node = member.contentNode
    switch node.kind {
    case .leaf, .leafList: return leaf(node)
    case .container: return "Container `\(node.name)`\(status(node))."
    case .list: return "List `\(node.name)`\(count(node))\(status(node))."
    case .choice: return choice(node)
    case .case: return "Case `\(node.name)`."
    default: return "\(node.kind == .anydata ? "Anydata" : "Anyxml") `\(node.name)`\(status(node))."
    }
  }

  /// A shared or nested type's source, with paths in code quotes.
  static func quoted(_ source: String) -> String {
    let parts = source.split(separator: ",", maxSplits: 1)
    let words = (parts.first ?? "").split(separator: " ", maxSplits: 1)
    let rest = parts.count > 1 ? "," + parts[1] : ""
    if words.count == 2, ["typedef", "identity"].contains(words[0]) { return "\(words[0]) `\(words[1])`\(rest)" }
    return "`\(parts.first ?? "")`\(rest)"
  }

  private static func leaf(_ node: SchemaNode) -> String {
    guard let type = node.type else { return "" }
    var text = "\(node.kind == .leaf ? "Leaf" : "Leaf-list") `\(node.name)`: "
    text += type.typedefName.map { "\($0) (\(type.base.rawValue))" } ?? type.base.rawValue
    let resolved = LeafTypes.resolved(type)
    if let target = type.leafrefTarget { text += " to `\(target.path)`" }
    if !resolved.ranges.isEmpty {
      text += ", range " + intervals(resolved.ranges, digits: resolved.base == .decimal64 ? resolved.fractionDigits : 0)
    }
    if !resolved.lengths.isEmpty { text += ", length " + intervals(resolved.lengths, digits: 0) }
    if let units = node.units { text += ", in \(units)" }
    if !node.defaults.isEmpty { text += ", default " + node.defaults.map(description).joined(separator: " ") }
    if node.isMandatory { text += ", mandatory" }
    return text + count(node) + status(node) + "."
  }

  private static func count(_ node: SchemaNode) -> String {
    var text = ""
    if node.minElements > 0 { text += ", at least \(node.minElements)" }
    if let most = node.maxElements { text += ", at most \(most)" }
    return text
  }

  private static func status(_ node: SchemaNode) -> String {
    switch node.status {
    case .current: ""
    case .deprecated: ", deprecated"
    case .obsolete: ", obsolete"
    }
  }

  private static func intervals(_ intervals: [Restriction.Interval], digits: UInt8) -> String {
    intervals.map { interval in
      let lower = decimal(interval.lower, digits)
      return interval.lower == interval.upper ? lower : "\(lower)..\(decimal(interval.upper, digits))"
    }.joined(separator: " | ")
  }

  private static func decimal(_ scaled: Int128, _ digits: UInt8) -> String {
    guard digits > 0 else { return String(scaled) }
    var text = String(scaled.magnitude)
    while text.count <= Int(digits) { text = "0" + text }
    text.insert(".", at: text.index(text.endIndex, offsetBy: -Int(digits)))
    return (scaled < 0 ? "-" : "") + text
  }

  private static func description(_ value: Value) -> String {
    switch value {
    case .empty: "empty"
    case .boolean(let flag): "\(flag)"
    case .int(let number): "\(number)"
    case .uint(let number): "\(number)"
    case .decimal64(let scaled, let digits): decimal(Int128(scaled), digits)
    case .string(let text): "\"\(text)\""
    case .binary(let bytes): "of \(bytes.count) octets"
    case .enumeration(let value): value.name
    case .bits(let set): set.map(\.name).joined(separator: " ")
    case .identity(let identity): identity.name
    case .union(_, let inner): description(inner)
    case .instanceIdentifier, .sealed: "as the schema says"
    }
  }
}
