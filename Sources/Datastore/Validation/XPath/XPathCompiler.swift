// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Turns the parsed form of an expression into operations for context nodes of one schema node, and notes what the value
/// can depend on.
///
/// Steps are resolved against the schema as far as it is known which nodes they start from. Two special forms are
/// recognised: predicates that fix all keys of a list become a look-up, and whatever is tested for existence only is
/// walked until the first node is found.
struct XPathCompiler {
  /// The static part of where an expression stands.
  struct Scope {
    /// The schema nodes that the context node can be of.
    var nodes: [SchemaNode]
    /// The highest schema node that was passed on the way from the initial context node.
    var apex: SchemaNode
  }

  /// What is known of a compiled part.
  struct Part {
    let operation: any XPathOperation
    /// For a node-set: where it leads.
    var scope: Scope?
    /// Whether the value is a number, which as a predicate means a position.
    var isNumber = false
    /// Whether the value depends on position or size.
    var usesPosition = false
  }

  let library: XPathLibrary
  let initial: Scope
  var dependencies = XPathDependencies()
  /// The expression that is compiled, which knows what prefixes in literals mean.
  private var expression: XPathExpression?
  /// Set while the steps of a leafref's own path are compiled, where instances that come cannot do harm.
  var isLeafrefPath = false
  /// How many conditions of implicit nodes this expression stands in.
  private let depth: Int
  private static let maximumScope = 5000

  init(library: XPathLibrary, context: SchemaNode, depth: Int = 0) {
    self.library = library
    self.depth = depth
    initial = Scope(nodes: [context], apex: context)
  }

  /// Compiles a condition.
  static func condition(
    _ expression: XPathExpression, context: SchemaNode, library: XPathLibrary
  ) -> (operation: any XPathOperation, dependencies: XPathDependencies) {
    var compiler = XPathCompiler(library: library, context: context)
    compiler.expression = expression
    let part = compiler.compile(expression.tree, in: compiler.initial)
    compiler.noteUse(of: part, byExistence: true)
    return (part.operation, compiler.dependencies)
  }

  // MARK: Expressions

  mutating func compile(_ expression: XPath, in scope: Scope) -> Part {
    switch expression {
    case .or(let left, let right): return logic(false, left, right, scope)
    case .and(let left, let right): return logic(true, left, right, scope)
    case .comparison(let comparison, let left, let right):
      let (a, b) = (value(left, scope), value(right, scope))
      return Part(
        operation: ComparisonOperation(
          comparison, named(left, a, for: b.scope?.nodes), named(right, b, for: a.scope?.nodes)),
        usesPosition: a.usesPosition || b.usesPosition)
    case .arithmetic(let arithmetic, let left, let right):
      let (a, b) = (value(left, scope), value(right, scope))
      return Part(
        operation: ArithmeticOperation(arithmetic, a.operation, b.operation), isNumber: true,
        usesPosition: a.usesPosition || b.usesPosition)
    case .negation(let operand):
      let part = value(operand, scope)
      return Part(operation: NegationOperation(part.operation), isNumber: true, usesPosition: part.usesPosition)
    case .union(let left, let right):
      let (a, b) = (compile(left, in: scope), compile(right, in: scope))
      return Part(
        operation: UnionOperation(a.operation, b.operation), scope: merged(a.scope, b.scope),
        usesPosition: a.usesPosition || b.usesPosition)
    case .path(let path):
      let start = path.isAbsolute ? Scope(nodes: [library.schema.root], apex: library.schema.root) : scope
      let (steps, end) = compile(path.steps, from: start)
      let general = PathOperation(path.isAbsolute ? .root : .context, steps)
      return Part(operation: plain(path, steps, general) ?? general, scope: end)
    case .filter(let primary, let predicates, let steps): return filter(primary, predicates, steps, scope)
    case .literal(let text): return Part(operation: ConstantOperation(.string(text)))
    case .number(let number): return Part(operation: ConstantOperation(.number(number)), isNumber: true)
    case .variable: return Part(operation: ConstantOperation(.string("")))
    case .call(let function, let arguments): return call(function, arguments, scope)
    }
  }

  /// A literal that is compared with identities, where it may name one: by the prefixes of the expression.
  private func named(_ part: XPath, _ compiled: Part, for nodes: [SchemaNode]?) -> any XPathOperation {
    guard case .literal(let text) = part, text.utf8.contains(UInt8(ascii: ":")),
      let qualified = expression?.qualified(text),
      let nodes, nodes.contains(where: { $0.type.map(Self.holdsIdentity) ?? false })
    else { return compiled.operation }
    return ConstantOperation(.string(qualified))
  }

