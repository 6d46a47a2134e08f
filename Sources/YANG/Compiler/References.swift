// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Stage 5: what needs the whole tree: leafrefs, expressions, unique, defaults.
extension Compiler {
  func resolveReferences(in schema: Schema) {
    for node in nodes { resolveLeafrefs(of: node, in: schema) }
    for node in nodes { checkLeafrefCircle(node) }
    finishTypes()
    for node in nodes {
      resolveExpressions(of: node, in: schema)
      resolveUniques(of: node)
    }
    for node in nodes { resolveDefaults(of: node) }
  }

  /// Builds the indexes of types made since the last call.
  func finishTypes() {
    for type in types[finishedTypeCount...] { type.finish() }
    finishedTypeCount = types.count
  }

  // MARK: Leafrefs

  private func resolveLeafrefs(of node: SchemaNode, in schema: Schema) {
    guard let type = node.type else { return }
    resolveLeafref(type, of: node, in: schema)
  }

  private func resolveLeafref(_ type: SchemaType, of node: SchemaNode, in schema: Schema) {
    for member in type.members where containsLeafref(member) { resolveLeafref(member, of: node, in: schema) }
    guard type.base == .leafref, let path = leafrefPaths[ObjectIdentifier(type)],
      let use = drafts[node.id]?.type?.statement
    else { return }
    guard let tree = parseLeafrefPath(path, for: node) else { return }
    var walk = SchemaWalk(schema: schema, current: node)
    let found = walk.nodes(of: tree)
    missing.formUnion(walk.unimplemented)
    let leafs = (found ?? []).filter { $0.kind == .leaf || $0.kind == .leafList }
    guard let target = leafs.first else {
      let problem = walk.deadEnds.first
      let wrong = problem?.message ?? "it does not lead to a leaf or leaf-list"
      let statement = use.source === path.statement.source ? path.statement : use
      log.error(
        statement, "the leafref '\(path.text)' of '\(node.path)' leads nowhere: \(wrong)", hint: problem?.hint)
      return
    }
    if node.isConfig, !target.isConfig, type.requiresInstance, !isInOperation(node) {
      log.error(
        use, "the leafref '\(node.path)' is configuration and refers to state data '\(target.path)'",
        hint: "'require-instance false' would allow that")
    }
    if type === node.type { checkStatus(of: node, refersTo: target, at: use) }
    type.path = XPathExpression(source: path.text, tree: tree, reads: walk.reads())
    type.leafrefTarget = target
  }

  func parseLeafrefPath(_ path: Scoped, for node: SchemaNode) -> XPath? {
    guard let tree = parseExpression(path, for: node) else { return nil }
    guard LeafrefPath.isAllowed(tree) else {
      log.error(
        path.statement, "'\(path.text)' is not a path of a leafref",
        hint: "steps are 'name', '..' and key comparisons (RFC 7950 section 9.9.2)")
      return nil
    }
    return tree
  }

  private func checkLeafrefCircle(_ node: SchemaNode) {
    guard let type = node.type, type.base == .leafref else { return }
    var seen: [SchemaNode] = [node]
    var next = type.leafrefTarget
    while let target = next, target.type?.base == .leafref {
      if target === node {
        let names = (seen + [target]).map(\.path).joined(separator: " → ")
        if let use = drafts[node.id]?.type?.statement {
          log.error(use, "leafrefs refer to each other in a circle: \(names)")
        }
        type.leafrefTarget = nil
        return
      }
      guard !seen.contains(target) else { return }
      seen.append(target)
      next = target.type?.leafrefTarget
    }
  }

  // MARK: Expressions

  /// Parses an expression for a node: its prefixes are those of the file it is written in, a name without prefix is of
  /// the node's module (RFC 7950 section 6.4.1).
  func parseExpression(_ expression: Scoped, for node: SchemaNode) -> XPath? {
    let module = Self.isInTypedef(expression.statement) ? expression.scope.owner.compiled ?? node.module : node.module
    let key = ExpressionKey(statement: ObjectIdentifier(expression.statement), module: ObjectIdentifier(module))
    if let known = expressions[key] { return known }
    do throws(XPathError) {
      let tree = try XPath.parse(expression.text, defaultModule: module) { prefix in
        self.nodeModule(forPrefix: prefix, in: expression.scope)
      }
      expressions[key] = tree
      return tree
    } catch {
      log.error(expression.statement, "'\(expression.text)' is not an XPath expression: \(error.message)")
      return nil
    }
  }

