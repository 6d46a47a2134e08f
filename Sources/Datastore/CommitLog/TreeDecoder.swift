// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// Reads what `TreeEncoder` wrote, under the schema in force. What that schema does not have is left out and reported,
/// which happens when the modules changed since.
struct TreeDecoder {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private let schema: Schema
  /// Whether values have to be checked against their types.
  private let isForeign: Bool
  private var reader: ByteReader
  private var nodes: [SchemaNode?] = []
  /// What had to be left out, at most `maximumProblems`.
  private(set) var problems: [String] = []
  private var depth = 0

  static let maximumProblems = 100
  static let maximumDepth = 512

  /// - Parameter isForeign: the bytes were written under another schema.
  init(_ bytes: [UInt8], schema: Schema, isForeign: Bool) {
    reader = ByteReader(bytes)
    self.schema = schema
    self.isForeign = isForeign
  }

  mutating func tree() throws(Failure) -> InteriorNode {
    do {
      try version()
      let root = try interior(schema.root) ?? InteriorNode(schema: schema.root)
      guard reader.isAtEnd else { throw reader.malformed }
      return root
    } catch { throw failure(error, "snapshot") }
  }

  mutating func diff() throws(Failure) -> Diff {
    do {
      try version()
      var changes: [Change] = []
      var steps: [InstancePath.Step?] = []
      for _ in 0..<(try reader.count()) {
        try path(into: &steps)
        guard let kind = Change.Kind(rawValue: try reader.byte()) else { throw reader.malformed }
        let known = steps.compactMap { $0 }
        let target = known.count == steps.count ? known.last?.schema : nil
        let old = try optional(target)
        let new = try optional(target)
        let after = try place(target)
        guard target != nil, kind == .moved || kind == .deleted || new != nil else { continue }
        changes.append(Change(path: InstancePath(known), kind: kind, old: old, new: new, after: after))
      }
      guard reader.isAtEnd else { throw reader.malformed }
      return Diff(changes: changes)
    } catch { throw failure(error, "diff") }
  }

  private func failure(_ error: any Error, _ what: String) -> Failure {
    if let failure = error as? Failure { return failure }
    let place = (error as? ByteReader.Malformed).map { " at byte \($0.offset)" } ?? ": \(error)"
    return Failure(description: "the \(what) cannot be read\(place)")
  }

  private mutating func version() throws {
    let version = try reader.byte()
    guard version == TreeEncoder.version else {
      throw Failure(description: "it has the coding \(version), which this agentd does not know")
    }
  }

  private mutating func report(_ problem: @autoclosure () -> String) {
    if problems.count < Self.maximumProblems { problems.append(problem()) }
  }

  // MARK: Trees

