// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Reads trees and diffs as `TreeCoder` says.
struct TreeDecoder {
  var input: ByteDecoder
  let schema: Schema
  let reader: ValueReader
  let isSameSchema: Bool
  private(set) var problems: [TreeCoder.Problem] = []
  var names: [(module: String, name: String)] = []
  /// What a name stands for below a schema node: looked up once.
  private var children: [ChildKey: SchemaNode?] = [:]
  var enums: [ObjectIdentifier: [String: EnumValue]] = [:]
  var identities: [ChildKey: Value?] = [:]

  struct ChildKey: Hashable {
    let parent: Int
    let name: Int
  }

  init(_ bytes: UnsafeRawBufferPointer, schema: Schema, reader: ValueReader, isSameSchema: Bool) {
    input = ByteDecoder(bytes)
    self.schema = schema
    self.reader = reader
    self.isSameSchema = isSameSchema
  }

  mutating func begin(_ kind: TreeCoder.Kind) throws(TreeCodingError) {
    for byte in TreeCoder.mark {
      guard try input.byte() == byte else { throw input.failure("not a stored tree or diff") }
    }
    guard try input.byte() == TreeCoder.version else { throw input.failure("another version of the format") }
    guard try input.byte() == kind.rawValue else { throw input.failure("not what was looked for") }
    let count = try input.count()
    for _ in 0..<count { names.append((try input.string(), try input.string())) }
  }

  mutating func report(_ path: String, _ reason: String) {
    guard problems.count < TreeCoder.maximumProblems else { return }
    problems.append(TreeCoder.Problem(path: path, reason: reason))
  }

  // MARK: Names

  mutating func name() throws(TreeCodingError) -> Int {
    let index = try input.number()
    guard index < UInt64(names.count) else { throw input.failure("a name is not in the table") }
    return Int(index)
  }

  mutating func child(_ name: Int, of parent: SchemaNode) -> SchemaNode? {
    let key = ChildKey(parent: parent.id, name: name)
    if let known = children[key] { return known }
    let found = schema.module(named: names[name].module).flatMap { parent.dataChild(names[name].name, in: $0) }
    children[key] = found
    return found
  }

  func step(_ path: String, _ name: Int) -> String { "\(path)/\(names[name].module):\(names[name].name)" }

  // MARK: Nodes

  /// The children of a container, entry or root; nil when it is an entry that lacks a key.
  mutating func interior(_ parent: SchemaNode, path: String, depth: Int) throws(TreeCodingError) -> InteriorNode? {
    guard depth < TreeCoder.maximumDepth else { throw input.failure("too many levels") }
    let count = try input.count()
    var slots: [InteriorNode.Slot] = []
    slots.reserveCapacity(min(count, parent.dataChildren.count))
    var last: Int32 = -1
    var isAscending = true
    for _ in 0..<count {
      let name = try name()
      guard let child = child(name, of: parent) else {
        report(step(path, name), "the schema does not have it")
        try skipNode(depth + 1)
        continue
      }
      guard let node = try node(child, path: path, depth: depth + 1) else { continue }
      let slot = InteriorNode.Slot(child, node)
      if slot.position <= last { isAscending = false }
      last = slot.position
      slots.append(slot)
    }
    if !isAscending {
      slots.sort { $0.position < $1.position }
      for (left, right) in zip(slots, slots.dropFirst()) where left.position == right.position {
        throw input.failure("a node is there twice")
      }
    }
    if parent.kind == .list {
      for (index, key) in parent.keys.enumerated() {
        guard index < slots.count, Int(slots[index].position) == index else {
          report(path, "an entry has no key \(key.name)")
          return nil
        }
      }
    }
    return InteriorNode(schema: parent, slots: slots)
  }

  private mutating func tag() throws(TreeCodingError) -> TreeCoder.NodeTag {
    guard let tag = TreeCoder.NodeTag(rawValue: try input.byte()) else {
      throw input.failure("an unknown kind of node")
    }
    return tag
  }

  /// What is stored for a schema node; nil when it does not fit or is void.
  mutating func node(_ schema: SchemaNode, path: String, depth: Int) throws(TreeCodingError) -> DataNode? {
    let tag = try tag()
    let here = schema.isInterior ? "\(path)/\(schema.module.name):\(schema.name)" : path
    switch (tag, schema.kind) {
    case (.leaf, .leaf): return try value(schema, path).map { .leaf($0) }
    case (.leafList, .leafList):
      let values = try values(schema, path)
      return values.isEmpty ? nil : .leafList(arranged(values, schema, path))
    case (.container, .container):
      guard let node = try interior(schema, path: here, depth: depth) else { return nil }
      return node.isEmpty && schema.isNonPresenceContainer ? nil : .container(node)
    case (.container, .list): return try interior(schema, path: here, depth: depth).map { .container($0) }
    case (.list, .list): return try list(schema, path: here, depth: depth)
    case (.any, .anydata), (.any, .anyxml): return .any(AnyContent(xml: try input.string()))
    case (.anyJSON, .anydata), (.anyJSON, .anyxml): return .any(AnyContent(json: try input.string()))
    // One entry of a leaf-list in a change.
    case (.leaf, .leafList): return try value(schema, path).map { .leaf($0) }
    default:
      report(schema.path, "it was another kind of node")
      try skipContent(tag, depth)
      return nil
    }
  }

