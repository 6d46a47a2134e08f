// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A type with what its typedefs give to a leaf besides the type.
struct ResolvedType {
  let type: SchemaType
  let defaultValue: Scoped?
  let units: String?
}

/// Types: typedef chains followed, restrictions applied and checked (RFC 7950 sections 7.3, 7.4 and 9).
extension Compiler {
  /// Resolves a `type` statement.
  func resolveType(_ use: Scoped) -> ResolvedType {
    let id = ObjectIdentifier(use.statement)
    if let known = resolvedTypes[id] { return known }
    let resolved = makeType(use)
    resolvedTypes[id] = resolved
    return resolved
  }

  private func makeType(_ use: Scoped) -> ResolvedType {
    let statement = use.statement
    if let base = SchemaType.Base(rawValue: statement.text) {
      let builtIn = builtInType(base)
      let type = restrict(builtIn, by: use, isBuiltIn: true)
      return ResolvedType(type: type, defaultValue: nil, units: nil)
    }
    guard let typedef = findTypedef(statement, in: use.scope) else {
      return ResolvedType(type: builtInType(.string), defaultValue: nil, units: nil)
    }
    checkStatus(of: statement, in: use.scope, refersTo: typedef)
    let base = resolveTypedef(typedef)
    let type = restrict(base.type, by: use, isBuiltIn: false)
    return ResolvedType(type: type, defaultValue: base.defaultValue, units: base.units)
  }

  private func builtInType(_ base: SchemaType.Base) -> SchemaType {
    if let known = builtInTypes[base] { return known }
    let type = newType(base)
    builtInTypes[base] = type
    return type
  }

  func newType(_ base: SchemaType.Base) -> SchemaType {
    let type = SchemaType(base: base)
    types.append(type)
    return type
  }

  func copy(_ type: SchemaType) -> SchemaType {
    let copy = SchemaType(copying: type)
    types.append(copy)
    if let path = leafrefPaths[ObjectIdentifier(type)] { leafrefPaths[ObjectIdentifier(copy)] = path }
    return copy
  }

  // MARK: Typedefs

  private func findTypedef(_ type: Statement, in scope: ParsedModule) -> Scoped? {
    guard let (prefix, name) = Identifier.reference(type.text) else { return nil }
    guard let module = scope.module(forPrefix: prefix) else {
      reportUnknownPrefix(prefix ?? "", at: type, in: scope)
      return nil
    }
    if module === scope.owner {
      var next = type.parent
      while let around = next {
        if around.hasTypedefs, around.parent != nil {
          for candidate in around.substatements where candidate.keyword == .typedef && candidate.text == name {
            return Scoped(statement: candidate, scope: scope)
          }
        }
        next = around.parent
      }
    }
    if let found = module.typedefs[name] { return found }
    let known = module.typedefs.keys.sorted() + (prefix == nil ? SchemaType.Base.allCases.map(\.rawValue) : [])
    log.error(
      type, "there is no type '\(name)' in module '\(module.name)'", hint: NearestName.hint(name, among: known))
    return nil
  }

  func resolveTypedef(_ typedef: Scoped) -> ResolvedType {
    let statement = typedef.statement
    let id = ObjectIdentifier(statement)
    if let known = resolvedTypes[id] { return known }
    guard !typedefsInProgress.contains(where: { $0 === statement }) else {
      let names = typedefsInProgress.drop { $0 !== statement }.map(\.text) + [typedef.text]
      log.error(statement, "types are defined by each other in a circle: \(names.joined(separator: " → "))")
      return ResolvedType(type: builtInType(.string), defaultValue: nil, units: nil)
    }
    guard let use = statement.first(.type) else {
      return ResolvedType(type: builtInType(.string), defaultValue: nil, units: nil)
    }
    typedefsInProgress.append(statement)
    defer { typedefsInProgress.removeLast() }
    let base = resolveType(Scoped(statement: use, scope: typedef.scope))
    let type = copy(base.type)
    type.typedefName = typedef.text
    type.typedefModule = typedef.scope.owner.compiled
    type.typedefChain = ["\(typedef.scope.owner.name):\(typedef.text)"] + base.type.typedefChain
    if let encoding = SecretTypes.encoding(of: typedef) { type.secretEncoding = encoding }
    if SecretTypes.isPasswordHash(typedef) { type.isPasswordHash = true }
    let own = statement.first(.default).map { Scoped(statement: $0, scope: typedef.scope) }
    let resolved = ResolvedType(
      type: type, defaultValue: own ?? base.defaultValue, units: statement.argument(of: .units) ?? base.units)
    resolvedTypes[id] = resolved
    return resolved
  }

