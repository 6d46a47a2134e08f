// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// All constraints of a schema, compiled, with the schema nodes that each depends on: what a validation looks up.
///
/// Sendable: everything is set by the initializer.
final class ConstraintTable: @unchecked Sendable {
  final class Rule: Sendable {
    enum Kind: Sendable {
      case must(Must, any XPathOperation)
      /// All `when` conditions of the node.
      case when
      case leafref(LeafrefPath, member: [Int])
      case instanceIdentifier
      case requirements([Requirement])
      /// On the parent of the list.
      case unique(list: SchemaNode, leafs: [SchemaNode])
    }
    /// The node whose instances the rule is about.
    let owner: SchemaNode
    let kind: Kind
    /// Whether a change finds what the rule has to be evaluated for by searching for values: the references to what
    /// is gone, the entries that are equal to changed ones.
    let isSearched: Bool
    /// Of a searched leafref: what it refers to.
    let target: SchemaNode?

    init(owner: SchemaNode, kind: Kind, isSearched: Bool = false, target: SchemaNode? = nil) {
      self.owner = owner
      self.kind = kind
      self.isSearched = isSearched
      self.target = target
    }
  }

  /// A rule that reads a node.
  struct Reader: Sendable {
    let rule: Int
    let apex: SchemaNode
    let apexDepth: Int
    let onRemovalOnly: Bool
  }

  /// What is known of each schema node, by id.
  ///
  /// Sendable without a lock: filled while the table is made, before anyone else has it, and only read after that.
  final class NodeFacts: @unchecked Sendable {
    /// Rules on instances of the node.
    var rules: [Int] = []
    var readers: [Reader] = []
    /// Of a list: its searched rules about `unique`.
    var uniques: [Int] = []
    /// Whether there are rules on the node or anything below it.
    var hasRulesBelow = false
    /// The smallest depth of an apex among the readers of the node and of all below it.
    var leastApexDepth = Int.max
    var depth = 0
    /// Data children that can exist without being in the tree and have rules on them or below.
    var implicitChildren: [SchemaNode] = []
    /// As `hasRulesBelow` and `leastApexDepth`, for `when` conditions alone.
    var hasConditionsBelow = false
    var leastConditionApexDepth = Int.max
  }

  let schema: Schema
  let library: XPathLibrary
  let includingState: Bool
  private(set) var rules: [Rule] = []
  private(set) var facts: [NodeFacts] = []
  /// Rules that any change may matter to.
  private(set) var unboundedRules: [Int] = []

  init(schema: Schema, includingState: Bool = false) {
    self.schema = schema
    self.includingState = includingState
    library = XPathLibrary(schema: schema)
    facts = schema.nodes.map { _ in NodeFacts() }
    let relevant = schema.nodes.filter { includingState || $0.kind == .root || $0.isConfig }
    compileConditions(relevant)
    for node in relevant { compileTypes(node) }
    for node in relevant { compileRules(node) }
    summarize()
  }

  // MARK: Rules

  private func compileConditions(_ nodes: [SchemaNode]) {
    var conditions: [[ImplicitNodes.WhenCondition]] = Array(repeating: [], count: schema.nodes.count)
    for node in nodes where !node.whens.isEmpty {
      conditions[node.id] = node.whens.map { when in
        // A choice or case is no node that an expression can stand at.
        let isData = node.kind != .choice && node.kind != .case
        let context = when.context == .node && isData ? When.Context.node : .parent
        let start = context == .node ? node : node.dataParent ?? schema.root
        let compiled = XPathCompiler.condition(when.condition, context: start, library: library)
        return .init(operation: compiled.operation, context: context, source: when.condition.source)
      }
    }
    library.implicit.install(conditions)
  }

  private func compileTypes(_ node: SchemaNode) {
    guard let type = node.type else { return }
    forEachLeafref(in: type) { leafref, _ in
      guard let path = leafref.path else { return }
      var compiler = XPathCompiler(library: library, context: node)
      let part = compiler.compile(path.tree, in: compiler.initial)
      library.install(
        LeafrefPath(source: path.source, path: part.operation, keyed: keyed(path.tree, node)), for: leafref)
    }
  }

  private func forEachLeafref(in type: SchemaType, member: [Int] = [], _ body: (SchemaType, [Int]) -> Void) {
    if type.base == .leafref { body(type, member) }
    for (index, inner) in type.members.enumerated() { forEachLeafref(in: inner, member: member + [index], body) }
  }

