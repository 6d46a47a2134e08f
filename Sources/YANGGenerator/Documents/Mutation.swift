// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A document that breaks a rule, and which one.
public struct BrokenDocument {
  public let root: Instance
  /// What was done to a valid document, for people: `value /m:a/b: "300" is no uint8`.
  public let rule: String
  /// The tags that a server can answer with (RFC 6241 appendix A).
  public let tags: Set<String>
}

/// Mutations: each breaks one rule of a valid document.
extension DocumentGenerator {
  enum Mutation: CaseIterable {
    case value, unknownElement, foreignNamespace, missingKey, missingMandatory, duplicateEntry, duplicateLeaf
    case tooFew, tooMany, twoCases, brokenReference, strayText, childOfLeaf, brokenCondition
  }

  /// A document that breaks at least one rule; nil when there is none to break in a few attempts.
  public mutating func broken() throws(GeneratorError) -> BrokenDocument? {
    for _ in 0..<6 {
      guard let root = try valid(), !root.children.isEmpty else { continue }
      for mutation in Mutation.allCases.shuffled(using: &random) {
        if let broken = try mutated(root, by: mutation) { return broken }
      }
    }
    return nil
  }

  /// The document with one mutation; nil where it does not apply.
  mutating func mutated(_ root: Instance, by mutation: Mutation) throws(GeneratorError) -> BrokenDocument? {
    var places: [[Int]] = []
    root.forEach { path, _ in places.append(path) }
    places.shuffle(using: &random)
    switch mutation {
    case .value: return breakingValue(root, places)
    case .unknownElement: return disguising(root, places, as: { ("no-such-\($0.name)", $0.module.namespace) })
    case .foreignNamespace: return disguising(root, places, as: { ($0.name, "urn:example:no-such-namespace") })
    case .missingKey:
      guard let path = places.first(where: { root[$0].schema.isKey }) else { return nil }
      return removing(root, path, "missing key", ["missing-element"])
    case .strayText:
      guard let path = places.first(where: { root[$0].schema.isInterior && root[$0].content == nil }) else {
        return nil
      }
      var root = root
      root[path].strayText = "stray"
      return BrokenDocument(
        root: root, rule: "text in \(root[path].schema.path)", tags: ["bad-element", "unknown-element"])
    case .childOfLeaf:
      guard let path = places.first(where: { root[$0].scalar != nil }) else { return nil }
      var root = root
      let leaf = root[path]
      root[path].scalar = nil
      root[path].children = [leaf]
      return BrokenDocument(
        root: root, rule: "element in the leaf \(leaf.schema.path)",
        tags: ["unknown-element", "bad-element", "invalid-value"])
    case .duplicateLeaf:
      guard let path = places.first(where: { [.leaf, .container].contains(root[$0].schema.kind) }) else { return nil }
      return doubling(root, path)
    case .duplicateEntry:
      guard let path = places.first(where: { !root[$0].identity.isEmpty && root[$0].schema.kind != .leaf }) else {
        return nil
      }
      return doubling(root, path)
    case .missingMandatory, .tooFew:
      for path in places where !root[path].schema.isKey {
        var broken = root
        broken.remove(at: path)
        if let judged = try judged(broken, "without \(root[path].schema.path)") { return judged }
      }
      return nil
    case .tooMany:
      for path in places {
        let list = root[path].schema
        guard let most = list.maxElements, most < 60 else { continue }
        var broken = root
        let parent = Array(path.dropLast())
        for _ in 0...most { appendEntry(of: list, to: &broken[parent], depth: path.count) }
        broken.normalize()
        if let judged = try judged(broken, "too many \(list.path)") { return judged }
      }
      return nil
    case .twoCases: return try secondCase(root, places)
    case .brokenReference: return try danglingReference(root, places)
    case .brokenCondition: return try violatingCondition(root)
    }
  }

