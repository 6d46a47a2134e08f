// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Typedefs and groupings that nothing uses are checked as well: their errors would come up only in other modules.
/// So is the data in structures (RFC 8040 section 8, RFC 8791), which is no part of the schema tree.
extension Compiler {
  func checkUnusedDefinitions() {
    for module in implementedModules {
      for file in [module] + module.submodules { checkDefinitions(below: file.statement, in: file) }
    }
  }

  private func checkDefinitions(below statement: Statement, in file: ParsedModule) {
    for substatement in statement.substatements {
      switch substatement.keyword {
      case .typedef: checkTypedef(Scoped(statement: substatement, scope: file))
      case .grouping:
        if !usedGroupings.contains(ObjectIdentifier(substatement)) {
          checkGrouping(Scoped(statement: substatement, scope: file))
        }
        checkDefinitions(below: substatement, in: file)
      case .unknown where Grammar.holdsData(substatement):
        checkGrouping(Scoped(statement: substatement, scope: file))
        if substatement.name == "augment-structure" {
          checkAugmentedStructure(Scoped(statement: substatement, scope: file))
        }
        checkDefinitions(below: substatement, in: file)
      case .container, .list, .choice, .case, .augment, .rpc, .action, .input, .output, .notification:
        checkDefinitions(below: substatement, in: file)
      default: break
      }
    }
  }

  private func checkTypedef(_ typedef: Scoped) {
    let resolved = resolveTypedef(typedef)
    finishTypes()
    guard let value = resolved.defaultValue, let module = typedef.scope.owner.compiled,
      !containsLeafref(resolved.type)
    else { return }
    if let problem = problem(with: value, of: resolved.type, in: module) {
      log.error(
        typedef.statement.first(.default) ?? typedef.statement,
        "the default '\(value.text)' is not a value of the type '\(typedef.text)'", hint: problem)
    }
  }

  /// Expands a grouping as if it were used, and throws the nodes away.
  private func checkGrouping(_ grouping: Scoped) {
    guard let module = grouping.scope.owner.compiled else { return }
    let draft = Draft(kind: .container, name: grouping.text, module: grouping.scope.owner, source: grouping)
    // A parent that is no root, as it is where the grouping will be used.
    let around = Draft(kind: .container, name: "", module: grouping.scope.owner, source: grouping)
    around.adopt(draft)
    activeGroupings.append(grouping.statement)
    expandBody(of: grouping.statement, in: grouping.scope, for: grouping.scope.owner, into: draft)
    activeGroupings.removeLast()

    checkStructure(draft)
    let kept = (nodes, drafts, conditionsByNode)
    (nodes, drafts, conditionsByNode) = ([], [], [:])
    isTentative = true
    let root = SchemaNode(
      kind: .root, name: "", module: module, location: grouping.statement.location)
    publishTentatively(draft, below: root)
    finishTypes()
    for node in nodes { checkTentatively(node) }
    isTentative = false
    (nodes, drafts, conditionsByNode) = kept
  }

  /// RFC 8791 section 3: the target is a structure or a node in one.
  private func checkAugmentedStructure(_ augment: Scoped) {
    var node: Draft?
    for step in augment.text.split(separator: "/") {
      guard let (prefix, name) = Identifier.reference(String(step)) else {
        log.error(augment.statement, "'\(augment.text)' is not an absolute schema node identifier")
        return
      }
      guard let module = implementedModule(forPrefix: prefix, in: augment.scope) else {
        return reportUnknownPrefix(prefix ?? "", at: augment.statement, in: augment.scope)
      }
      guard let next = node.map({ $0.child(name, in: module) }) ?? structure(name, of: module) else {
        // A node below a structure may be one that another augment brings.
        guard node == nil || !isAugmentedElsewhere(augment) else { return }
        let place = node.map { "'\($0.name)'" } ?? "module '\(module.name)'"
        log.error(
          augment.statement,
          "'\(augment.text)' leads nowhere: there is no \(node == nil ? "structure" : "node") '\(name)' in \(place)")
        return
      }
      node = next
    }
  }

  private func isAugmentedElsewhere(_ augment: Scoped) -> Bool {
    parsed.flatMap { [$0] + $0.submodules }.contains { file in
      file.statement.substatements.contains {
        $0.keyword == .unknown && $0.name == "augment-structure" && $0 !== augment.statement
          && $0.text.utf8.count < augment.text.utf8.count
      }
    }
  }

  /// The nodes of a structure, made for looking at them only.
  private func structure(_ name: String, of module: ParsedModule) -> Draft? {
    for file in [module] + module.submodules {
      for statement in file.statement.substatements
      where statement.keyword == .unknown && statement.name == "structure" && statement.text == name {
        let source = Scoped(statement: statement, scope: file)
        let draft = Draft(kind: .container, name: name, module: module, source: source)
        expandBody(of: statement, in: file, for: module, into: draft)
        return draft
      }
    }
    return nil
  }

  /// RFC 8040 section 8: one container, or a choice of containers.
  private func checkStructure(_ draft: Draft) {
    guard draft.source.statement.name == "yang-data", draft.source.statement.keyword == .unknown else { return }
    func isContainer(_ children: [Draft]) -> Bool {
      guard children.count == 1, let only = children.first else { return false }
      return only.kind == .container
        || (only.kind == .choice && only.children.allSatisfy { isContainer($0.children) })
    }
    if !isContainer(draft.children) {
      log.error(draft.source.statement, "the data of '\(draft.source.statement.title)' must be one container")
    }
  }

  /// What can be told of a node without knowing where it will stand.
  private func checkTentatively(_ node: SchemaNode) {
    guard let draft = drafts[node.id] else { return }
    for expression in draft.musts + draft.whens.map(\.expression) { _ = parseExpression(expression, for: node) }
    resolveUniques(of: node)
    if let type = node.type {
      if let path = leafrefPaths[ObjectIdentifier(type)] { _ = parseLeafrefPath(path, for: node) }
      guard !containsLeafref(type) else { return }
    }
    resolveDefaults(of: node)
  }
}
