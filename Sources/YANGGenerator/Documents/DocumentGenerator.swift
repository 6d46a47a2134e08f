// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Makes configurations of a schema: valid ones, and such as break one rule.
///
/// A document is made at random from the top, within what types, keys, choices and numbers of elements allow. What
/// conditions and references then find wrong is repaired, step by step.
public struct DocumentGenerator {
  public let schema: Schema
  public let judge: Judge
  /// The top-level nodes that documents are made of.
  public let tops: [SchemaNode]
  var scalars: ScalarGenerator
  var random: SeededRandom
  /// One optional node in so many is left out.
  private var sparsity = 2
  private var budget = 0
  /// Where the round of repairs under way has changed something.
  var changed: [[Int]] = []

  /// About as many nodes as a document has at most, beyond those that are mandatory.
  static let budget = 150
  private static let maximumDepth = 40
  private static let attempts = 12

  /// - Parameter modules: names of modules; top-level nodes that have something of them are used. Nil for all.
  public init(schema: Schema, modules: [String]? = nil, seed: UInt64) {
    self.schema = schema
    judge = Judge(schema: schema)
    tops = schema.root.dataChildren.filter { $0.isConfig && Self.holds($0, modules) }
    scalars = ScalarGenerator(schema: schema)
    random = SeededRandom(seed: seed)
  }

  /// Whether a node or one below it is of one of the modules, which may only augment those of others.
  private static func holds(_ node: SchemaNode, _ modules: [String]?) -> Bool {
    guard let modules, !modules.contains(node.module.name) else { return true }
    return node.dataChildren.contains { holds($0, modules) }
  }

  /// A configuration that fulfils all constraints; nil when none was found in a few attempts.
  public mutating func valid() throws(GeneratorError) -> Instance? {
    var empty: Instance?
    for _ in 0..<Self.attempts {
      scalars.forget()
      guard let repaired = try repaired(draft()) else { continue }
      // A document without anything says little: only where nothing else is found.
      if !repaired.children.isEmpty { return repaired }
      empty = repaired
    }
    return empty
  }

  /// A configuration of the right structure that may break constraints.
  public mutating func draft() -> Instance {
    sparsity = [1, 2, 3, 6].randomElement(using: &random) ?? 2
    budget = Int.random(in: 5...Self.budget, using: &random)
    var root = Instance(schema.root)
    let isMany = tops.count > 6
    for top in tops.shuffled(using: &random) where isRequired(top) || random.once(in: isMany ? tops.count / 3 : 1) {
      append(top, to: &root, depth: 0)
    }
    root.normalize()
    fillInstanceIdentifiers(&root)
    return root
  }

  // MARK: Making nodes

  /// Whether a node has to be there whatever else is.
  private func isRequired(_ node: SchemaNode) -> Bool {
    switch node.kind {
    case .leaf, .choice, .anydata, .anyxml: node.isMandatory
    case .list, .leafList: node.minElements > 0
    case .container: !node.hasPresence && node.children.contains(where: isRequired)
    default: false
    }
  }

  private mutating func wants(_ node: SchemaNode, depth: Int) -> Bool {
    if isRequired(node) { return true }
    guard budget > 0, depth < Self.maximumDepth else { return false }
    return sparsity == 1 ? !random.once(in: 8) : random.once(in: sparsity)
  }

  /// Appends what a schema child may have: nothing, one or several instances.
  mutating func append(_ child: SchemaNode, to parent: inout Instance, depth: Int) {
    guard child.isConfig, child.status != .obsolete || isRequired(child) else { return }
    switch child.kind {
    case .choice: appendCase(of: child, to: &parent, depth: depth)
    case .case:
      for inner in child.children where wants(inner, depth: depth) { append(inner, to: &parent, depth: depth) }
    case .leaf:
      if let scalar = scalars.scalar(for: child, using: &random) { add(Instance(child, scalar: scalar), to: &parent) }
    case .leafList, .list:
      let most = child.maxElements ?? .max
      let count = min(most, max(child.minElements, Int.random(in: 1...3, using: &random)))
      for _ in 0..<count { appendEntry(of: child, to: &parent, depth: depth) }
    case .container: add(interior(child, depth: depth), to: &parent)
    case .anydata, .anyxml:
      var any = Instance(child)
      any.content = "<x xmlns=\"urn:example:any\">\(Int.random(in: 0..<10, using: &random))</x>"
      add(any, to: &parent)
    default: break
    }
  }