  /// The path of a typedef means the nodes of the module that defines the typedef, wherever it is used.
  private static func isInTypedef(_ path: Statement) -> Bool {
    var next = path.parent
    while let around = next, around.keyword == .type { next = around.parent }
    return next?.keyword == .typedef
  }

  private func resolveExpressions(of node: SchemaNode, in schema: Schema) {
    if let draft = drafts[node.id] {
      for must in draft.musts {
        guard let expression = compile(must, for: node, context: node, in: schema) else { continue }
        node.musts.append(
          Must(
            condition: expression, errorMessage: must.statement.argument(of: .errorMessage),
            errorAppTag: must.statement.argument(of: .errorAppTag)))
      }
    }
    for condition in conditionsByNode[node.id] ?? [] {
      let isOwn = condition.context == .node && node.kind != .choice && node.kind != .case
      let context = isOwn ? node : node.dataParent ?? schema.root
      guard let expression = compile(condition.expression, for: node, context: context, in: schema) else { continue }
      node.whens.append(When(condition: expression, context: condition.context))
    }
  }

  private func compile(
    _ expression: Scoped, for node: SchemaNode, context: SchemaNode, in schema: Schema
  ) -> XPathExpression? {
    guard let tree = parseExpression(expression, for: node) else { return nil }
    let resolve = { (prefix: String) in self.nodeModule(forPrefix: prefix, in: expression.scope) }
    var walk = SchemaWalk(schema: schema, current: context)
    walk.literals = LiteralCheck(defaultModule: node.module, resolvePrefix: resolve)
    walk.visit(tree)
    for problem in walk.deadEnds {
      log.warning(
        expression.statement, "'\(expression.text)' at '\(node.path)': \(problem.message)", hint: problem.hint)
    }
    return XPathExpression(
      source: expression.text, tree: tree, reads: walk.reads(), literalModules: walk.literals?.modules ?? [:])
  }

  // MARK: Unique

  func resolveUniques(of node: SchemaNode) {
    guard let draft = drafts[node.id] else { return }
    for unique in draft.uniques {
      var leafs: [SchemaNode] = []
      for path in unique.text.split(whereSeparator: ArgumentSyntax.isSeparator) {
        if let leaf = findDescendant(String(path), of: node, at: unique) { leafs.append(leaf) }
      }
      if let first = leafs.first, let other = leafs.first(where: { $0.isConfig != first.isConfig }) {
        log.error(
          unique.statement, "'unique' mixes configuration and state data ('\(first.name)', '\(other.name)')")
      }
      if !leafs.isEmpty { node.uniques.append(leafs) }
    }
  }

  private func findDescendant(_ path: String, of list: SchemaNode, at unique: Scoped) -> SchemaNode? {
    var node = list
    for step in path.split(separator: "/") {
      guard let (prefix, name) = Identifier.reference(String(step)) else { return nil }
      guard let named = unique.scope.module(forPrefix: prefix) else {
        reportUnknownPrefix(prefix ?? "", at: unique.statement, in: unique.scope)
        return nil
      }
      let wanted = named === unique.scope.owner ? list.module : named.compiled
      // A schema node identifier names choices and cases; published modules leave them out.
      let inSchema = node.children.first { $0.name == name && $0.module === wanted }
      guard let wanted, let next = inSchema ?? node.dataChild(name, in: wanted) else {
        log.error(
          unique.statement, "'\(path)' leads nowhere: there is no node '\(name)' in '\(node.path)'",
          hint: NearestName.hint(name, among: node.dataChildren.map(\.name)))
        return nil
      }
      if next.kind == .list {
        log.error(unique.statement, "'unique' must not refer to leafs within another list ('\(next.name)')")
        return nil
      }
      node = next
    }
    guard node.kind == .leaf else {
      log.error(unique.statement, "'\(path)' is not a leaf but a \(node.kind)")
      return nil
    }
    return node
  }
}

struct ExpressionKey: Hashable {
  let statement: ObjectIdentifier
  let module: ObjectIdentifier
}
