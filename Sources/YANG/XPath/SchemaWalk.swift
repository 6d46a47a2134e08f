// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Follows the paths of an expression over the schema: which nodes they can select, and so which nodes the value of the
/// expression can depend on.
///
/// A path is walked as if each predicate could hold, so the result is never too small. Where the walk cannot be bounded
/// (`deref()` of an instance-identifier, axes over document order) everything may matter, and `reads()` is nil.
struct SchemaWalk {
  /// A step that selects nothing whatever the data is.
  struct DeadEnd {
    let message: String
    let hint: String?
  }

  /// Above this many nodes a bound is of no use.
  static let maximumNodes = 20_000

  let schema: Schema
  /// What `current()` returns.
  let current: SchemaNode
  private(set) var deadEnds: [DeadEnd] = []
  /// Checks what values are compared with; nil where that is of no interest.
  var literals: LiteralCheck?
  /// Modules that paths lead into and that are not implemented.
  private(set) var unimplemented: Set<String> = []
  private var touched: Set<SchemaNode> = []
  private var isUnbounded = false

  init(schema: Schema, current: SchemaNode) {
    self.schema = schema
    self.current = current
  }

  /// What the expression depends on, sorted by id; nil for "anything".
  func reads() -> [SchemaNode]? {
    guard !isUnbounded, touched.count <= Self.maximumNodes else { return nil }
    return touched.filter { $0.kind != .root }.sorted { $0.id < $1.id }
  }

  mutating func visit(_ expression: XPath) { touch(visit(expression, from: [current]), asValue: false) }

  /// The nodes that a path can select; nil when that cannot be told.
  mutating func nodes(of expression: XPath) -> [SchemaNode]? {
    guard let found = visit(expression, from: [current]) else { return nil }
    touch(found, asValue: true)
    return found.sorted { $0.id < $1.id }
  }

  private mutating func touch(_ nodes: Set<SchemaNode>?, asValue: Bool) {
    guard let nodes else { return }
    touched.formUnion(nodes)
    guard asValue else { return }
    // The string value of an interior node is made of all leafs below.
    for node in nodes where node.isInterior && node.kind != .root { touched.formUnion(descendants(of: node)) }
  }

  // MARK: Expressions

  /// The nodes that an expression selects from the context nodes, nil when it is no node-set or cannot be bounded.
  private mutating func visit(_ expression: XPath, from context: Set<SchemaNode>) -> Set<SchemaNode>? {
    switch expression {
    case .or(let left, let right), .and(let left, let right):
      touch(visit(left, from: context), asValue: false)
      touch(visit(right, from: context), asValue: false)
      return nil
    case .comparison(let comparison, let left, let right):
      let (first, second) = (visit(left, from: context), visit(right, from: context))
      touch(first, asValue: true)
      touch(second, asValue: true)
      if comparison == .equal || comparison == .notEqual {
        note(literals?.comparison(right, with: first))
        note(literals?.comparison(left, with: second))
      }
      return nil
    case .arithmetic(_, let left, let right):
      touch(visit(left, from: context), asValue: true)
      touch(visit(right, from: context), asValue: true)
      return nil
    case .negation(let inner):
      touch(visit(inner, from: context), asValue: true)
      return nil
    case .union(let left, let right):
      let first = visit(left, from: context)
      let second = visit(right, from: context)
      guard let first, let second else { return first ?? second }
      return first.union(second)
    case .path(let path):
      return walk(path.steps, from: path.isAbsolute ? [schema.root] : context)
    case .filter(let primary, let predicates, let steps):
      let selected = visit(primary, from: context)
      guard let selected else { return nil }
      for predicate in predicates { visitPredicate(predicate, on: selected) }
      return walk(steps, from: selected)
    case .literal, .number, .variable: return nil
    case .call(let function, let arguments): return call(function, arguments, from: context)
    }
  }

