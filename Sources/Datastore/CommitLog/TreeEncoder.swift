// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Writes trees and diffs for the commit log, by names, so that they can be read under another schema.
///
/// Format 1. A tree is its children: their number, and for each the schema node (a number, 0 for one that was not written
/// before, then followed by module and name), what it holds (a byte) and the content. Secrets are written sealed.
struct TreeEncoder {
  static let version: UInt8 = 1

  /// What a slot holds.
  enum ContentKind: UInt8 {
    case leaf = 0
    case leafList, container, list, any
  }
  enum ValueKind: UInt8 {
    case empty = 0
    case `false`, `true`, int, uint, decimal64, string, binary, enumeration, bits, identity, instanceIdentifier, union
    case sealed
  }
  enum PredicateKind: UInt8 {
    case key = 0
    case value, position
  }

  private var writer = ByteWriter()
  /// By node id.
  private var nodes: [Int: UInt64] = [:]

  static func encode(_ root: InteriorNode) -> [UInt8] {
    var encoder = TreeEncoder()
    encoder.writer.byte(version)
    encoder.interior(root)
    return encoder.writer.bytes
  }

  /// A diff is the number of its changes and each change: its path, as the number of steps it shares with the path
  /// before and the steps that follow, its kind, what was and what is there, and where it stands.
  static func encode(_ diff: Diff) -> [UInt8] {
    var encoder = TreeEncoder()
    encoder.writer.byte(version)
    encoder.writer.number(diff.changes.count)
    var before = InstancePath.root
    for change in diff.changes {
      encoder.path(change.path, after: before)
      encoder.writer.byte(change.kind.rawValue)
      // What a move leaves as it was need not be written.
      encoder.optional(change.kind == .moved ? nil : change.old)
      encoder.optional(change.kind == .moved ? nil : change.new)
      encoder.place(change.after)
      before = change.path
    }
    return encoder.writer.bytes
  }

  private mutating func interior(_ node: InteriorNode) {
    let slots = node.slots
    writer.number(slots.count)
    for slot in slots {
      reference(node.schema.dataChildren[Int(slot.position)])
      content(slot.node)
    }
  }

  private mutating func reference(_ node: SchemaNode) {
    if let known = nodes[node.id] { return writer.number(known) }
    nodes[node.id] = UInt64(nodes.count + 1)
    writer.number(UInt64(0))
    writer.name(node.module.name)
    writer.name(node.name)
  }

  private mutating func content(_ node: DataNode) {
    switch node {
    case .leaf(let leaf):
      writer.byte(ContentKind.leaf.rawValue)
      value(leaf)
    case .leafList(let values):
      writer.byte(ContentKind.leafList.rawValue)
      writer.number(values.count)
      for leaf in values { value(leaf) }
    case .container(let inner):
      writer.byte(ContentKind.container.rawValue)
      interior(inner)
    case .list(let entries):
      writer.byte(ContentKind.list.rawValue)
      writer.number(entries.count)
      for entry in entries { interior(entry) }
    case .any(let content):
      writer.byte(ContentKind.any.rawValue)
      writer.text(content.xml)
    }
  }

  private mutating func optional(_ node: DataNode?) {
    writer.byte(node == nil ? 0 : 1)
    if let node { content(node) }
  }

  private mutating func place(_ after: [Value]?) {
    writer.number(after.map { $0.count + 1 } ?? 0)
    for key in after ?? [] { value(key) }
  }

  private mutating func path(_ path: InstancePath, after before: InstancePath) {
    var shared = 0
    while shared < path.steps.count, shared < before.steps.count, path.steps[shared] == before.steps[shared] {
      shared += 1
    }
    writer.number(shared)
    writer.number(path.steps.count - shared)
    for step in path.steps[shared...] {
      reference(step.schema)
      writer.number(step.keys.count)
      for key in step.keys { value(key) }
      writer.number(step.place.map { $0 + 1 } ?? 0)
    }
  }

  private mutating func value(_ value: Value) {
    func kind(_ kind: ValueKind) { writer.byte(kind.rawValue) }
    switch value {
    case .empty: kind(.empty)
    case .boolean(let flag): kind(flag ? .true : .false)
    case .int(let number):
      kind(.int)
      writer.signed(number)
    case .uint(let number):
      kind(.uint)
      writer.number(number)
    case .decimal64(let number, let digits):
      kind(.decimal64)
      writer.byte(digits)
      writer.signed(number)
    case .string(let text):
      kind(.string)
      writer.text(text)
    case .binary(let bytes):
      kind(.binary)
      writer.data(bytes)
    case .enumeration(let value):
      kind(.enumeration)
      writer.name(value.name)
    case .bits(let bits):
      kind(.bits)
      writer.number(bits.count)
      for bit in bits { writer.name(bit.name) }
    case .identity(let identity):
      kind(.identity)
      writer.name(identity.module.name)
      writer.name(identity.name)
    case .instanceIdentifier(let identifier):
      kind(.instanceIdentifier)
      instanceIdentifier(identifier)
    case .union(let member, let inner):
      kind(.union)
      writer.number(member)
      self.value(inner)
    case .sealed(let sealed):
      kind(.sealed)
      writer.data(sealed.serialized)
    }
  }

  private mutating func instanceIdentifier(_ identifier: InstanceIdentifier) {
    writer.number(identifier.steps.count)
    for step in identifier.steps {
      writer.name(step.module)
      writer.name(step.name)
      writer.number(step.predicates.count)
      for predicate in step.predicates {
        switch predicate {
        case .key(let module, let name, let value):
          writer.byte(PredicateKind.key.rawValue)
          writer.name(module)
          writer.name(name)
          writer.text(value)
        case .value(let value):
          writer.byte(PredicateKind.value.rawValue)
          writer.text(value)
        case .position(let position):
          writer.byte(PredicateKind.position.rawValue)
          writer.number(position)
        }
      }
    }
  }
}
