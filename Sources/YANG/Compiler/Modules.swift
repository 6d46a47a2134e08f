// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Stage 1: module objects, what is implemented, features, identities.
extension Compiler {
  func prepareModules(implementing names: [String]?) {
    decideImplemented(names)
    for module in parsed { makeModule(module) }
    for module in parsed { decideFeatures(module) }
    for module in parsed { makeIdentities(module) }
    for module in parsed { linkIdentities(module) }
    collectDerivedIdentities()
  }

  // MARK: Implemented modules

  private func decideImplemented(_ names: [String]?) {
    var latest: [String: ParsedModule] = [:]
    for module in parsed {
      if let known = latest[module.name], (known.revision ?? "") >= (module.revision ?? "") { continue }
      latest[module.name] = module
    }
    latest.merge(preferred) { $1 }
    var pending: [ParsedModule] = []
    for name in (names ?? latest.keys.sorted()) {
      if let module = latest[name] { pending.append(module) }
    }
    while let module = pending.popLast() {
      guard implemented.insert(ObjectIdentifier(module)).inserted else { continue }
      implementedByName[module.name] = module
      if names != nil { pending += modulesNeeded(by: module, latest) }
    }
  }

  /// A module whose nodes another module augments or deviates is implemented too (RFC 7950 section 5.6.5). What
  /// leafrefs and defaults refer to is found in later stages: see `missing`.
  private func modulesNeeded(by module: ParsedModule, _ latest: [String: ParsedModule]) -> [ParsedModule] {
    var needed: [ParsedModule] = []
    for file in [module] + module.submodules {
      for statement in file.statement.substatements
      where statement.keyword == .augment || statement.keyword == .deviation {
        for (prefix, imported) in file.imports where statement.text.contains("\(prefix):") {
          needed.append(latest[imported.module.name] ?? imported.module)
        }
      }
    }
    return needed
  }

  private func makeModule(_ module: ParsedModule) {
    let compiled = Module(
      name: module.name, namespace: module.namespace, prefix: module.prefix, revision: module.revision,
      isImplemented: implemented.contains(ObjectIdentifier(module)), yangVersion: module.version,
      source: module.source)
    compiled.organization = module.statement.argument(of: .organization)
    compiled.summary = module.statement.argument(of: .description)
    compiled.submodules = module.submodules.map {
      Submodule(name: $0.name, revision: $0.revision, source: $0.source)
    }
    module.compiled = compiled
  }

  // MARK: Features

  private func decideFeatures(_ module: ParsedModule) {
    guard let compiled = module.compiled else { return }
    compiled.features = module.features.keys.sorted()
    compiled.enabledFeatures = compiled.features.filter { name in
      module.features[name].map { isEnabled(feature: $0, of: module) } ?? false
    }
  }

  private func isEnabled(feature: Scoped, of module: ParsedModule) -> Bool {
    let id = ObjectIdentifier(feature.statement)
    if let known = features[id] { return known }
    guard featuresInProgress.insert(id).inserted else {
      log.error(feature.statement, "the feature '\(feature.text)' depends on itself")
      return false
    }
    defer { featuresInProgress.remove(id) }
    // The condition is looked at in any case, so that its errors are found.
    let holds = isEnabled(feature.statement, in: feature.scope)
    let result = holds && selection.selects(feature.text, of: module.name)
    features[id] = result
    return result
  }

  /// True when all `if-feature` conditions of the statement hold.
  func isEnabled(_ statement: Statement, in scope: ParsedModule) -> Bool {
    var result = true
    for condition in statement.substatements where condition.keyword == .ifFeature {
      guard case .success(let expression) = FeatureExpression.parse(condition.text) else { continue }
      if !evaluate(expression, at: condition, in: scope) { result = false }
    }
    return result
  }