  // MARK: Restrictions

  private func restrict(_ base: SchemaType, by use: Scoped, isBuiltIn: Bool) -> SchemaType {
    let statement = use.statement
    let restrictions = statement.substatements.filter { $0.keyword != .unknown }
    for restriction in restrictions where !Self.isAllowed(restriction.keyword, on: base.base, isBuiltIn, use.scope) {
      log.error(restriction, "'\(restriction.name)' cannot restrict the type '\(statement.text)'")
    }
    if isBuiltIn { requireParts(of: base.base, at: statement) }
    guard !restrictions.isEmpty else { return base }
    let type = copy(base)
    for restriction in restrictions {
      switch restriction.keyword {
      case .range:
        type.rangeError = errorText(of: restriction)
        restrictRange(type, base, restriction)
      case .length:
        type.lengthError = errorText(of: restriction)
        restrictLength(type, base, restriction)
      case .pattern: addPattern(restriction, to: type)
      case .requireInstance: type.requiresInstance = restriction.text == "true"
      case .path: leafrefPaths[ObjectIdentifier(type)] = Scoped(statement: restriction, scope: use.scope)
      case .base:
        if let identity = findIdentity(restriction, in: use.scope) { type.identityBases.append(identity) }
      case .type: type.members.append(resolveType(Scoped(statement: restriction, scope: use.scope)).type)
      case .fractionDigits: type.fractionDigits = UInt8(restriction.text) ?? 1
      default: break
      }
    }
    if base.base == .decimal64 { restrictDecimal(type, base, statement) }
    if statement.has(.enum) { restrictEnums(type, base, use) }
    if statement.has(.bit) { restrictBits(type, base, use) }
    if base.base == .identityref { type.identities = identities(derivedFromAll: type.identityBases) }
    return type
  }

  private static func isAllowed(
    _ keyword: Keyword, on base: SchemaType.Base, _ isBuiltIn: Bool, _ scope: ParsedModule
  ) -> Bool {
    switch keyword {
    case .range: base.isInteger || base == .decimal64
    case .length: base == .string || base == .binary
    case .pattern: base == .string
    case .enum: base == .enumeration && (isBuiltIn || scope.version == .onePointOne)
    case .bit: base == .bits && (isBuiltIn || scope.version == .onePointOne)
    case .base: base == .identityref && isBuiltIn
    case .path: base == .leafref && isBuiltIn
    case .requireInstance: base == .instanceIdentifier || (base == .leafref && scope.version == .onePointOne)
    case .type: base == .union && isBuiltIn
    case .fractionDigits: base == .decimal64 && isBuiltIn
    default: true
    }
  }

  /// What a built-in type cannot do without.
  private func requireParts(of base: SchemaType.Base, at statement: Statement) {
    let part: Keyword? =
      switch base {
      case .enumeration: .enum
      case .bits: .bit
      case .decimal64: .fractionDigits
      case .identityref: .base
      case .leafref: .path
      case .union: .type
      default: nil
      }
    if let part, !statement.has(part) {
      log.error(statement, "the type '\(base.rawValue)' needs a '\(part.rawValue)' statement")
    }
  }

  private func errorText(of restriction: Statement) -> Restriction.ErrorText {
    Restriction.ErrorText(
      message: restriction.argument(of: .errorMessage), appTag: restriction.argument(of: .errorAppTag))
  }

  private func addPattern(_ statement: Statement, to type: SchemaType) {
    let pattern = Pattern(
      source: statement.text, isInverted: statement.has(.modifier), errorText: errorText(of: statement))
    guard pattern.isValid else {
      log.error(
        statement, "'\(statement.text)' is not a regular expression", hint: "see XML Schema part 2, appendix F")
      return
    }
    type.patterns.append(pattern)
  }
}
