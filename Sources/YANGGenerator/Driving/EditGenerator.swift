// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// An edit to send, and what is known of it beforehand.
struct GeneratedEdit {
  var root: Instance
  var defaultOperation: Instance.Operation? = .merge
  /// What is wrong with an edit that no server can take, for people, and the tags it may answer with. Nil for an edit
  /// whose outcome the oracle tells.
  var rule: String?
  var tags: Set<String> = []
}

/// Makes edits of a configuration: operations on what is there and what is not, in all combinations of RFC 6241 section
/// 7.2, entries moved, and edits that are broken.
extension DocumentGenerator {
  mutating func edit(of running: Instance) throws(GeneratorError) -> GeneratedEdit {
    var edit = GeneratedEdit(root: Instance(schema.root))
    for _ in 0..<[1, 1, 1, 2, 3].randomElement(using: &random, or: 1) {
      guard let part = try part(of: running) else { continue }
      edit.root.add(part)
    }
    if random.once(in: 12) { edit.defaultOperation = nil }
    if random.once(in: 6), let broken = try brokenEdit(edit.root) { return broken }
    return edit
  }

  /// An edit of one place, from the top.
  private mutating func part(of running: Instance) throws(GeneratorError) -> Instance? {
    let choice = Int.random(in: 0..<10, using: &random)
    if choice < 2 { return try replacement() }
    // From what is there, or from what could be.
    let isThere = choice < 6 && !running.children.isEmpty
    let source = isThere ? running : draft()
    var places: [[Int]] = []
    source.forEach { path, instance in if !instance.schema.isKey { places.append(path) } }
    guard let path = places.randomElement(using: &random) else { return try replacement() }
    var target = source[path]
    if isThere { change(&target) }
    let operations: [Instance.Operation?] =
      isThere
      ? [.delete, .remove, .merge, nil, nil, .replace, .create]
      : [nil, nil, .merge, .create, .replace, .delete, .remove]
    target.operation = operations.randomElement(using: &random) ?? nil
    if target.operation == .delete || target.operation == .remove { target.children.removeAll { !$0.schema.isKey } }
    if target.schema.isOrderedByUser, target.operation != .delete, target.operation != .remove, !random.once(in: 3) {
      target.insertion = insertion(of: target, beside: siblings(of: path, in: source, running: running))
      if target.operation == nil, target.insertion != nil, random.once(in: 2) { target.operation = .merge }
    }
    return Self.chain(to: path, in: source, with: target)
  }

  /// A whole top-level node of a valid document in place of the one that is there.
  private mutating func replacement() throws(GeneratorError) -> Instance? {
    guard let document = try valid(), var top = document.children.randomElement(using: &random) else { return nil }
    if !random.once(in: 4) { top.operation = .replace }
    return top
  }

  /// Other values for some leafs, further entries.
  private mutating func change(_ instance: inout Instance) {
    for index in instance.children.indices where !instance.children[index].schema.isKey {
      if random.once(in: 2) { change(&instance.children[index]) }
    }
    let schema = instance.schema
    if schema.kind == .leaf, let scalar = scalars.scalar(for: schema, using: &random) { instance.scalar = scalar }
    guard schema.isInterior, random.once(in: 2), let child = schema.children.randomElement(using: &random) else {
      return
    }
    if child.kind == .list {
      appendEntry(of: child, to: &instance, depth: 20)
    } else if !child.isKey, child.kind != .case, !instance.holds(child) {
      append(child, to: &instance, depth: 20)
    }
  }

  private func siblings(of path: [Int], in source: Instance, running: Instance) -> [[String]] {
    let parent = Array(path.dropLast())
    let schema = source[path].schema
    var node = running
    for depth in parent.indices {
      let step = source[Array(parent[...depth])]
      guard let next = node.children.first(where: { $0.schema === step.schema && $0.identity == step.identity }) else {
        return []
      }
      node = next
    }
    return node.children.filter { $0.schema === schema && $0.identity != source[path].identity }.map(\.identity)
  }

  private mutating func insertion(of target: Instance, beside siblings: [[String]]) -> Instance.Insertion? {
    switch Int.random(in: 0..<6, using: &random) {
    case 0: return .first
    case 1: return .last
    case 2, 3: return siblings.randomElement(using: &random).map { .before($0) }
    case 4: return siblings.randomElement(using: &random).map { .after($0) }
    default:
      // A neighbour that need not be there.
      var parent = Instance(target.schema.dataParent ?? schema.root)
      appendEntry(of: target.schema, to: &parent, depth: 20)
      guard let other = parent.children.first?.identity, other != target.identity else { return .last }
      return .after(other)
    }
  }

  /// The way from the top to an instance, entries with their keys, and the target at its end.
  private static func chain(to path: [Int], in source: Instance, with target: Instance) -> Instance {
    var node = target
    for depth in path.indices.dropLast().reversed() {
      let above = source[Array(path[...depth])]
      var link = Instance(above.schema)
      link.children = above.children.filter(\.schema.isKey) + [node]
      node = link
    }
    return node
  }

  // MARK: Broken edits

  private mutating func brokenEdit(_ root: Instance) throws(GeneratorError) -> GeneratedEdit? {
    let mutations: [Mutation] = [.value, .unknownElement, .foreignNamespace, .missingKey, .strayText, .childOfLeaf]
    // What is deleted is not looked into.
    var intact = root
    intact.forgetDeletions()
    for mutation in mutations.shuffled(using: &random) {
      guard let broken = try mutated(intact, by: mutation) else { continue }
      return GeneratedEdit(root: broken.root, rule: broken.rule, tags: broken.tags)
    }
    return nil
  }
}

extension Instance {
  /// Adds a part of an edit, with what is there already joined where both lead the same way.
  mutating func add(_ part: Instance) {
    guard let place = children.firstIndex(where: { $0.schema === part.schema && $0.identity == part.identity }) else {
      // Another node of the same choice could mean two cases in one edit.
      guard part.schema.parent === part.schema.dataParent || !children.contains(where: { $0.sharesChoice(with: part) })
      else { return }
      children.append(part)
      return
    }
    // Operations stay what they are: parts join only where neither has one.
    guard children[place].operation == nil, part.operation == nil, part.insertion == nil, schema.isInterior,
      part.scalar == nil, part.content == nil
    else { return }
    for child in part.children where !child.schema.isKey { children[place].add(child) }
  }

  /// Whether there is something of a schema child.
  fileprivate func holds(_ part: SchemaNode) -> Bool {
    part.kind == .choice || part.kind == .case
      ? part.children.contains(where: holds) : children.contains { $0.schema === part }
  }

  private func sharesChoice(with other: Instance) -> Bool {
    schema.parent !== schema.dataParent && schema.dataParent === other.schema.dataParent
  }

  fileprivate mutating func forgetDeletions() {
    if operation == .delete || operation == .remove { operation = nil }
    for index in children.indices { children[index].forgetDeletions() }
  }
}

extension Array {
  fileprivate func randomElement(using random: inout SeededRandom, or other: Element) -> Element {
    randomElement(using: &random) ?? other
  }
}
