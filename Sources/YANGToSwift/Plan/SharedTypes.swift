// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The types that several leafs share: those of typedefs, and those of identities.
///
/// A typedef is shared when one of its uses in the schema has all the values of all others (a leaf may restrict an
/// enumeration), for unions when all uses are alike. What decides is the whole schema, never the order of the walk.
final class SharedTypes {
  /// The namespace of a module, made when first asked for.
  private let namespace: (Module) -> PlannedType
  private let schema: Schema
  /// By `module:name` of the typedef that stands on the built-in type; nil for one that cannot be shared.
  private var definitions: [String: SchemaType?] = [:]
  private var planned: [String: PlannedType] = [:]

  init(schema: Schema, namespace: @escaping (Module) -> PlannedType) {
    self.schema = schema
    self.namespace = namespace
    for node in schema.nodes {
      if let type = node.type { collect(type) }
    }
  }

  /// The shared type of an enumeration, bits or union, nil when it is the leaf's own. `complete` fills a union.
  func typedef(_ type: SchemaType, complete: (PlannedType, SchemaType) -> Void) -> PlannedType? {
    guard let key = type.typedefChain.last, case .some(.some(let definition)) = definitions[key] else { return nil }
    if let known = planned[key] { return known }
    let parts = key.split(separator: ":", maxSplits: 1).map(String.init)
    guard parts.count == 2, let module = schema.module(named: parts[0]) else { return nil }
    let type = PlannedType(
      LeafTypes.kind(definition), sourceName: parts[1], module: module, source: "typedef \(key)")
    planned[key] = type
    namespace(module).add(type)
    complete(type, definition)
    return type
  }

  /// The type of an identityref: one for each set of bases, in the namespace of the first base's module.
  func identity(_ type: SchemaType) -> SwiftType {
    let bases = type.identityBases.sorted { ($0.module.name, $0.name) < ($1.module.name, $1.name) }
    guard let first = type.identityBases.first else { return .named("String") }
    let key = "identity " + bases.map { "\($0.module.name):\($0.name)" }.joined(separator: " ")
    if let known = planned[key] { return .planned(known) }
    let values = type.identities.sorted { ($0.module.name, $0.name) < ($1.module.name, $1.name) }
    let name = ([first] + bases.filter { $0 != first }).map(\.name).joined(separator: "-") + "-identity"
    let made = PlannedType(
      .identity(bases: bases, values: values), sourceName: name, module: first.module, source: key)
    planned[key] = made
    namespace(first.module).add(made)
    return .planned(made)
  }

  private func collect(_ type: SchemaType) {
    for member in type.members { collect(member) }
    guard let key = type.typedefChain.last, [.enumeration, .bits, .union].contains(type.base) else { return }
    guard case .some(let known) = definitions[key] else {
      definitions[key] = .some(type)
      return
    }
    guard let known else { return }
    if known === type || Self.covers(known, type) { return }
    definitions[key] = Self.covers(type, known) ? .some(type) : .some(nil)
  }

  /// True when the first type has every value of the second, spelt and numbered alike.
  private static func covers(_ first: SchemaType, _ second: SchemaType) -> Bool {
    guard first.base == second.base else { return false }
    switch first.base {
    case .enumeration:
      return second.enums.allSatisfy { value in
        first.enums.contains { $0.name == value.name && $0.value == value.value }
      }
    case .bits:
      return second.bits.allSatisfy { value in
        first.bits.contains { $0.name == value.name && $0.position == value.position }
      }
    case .union:
      return first.members.count == second.members.count
        && zip(first.members, second.members).allSatisfy { left, right in
          let left = LeafTypes.resolved(left)
          let right = LeafTypes.resolved(right)
          guard left.base == right.base, left.typedefChain == right.typedefChain else { return false }
          switch left.base {
          case .enumeration, .bits, .union: return covers(left, right) && covers(right, left)
          case .identityref: return Set(left.identityBases) == Set(right.identityBases)
          default: return true
          }
        }
    default: return false
    }
  }
}