  /// A path whose last two steps are a list without predicates and its only key.
  private func keyed(_ path: XPath, _ node: SchemaNode) -> (holder: any XPathOperation, list: SchemaNode)? {
    guard case .path(let path) = path, path.steps.count >= 2 else { return nil }
    let last = path.steps.suffix(2)
    guard last.allSatisfy({ $0.axis == .child && $0.predicates.isEmpty }) else { return nil }
    var compiler = XPathCompiler(library: library, context: node)
    let whole = compiler.compile(.path(path), in: compiler.initial)
    guard let nodes = whole.scope?.nodes, nodes.count == 1, let key = nodes.first, key.isKey,
      let list = key.dataParent, list.keys.count == 1
    else { return nil }
    let start = path.isAbsolute ? XPathCompiler.Scope(nodes: [schema.root], apex: schema.root) : compiler.initial
    let (steps, _) = compiler.compile(Array(path.steps.dropLast(2)), from: start)
    return (PathOperation(path.isAbsolute ? .root : .context, steps), list)
  }

  private func compileRules(_ node: SchemaNode) {
    for must in node.musts { compileMust(must, node) }
    if !node.whens.isEmpty, node.kind != .choice, node.kind != .case { compileWhen(node) }
    if let type = node.type { compileReferences(type, node) }
    switch node.kind {
    case .root, .list, .input, .output, .notification: compileRequirements(node)
    case .container where node.hasPresence: compileRequirements(node)
    default: break
    }
    for leafs in node.uniques { compileUnique(node, leafs) }
  }

  private func add(
    _ kind: Rule.Kind, _ owner: SchemaNode, _ dependencies: XPathDependencies, isSearched: Bool = false,
    target: SchemaNode? = nil
  ) {
    let number = rules.count
    rules.append(Rule(owner: owner, kind: kind, isSearched: isSearched, target: target))
    facts[owner.id].rules.append(number)
    if dependencies.isUnbounded {
      unboundedRules.append(number)
      return
    }
    for item in dependencies.items {
      // The instances of a leaf are found from the node above it.
      var apex = XPathCompiler.higher(item.apex, owner)
      if !apex.isInterior { apex = apex.dataParent ?? schema.root }
      apex = Self.frame(apex)
      facts[item.node.id].readers.append(
        Reader(rule: number, apex: apex, apexDepth: apex.dataDepth, onRemovalOnly: item.onRemovalOnly))
    }
  }

  /// A node that is sure to be there when there are owners: implicit nodes can exist where the tree has nothing.
  private static func frame(_ apex: SchemaNode) -> SchemaNode {
    var apex = apex
    while apex.isNonPresenceContainer, let above = apex.dataParent { apex = above }
    return apex
  }

  private func compileMust(_ must: Must, _ node: SchemaNode) {
    var compiled = XPathCompiler.condition(must.condition, context: node, library: library)
    compiled.dependencies.formUnion(existence(of: node))
    add(.must(must, compiled.operation), node, compiled.dependencies)
  }

  /// What it depends on whether an implicit node exists.
  private func existence(of node: SchemaNode) -> XPathDependencies {
    var dependencies = XPathDependencies()
    var next: SchemaNode? = node
    while let node = next, ImplicitNodes.isPossible(node), let parent = node.dataParent {
      var compiler = XPathCompiler(library: library, context: parent)
      compiler.noteExistence(of: node, apex: parent)
      dependencies.formUnion(compiler.dependencies)
      next = parent
    }
    return dependencies
  }

  private func compileWhen(_ node: SchemaNode) {
    add(.when, node, conditions(of: node))
  }

  private func conditions(of node: SchemaNode) -> XPathDependencies {
    var dependencies = XPathDependencies()
    for when in node.whens {
      let isData = node.kind != .choice && node.kind != .case
      let context = when.context == .node && isData ? node : node.dataParent ?? schema.root
      dependencies.formUnion(
        XPathCompiler.condition(when.condition, context: context, library: library).dependencies)
    }
    return dependencies
  }

  private func compileReferences(_ type: SchemaType, _ node: SchemaNode) {
    forEachLeafref(in: type) { leafref, member in
      guard leafref.requiresInstance, let path = leafref.path, let compiled = library.leafref(of: leafref) else {
        return
      }
      var compiler = XPathCompiler(library: library, context: node)
      compiler.isLeafrefPath = true
      _ = compiler.compile(path.tree, in: compiler.initial)
      compiler.isLeafrefPath = false
      var dependencies = compiler.dependencies
      dependencies.formUnion(existence(of: node))
      let target = Self.searchableTarget(path.tree, leafref, node)
      add(.leafref(compiled, member: member), node, dependencies, isSearched: target != nil, target: target)
    }
    if Self.holdsInstanceIdentifier(type) {
      var dependencies = XPathDependencies()
      dependencies.setUnbounded()
      add(.instanceIdentifier, node, dependencies)
    }
  }