  private mutating func add(_ instance: Instance, to parent: inout Instance) {
    budget -= 1
    parent.children.append(instance)
  }

  mutating func appendCase(of choice: SchemaNode, to parent: inout Instance, depth: Int) {
    guard let chosen = choice.children.filter(\.isConfig).randomElement(using: &random) else { return }
    let before = parent.children.count
    append(chosen, to: &parent, depth: depth)
    // An empty case is none: something of it has to be there.
    if parent.children.count == before, let inner = chosen.children.randomElement(using: &random) {
      append(inner, to: &parent, depth: depth)
    }
  }

  /// Appends an entry that is not there yet; nothing when its type has no further value at hand.
  mutating func appendEntry(of child: SchemaNode, to parent: inout Instance, depth: Int) {
    for _ in 0..<8 {
      var entry = Instance(child)
      if child.kind == .leafList {
        guard let scalar = scalars.scalar(for: child, using: &random) else { return }
        entry.scalar = scalar
      } else {
        guard let keys = keys(of: child) else { return }
        entry.children = keys
      }
      let identity = entry.identity
      if parent.children.contains(where: { $0.schema === child && $0.identity == identity }) { continue }
      if child.kind == .list {
        for inner in child.children where !inner.isKey && wants(inner, depth: depth + 1) {
          append(inner, to: &entry, depth: depth + 1)
        }
      }
      return add(entry, to: &parent)
    }
  }

  private mutating func keys(of list: SchemaNode) -> [Instance]? {
    var keys: [Instance] = []
    for key in list.keys {
      guard let scalar = scalars.scalar(for: key, using: &random) else { return nil }
      keys.append(Instance(key, scalar: scalar))
    }
    return keys
  }

  /// A container with what it may hold.
  mutating func interior(_ schema: SchemaNode, depth: Int) -> Instance {
    var node = Instance(schema)
    for child in schema.children where wants(child, depth: depth + 1) { append(child, to: &node, depth: depth + 1) }
    return node
  }

  // MARK: instance-identifiers

  /// Gives leafs that point to instances one to point to: they need the document that they are in.
  mutating func fillInstanceIdentifiers(_ root: inout Instance) {
    let pointers = schema.nodes.filter { $0.isConfig && $0.type?.valueType.base == .instanceIdentifier && !$0.isKey }
    guard !pointers.isEmpty else { return }
    var parents: [[Int]] = [[]]
    root.forEach { path, instance in if instance.schema.isInterior { parents.append(path) } }
    for pointer in pointers {
      for path in parents where root[path].schema === pointer.dataParent {
        guard !root[path].children.contains(where: { $0.schema === pointer }), wants(pointer, depth: path.count),
          pointer.parent === pointer.dataParent, let scalar = instanceIdentifier(for: pointer, in: root)
        else { continue }
        root[path].children.append(Instance(pointer, scalar: scalar))
      }
    }
    root.normalize()
  }

  /// A value that leads to something in the document.
  mutating func instanceIdentifier(for leaf: SchemaNode, in root: Instance) -> Scalar? {
    guard let type = leaf.type else { return nil }
    var texts: [String] = []
    Self.paths(root, "", &texts)
    guard let text = texts.randomElement(using: &random) else { return nil }
    return Scalar(text, of: type, in: schema)
  }

  private static func paths(_ instance: Instance, _ path: String, _ texts: inout [String]) {
    for child in instance.children where child.scalar?.base != .instanceIdentifier {
      guard let step = InstanceText.step(child.schema, child.identity) else { continue }
      texts.append(path + step)
      paths(child, path + step, &texts)
    }
  }
}