  private mutating func call(
    _ function: XPath.Function, _ arguments: [XPath], from context: Set<SchemaNode>
  ) -> Set<SchemaNode>? {
    switch function {
    case .current: return [current]
    case .deref:
      let sources = arguments.first.flatMap { visit($0, from: context) }
      touch(sources, asValue: true)
      note(literals?.call(function, arguments, on: sources))
      return dereference(sources)
    case .string, .number, .stringLength, .normalizeSpace, .name, .localName, .namespaceURI:
      if arguments.isEmpty { touch(context, asValue: true) }
    case .id, .lang: break
    default: break
    }
    let readsExistenceOnly = [.count, .boolean, .not].contains(function)
    for (index, argument) in arguments.enumerated() {
      let nodes = visit(argument, from: context)
      touch(nodes, asValue: !readsExistenceOnly)
      if index == 0 { note(literals?.call(function, arguments, on: nodes)) }
    }
    return nil
  }

  private mutating func note(_ problem: DeadEnd?) {
    if let problem, deadEnds.count < 10 { deadEnds.append(problem) }
  }

  private mutating func dereference(_ sources: Set<SchemaNode>?) -> Set<SchemaNode>? {
    guard let sources else {
      isUnbounded = true
      return nil
    }
    var targets: Set<SchemaNode> = []
    for node in sources {
      guard let type = node.type else { continue }
      guard type.base == .leafref, let target = type.leafrefTarget else {
        isUnbounded = true
        return nil
      }
      targets.insert(target)
      if let reads = type.path?.reads { touched.formUnion(reads) } else { isUnbounded = true }
    }
    touched.formUnion(targets)
    return targets
  }

  // MARK: Location paths

  private mutating func walk(_ steps: [XPath.Step], from start: Set<SchemaNode>) -> Set<SchemaNode>? {
    var nodes = start
    for step in steps {
      guard let next = take(step, from: nodes) else {
        isUnbounded = true
        return nil
      }
      if next.isEmpty, !nodes.isEmpty { reportDeadEnd(step, from: nodes) }
      nodes = next
      guard nodes.count <= Self.maximumNodes else {
        isUnbounded = true
        return nil
      }
      for predicate in step.predicates { visitPredicate(predicate, on: nodes) }
    }
    return nodes
  }

  private mutating func visitPredicate(_ predicate: XPath, on nodes: Set<SchemaNode>) {
    // A number selects by position: then it matters which entries there are.
    if Self.mayBePosition(predicate) { touched.formUnion(nodes) }
    touch(visit(predicate, from: nodes), asValue: false)
  }

  private static func mayBePosition(_ predicate: XPath) -> Bool {
    switch predicate {
    case .number, .arithmetic, .negation, .variable: true
    case .call(let function, let arguments):
      switch function {
      case .boolean, .not, .true, .false, .contains, .startsWith, .reMatch, .derivedFrom, .derivedFromOrSelf,
        .bitIsSet:
        arguments.contains { usesPosition($0) }
      default: true
      }
    default: usesPosition(predicate)
    }
  }

  private static func usesPosition(_ expression: XPath) -> Bool {
    switch expression {
    case .call(let function, let arguments):
      function == .position || function == .last || arguments.contains { usesPosition($0) }
    case .or(let left, let right), .and(let left, let right), .comparison(_, let left, let right),
      .arithmetic(_, let left, let right), .union(let left, let right):
      usesPosition(left) || usesPosition(right)
    case .negation(let inner): usesPosition(inner)
    case .filter(let primary, _, _): usesPosition(primary)
    case .path, .literal, .number, .variable: false
    }
  }

  /// The nodes one step away; nil for an axis that cannot be bounded.
  private func take(_ step: XPath.Step, from nodes: Set<SchemaNode>) -> Set<SchemaNode>? {
    var result: Set<SchemaNode> = []
    for node in nodes {
      switch step.axis {
      case .child: result.formUnion(children(of: node, step.test))
      case .parent: if let parent = Self.parent(of: node) { result.insert(parent) }
      case .self: result.insert(node)
      case .descendant: result.formUnion(descendants(of: node))
      case .descendantOrSelf:
        result.insert(node)
        result.formUnion(descendants(of: node))
      case .ancestor, .ancestorOrSelf:
        if step.axis == .ancestorOrSelf { result.insert(node) }
        var next = Self.parent(of: node)
        while let above = next {
          result.insert(above)
          next = Self.parent(of: above)
        }
      case .followingSibling, .precedingSibling:
        guard let parent = Self.parent(of: node) else { continue }
        result.formUnion(Self.children(of: parent))
      case .attribute, .namespace: continue
      case .following, .preceding: return nil
      }
    }
    return step.axis == .child ? result : result.filter { Self.matches($0, step.test) }
  }