  private static func holdsIdentity(_ type: SchemaType) -> Bool {
    let type = type.valueType
    return type.base == .identityref || type.members.contains(where: holdsIdentity)
  }

  private mutating func logic(_ isAnd: Bool, _ left: XPath, _ right: XPath, _ scope: Scope) -> Part {
    let (a, b) = (existence(left, scope), existence(right, scope))
    return Part(
      operation: LogicOperation(isAnd: isAnd, a.operation, b.operation),
      usesPosition: a.usesPosition || b.usesPosition)
  }

  private mutating func filter(
    _ primary: XPath, _ predicates: [XPath], _ steps: [XPath.Step], _ scope: Scope
  ) -> Part {
    let part = compile(primary, in: scope)
    guard let inner = part.scope else { return part }
    let filters = predicates.map { compilePredicate($0, in: inner) }
    let set: any XPathOperation =
      filters.isEmpty ? part.operation : FilterOperation(part.operation, filters)
    guard !steps.isEmpty else { return Part(operation: set, scope: inner, usesPosition: part.usesPosition) }
    let (compiled, end) = compile(steps, from: inner)
    return Part(operation: PathOperation(.set(set), compiled), scope: end, usesPosition: part.usesPosition)
  }

  /// Compiles a part whose value is used, not only whether it is there.
  private mutating func value(_ expression: XPath, _ scope: Scope) -> Part {
    let part = compile(expression, in: scope)
    noteUse(of: part, byExistence: false)
    return part
  }

  private mutating func existence(_ expression: XPath, _ scope: Scope) -> Part {
    let part = compile(expression, in: scope)
    noteUse(of: part, byExistence: true)
    return part
  }

  // MARK: Functions

  private mutating func call(_ function: XPath.Function, _ arguments: [XPath], _ scope: Scope) -> Part {
    if function == .current {
      return Part(operation: FunctionOperation(.current, [], library: library), scope: initial)
    }
    let byExistence = [.not, .boolean, .count].contains(function)
    let parts = arguments.map { byExistence ? existence($0, scope) : value($0, scope) }
    let usesPosition =
      parts.contains(where: \.usesPosition) || function == .position || function == .last
    if function == .not, let operand = parts.first {
      return Part(operation: NotOperation(operand.operation), usesPosition: usesPosition)
    }
    var pattern: Pattern?
    var identity: Identity?
    if arguments.count > 1, case .literal(let text) = arguments[1] {
      if function == .reMatch { pattern = library.pattern(text) }
      if function == .derivedFrom || function == .derivedFromOrSelf {
        let qualified = expression?.qualified(text).flatMap { library.identity(named: $0) }
        identity = qualified ?? library.identity(named: text)
      }
    }
    let operation = FunctionOperation(
      function, parts.map(\.operation), library: library, pattern: pattern, identity: identity)
    switch function {
    case .deref: return Part(operation: operation, scope: dereferenced(parts.first?.scope), usesPosition: usesPosition)
    case .id: return Part(operation: operation, scope: Scope(nodes: [], apex: scope.apex))
    case .last, .position, .count, .stringLength, .number, .sum, .floor, .ceiling, .round, .enumValue:
      if arguments.isEmpty, function == .stringLength || function == .number { noteValue(of: scope) }
      return Part(operation: operation, isNumber: true, usesPosition: usesPosition)
    case .string, .normalizeSpace:
      if arguments.isEmpty { noteValue(of: scope) }
      return Part(operation: operation, usesPosition: usesPosition)
    default: return Part(operation: operation, usesPosition: usesPosition)
    }
  }

  private mutating func dereferenced(_ scope: Scope?) -> Scope {
    let root = library.schema.root
    var targets: [SchemaNode] = []
    for node in scope?.nodes ?? [] {
      guard let type = node.type, type.base == .leafref, let target = type.leafrefTarget else {
        // An instance-identifier, or a union: it may lead anywhere.
        dependencies.setUnbounded()
        continue
      }
      targets.append(target)
      for read in type.path?.reads ?? [] { note(read, apex: root) }
      if type.path?.reads == nil { dependencies.setUnbounded() }
    }
    for target in targets { note(target, apex: root) }
    return Scope(nodes: targets, apex: root)
  }

  // MARK: Steps