  /// What a leafref refers to, when all that can break a reference is that its value is gone there: a path without
  /// predicates, no defaults, which come and go without being in the tree, and no entries that have no keys.
  private static func searchableTarget(_ path: XPath, _ type: SchemaType, _ owner: SchemaNode) -> SchemaNode? {
    guard case .path(let path) = path, path.steps.allSatisfy({ $0.predicates.isEmpty }),
      let target = type.leafrefTarget,
      owner.defaults.isEmpty, target.defaults.isEmpty, owner.isBelowKeyedLists
    else { return nil }
    return target
  }

  private static func holdsInstanceIdentifier(_ type: SchemaType) -> Bool {
    type.base == .instanceIdentifier && type.requiresInstance || type.members.contains(where: holdsInstanceIdentifier)
  }

  private func compileRequirements(_ node: SchemaNode) {
    let requirements = Requirement.below(node, includingState: includingState)
    guard !requirements.isEmpty else { return }
    var nodes: [SchemaNode] = []
    var conditioned: [SchemaNode] = []
    for requirement in requirements {
      requirement.nodes(into: &nodes)
      requirement.conditioned(into: &conditioned)
    }
    var dependencies = XPathDependencies()
    for read in nodes { dependencies.insert(.init(node: read, apex: node, onRemovalOnly: false)) }
    for condition in conditioned { dependencies.formUnion(conditions(of: condition)) }
    add(.requirements(requirements), node, dependencies)
  }

  private func compileUnique(_ list: SchemaNode, _ leafs: [SchemaNode]) {
    guard let parent = list.dataParent else { return }
    var dependencies = XPathDependencies()
    for leaf in leafs { dependencies.insert(.init(node: leaf, apex: parent, onRemovalOnly: false)) }
    dependencies.insert(.init(node: list, apex: parent, onRemovalOnly: false))
    let isSearched = !list.keys.isEmpty && leafs.allSatisfy { $0.isPlain(below: list) }
    add(.unique(list: list, leafs: leafs), parent, dependencies, isSearched: isSearched)
    if isSearched { facts[list.id].uniques.append(rules.count - 1) }
  }

  // MARK: Summary

  private func summarize() {
    let nodes = schema.nodes.filter { $0.kind != .choice && $0.kind != .case }
    // Ids grow from parents to children, so that backwards every node comes after all below it.
    for node in nodes.reversed() {
      let here = facts[node.id]
      here.depth = node.dataDepth
      here.hasRulesBelow = here.hasRulesBelow || !here.rules.isEmpty
      here.hasConditionsBelow = here.hasConditionsBelow || here.rules.contains { isCondition($0) }
      for reader in here.readers {
        here.leastApexDepth = min(here.leastApexDepth, reader.apexDepth)
        guard isCondition(reader.rule) else { continue }
        here.leastConditionApexDepth = min(here.leastConditionApexDepth, reader.apexDepth)
      }
      guard let parent = node.dataParent, includingState || node.isConfig else { continue }
      let above = facts[parent.id]
      above.hasRulesBelow = above.hasRulesBelow || here.hasRulesBelow
      above.hasConditionsBelow = above.hasConditionsBelow || here.hasConditionsBelow
      above.leastApexDepth = min(above.leastApexDepth, here.leastApexDepth)
      above.leastConditionApexDepth = min(above.leastConditionApexDepth, here.leastConditionApexDepth)
      if here.hasRulesBelow, ImplicitNodes.isPossible(node) { above.implicitChildren.append(node) }
    }
  }

  func isCondition(_ rule: Int) -> Bool {
    if case .when = rules[rule].kind { true } else { false }
  }
}

extension SchemaNode {
  /// Whether every list around has keys.
  fileprivate var isBelowKeyedLists: Bool {
    var next = dataParent
    while let node = next {
      if node.kind == .list, node.keys.isEmpty { return false }
      next = node.dataParent
    }
    return true
  }

  /// Whether the node is there only when it is in the tree, and unconditionally so, with all between it and the list.
  fileprivate func isPlain(below list: SchemaNode) -> Bool {
    guard defaults.isEmpty else { return false }
    var next: SchemaNode? = self
    while let node = next, node !== list {
      if !node.whens.isEmpty { return false }
      next = node.dataParent
    }
    return true
  }
}
