// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Stage 2: the node drafts of each module.
extension Compiler {
  func expandModule(_ module: ParsedModule) {
    let root = Draft(
      kind: .root, name: "", module: module, source: Scoped(statement: module.statement, scope: module))
    roots[ObjectIdentifier(module)] = root
    for file in [module] + module.submodules { expandBody(of: file.statement, in: file, for: module, into: root) }
  }

  /// Adds a draft for every substatement that defines a node.
  func expandBody(of statement: Statement, in scope: ParsedModule, for module: ParsedModule, into parent: Draft) {
    for substatement in statement.substatements {
      switch substatement.keyword {
      case .uses: expandUses(Scoped(statement: substatement, scope: scope), for: module, into: parent)
      case .container, .leaf, .leafList, .list, .choice, .case, .anydata, .anyxml, .rpc, .action, .notification:
        expandNode(Scoped(statement: substatement, scope: scope), for: module, into: parent)
      default: break
      }
    }
  }

  private static func kind(of keyword: Keyword) -> SchemaNode.Kind? {
    switch keyword {
    case .container: .container
    case .leaf: .leaf
    case .leafList: .leafList
    case .list: .list
    case .choice: .choice
    case .case: .case
    case .anydata: .anydata
    case .anyxml: .anyxml
    case .rpc: .rpc
    case .action: .action
    case .input: .input
    case .output: .output
    case .notification: .notification
    default: nil
    }
  }

  func expandNode(_ source: Scoped, for module: ParsedModule, into parent: Draft) {
    let statement = source.statement
    guard let kind = Self.kind(of: statement.keyword), let name = statement.argument else { return }
    guard isEnabled(statement, in: source.scope), claimNode(statement, below: parent) else { return }
    var parent = parent
    if parent.kind == .choice, kind != .case {
      // A case of its own for a node that stands directly in a choice (RFC 7950 section 7.9.2).
      let shorthand = Draft(kind: .case, name: name, module: module, source: source)
      shorthand.status = statement.first(.status)
      parent.adopt(shorthand)
      parent = shorthand
    }
    let draft = Draft(kind: kind, name: name, module: module, source: source)
    readProperties(of: source, into: draft)
    parent.adopt(draft)
    switch kind {
    case .rpc, .action: expandOperation(source, for: module, into: draft)
    case .leaf, .leafList, .anydata, .anyxml: break
    default:
      if kind == .notification || kind == .action { checkOperationPlace(draft) }
      expandBody(of: statement, in: source.scope, for: module, into: draft)
    }
    if kind == .action { checkOperationPlace(draft) }
  }

  /// Counts a node against the bounds.
  private func claimNode(_ statement: Statement, below parent: Draft) -> Bool {
    draftCount += 1
    guard draftCount <= maximumNodes else {
      if draftCount == maximumNodes + 1 { log.error(statement, "the schema has more than \(maximumNodes) nodes") }
      return false
    }
    guard parent.depth < YANGLimits.schemaDepth else {
      log.error(statement, "the schema is deeper than \(YANGLimits.schemaDepth) levels")
      return false
    }
    return true
  }

  /// An rpc or action always has an input and an output, written or not (RFC 7950 section 7.14).
  private func expandOperation(_ source: Scoped, for module: ParsedModule, into draft: Draft) {
    for (keyword, kind, name) in [
      (Keyword.input, SchemaNode.Kind.input, "input"), (.output, .output, "output"),
    ] {
      let written = source.statement.first(keyword)
      let body = Scoped(statement: written ?? source.statement, scope: source.scope)
      let child = Draft(kind: kind, name: name, module: module, source: body)
      draft.adopt(child)
      guard let written else { continue }
      readProperties(of: body, into: child)
      expandBody(of: written, in: source.scope, for: module, into: child)
    }
  }

  /// Actions and notifications stand neither in operations or notifications, nor below a list without keys
  /// (RFC 7950 sections 7.15 and 7.16).
  private func checkOperationPlace(_ draft: Draft) {
    guard let parent = draft.parent, parent.kind != .root else { return }
    if parent.kind == .case || parent.kind == .choice {
      // A grouping can bring it there.
      log.error(draft.source.statement, "'\(draft.source.statement.name)' must not stand in a \(parent.kind)")
      return
    }
    var next: Draft? = parent
    while let node = next {
      switch node.kind {
      case .rpc, .action, .input, .output, .notification:
        log.error(draft.source.statement, "'\(draft.source.statement.name)' must not stand within \(node.kind)")
        return
      case .list where node.key == nil:
        log.error(
          draft.source.statement,
          "'\(draft.source.statement.name)' must not stand within a list without keys ('\(node.name)')")
        return
      default: next = node.parent
      }
    }
  }

  private func readProperties(of source: Scoped, into draft: Draft) {
    let scope = source.scope
    for statement in source.statement.substatements {
      let scoped = Scoped(statement: statement, scope: scope)
      switch statement.keyword {
      case .config: draft.config = statement
      case .mandatory: draft.mandatory = statement
      case .presence: draft.presence = statement
      case .status: draft.status = statement
      case .key: draft.key = scoped
      case .unique: draft.uniques.append(scoped)
      case .minElements: draft.minElements = statement
      case .maxElements: draft.maxElements = statement
      case .orderedBy: draft.orderedBy = statement
      case .type: draft.type = scoped
      case .default: draft.defaults.append(scoped)
      case .units: draft.units = statement
      case .must: draft.musts.append(scoped)
      case .when: draft.whens.append(Draft.Condition(expression: scoped, context: .node))
      case .description: draft.summary = statement.argument
      case .reference: draft.reference = statement.argument
      case .unknown: draft.extensions.append(scoped)
      default: break
      }
    }
  }
}