  mutating func compile(_ steps: [XPath.Step], from start: Scope) -> ([XPathStep], Scope) {
    var scope = start
    var compiled: [XPathStep] = []
    for step in steps {
      let (next, table) = move(scope, step)
      let isLeafref = isLeafrefPath
      if step.axis != .parent, step.axis != .`self` {
        for node in next.nodes { noteExistence(of: node, apex: next.apex) }
      }
      isLeafrefPath = false
      let predicates = step.predicates.map { compilePredicate($0, in: next) }
      if step.axis == .followingSibling || step.axis == .precedingSibling || predicates.contains(where: \.isPositional)
      {
        // Which one it is depends on all of them, and on what comes before.
        for node in next.nodes { note(node, apex: next.apex) }
      }
      let lookup = keyLookup(step, predicates, next)
      isLeafrefPath = isLeafref
      compiled.append(
        XPathStep(axis: step.axis, test: step.test, predicates: predicates, lookup: lookup, table: table))
      scope = next
    }
    return (compiled, scope)
  }

  /// Recognises steps up, then down by children that are known.
  private func plain(
    _ path: XPath.LocationPath, _ steps: [XPathStep], _ general: PathOperation
  ) -> PlainPathOperation? {
    guard !path.isAbsolute else { return nil }
    var rest = steps[...]
    while let step = rest.first, step.axis == .parent, step.predicates.isEmpty, case .node = step.test {
      rest.removeFirst()
    }
    var children: [SchemaNode] = []
    for step in rest {
      guard step.axis == .child, step.predicates.isEmpty, step.table.count == 1, step.table[0].children.count == 1
      else {
        return nil
      }
      children.append(step.table[0].children[0])
    }
    return PlainPathOperation(levelsUp: steps.count - rest.count, children: children, general: general)
  }

  private mutating func compilePredicate(_ predicate: XPath, in scope: Scope) -> XPathStep.Predicate {
    let part = existence(predicate, scope)
    let isPositional = part.isNumber || part.usesPosition
    return XPathStep.Predicate(operation: part.operation, isPositional: isPositional)
  }

  /// Recognises predicates that fix every key of a list by values that do not depend on the entry.
  private mutating func keyLookup(
    _ step: XPath.Step, _ predicates: [XPathStep.Predicate], _ scope: Scope
  ) -> XPathStep.KeyLookup? {
    guard step.axis == .child, scope.nodes.count == 1, let list = scope.nodes.first, list.kind == .list,
      !list.keys.isEmpty, step.predicates.count >= list.keys.count
    else { return nil }
    var values: [SchemaNode: any XPathOperation] = [:]
    for predicate in step.predicates.prefix(list.keys.count) {
      guard case .comparison(.equal, let left, let right) = predicate else { return nil }
      for (side, other) in [(left, right), (right, left)] {
        guard let key = Self.key(side, of: list), values[key] == nil else { continue }
        // What it depends on was noted when the predicate was compiled.
        let saved = dependencies
        let part = compile(other, in: scope)
        dependencies = saved
        guard part.operation.isContextFree else { continue }
        values[key] = named(other, part, for: [key])
        break
      }
    }
    let ordered = list.keys.compactMap { values[$0] }
    guard ordered.count == list.keys.count else { return nil }
    return XPathStep.KeyLookup(list: list, values: ordered, rest: Array(predicates.dropFirst(list.keys.count)))
  }

  /// The key leaf that a path of one step names.
  private static func key(_ expression: XPath, of list: SchemaNode) -> SchemaNode? {
    guard case .path(let path) = expression, !path.isAbsolute, path.steps.count == 1, let step = path.steps.first,
      step.axis == .child, step.predicates.isEmpty, case .name(let module, let name) = step.test
    else { return nil }
    return list.keys.first { $0.name == name && (module == nil || module === $0.module) }
  }

  /// Where a step leads to.
  private mutating func move(
    _ scope: Scope, _ step: XPath.Step
  ) -> (scope: Scope, table: [(parent: SchemaNode, children: [SchemaNode])]) {
    var table: [(parent: SchemaNode, children: [SchemaNode])] = []
    var found: [SchemaNode] = []
    var seen: Set<SchemaNode> = []
    func add(_ node: SchemaNode) { if seen.insert(node).inserted { found.append(node) } }
    for node in scope.nodes {
      switch step.axis {
      case .child:
        let children = Self.children(of: node).filter { step.test.matches($0) }
        table.append((node, children))
        children.forEach(add)
        if node.type != nil, Self.allowsText(step.test) { add(node) }
      case .parent: if let parent = node.xpathParent, step.test.matches(parent) { add(parent) }
      case .`self`: if step.test.matches(node) { add(node) }
      case .descendant, .descendantOrSelf:
        if step.axis == .descendantOrSelf, step.test.matches(node) { add(node) }
        Self.descendants(of: node, limit: Self.maximumScope).filter { step.test.matches($0) }.forEach(add)
      case .ancestor, .ancestorOrSelf:
        var next = step.axis == .ancestor ? node.xpathParent : node
        while let above = next {
          if step.test.matches(above) { add(above) }
          next = above.xpathParent
        }
      case .followingSibling, .precedingSibling:
        (node.xpathParent.map(Self.children) ?? []).filter { step.test.matches($0) }.forEach(add)
      case .following, .preceding: dependencies.setUnbounded()
      case .attribute, .namespace: break
      }
    }
    if found.count > Self.maximumScope { dependencies.setUnbounded() }
    // The static table is of use only where it is short.
    return (Scope(nodes: found, apex: apex(scope, step.axis)), table.count <= 8 ? table : [])
  }

