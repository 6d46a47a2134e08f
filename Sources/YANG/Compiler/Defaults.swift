// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Stage 5: default values and default cases, and the rules about mandatory nodes.
extension Compiler {
  func resolveDefaults(of node: SchemaNode) {
    guard let draft = drafts[node.id] else { return }
    switch node.kind {
    case .leaf, .leafList: resolveValues(of: node, draft)
    case .choice: resolveDefaultCase(of: node, draft)
    default: break
    }
    checkMandatoryAugment(node, draft)
  }

  private func resolveValues(of node: SchemaNode, _ draft: Draft) {
    guard let type = node.type, let use = draft.type else { return }
    if let own = draft.defaults.first, node.isMandatory {
      log.error(own.statement, "the leaf '\(node.name)' is mandatory and cannot have a default")
    }
    if let own = draft.defaults.first, node.kind == .leafList, node.minElements > 0 {
      log.error(own.statement, "the leaf-list '\(node.name)' has min-elements and cannot have a default")
    }
    var sources = draft.defaults
    if sources.isEmpty, let inherited = resolveType(use).defaultValue {
      let version = draft.source.scope.version
      let applies =
        node.kind == .leaf ? !node.isMandatory : node.minElements == 0 && version == .onePointOne
      // The default of a typedef is checked against what the leaf restricts the type to, even where it does not apply.
      sources = [inherited]
      let values = parse(sources, of: node, type, from: use.statement)
      if applies { node.defaults = values }
      return
    }
    node.defaults = parse(sources, of: node, type, from: nil)
    if node.kind == .leafList, node.isConfig, Set(node.defaults).count != node.defaults.count {
      log.error(sources[0].statement, "a default value of the leaf-list '\(node.name)' stands twice")
    }
  }

  private func parse(
    _ sources: [Scoped], of node: SchemaNode, _ type: SchemaType, from use: Statement?
  ) -> [Value] {
    var values: [Value] = []
    for source in sources {
      switch value(source, of: type, in: node.module) {
      case .success(let value):
        values.append(value)
      case .failure(let error):
        // A leafref that leads nowhere has been reported; its values cannot be judged.
        guard error.kind != .unresolvedType else { continue }
        let name = type.typedefName ?? type.base.rawValue
        log.error(
          use ?? source.statement, "the default '\(source.text)' is not a value of '\(node.path)' (type \(name))",
          hint: error.expected ?? error.message)
      }
    }
    return values
  }

  /// Why the text is not a value of the type, nil when it is one.
  func problem(with text: Scoped, of type: SchemaType, in module: Module) -> String? {
    guard case .failure(let error) = value(text, of: type, in: module), error.kind != .unresolvedType else {
      return nil
    }
    return error.expected ?? error.message
  }

  private func value(_ text: Scoped, of type: SchemaType, in module: Module) -> Result<Value, ValueError> {
    // An identity without prefix is of the module that the default is written in (RFC 7950 section 9.10.3). Modules that
    // use a grouping have been seen to mean their own.
    let written = text.scope.owner.compiled ?? module
    let result = value(text, of: type, unprefixed: written)
    guard case .failure = result, written !== module else { return result }
    let other = value(text, of: type, unprefixed: module)
    if case .success = other { return other }
    return result
  }

  private func value(_ text: Scoped, of type: SchemaType, unprefixed: Module) -> Result<Value, ValueError> {
    if type.valueType.base == .empty { return .failure(ValueError(.lexical, "a type empty can have no default")) }
    var unimplemented: Set<String> = []
    do throws(ValueError) {
      let value = try type.parse(
        text.text,
        resolvePrefix: { prefix in
          let named = prefix.isEmpty ? unprefixed : self.nodeModule(forPrefix: prefix, in: text.scope)
          guard let named else { return nil }
          if !named.isImplemented { unimplemented.insert(named.name) }
          return named
        }, sealer: nil, isDefault: true)
      return .success(value)
    } catch {
      // Values of an identityref are those of implemented modules.
      missing.formUnion(unimplemented)
      return .failure(error)
    }
  }

  private func resolveDefaultCase(of choice: SchemaNode, _ draft: Draft) {
    guard let source = draft.defaults.first else { return }
    let name = source.text.split(separator: ":").last.map(String.init) ?? source.text
    guard let found = choice.children.first(where: { $0.name == name && $0.kind == .case }) else {
      log.error(
        source.statement, "the choice '\(choice.name)' has no case '\(name)'",
        hint: NearestName.hint(name, among: choice.children.map(\.name)))
      return
    }
    choice.defaultCase = found
    if choice.isMandatory {
      log.error(source.statement, "the choice '\(choice.name)' is mandatory and cannot have a default")
    }
    for child in found.children where isMandatory(child) {
      log.error(
        source.statement, "the default case '\(name)' must not have a mandatory node ('\(child.name)')")
    }
  }

  /// RFC 7950 section 3, "mandatory node".
  private func isMandatory(_ node: SchemaNode) -> Bool {
    switch node.kind {
    case .leaf, .choice, .anydata, .anyxml: node.isMandatory
    case .list, .leafList: node.minElements > 0
    case .container: !node.hasPresence && node.children.contains { isMandatory($0) }
    default: false
    }
  }

  /// An augment of another module's configuration brings no mandatory node without a condition
  /// (RFC 7950 section 7.17).
  private func checkMandatoryAugment(_ node: SchemaNode, _ draft: Draft) {
    guard let augment = draft.augment, augment.statement.parent?.keyword != .uses, node.isConfig,
      !augment.statement.has(.when), draft.whens.isEmpty, let target = draft.parent,
      target.module !== draft.module, !isInOperation(node)
    else { return }
    let isBad = node.kind == .case ? false : isMandatory(node)
    if isBad {
      log.error(
        draft.source.statement, "the augment of '\(target.path)' must not bring the mandatory node '\(node.name)'",
        hint: "a 'when' on the augment would allow it in YANG 1.1")
    }
  }
}