  private func evaluate(_ expression: FeatureExpression, at statement: Statement, in scope: ParsedModule) -> Bool {
    switch expression {
    case .feature(let prefix, let name):
      guard let module = scope.module(forPrefix: prefix) else {
        reportUnknownPrefix(prefix ?? "", at: statement, in: scope)
        return false
      }
      guard let feature = module.features[name] else {
        log.error(
          statement, "there is no feature '\(name)' in module '\(module.name)'",
          hint: NearestName.hint(name, among: module.features.keys.sorted()))
        return false
      }
      return isEnabled(feature: feature, of: module)
    case .not(let inner): return !evaluate(inner, at: statement, in: scope)
    case .and(let left, let right):
      let first = evaluate(left, at: statement, in: scope)
      return evaluate(right, at: statement, in: scope) && first
    case .or(let left, let right):
      let first = evaluate(left, at: statement, in: scope)
      return evaluate(right, at: statement, in: scope) || first
    }
  }

  func reportUnknownPrefix(_ prefix: String, at statement: Statement, in scope: ParsedModule) {
    // A prefix whose import failed has been reported there.
    let isDeclared = scope.statement.substatements.contains {
      $0.keyword == .import && $0.argument(of: .prefix) == prefix
    }
    guard !isDeclared else { return }
    log.error(
      statement, "the prefix '\(prefix)' is not declared in '\(scope.name)'",
      hint: NearestName.hint(prefix, among: scope.prefixesInScope)
        ?? "declared are: \(scope.prefixesInScope.joined(separator: ", "))")
  }

  // MARK: Identities

  private func makeIdentities(_ module: ParsedModule) {
    guard let compiled = module.compiled else { return }
    for name in module.identities.keys.sorted() {
      guard let definition = module.identities[name], isEnabled(definition.statement, in: definition.scope) else {
        continue
      }
      let identity = Identity(name: name, module: compiled)
      identities[ObjectIdentifier(definition.statement)] = identity
      compiled.identities.append(identity)
    }
  }

  private func linkIdentities(_ module: ParsedModule) {
    for name in module.identities.keys.sorted() {
      guard let definition = module.identities[name],
        let identity = identities[ObjectIdentifier(definition.statement)]
      else { continue }
      for base in definition.statement.substatements where base.keyword == .base {
        if let found = findIdentity(base, in: definition.scope) { identity.bases.append(found) }
      }
    }
  }

  /// The identity that a `base` statement names.
  func findIdentity(_ statement: Statement, in scope: ParsedModule) -> Identity? {
    guard let (prefix, name) = Identifier.reference(statement.text) else { return nil }
    guard let module = scope.module(forPrefix: prefix) else {
      reportUnknownPrefix(prefix ?? "", at: statement, in: scope)
      return nil
    }
    guard let definition = module.identities[name] else {
      log.error(
        statement, "there is no identity '\(name)' in module '\(module.name)'",
        hint: NearestName.hint(name, among: module.identities.keys.sorted()))
      return nil
    }
    checkStatus(of: statement, in: scope, refersTo: definition)
    return identities[ObjectIdentifier(definition.statement)]
  }

  private func collectDerivedIdentities() {
    for module in parsed {
      for identity in module.compiled?.identities ?? [] {
        var pending = identity.bases
        var seen: Set<Identity> = []
        while let base = pending.popLast() {
          guard seen.insert(base).inserted else { continue }
          pending += base.bases
        }
        if seen.contains(identity) {
          if let statement = module.identities[identity.name]?.statement {
            log.error(statement, "the identity '\(identity.name)' derives from itself")
          }
          seen.remove(identity)
        }
        identity.ancestors = seen
        guard identity.module.isImplemented else { continue }
        for ancestor in seen { derivedIdentities[ancestor, default: []].append(identity) }
      }
    }
    for key in derivedIdentities.keys {
      derivedIdentities[key]?.sort { ($0.module.name, $0.name) < ($1.module.name, $1.name) }
    }
  }

  /// The values that an identityref with these bases can take: what derives from all of them.
  func identities(derivedFromAll bases: [Identity]) -> [Identity] {
    guard let first = bases.first else { return [] }
    let candidates = derivedIdentities[first] ?? []
    guard bases.count > 1 else { return candidates }
    return candidates.filter { candidate in bases.allSatisfy { candidate.ancestors.contains($0) } }
  }
}