  private func apex(_ scope: Scope, _ axis: XPath.Axis) -> SchemaNode {
    switch axis {
    case .child, .descendant, .descendantOrSelf, .`self`, .attribute, .namespace: return scope.apex
    case .parent, .followingSibling, .precedingSibling:
      return scope.nodes.compactMap(\.xpathParent).reduce(scope.apex) { Self.higher($0, $1) }
    default: return library.schema.root
    }
  }

  /// The one that is above the other; where neither is, what is above both.
  static func higher(_ left: SchemaNode, _ right: SchemaNode) -> SchemaNode {
    var node = left
    while !right.isSelfOrDescendant(of: node), let above = node.dataParent { node = above }
    return node
  }

  private static func children(of node: SchemaNode) -> [SchemaNode] {
    switch node.kind {
    case .rpc, .action: node.dataChildren.flatMap(\.dataChildren)
    default: node.dataChildren
    }
  }

  private static func allowsText(_ test: XPath.NodeTest) -> Bool {
    switch test {
    case .text, .node: true
    default: false
    }
  }

  static func descendants(of node: SchemaNode, limit: Int) -> [SchemaNode] {
    var result: [SchemaNode] = []
    var pending = children(of: node)
    while let next = pending.popLast(), result.count <= limit {
      result.append(next)
      pending += children(of: next)
    }
    return result
  }

  private func merged(_ left: Scope?, _ right: Scope?) -> Scope? {
    guard let left, let right else { return left ?? right }
    var nodes = left.nodes
    for node in right.nodes where !nodes.contains(node) { nodes.append(node) }
    return Scope(nodes: nodes, apex: Self.higher(left.apex, right.apex))
  }

  // MARK: Dependencies

  private mutating func note(_ node: SchemaNode, apex: SchemaNode) {
    guard node.kind != .root else { return }
    dependencies.insert(.init(node: node, apex: apex, onRemovalOnly: isLeafrefPath))
  }

  private mutating func noteUse(of part: Part, byExistence: Bool) {
    guard let scope = part.scope, !byExistence else { return }
    noteValue(of: scope)
  }

  /// The string-value of an interior node is made of everything below.
  private mutating func noteValue(of scope: Scope) {
    for node in scope.nodes {
      note(node, apex: scope.apex)
      guard node.isInterior else { continue }
      if node.kind == .root { dependencies.setUnbounded() }
      for below in Self.descendants(of: node, limit: Self.maximumScope) { note(below, apex: scope.apex) }
    }
  }

  /// Whether a node is there can depend on the choices around it and, for implicit nodes, on conditions.
  mutating func noteExistence(of node: SchemaNode, apex: SchemaNode) {
    note(node, apex: apex)
    guard ImplicitNodes.isPossible(node) else { return }
    let isLeafref = isLeafrefPath
    isLeafrefPath = false
    defer { isLeafrefPath = isLeafref }
    var above = node.parent
    while let choice = above, choice !== node.dataParent {
      if choice.kind == .choice { noteBranches(of: choice, apex: apex) }
      above = choice.parent
    }
    noteConditions(on: node, apex: apex)
  }

  private mutating func noteBranches(of part: SchemaNode, apex: SchemaNode) {
    for child in part.children {
      if child.kind == .choice || child.kind == .case {
        noteBranches(of: child, apex: apex)
      } else {
        note(child, apex: apex)
      }
    }
  }

  /// What the `when` conditions of an implicit node depend on matters to whoever reads the node.
  private mutating func noteConditions(on node: SchemaNode, apex: SchemaNode) {
    guard depth < 4 || node.whens.isEmpty else { return dependencies.setUnbounded() }
    for condition in node.whens {
      let context = condition.context == .node ? node : node.dataParent ?? node
      var compiler = XPathCompiler(library: library, context: context, depth: depth + 1)
      let part = compiler.compile(condition.condition.tree, in: compiler.initial)
      compiler.noteUse(of: part, byExistence: true)
      if compiler.dependencies.isUnbounded { dependencies.setUnbounded() }
      for item in compiler.dependencies.items { note(item.node, apex: Self.higher(item.apex, apex)) }
    }
  }
}
