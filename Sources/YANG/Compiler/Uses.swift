// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Groupings: finding them, expanding them, and the refines and augments of a `uses` (RFC 7950 sections 7.12, 7.13).
extension Compiler {
  func expandUses(_ uses: Scoped, for module: ParsedModule, into parent: Draft) {
    let statement = uses.statement
    guard isEnabled(statement, in: uses.scope), let grouping = findGrouping(statement, in: uses.scope) else { return }
    guard !activeGroupings.contains(where: { $0 === grouping.statement }) else {
      let names = activeGroupings.drop { $0 !== grouping.statement }.map(\.text) + [grouping.text]
      log.error(statement, "groupings use each other in a circle: \(names.joined(separator: " → "))")
      return
    }
    usedGroupings.insert(ObjectIdentifier(grouping.statement))
    checkStatus(of: statement, in: uses.scope, refersTo: grouping)
    let first = parent.children.count
    activeGroupings.append(grouping.statement)
    expandBody(of: grouping.statement, in: grouping.scope, for: module, into: parent)
    activeGroupings.removeLast()
    for condition in statement.all(.ifFeature) {
      for child in parent.children[first...] { child.featuresOfUses.append(condition.text) }
    }

    for substatement in statement.substatements {
      let scoped = Scoped(statement: substatement, scope: uses.scope)
      switch substatement.keyword {
      case .refine: refine(scoped, for: module, among: parent.children[first...])
      case .augment: augmentUses(scoped, for: module, among: parent.children[first...])
      default: break
      }
    }
    if let when = statement.first(.when) {
      let condition = Draft.Condition(expression: Scoped(statement: when, scope: uses.scope), context: .parent)
      for child in parent.children[first...] { child.whens.append(condition) }
    }
  }

  /// The grouping that a `uses` names: in the statements around it, then at the top of the module.
  func findGrouping(_ uses: Statement, in scope: ParsedModule) -> Scoped? {
    guard let (prefix, name) = Identifier.reference(uses.text) else { return nil }
    guard let module = scope.module(forPrefix: prefix) else {
      reportUnknownPrefix(prefix ?? "", at: uses, in: scope)
      return nil
    }
    if module === scope.owner {
      var next = uses.parent
      while let around = next {
        if around.hasGroupings, around.parent != nil {
          for candidate in around.substatements where candidate.keyword == .grouping && candidate.text == name {
            return Scoped(statement: candidate, scope: scope)
          }
        }
        next = around.parent
      }
    }
    if let found = module.groupings[name] { return found }
    log.error(
      uses, "there is no grouping '\(name)' in module '\(module.name)'",
      hint: NearestName.hint(name, among: module.groupings.keys.sorted()))
    return nil
  }

  // MARK: Refine and augment

  /// The node at a descendant path, from the nodes that a `uses` brought.
  private func find(
    _ path: Scoped, for module: ParsedModule, among nodes: ArraySlice<Draft>
  ) -> Draft? {
    var candidates = Array(nodes)
    var found: Draft?
    for step in path.text.split(separator: "/") {
      guard let (prefix, name) = Identifier.reference(String(step)) else { return nil }
      guard let named = path.scope.module(forPrefix: prefix) else {
        reportUnknownPrefix(prefix ?? "", at: path.statement, in: path.scope)
        return nil
      }
      // Within a grouping the module's own names are those of the module that uses it.
      let wanted = named === path.scope.owner ? module : named
      guard let next = candidates.first(where: { $0.name == name && $0.module === wanted }) else {
        log.error(
          path.statement, "'\(path.text)' leads nowhere: there is no node '\(name)'",
          hint: NearestName.hint(name, among: candidates.map(\.name)))
        return nil
      }
      found = next
      candidates = next.children
    }
    return found
  }

  private func refine(_ refine: Scoped, for module: ParsedModule, among nodes: ArraySlice<Draft>) {
    guard let node = find(refine, for: module, among: nodes) else { return }
    guard isEnabled(refine.statement, in: refine.scope) else {
      node.parent?.remove(node)
      return
    }
    var newDefaults: [Scoped] = []
    for statement in refine.statement.substatements {
      let scoped = Scoped(statement: statement, scope: refine.scope)
      guard isRefinable(statement.keyword, node.kind) else {
        log.error(statement, "'\(statement.name)' cannot refine a \(node.kind) ('\(node.name)')")
        continue
      }
      if statement.keyword == .default, node.kind == .leafList, refine.scope.version == .one {
        log.error(statement, "the default of a leaf-list ('\(node.name)') needs YANG 1.1")
        continue
      }
      switch statement.keyword {
      case .config: node.config = statement
      case .mandatory: node.mandatory = statement
      case .presence: node.presence = statement
      case .minElements: node.minElements = statement
      case .maxElements: node.maxElements = statement
      case .default: newDefaults.append(scoped)
      case .must: node.musts.append(scoped)
      case .description: node.summary = statement.argument
      case .reference: node.reference = statement.argument
      case .ifFeature: node.featuresOfUses.append(statement.text)
      case .unknown: node.extensions.append(scoped)
      default: break
      }
    }
    if !newDefaults.isEmpty { node.defaults = newDefaults }
  }

  /// RFC 7950 section 7.13.2.
  private func isRefinable(_ keyword: Keyword, _ kind: SchemaNode.Kind) -> Bool {
    switch keyword {
    case .default: [.leaf, .leafList, .choice].contains(kind)
    case .mandatory: [.leaf, .choice, .anydata, .anyxml].contains(kind)
    case .presence: kind == .container
    case .must: [.container, .leaf, .leafList, .list, .anydata, .anyxml].contains(kind)
    case .minElements, .maxElements: [.leafList, .list].contains(kind)
    case .config: [.container, .leaf, .leafList, .list, .choice, .anydata, .anyxml].contains(kind)
    default: true
    }
  }

  private func augmentUses(_ augment: Scoped, for module: ParsedModule, among nodes: ArraySlice<Draft>) {
    guard isEnabled(augment.statement, in: augment.scope),
      let target = find(augment, for: module, among: nodes)
    else { return }
    extend(target, by: augment, for: module)
  }

  /// Adds the nodes of an `augment` to its target.
  func extend(_ target: Draft, by augment: Scoped, for module: ParsedModule) {
    guard canBeAugmented(target.kind) else {
      log.error(augment.statement, "a \(target.kind) cannot be augmented ('\(target.name)')")
      return
    }
    for statement in augment.statement.substatements where !isAllowed(statement.keyword, in: target.kind) {
      log.error(statement, "'\(statement.name)' cannot be added to a \(target.kind) ('\(target.name)')")
      return
    }
    let first = target.children.count
    expandBody(of: augment.statement, in: augment.scope, for: module, into: target)
    let when = augment.statement.first(.when).map {
      Draft.Condition(expression: Scoped(statement: $0, scope: augment.scope), context: .parent)
    }
    appliedAugments.append((augment, target, Array(target.children[first...])))
    for child in target.children[first...] {
      child.augment = augment
      if let when { child.whens.append(when) }
    }
  }

  private func canBeAugmented(_ kind: SchemaNode.Kind) -> Bool {
    [.container, .list, .choice, .case, .input, .output, .notification].contains(kind)
  }

  private func isAllowed(_ keyword: Keyword, in kind: SchemaNode.Kind) -> Bool {
    switch keyword {
    case .case: kind == .choice
    case .action, .notification: kind == .container || kind == .list
    case .uses: kind != .choice
    default: true
    }
  }
}
