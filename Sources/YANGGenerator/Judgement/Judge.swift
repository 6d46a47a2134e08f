// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A constraint that a document does not fulfil, with what RFC 7950 section 15 and RFC 6241 appendix A call it.
public struct Violation: Hashable, Sendable {
  public enum Rule: String, Sendable {
    case mandatory, choice, when, must, leafref, unique
    case instanceIdentifier = "instance-identifier"
    case minElements = "min-elements"
    case maxElements = "max-elements"
    /// Nodes of several cases of one choice.
    case cases
    /// What no operation can bring about in a datastore: an entry, leaf or value that stands twice.
    case duplicate
  }

  public let rule: Rule
  /// Where the instance is in the document; for what is missing that of the parent. The path of what is implicit is
  /// that of its nearest ancestor that is written.
  let path: [Int]
  /// The node that the rule is about.
  public let node: SchemaNode
  /// The tag and app-tag of the error.
  public let tag: String
  public let appTag: String?

  init(_ rule: Rule, _ path: [Int], _ node: SchemaNode, appTag: String? = nil) {
    self.rule = rule
    self.path = path
    self.node = node
    switch rule {
    case .mandatory: (tag, self.appTag) = ("data-missing", nil)
    case .choice: (tag, self.appTag) = ("data-missing", "missing-choice")
    case .when: (tag, self.appTag) = ("unknown-element", nil)
    case .must: (tag, self.appTag) = ("operation-failed", appTag ?? "must-violation")
    case .leafref, .instanceIdentifier: (tag, self.appTag) = ("data-missing", "instance-required")
    case .unique: (tag, self.appTag) = ("operation-failed", "data-not-unique")
    case .minElements: (tag, self.appTag) = ("operation-failed", "too-few-elements")
    case .maxElements: (tag, self.appTag) = ("operation-failed", "too-many-elements")
    case .cases, .duplicate: (tag, self.appTag) = ("bad-element", nil)
    }
  }
}

/// Judges documents by the constraints of RFC 7950 section 8.1, one instance after the other, without any cleverness.
public final class Judge {
  public let schema: Schema
  let conditions: ConditionTexts

  public init(schema: Schema) {
    self.schema = schema
    conditions = ConditionTexts(schema: schema)
  }

  /// Everything that is wrong with a configuration whose values and structure are right.
  public func violations(in root: Instance) throws(GeneratorError) -> [Violation] {
    let tree = try AccessibleTree(root, schema: schema, conditions: conditions)
    var judgement = Judgement(tree: tree)
    return try judgement.run()
  }
}

private struct Judgement {
  let tree: AccessibleTree
  let table: [[Int]]
  var found: [Violation] = []

  init(tree: AccessibleTree) {
    self.tree = tree
    table = tree.childTable
  }

  mutating func run() throws(GeneratorError) -> [Violation] {
    for index in tree.nodes.indices {
      let node = tree.nodes[index]
      if index > 0, node.path != nil, try !tree.whensHold(index) { report(.when, index, node.schema) }
      for must in node.schema.musts {
        let holds = try tree.evaluator.boolean(must.condition, at: index)
        if !holds { report(.must, index, node.schema, appTag: must.errorAppTag) }
      }
      if let scalar = node.scalar, let type = node.schema.type { try references(index, scalar, type) }
      if node.schema.isInterior {
        try requirements(node.schema.children, of: index)
        for child in node.schema.dataChildren {
          duplicates(child, of: index)
          for leafs in child.uniques { unique(child, leafs, of: index) }
        }
      }
    }
    return found
  }

  private mutating func report(_ rule: Violation.Rule, _ index: Int, _ node: SchemaNode, appTag: String? = nil) {
    var place = index
    while tree.nodes[place].path == nil { place = tree.nodes[place].parent }
    found.append(Violation(rule, tree.nodes[place].path ?? [], node, appTag: appTag))
  }

  private func instances(of child: SchemaNode, below index: Int) -> [Int] {
    table[index].filter { tree.nodes[$0].schema === child }
  }

  private func isWritten(_ part: SchemaNode, below index: Int) -> Bool {
    switch part.kind {
    case .choice, .case: part.children.contains { isWritten($0, below: index) }
    default: table[index].contains { tree.nodes[$0].schema === part && tree.nodes[$0].path != nil }
    }
  }

  // MARK: Children

  private mutating func requirements(_ children: [SchemaNode], of index: Int) throws(GeneratorError) {
    for child in children where child.isConfig {
      switch child.kind {
      case .leaf, .anydata, .anyxml:
        if child.isMandatory, !child.isKey, instances(of: child, below: index).isEmpty,
          try tree.whensHold(ofMissing: child, below: index)
        {
          report(.mandatory, index, child)
        }
      case .list, .leafList: try elements(child, of: index)
      case .choice: try choice(child, of: index)
      default: break
      }
    }
  }

  private mutating func elements(_ child: SchemaNode, of index: Int) throws(GeneratorError) {
    let count = instances(of: child, below: index).filter { tree.nodes[$0].path != nil }.count
    if let most = child.maxElements, count > most { report(.maxElements, index, child) }
    if count < child.minElements {
      let isAllowed = try tree.whensHold(ofMissing: child, below: index)
      if count > 0 || isAllowed { report(.minElements, index, child) }
    }
  }

  private mutating func choice(_ choice: SchemaNode, of index: Int) throws(GeneratorError) {
    let written = choice.children.filter { isWritten($0, below: index) }
    if written.count > 1 { report(.cases, index, choice) }
    if let chosen = written.first {
      try requirements(chosen.kind == .case ? chosen.children : [chosen], of: index)
    } else if choice.isMandatory, try tree.whensHold(ofMissing: choice, below: index) {
      report(.choice, index, choice)
    }
  }

