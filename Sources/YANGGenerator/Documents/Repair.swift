// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Repairs of documents that break constraints.
extension DocumentGenerator {
  private static let rounds = 24

  /// The document with what was wrong changed or taken out; nil when it is not valid in the end.
  mutating func repaired(_ draft: Instance) throws(GeneratorError) -> Instance? {
    var root = draft
    for round in 0..<Self.rounds {
      root.normalize()
      let violations = try judge.violations(in: root)
      if violations.isEmpty { return root }
      // From the end to the beginning: what is changed does not move what is still to be changed.
      changed = []
      for violation in violations.sorted(by: { $1.path.lexicographicallyPrecedes($0.path) }) {
        // What is in something that was taken out has gone with it.
        guard !changed.contains(where: { violation.path.starts(with: $0) }) else { continue }
        if repair(violation, in: &root, round: round) { changed.append(violation.path) }
      }
    }
    return nil
  }

  /// Returns whether the document was changed.
  private mutating func repair(_ violation: Violation, in root: inout Instance, round: Int) -> Bool {
    let path = violation.path
    let node = violation.node
    switch violation.rule {
    case .mandatory, .minElements:
      if round > 16, random.once(in: 2) { return remove(path, in: &root, above: round) }
      // What is missing may be missing in a container that is not written.
      return fill(node, at: path, in: &root) || remove(path, in: &root, above: 0)
    case .choice:
      guard node.dataParent === root[path].schema else { return fill(node, at: path, in: &root) }
      appendCase(of: node, to: &root[path], depth: path.count)
      return true
    case .leafref, .instanceIdentifier: return redirect(path, in: &root, round: round)
    case .must:
      if round < 12, node.type != nil, random.once(in: 2), root[path].schema === node, !node.isKey,
        let scalar = scalars.scalar(for: node, using: &random)
      {
        root[path].scalar = scalar
        return true
      }
      if round < 12, random.once(in: 2), let child = node.children.randomElement(using: &random),
        root[path].schema === node, node.isInterior
      {
        root[path].children.removeAll { $0.schema === child && !child.isKey }
        if random.once(in: 2) { append(child, to: &root[path], depth: path.count) }
        return true
      }
      return remove(path, in: &root, above: round)
    case .maxElements:
      guard let last = root[path].children.lastIndex(where: { $0.schema === node }) else { return false }
      root[path].children.remove(at: last)
      return true
    case .when: return remove(path, in: &root, above: 0)
    case .unique, .duplicate, .cases: return remove(path, in: &root, above: 0)
    }
  }

  /// Adds an instance of a missing node, and the containers between that are not written.
  private mutating func fill(_ node: SchemaNode, at path: [Int], in root: inout Instance) -> Bool {
    var chain: [SchemaNode] = []
    var next = node.dataParent
    while let above = next, above !== root[path].schema {
      chain.append(above)
      next = above.dataParent
    }
    guard next != nil else { return false }
    var place = path
    for container in chain.reversed() {
      if let index = root[place].children.firstIndex(where: { $0.schema === container }) {
        place.append(index)
      } else {
        root[place].children.append(Instance(container))
        place.append(root[place].children.count - 1)
      }
    }
    let before = root[place].children.count
    if node.kind == .list || node.kind == .leafList {
      appendEntry(of: node, to: &root[place], depth: place.count)
    } else if node.kind == .choice {
      appendCase(of: node, to: &root[place], depth: place.count)
    } else if node.type?.valueType.base == .instanceIdentifier {
      guard let scalar = instanceIdentifier(for: node, in: root) else { return false }
      root[place].children.append(Instance(node, scalar: scalar))
    } else {
      append(node, to: &root[place], depth: place.count)
    }
    return root[place].children.count > before
  }

  /// Points a reference to something that is there, or takes it out.
  private mutating func redirect(_ path: [Int], in root: inout Instance, round: Int) -> Bool {
    let leaf = root[path].schema
    guard let type = leaf.type, round < 12 else { return remove(path, in: &root, above: round) }
    if type.valueType.base == .instanceIdentifier, let scalar = instanceIdentifier(for: leaf, in: root) {
      root[path].scalar = scalar
      return true
    }
    var values: [String] = []
    for target in Self.targets(of: type) {
      root.forEach { _, instance in
        if instance.schema === target, let scalar = instance.scalar { values.append(scalar.text) }
      }
    }
    guard !random.once(in: 4), let value = values.randomElement(using: &random),
      let scalar = Scalar(value, of: type, in: schema)
    else { return remove(path, in: &root, above: round) }
    root[path].scalar = scalar
    return true
  }

  static func targets(of type: SchemaType) -> [SchemaNode] {
    (type.base == .union ? type.members : [type]).compactMap { $0.base == .leafref ? $0.leafrefTarget : nil }
  }

  /// Takes an instance out, or an ancestor: the entry for its key, and higher ones the longer the repair goes on.
  private mutating func remove(_ path: [Int], in root: inout Instance, above round: Int) -> Bool {
    var path = path
    guard !path.isEmpty else {
      guard !root.children.isEmpty else { return false }
      root.children.remove(at: Int.random(in: 0..<root.children.count, using: &random))
      changed.append([])
      return true
    }
    while path.count > 1, root[path].schema.isKey || random.once(in: max(2, 24 - round)) { path.removeLast() }
    root.remove(at: path)
    changed.append(path)
    return true
  }
}