  private mutating func list(_ schema: SchemaNode, path: String, depth: Int) throws(TreeCodingError) -> DataNode? {
    let count = try input.count()
    var entries: [InteriorNode] = []
    entries.reserveCapacity(count)
    for _ in 0..<count {
      if let entry = try interior(schema, path: path, depth: depth) { entries.append(entry) }
    }
    let made = ListEntries.make(schema: schema, entries: entries)
    for entry in made.repeated {
      report("\(InstancePath().appending(schema, keys: entry.keys))", "two entries have the same keys now")
    }
    return made.list.isEmpty ? nil : .list(made.list)
  }

  private mutating func arranged(_ values: [Value], _ schema: SchemaNode, _ path: String) -> [Value] {
    if schema.keepsOrder { return values }
    return values.sorted { Value.order($0, $1) < 0 }
  }

  // MARK: Skipping

  mutating func skipNode(_ depth: Int) throws(TreeCodingError) { try skipContent(try tag(), depth) }

  private mutating func skipContent(_ tag: TreeCoder.NodeTag, _ depth: Int) throws(TreeCodingError) {
    guard depth < TreeCoder.maximumDepth else { throw input.failure("too many levels") }
    switch tag {
    case .leaf: _ = try raw(depth: 0)
    case .leafList:
      let count = try input.count()
      for _ in 0..<count { _ = try raw(depth: 0) }
    case .container: try skipInterior(depth)
    case .list:
      let count = try input.count()
      for _ in 0..<count { try skipInterior(depth) }
    case .any, .anyJSON: _ = try input.data()
    }
  }

  private mutating func skipInterior(_ depth: Int) throws(TreeCodingError) {
    let count = try input.count()
    for _ in 0..<count {
      _ = try name()
      try skipNode(depth + 1)
    }
  }

  // MARK: Diffs

  mutating func diff() throws(TreeCodingError) -> Diff {
    let count = try input.count()
    var changes: [Change] = []
    for _ in 0..<count {
      if let change = try change() { changes.append(change) }
    }
    return Diff(changes: changes)
  }

  private mutating func change() throws(TreeCodingError) -> Change? {
    guard let kind = Change.Kind(rawValue: try input.byte()) else { throw input.failure("an unknown kind of change") }
    var path = InstancePath.root
    var parent: SchemaNode? = schema.root
    var text = ""
    let steps = try input.count()
    for _ in 0..<steps {
      let name = try name()
      text = step(text, name)
      let child = parent == nil ? nil : self.child(name, of: parent ?? schema.root)
      if parent != nil, child == nil { report(text, "the schema does not have it") }
      let keys = try keys(child, text)
      let place = try input.number()
      guard place <= UInt64(Int32.max) else { throw input.failure("a place is too big") }
      parent = keys == nil ? nil : child
      if let child, let keys { path = path.appending(child, keys: keys, place: place == 0 ? nil : Int(place) - 1) }
    }
    let leaf = parent === schema.root ? nil : parent
    let after = try isThere() ? keys(leaf, text) : nil
    let above = path.parent.description
    let old = try isThere() ? content(leaf, above) : nil
    let new = try isThere() ? content(leaf, above) : nil
    guard leaf != nil else { return nil }
    let needsNew = kind == .created || kind == .modified
    // Content that no longer fits is reported already; without it there is no change to make.
    if needsNew, new == nil { return nil }
    return Change(path: path, kind: kind, old: old, new: new, after: after)
  }

  private mutating func isThere() throws(TreeCodingError) -> Bool {
    let byte = try input.byte()
    guard byte <= 1 else { throw input.failure("neither there nor not") }
    return byte == 1
  }

  private mutating func content(_ schema: SchemaNode?, _ path: String) throws(TreeCodingError) -> DataNode? {
    guard let schema else {
      try skipNode(0)
      return nil
    }
    return try node(schema, path: path, depth: 0)
  }

  /// The key values of a list entry, or the value of a leaf-list entry; nil when they do not fit.
  private mutating func keys(_ schema: SchemaNode?, _ path: String) throws(TreeCodingError) -> [Value]? {
    let count = try input.count()
    let leafs = schema.map { $0.kind == .leafList ? [$0] : $0.keys } ?? []
    guard count == 0 || count == leafs.count else {
      for _ in 0..<count { _ = try raw(depth: 0) }
      if schema != nil { report(path, "it has other keys now") }
      return nil
    }
    var values: [Value] = []
    for leaf in leafs.prefix(count) {
      if let value = try value(leaf, path) { values.append(value) }
    }
    return values.count == count ? values : nil
  }
}
