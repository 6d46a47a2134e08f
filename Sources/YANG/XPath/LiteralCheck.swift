// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Finds what in an expression can never be equal, or never mean anything, because of the types of the nodes that it is
/// applied to. Remembers the modules that prefixes in literals stand for.
struct LiteralCheck {
  let defaultModule: Module
  let resolvePrefix: (String) -> Module?
  /// By prefix; names without one are of the default module.
  private(set) var modules: [String: Module]

  init(defaultModule: Module, resolvePrefix: @escaping (String) -> Module?) {
    self.defaultModule = defaultModule
    self.resolvePrefix = resolvePrefix
    modules = ["": defaultModule]
  }

  /// A comparison for equality of nodes with something, when that is a literal.
  mutating func comparison(_ other: XPath, with nodes: Set<SchemaNode>?) -> SchemaWalk.DeadEnd? {
    guard case .literal(let text) = other else { return nil }
    remember(text)
    guard let nodes, !nodes.isEmpty, nodes.count <= 64 else { return nil }
    let types = nodes.compactMap(\.type)
    // Only types whose values are names or numbers: what a string may be is for its patterns to say at run time.
    guard types.count == nodes.count, types.allSatisfy(hasFewValues) else { return nil }
    guard !types.contains(where: { accepts($0, text) }) else { return nil }
    guard let first = nodes.min(by: { $0.id < $1.id }), let type = first.type?.valueType else { return nil }
    return SchemaWalk.DeadEnd(
      message: "'\(text)' is never the value of '\(first.path)', which is of type \(type.base.rawValue)",
      hint: hint(type, text))
  }

  /// A call of a function that wants nodes of a certain type.
  mutating func call(
    _ function: XPath.Function, _ arguments: [XPath], on nodes: Set<SchemaNode>?
  ) -> SchemaWalk.DeadEnd? {
    var text: String?
    if arguments.count > 1, case .literal(let literal) = arguments[1] { text = literal }
    if let text, function == .derivedFrom || function == .derivedFromOrSelf {
      remember(text)
      if let problem = unknownIdentity(text) { return problem }
    }
    guard let nodes, let first = nodes.min(by: { $0.id < $1.id }), nodes.count <= 64 else { return nil }
    let types = nodes.compactMap { $0.type }
    let wanted: (name: String, test: (SchemaType) -> Bool)
    switch function {
    case .derivedFrom, .derivedFromOrSelf: wanted = ("identityref", { Self.contains($0, .identityref) })
    case .enumValue: wanted = ("enumeration", { Self.contains($0, .enumeration) })
    case .bitIsSet: wanted = ("bits", { Self.contains($0, .bits) })
    case .deref:
      wanted = ("leafref or instance-identifier", { Self.refers($0) })
    default: return nil
    }
    guard types.contains(where: wanted.test) else {
      return SchemaWalk.DeadEnd(
        message: "\(function.rawValue)() has no meaning for '\(first.path)', which is not of type \(wanted.name)",
        hint: nil)
    }
    if function == .bitIsSet, let text, let type = types.first(where: { $0.valueType.base == .bits })?.valueType,
      !type.bits.contains(where: { $0.name == text })
    {
      return SchemaWalk.DeadEnd(
        message: "'\(first.path)' has no bit '\(text)'", hint: NearestName.hint(text, among: type.bits.map(\.name)))
    }
    return nil
  }

  private mutating func remember(_ text: String) {
    guard let (prefix, _) = Identifier.reference(text), let prefix, modules[prefix] == nil else { return }
    modules[prefix] = resolvePrefix(prefix)
  }

  private func unknownIdentity(_ text: String) -> SchemaWalk.DeadEnd? {
    guard let (prefix, name) = Identifier.reference(text) else {
      return SchemaWalk.DeadEnd(message: "'\(text)' is not the name of an identity", hint: nil)
    }
    // Without a prefix it may be of the module that uses a grouping, or of the one that defines it.
    guard let prefix else { return nil }
    guard let module = modules[prefix] else {
      return SchemaWalk.DeadEnd(message: "the prefix '\(prefix)' of '\(text)' is not declared", hint: nil)
    }
    guard !module.identities.contains(where: { $0.name == name }) else { return nil }
    return SchemaWalk.DeadEnd(
      message: "there is no identity '\(name)' in module '\(module.name)'",
      hint: NearestName.hint(name, among: module.identities.map(\.name)))
  }

  // MARK: Types

  private func hasFewValues(_ type: SchemaType) -> Bool {
    let type = type.valueType
    switch type.base {
    case .enumeration, .boolean, .identityref, .decimal64: return true
    case .union: return type.members.allSatisfy(hasFewValues)
    default: return type.base.isInteger
    }
  }

  /// Whether a value can have the text. Names without prefix may be of any module's identity.
  private func accepts(_ type: SchemaType, _ text: String) -> Bool {
    let type = type.valueType
    if type.base == .union { return type.members.contains { accepts($0, text) } }
    if type.base == .identityref, let (prefix, name) = Identifier.reference(text), prefix == nil {
      return type.identities.contains { $0.name == name }
    }
    return (try? type.parse(text, resolvePrefix: { modules[$0] }, sealer: nil)) != nil
  }

  private static func contains(_ type: SchemaType, _ base: SchemaType.Base) -> Bool {
    let type = type.valueType
    return type.base == base || type.members.contains { contains($0, base) }
  }

  private static func refers(_ type: SchemaType) -> Bool {
    type.base == .leafref || type.base == .instanceIdentifier || type.members.contains(where: refers)
  }

  private func hint(_ type: SchemaType, _ text: String) -> String? {
    switch type.base {
    case .enumeration: NearestName.hint(text, among: type.enums.map(\.name))
    case .boolean: "'true' or 'false'"
    default: nil
    }
  }
}