  private mutating func duplicates(_ child: SchemaNode, of index: Int) {
    let instances = instances(of: child, below: index).filter { tree.nodes[$0].path != nil }
    var seen: Set<[String]> = []
    for instance in instances {
      var identity: [String] = []
      if child.kind == .leafList { identity = [tree.nodes[instance].scalar?.text ?? ""] }
      if child.kind == .list {
        identity = child.keys.map { key in
          table[instance].first { tree.nodes[$0].schema === key }.flatMap { tree.nodes[$0].scalar?.text } ?? ""
        }
      }
      if !seen.insert(identity).inserted { report(.duplicate, instance, child) }
    }
  }

  // MARK: unique (section 7.8.3)

  private mutating func unique(_ list: SchemaNode, _ leafs: [SchemaNode], of index: Int) {
    var seen: Set<[String]> = []
    for entry in instances(of: list, below: index) {
      var values: [String] = []
      for leaf in leafs {
        guard let value = value(of: leaf, below: entry) else { break }
        values.append(value)
      }
      guard values.count == leafs.count else { continue }
      if !seen.insert(values).inserted { report(.unique, entry, list) }
    }
  }

  private func value(of leaf: SchemaNode, below entry: Int) -> String? {
    var chain: [SchemaNode] = []
    var next: SchemaNode? = leaf
    while let node = next, node !== tree.nodes[entry].schema {
      chain.append(node)
      next = node.dataParent
    }
    var at = entry
    for step in chain.reversed() {
      guard let child = table[at].first(where: { tree.nodes[$0].schema === step }) else { return nil }
      at = child
    }
    return tree.nodes[at].scalar?.text
  }

  // MARK: References

  private mutating func references(_ index: Int, _ scalar: Scalar, _ type: SchemaType) throws(GeneratorError) {
    let node = tree.nodes[index]
    switch type.base {
    case .leafref:
      if type.requiresInstance, let path = type.path, try !tree.refers(index, scalar, along: path) {
        report(.leafref, index, node.schema)
      } else if !type.requiresInstance || type.valueType.base == .instanceIdentifier {
        break
      }
    case .instanceIdentifier:
      if type.requiresInstance, tree.instance(scalar.text) == nil { report(.instanceIdentifier, index, node.schema) }
    case .union:
      // The first member that takes the text and whose target is there (section 9.12).
      var isRefused: Violation.Rule?
      for member in type.members where tree.takes(member, scalar) {
        switch member.base {
        case .leafref:
          guard member.requiresInstance, let path = member.path else { return }
          if try tree.refers(index, scalar, along: path) { return }
          isRefused = isRefused ?? .leafref
        case .instanceIdentifier:
          if !member.requiresInstance || tree.instance(scalar.text) != nil { return }
          isRefused = isRefused ?? .instanceIdentifier
        default: return
        }
      }
      if let rule = isRefused { report(rule, index, node.schema) }
    default: break
    }
  }
}

extension AccessibleTree {
  func takes(_ type: SchemaType, _ scalar: Scalar) -> Bool { Scalar(scalar.text, of: type, in: schema) != nil }

  /// Whether the path of a leafref leads from a leaf to one with that value.
  func refers(_ index: Int, _ scalar: Scalar, along path: XPathExpression) throws(GeneratorError) -> Bool {
    try evaluator.nodes(path, at: index).contains { nodes[$0].scalar?.text == scalar.text }
  }

  /// What deref() gives (section 10.3.1).
  func references(of index: Int) throws(GeneratorError) -> [Int] {
    guard let scalar = nodes[index].scalar, let type = nodes[index].schema.type else { return [] }
    for member in type.base == .union ? type.members : [type] where takes(member, scalar) {
      if member.base == .instanceIdentifier { return instance(scalar.text).map { [$0] } ?? [] }
      guard member.base == .leafref, let path = member.path else { continue }
      return try evaluator.nodes(path, at: index).filter { nodes[$0].scalar?.text == scalar.text }
    }
    return []
  }

  /// The node that an instance-identifier with names of modules leads to.
  func instance(_ text: String) -> Int? {
    let paths = nodes.indices.dropFirst().filter { InstanceText.path(to: $0, in: self) == text }
    return paths.first
  }
}

/// Instances as instance-identifiers (section 9.13).
enum InstanceText {
  /// The path with names of modules at every name; nil for keys that no literal can hold.
  static func path(to index: Int, in tree: AccessibleTree) -> String? {
    let node = tree.nodes[index]
    guard node.parent >= 0 else { return "" }
    guard let above = path(to: node.parent, in: tree) else { return nil }
    let keys = node.schema.keys.map { key in
      tree.children(of: index).first { tree.nodes[$0].schema === key }.flatMap { tree.nodes[$0].scalar?.text } ?? ""
    }
    return step(node.schema, node.schema.kind == .list ? keys : [node.scalar?.text ?? ""]).map { above + $0 }
  }

  /// One step; `identity` is the keys of a list entry, the value of a leaf-list entry.
  static func step(_ schema: SchemaNode, _ identity: [String]) -> String? {
    var step = "/\(schema.module.name):\(schema.name)"
    if schema.kind == .list {
      for (key, value) in zip(schema.keys, identity) {
        guard let literal = literal(value) else { return nil }
        step += "[\(key.module.name):\(key.name)=\(literal)]"
      }
    } else if schema.kind == .leafList {
      guard let value = identity.first, let literal = literal(value) else { return nil }
      step += "[.=\(literal)]"
    }
    return step
  }

  private static func literal(_ text: String) -> String? {
    if !text.contains("'") { return "'\(text)'" }
    return text.contains("\"") ? nil : "\"\(text)\""
  }
}
