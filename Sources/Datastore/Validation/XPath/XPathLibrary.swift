// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Synchronization
import YANG

/// What the expressions of one schema share: the compiled leafref paths, the conditions on implicit nodes, patterns.
///
/// Sendable: everything is set while the owner (`ConstraintTable`) is made, except the patterns, which a mutex guards.
final class XPathLibrary: @unchecked Sendable {
  let schema: Schema
  let implicit = ImplicitNodes()
  /// By type: leafrefs belong to one leaf each.
  private var leafrefs: [ObjectIdentifier: LeafrefPath] = [:]
  private let patterns = Mutex<[String: Pattern]>([:])
  private static let maximumPatterns = 1000

  init(schema: Schema) { self.schema = schema }

  func install(_ leafref: LeafrefPath, for type: SchemaType) { leafrefs[ObjectIdentifier(type)] = leafref }
  func leafref(of type: SchemaType) -> LeafrefPath? { leafrefs[ObjectIdentifier(type)] }

  /// The compiled form of a pattern, nil for a wrong one.
  func pattern(_ text: String) -> Pattern? {
    if let known = patterns.withLock({ $0[text] }) { return known }
    guard let pattern = Pattern(expression: text) else { return nil }
    patterns.withLock { patterns in
      if patterns.count >= Self.maximumPatterns { patterns.removeAll() }
      patterns[text] = pattern
    }
    return pattern
  }

  /// The identity of a name with a module's name or prefix; without either, of any module when there is just one.
  func identity(named text: String) -> Identity? {
    guard let colon = text.firstIndex(of: ":") else {
      let found = schema.modules.flatMap(\.identities).filter { $0.name == text }
      return found.count == 1 ? found.first : nil
    }
    let (prefix, name) = (text[..<colon], text[text.index(after: colon)...])
    let module = schema.module(named: String(prefix)) ?? schema.modules.first { $0.prefix == prefix }
    return module?.identities.first { $0.name == name }
  }

  /// The instances that a leafref's value refers to.
  func references(of node: XPathNode, _ value: Value, _ environment: XPathEnvironment) -> [XPathNode] {
    var type = node.schema.type
    var value = value
    while case .union(let member, let inner) = value, let members = type?.members, member < members.count {
      type = members[member]
      value = inner
    }
    guard let type, let leafref = leafref(of: type) else { return [] }
    return leafref.targets(of: node, value, environment)
  }
}

/// The compiled path of a leafref (RFC 7950 section 9.9.2).
final class LeafrefPath: Sendable {
  let source: String
  private let path: any XPathOperation
  /// For a path that ends in the only key of a list: the path to what holds the list, so that the entry is looked up.
  private let keyed: (holder: any XPathOperation, list: SchemaNode)?

  init(source: String, path: any XPathOperation, keyed: (holder: any XPathOperation, list: SchemaNode)?) {
    self.source = source
    self.path = path
    self.keyed = keyed
  }

  /// Whether a node with the value is there.
  func hasTarget(_ node: XPathNode, _ value: Value, _ implicit: ImplicitNodes, _ lookups: KeyLookups) -> Bool {
    let context = XPathContext(node: node, environment: XPathEnvironment(current: node, implicit: implicit))
    if let keyed {
      let found = keyed.holder.first(context, anyOrder: true) { holder in
        holder.interior?.entries(keyed.list).map { lookups.contains(value, in: $0) } ?? false
      }
      // A value that is equal by its text only is not found by key.
      if found { return true }
      if keyed.list.keys.first?.type?.valueType.base == .string { return false }
    }
    return path.first(context, anyOrder: true) { Self.isSame($0, value) }
  }

  func targets(of node: XPathNode, _ value: Value, _ environment: XPathEnvironment) -> [XPathNode] {
    let inner = XPathEnvironment(current: node, implicit: environment.implicit, depth: environment.depth)
    guard case .nodes(let nodes) = path.evaluate(XPathContext(node: node, environment: inner)) else { return [] }
    return nodes.filter { Self.isSame($0, value) }
  }

  private static func isSame(_ node: XPathNode, _ value: Value) -> Bool {
    guard let other = node.value else { return false }
    return other.isSame(as: value) || other.xpathText == value.xpathText
  }
}

extension InstanceIdentifier {
  /// The instance, when it is there. Implicit nodes count.
  func resolve(from environment: XPathEnvironment) -> XPathNode? {
    var node = environment.root
    for step in steps {
      guard let interior = node.interior,
        let child = node.schema.dataChildren(named: step.name).first(where: { $0.module.name == step.module })
      else { return nil }
      var found: XPathNode?
      if let entry = step.entry(of: child, in: interior) {
        found = XPathNode(parent: node, schema: child, content: .interior(entry))
      } else {
        var place = 0
        _ = XPathAxes.instances(of: child, in: node, interior, environment) { candidate in
          place += 1
          guard step.predicates.allSatisfy({ Self.holds($0, candidate, place: place) }) else { return false }
          found = candidate
          return true
        }
      }
      guard let found else { return nil }
      node = found
    }
    return node
  }

  private static func holds(_ predicate: Predicate, _ node: XPathNode, place: Int) -> Bool {
    switch predicate {
    case .position(let wanted): place == wanted
    case .value(let text): node.value?.isNamed(text) ?? false
    case .key(let module, let name, let value):
      node.schema.keys.first { $0.name == name && $0.module.name == module }
        .flatMap { node.interior?.leaf($0) }?.isNamed(value) ?? false
    }
  }
}

extension InstanceIdentifier.Step {
  /// The list entry that the key predicates name, when it can be looked up.
  fileprivate func entry(of list: SchemaNode, in parent: InteriorNode) -> InteriorNode? {
    guard list.kind == .list, !list.keys.isEmpty, predicates.count == list.keys.count else { return nil }
    var keys: [Value] = []
    for key in list.keys {
      let text = predicates.compactMap { predicate -> String? in
        guard case .key(_, key.name, let value) = predicate else { return nil }
        return value
      }.first
      guard let text, let value = key.type?.valueType.value(equalTo: text) else { return nil }
      keys.append(value)
    }
    return parent.entries(list)?.find(keys)
  }
}