  /// A document whose constraints the judge has to find broken.
  private func judged(_ root: Instance, _ rule: String) throws(GeneratorError) -> BrokenDocument? {
    var root = root
    root.normalize()
    let violations = try judge.violations(in: root)
    guard let first = violations.first else { return nil }
    return BrokenDocument(
      root: root, rule: "\(first.rule.rawValue) at \(first.node.path) (\(rule))", tags: Set(violations.map(\.tag)))
  }

  private mutating func breakingValue(_ root: Instance, _ places: [[Int]]) -> BrokenDocument? {
    for path in places where root[path].scalar != nil {
      guard let type = root[path].schema.type, let broken = scalars.broken(of: type, using: &random) else { continue }
      var root = root
      root[path].scalar = broken
      let node = root[path].schema
      return BrokenDocument(
        root: root, rule: "value at \(node.path): \(JSONText.string(broken.text)) is no \(type.base.rawValue)",
        tags: ["invalid-value", "unknown-element"])
    }
    return nil
  }

  private func disguising(
    _ root: Instance, _ places: [[Int]], as disguise: (SchemaNode) -> (String, String)
  ) -> BrokenDocument? {
    // A list entry without its key would break two rules.
    guard let path = places.first(where: { !root[$0].schema.isKey }) else { return nil }
    var root = root
    let schema = root[path].schema
    root[path].disguise = disguise(schema)
    let (name, namespace) = disguise(schema)
    return BrokenDocument(
      root: root, rule: "\(schema.path) as \(name) in \(namespace)",
      tags: ["unknown-element", "unknown-namespace", "data-missing", "operation-failed"])
  }

  private func removing(_ root: Instance, _ path: [Int], _ rule: String, _ tags: Set<String>) -> BrokenDocument {
    var broken = root
    broken.remove(at: path)
    return BrokenDocument(root: broken, rule: "\(rule) \(root[path].schema.path)", tags: tags)
  }

  private func doubling(_ root: Instance, _ path: [Int]) -> BrokenDocument? {
    guard let last = path.last, root[path].schema.parent?.kind != .root || root[path].schema.kind != .container else {
      return nil
    }
    var broken = root
    broken[Array(path.dropLast())].children.insert(root[path], at: last)
    return BrokenDocument(
      root: broken, rule: "\(root[path].schema.path) twice", tags: ["bad-element", "operation-failed"])
  }

  /// Adds a node of another case of a choice.
  private mutating func secondCase(_ root: Instance, _ places: [[Int]]) throws(GeneratorError) -> BrokenDocument? {
    for path in places {
      var inner = root[path].schema
      while let above = inner.parent, above !== inner.dataParent {
        if above.kind == .choice {
          for other in above.children where other !== inner && other.isConfig {
            var broken = root
            let parent = Array(path.dropLast())
            append(other, to: &broken[parent], depth: path.count)
            if let judged = try judged(broken, "nodes of two cases"), judged.tags.contains("bad-element") {
              return judged
            }
          }
        }
        inner = above
      }
    }
    return nil
  }

  private mutating func danglingReference(
    _ root: Instance, _ places: [[Int]]
  ) throws(GeneratorError) -> BrokenDocument? {
    for path in places {
      let leaf = root[path].schema
      guard let type = leaf.type, root[path].scalar != nil else { continue }
      var broken = root
      if type.base == .instanceIdentifier {
        guard
          let scalar = Scalar(
            root[path].scalar.map { $0.text + "/\(leaf.module.name):none" } ?? "", of: type, in: schema)
        else { continue }
        broken[path].scalar = scalar
      } else {
        guard !Self.targets(of: type).isEmpty else { continue }
        scalars.forget()
        guard let scalar = scalars.scalar(for: leaf, using: &random) else { continue }
        broken[path].scalar = scalar
      }
      if let judged = try judged(broken, "another value at \(leaf.path)") { return judged }
    }
    return nil
  }

  /// A draft whose conditions happen to fail.
  private mutating func violatingCondition(_ root: Instance) throws(GeneratorError) -> BrokenDocument? {
    for _ in 0..<4 {
      let draft = draft()
      if let judged = try judged(draft, "unrepaired") { return judged }
    }
    return nil
  }
}