  /// The children of a node; nil when the schema does not have the node.
  private mutating func interior(_ parent: SchemaNode?) throws -> InteriorNode? {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw reader.malformed }
    let count = try reader.count()
    var slots: [InteriorNode.Slot] = []
    slots.reserveCapacity(count)
    var isSorted = true
    for _ in 0..<count {
      let node = try reference(in: parent)
      guard let content = try content(node), let node, !content.isVoid else { continue }
      if let last = slots.last, last.position >= Int32(truncatingIfNeeded: node.position) { isSorted = false }
      slots.append(InteriorNode.Slot(node, content))
    }
    guard let parent else { return nil }
    if !isSorted { slots.sort { $0.position < $1.position } }
    guard zip(slots, slots.dropFirst()).allSatisfy({ $0.position < $1.position }) else { throw reader.malformed }
    return InteriorNode(schema: parent, slots: slots)
  }

  private mutating func reference(in parent: SchemaNode?) throws -> SchemaNode? {
    let number = try reader.number()
    if number > 0 {
      guard number <= UInt64(nodes.count) else { throw reader.malformed }
      let node = nodes[Int(number) - 1]
      // A number stands for one schema node, which has one parent.
      guard node == nil || parent == nil || node?.dataParent === parent else { throw reader.malformed }
      return node
    }
    let (module, name) = (try reader.name(), try reader.name())
    let node = parent?.dataChildren(named: name).first { $0.module.name == module }
    if let parent, node == nil { report("the modules in force have no \(parent.path)/\(module):\(name)") }
    nodes.append(node)
    return node
  }

  private mutating func content(_ node: SchemaNode?) throws -> DataNode? {
    guard let kind = TreeEncoder.ContentKind(rawValue: try reader.byte()) else { throw reader.malformed }
    switch kind {
    case .leaf:
      let value = try value(node)
      return fits(node, .leaf, .leafList) ? value.map { .leaf($0) } : nil
    case .leafList:
      var values: [Value] = []
      for _ in 0..<(try reader.count()) { if let value = try value(node) { values.append(value) } }
      return fits(node, .leafList) ? .leafList(values) : nil
    case .container:
      let inner = try interior(node)
      return fits(node, .container, .list) ? inner.map { .container($0) } : nil
    case .list:
      var entries: [InteriorNode] = []
      for _ in 0..<(try reader.count()) {
        guard let entry = try interior(node), entry.keys.count == node?.keys.count else { continue }
        entries.append(entry)
      }
      guard let node, fits(node, .list) else { return nil }
      return .list(ListEntries.make(schema: node, entries: entries).list)
    case .any:
      let text = try reader.text()
      return fits(node, .anydata, .anyxml) ? .any(AnyContent(xml: text)) : nil
    }
  }

  /// Whether the node is of the kind that holds such content still.
  private mutating func fits(_ node: SchemaNode?, _ kinds: SchemaNode.Kind...) -> Bool {
    guard let node else { return false }
    if kinds.contains(node.kind) { return true }
    report("\(node.path) is a \(node.kind) now")
    return false
  }

  private mutating func optional(_ node: SchemaNode?) throws -> DataNode? {
    try reader.byte() == 0 ? nil : try content(node)
  }

  private mutating func place(_ node: SchemaNode?) throws -> [Value]? {
    let count = try reader.number()
    guard count > 0 else { return nil }
    guard count - 1 <= UInt64(reader.remaining) else { throw reader.malformed }
    return try keys(Int(count - 1), of: node)
  }

  private mutating func keys(_ count: Int, of node: SchemaNode?) throws -> [Value] {
    var values: [Value] = []
    for index in 0..<count {
      let leaf = node?.kind == .list ? node.flatMap { index < $0.keys.count ? $0.keys[index] : nil } : node
      if let value = try value(leaf) { values.append(value) }
    }
    return values
  }

  private mutating func path(into steps: inout [InstancePath.Step?]) throws {
    let shared = try reader.number()
    guard shared <= UInt64(steps.count) else { throw reader.malformed }
    steps.removeLast(steps.count - Int(shared))
    for _ in 0..<(try reader.count()) {
      let parent = steps.isEmpty ? schema.root : steps[steps.count - 1]?.schema
      let node = try reference(in: parent)
      let keys = try keys(try reader.count(), of: node)
      let place = try reader.number()
      steps.append(node.map { InstancePath.Step(schema: $0, keys: keys, place: place == 0 ? nil : Int(place - 1)) })
    }
  }

  // MARK: Values

  /// A value of a leaf; nil, reported, when it is none of the leaf's type now.
  private mutating func value(_ leaf: SchemaNode?) throws -> Value? {
    let value = try rawValue(leaf?.type)
    guard let leaf, let type = leaf.type else { return nil }
    guard let value else {
      report("a value of \(leaf.path) is none of its type now")
      return nil
    }
    guard isForeign else { return value }
    if case .sealed = value.withoutUnion { return value }
    let text = value.textWithModuleNames
    do {
      return try type.parse(text, resolvePrefix: { schema.module(named: $0) }, sealer: nil)
    } catch {
      report("a value of \(leaf.path) is none of its type now: \(error)")
      return nil
    }
  }

  private mutating func rawValue(_ type: SchemaType?) throws -> Value? {
    guard let kind = TreeEncoder.ValueKind(rawValue: try reader.byte()) else { throw reader.malformed }
    switch kind {
    case .empty: return .empty
    case .false: return .boolean(false)
    case .true: return .boolean(true)
    case .int: return .int(try reader.signed())
    case .uint: return .uint(try reader.number())
    case .decimal64:
      let digits = try reader.byte()
      return .decimal64(try reader.signed(), digits: digits)
    case .string: return .string(try reader.text())
    case .binary: return .binary(Array(try reader.data()))
    case .enumeration:
      let name = try reader.name()
      return type?.valueType.enums.first { $0.name == name }.map { .enumeration($0) }
    case .bits:
      var bits: [BitValue?] = []
      for _ in 0..<(try reader.count()) {
        let name = try reader.name()
        bits.append(type?.valueType.bits.first { $0.name == name })
      }
      let known = bits.compactMap { $0 }
      return known.count == bits.count ? .bits(known) : nil
    case .identity:
      let (module, name) = (try reader.name(), try reader.name())
      return schema.module(named: module)?.identities.first { $0.name == name }.map { .identity($0) }
    case .instanceIdentifier: return try instanceIdentifier()
    case .union:
      let member = Int(clamping: try reader.number())
      guard depth < Self.maximumDepth else { throw reader.malformed }
      depth += 1
      defer { depth -= 1 }
      let members = type?.valueType.members ?? []
      let inner = try rawValue(member < members.count ? members[member] : nil)
      return inner.map { .union(member: member, $0) }
    case .sealed: return (try? Sealed(serialized: try reader.data())).map { .sealed($0) }
    }
  }

  private mutating func instanceIdentifier() throws -> Value? {
    // By its text, since its parts are made by the parser of values only.
    var text = ""
    for _ in 0..<(try reader.count()) {
      text += "/\(try reader.name()):\(try reader.name())"
      for _ in 0..<(try reader.count()) {
        guard let kind = TreeEncoder.PredicateKind(rawValue: try reader.byte()) else { throw reader.malformed }
        switch kind {
        case .key: text += "[\(try reader.name()):\(try reader.name())=\(InstancePath.quoted(try reader.text()))]"
        case .value: text += "[.=\(InstancePath.quoted(try reader.text()))]"
        case .position: text += "[\(try reader.number())]"
        }
      }
    }
    return try? SchemaType.instanceIdentifier.parse(
      text, resolvePrefix: { schema.module(named: $0) }, sealer: nil)
  }
}
