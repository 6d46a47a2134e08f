// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Writes trees and diffs as `TreeCoder` says.
struct TreeEncoder {
  private var body = ByteEncoder()
  private var names = ByteEncoder()
  private var nameCount = 0
  private var nodeNames: [Int: Int] = [:]
  private var otherNames: [Name: Int] = [:]

  private struct Name: Hashable {
    let module: String
    let name: String
  }

  func finished(_ kind: TreeCoder.Kind) -> [UInt8] {
    var head = ByteEncoder()
    head.append(raw: TreeCoder.mark + [TreeCoder.version, kind.rawValue])
    head.append(nameCount)
    return head.bytes + names.bytes + body.bytes
  }

  // MARK: Names

  private mutating func append(name schema: SchemaNode) {
    if let known = nodeNames[schema.id] { return body.append(known) }
    nodeNames[schema.id] = add(Name(module: schema.module.name, name: schema.name))
    body.append(nodeNames[schema.id] ?? 0)
  }

  private mutating func append(module: String, name: String) {
    body.append(add(Name(module: module, name: name)))
  }

  private mutating func add(_ name: Name) -> Int {
    if let known = otherNames[name] { return known }
    names.append(name.module)
    names.append(name.name)
    otherNames[name] = nameCount
    nameCount += 1
    return nameCount - 1
  }

  // MARK: Nodes

  mutating func append(_ node: InteriorNode) {
    let slots = node.slots
    body.append(slots.count)
    for slot in slots {
      append(name: node.schema.dataChildren[Int(slot.position)])
      append(slot.node)
    }
  }

  private mutating func append(_ node: DataNode) {
    switch node {
    case .leaf(let value):
      body.append(byte: TreeCoder.NodeTag.leaf.rawValue)
      append(value)
    case .leafList(let values):
      body.append(byte: TreeCoder.NodeTag.leafList.rawValue)
      append(values)
    case .container(let node):
      body.append(byte: TreeCoder.NodeTag.container.rawValue)
      append(node)
    case .list(let entries):
      body.append(byte: TreeCoder.NodeTag.list.rawValue)
      body.append(entries.count)
      for entry in entries { append(entry) }
    case .any(let content):
      body.append(byte: (content.form == .xml ? TreeCoder.NodeTag.any : .anyJSON).rawValue)
      body.append(content.text)
    }
  }

  // MARK: Values

  private mutating func append(_ values: [Value]) {
    body.append(values.count)
    for value in values { append(value) }
  }

  private mutating func append(tag: TreeCoder.ValueTag) { body.append(byte: tag.rawValue) }

  private mutating func append(_ value: Value) {
    switch value {
    case .empty: append(tag: .empty)
    case .boolean(let value): append(tag: value ? .yes : .no)
    case .int(let value):
      append(tag: .int)
      body.append(signed: value)
    case .uint(let value):
      append(tag: .uint)
      body.append(value)
    case .decimal64(let value, let digits):
      append(tag: .decimal)
      body.append(signed: value)
      body.append(byte: digits)
    case .string(let value):
      append(tag: .string)
      body.append(value)
    case .binary(let value):
      append(tag: .binary)
      body.append(value)
    case .enumeration(let value):
      append(tag: .enumeration)
      append(module: "", name: value.name)
    case .bits(let values):
      append(tag: .bits)
      body.append(values.count)
      for bit in values { append(module: "", name: bit.name) }
    case .identity(let identity):
      append(tag: .identity)
      append(module: identity.module.name, name: identity.name)
    case .instanceIdentifier(let identifier):
      append(tag: .instance)
      body.append(identifier.moduleQualifiedText)
    case .union(let member, let value):
      append(tag: .union)
      body.append(member)
      append(value)
    case .sealed(let sealed):
      append(tag: .sealed)
      body.append(sealed.serialized)
    }
  }

  // MARK: Diffs

  mutating func append(_ diff: Diff, withOld: Bool) {
    body.append(diff.changes.count)
    for change in diff.changes {
      body.append(byte: change.kind.rawValue)
      body.append(change.path.steps.count)
      for step in change.path.steps {
        append(name: step.schema)
        append(step.keys)
        body.append(step.place.map { $0 + 1 } ?? 0)
      }
      appendOptional(change.after) { encoder, values in encoder.append(values) }
      appendOptional(withOld ? change.old : nil) { encoder, node in encoder.append(node) }
      // A moved entry is where it is; what changed inside it is told by changes of its own.
      appendOptional(change.kind == .moved ? nil : change.new) { encoder, node in encoder.append(node) }
    }
  }

  private mutating func appendOptional<Content>(_ content: Content?, _ append: (inout TreeEncoder, Content) -> Void) {
    body.append(byte: content == nil ? 0 : 1)
    if let content { append(&self, content) }
  }
}

extension InstanceIdentifier {
  /// The text with module names as prefixes.
  fileprivate var moduleQualifiedText: String {
    var text = ""
    for step in steps {
      text += "/\(step.module):\(step.name)"
      for predicate in step.predicates {
        switch predicate {
        case .key(let module, let name, let value): text += "[\(module):\(name)=\(InstancePath.quoted(value))]"
        case .value(let value): text += "[.=\(InstancePath.quoted(value))]"
        case .position(let place): text += "[\(place)]"
        }
      }
    }
    return text
  }
}