  private func children(of node: SchemaNode, _ test: XPath.NodeTest) -> [SchemaNode] {
    switch node.kind {
    case .leaf, .leafList: return []
    case .anydata, .anyxml: return []
    case .rpc, .action: break
    default:
      if case .name(let module?, let name) = test, node.kind != .root {
        return node.dataChild(name, in: module).map { [$0] } ?? nested(node).filter { Self.matches($0, test) }
      }
    }
    return Self.children(of: node).filter { Self.matches($0, test) } + roots(of: node).filter { Self.matches($0, test) }
  }

  /// Actions and notifications below a node are children to the expressions within them.
  private func nested(_ node: SchemaNode) -> [SchemaNode] {
    node.children.filter { $0.kind == .action || $0.kind == .notification }
  }

  /// The operation or notification that an expression stands in is a child of the root, for this expression
  /// (RFC 7950 section 6.4.1).
  private func roots(of node: SchemaNode) -> [SchemaNode] {
    guard node.kind == .root else { return [] }
    var top = current
    while let above = Self.parent(of: top), above.kind != .root { top = above }
    return top.kind == .rpc || top.kind == .notification ? [top] : []
  }

  /// Data children; the input and output of an operation are looked through.
  private static func children(of node: SchemaNode) -> [SchemaNode] {
    switch node.kind {
    case .rpc, .action: node.dataChildren.flatMap(\.dataChildren)
    case .leaf, .leafList, .anydata, .anyxml: []
    default: node.dataChildren + node.children.filter { $0.kind == .action || $0.kind == .notification }
    }
  }

  /// The data parent; the input and output of an operation are looked through.
  private static func parent(of node: SchemaNode) -> SchemaNode? {
    guard let parent = node.dataParent else { return nil }
    return parent.kind == .input || parent.kind == .output ? parent.dataParent : parent
  }

  private func descendants(of node: SchemaNode) -> Set<SchemaNode> {
    var result: Set<SchemaNode> = []
    var pending = Self.children(of: node)
    while let next = pending.popLast(), result.count <= Self.maximumNodes {
      if result.insert(next).inserted { pending += Self.children(of: next) }
    }
    return result
  }

  private static func matches(_ node: SchemaNode, _ test: XPath.NodeTest) -> Bool {
    switch test {
    case .name(let module, let name):
      node.kind != .root && node.name == name && (module == nil || module === node.module)
    case .any(let module): node.kind != .root && (module == nil || module === node.module)
    case .node: true
    case .text, .comment, .processingInstruction: false
    }
  }

  private mutating func reportDeadEnd(_ step: XPath.Step, from nodes: Set<SchemaNode>) {
    guard deadEnds.count < 10 else { return }
    // Whatever is in anydata and anyxml may match; text() and attributes are not nodes of the schema.
    guard !nodes.contains(where: { $0.kind == .anydata || $0.kind == .anyxml }) else { return }
    guard let first = nodes.min(by: { $0.id < $1.id }) else { return }
    let place = first.kind == .root ? "/" : first.path
    switch (step.axis, step.test) {
    case (.child, .name(let module, let name)):
      let names = Self.children(of: first).map(\.name)
      if let module, !module.isImplemented {
        unimplemented.insert(module.name)
        deadEnds.append(DeadEnd(message: "module '\(module.name)' is not implemented, it has no nodes", hint: nil))
        return
      }
      let other = Self.children(of: first).first { $0.name == name }
      deadEnds.append(
        DeadEnd(
          message: "there is no node '\(name)' \(module.map { "of module '\($0.name)' " } ?? "")in '\(place)'",
          hint: other.map { "'\(name)' there is of module '\($0.module.name)'" }
            ?? NearestName.hint(name, among: names)))
    case (.parent, _): deadEnds.append(DeadEnd(message: "'..' leads above the root", hint: nil))
    default: break
    }
  }
}
