// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// Writes a tree as JSON (RFC 7951), as much at a time as the reader takes: a cursor over a snapshot, so that a slow
/// reader costs a cursor and not a copy. Not for use by several threads at once.
public final class JSONWriter {
  let leafs: JSONLeafWriter
  // Changed for every node, without anything that calls back: checks for overlapping access are off.
  @exclusivity(unchecked) private var stack: [Frame] = []
  /// Whether something stands in front of what comes next in its object or array.
  @exclusivity(unchecked) private var needsComma = false
  @exclusivity(unchecked) private var sink = ByteSink()
  private let indentation: Int?

  /// A place in the walk.
  private struct Frame {
    let schema: SchemaNode
    var work: Work
    let annotations: Annotations?
  }

  private enum Work {
    /// The children of a container or entry.
    case children(InteriorNode, slot: Int)
    case entries(ListEntries.Iterator)
    case values([Value], next: Int)
    /// The object around a whole element.
    case envelope
  }

  /// Writes an object with the children of a root or message body.
  ///
  /// - Parameters:
  ///   - sealer: encodes secrets; without one they do not show.
  ///   - annotations: those of the tree's instances.
  ///   - indentation: the blanks of one level, for people to read; nil writes no white space.
  public init(
    encoding: JSONEncoding, content: InteriorNode, sealer: Sealer?, annotations: Annotations? = nil,
    indentation: Int? = nil
  ) {
    leafs = JSONLeafWriter(encoding: encoding, sealer: sealer)
    self.indentation = indentation
    stack = [Frame(schema: content.schema, work: .children(content, slot: -1), annotations: annotations)]
  }

  /// Writes an object whose one member is the node: a container, an entry, a notification. `name` is the node that the
  /// member is called after, for the input of an rpc the rpc.
  public init(
    encoding: JSONEncoding, element: InteriorNode, name: SchemaNode? = nil, sealer: Sealer?,
    annotations: Annotations? = nil, indentation: Int? = nil
  ) {
    leafs = JSONLeafWriter(encoding: encoding, sealer: sealer)
    self.indentation = indentation
    let name = name ?? element.schema
    stack = [
      Frame(schema: name, work: .envelope, annotations: nil),
      Frame(schema: element.schema, work: .children(element, slot: -1), annotations: annotations),
    ]
  }

  /// Appends what comes next: about `limit` bytes, and one leaf or small entry more at most.
  /// - Returns: true when there is more.
  public func write(into output: inout [UInt8], limit: Int) -> Bool {
    defer { sink.empty(into: &output) }
    if case .envelope? = stack.first?.work, case .children(_, slot: -1)? = stack.last?.work, stack.count == 2 {
      begin(UInt8(ascii: "{"))
      name(stack[0].schema, qualified: true, depth: 1)
    }
    while !stack.isEmpty {
      if sink.count >= limit { return true }
      step()
    }
    return false
  }

  /// All of it at once.
  public func writeAll() -> [UInt8] {
    var output: [UInt8] = []
    _ = write(into: &output, limit: .max / 2)
    return output
  }

  // MARK: Steps

  private func step() {
    let top = stack.count - 1
    switch stack[top].work {
    case .envelope:
      stack.removeLast()
      end(UInt8(ascii: "}"), depth: top)
    case .children(let node, let slot):
      if slot < 0 {
        begin(UInt8(ascii: "{"))
        stack[top].work = .children(node, slot: 0)
        if let own = stack[top].annotations?.own, !own.isEmpty {
          separate(depth: top + 1)
          sink.append(contentsOf: "\"@\":".utf8)
          append(own)
        }
        return
      }
      let slots = node.slots
      guard slot < slots.count else {
        stack.removeLast()
        return end(UInt8(ascii: "}"), depth: top)
      }
      stack[top].work = .children(node, slot: slot + 1)
      let child = node.schema.dataChildren[Int(slots[slot].position)]
      visit(child, slots[slot].node, in: node.schema, top)
    case .entries(var iterator):
      guard let entry = iterator.next() else {
        stack.removeLast()
        return end(UInt8(ascii: "]"), depth: top)
      }
      stack[top].work = .entries(iterator)
      separate(depth: top + 1)
      write(entry, stack[top].annotations?.below[.init(schema: entry.schema, keys: entry.keys)])
    case .values(let values, let next):
      guard next < values.count else {
        stack.removeLast()
        return end(UInt8(ascii: "]"), depth: top)
      }
      stack[top].work = .values(values, next: next + 1)
      separate(depth: top + 1)
      leafs.append(values[next], of: stack[top].schema, to: &sink)
    }
  }

  private func visit(
    _ child: SchemaNode, _ content: DataNode, in parent: SchemaNode, _ top: Int
  ) {
    let qualified = Self.isQualified(child, in: parent)
    name(child, qualified: qualified, depth: top + 1)
    let around = stack[top].annotations
    switch content {
    case .leaf(let value): leafs.append(value, of: child, to: &sink)
    case .any(let any): leafs.append(any, to: &sink)
    case .leafList(let values):
      begin(UInt8(ascii: "["))
      stack.append(Frame(schema: child, work: .values(values, next: 0), annotations: nil))
    case .container(let node): write(node, around?.below[.init(schema: child)])
    case .list(let entries):
      begin(UInt8(ascii: "["))
      stack.append(Frame(schema: child, work: .entries(entries.makeIterator()), annotations: around))
    }
    if let around { annotate(child, content, around, qualified, top) }
  }

  /// Writes a container or entry in one go when that is possible, else begins it.
  private func write(_ node: InteriorNode, _ annotations: Annotations?) {
    if annotations == nil, indentation == nil {
      let mark = sink.count
      if appendWhole(node, end: mark + LeafWriter.maximumBytes) { return }
      sink.truncate(to: mark)
    }
    stack.append(Frame(schema: node.schema, work: .children(node, slot: -1), annotations: annotations))
  }

  /// Members of the top level have their module's name, and others where the module changes (RFC 7951 section 4).
  private static func isQualified(_ child: SchemaNode, in parent: SchemaNode) -> Bool {
    parent.kind == .root || child.module !== parent.module
  }

  /// The longest list that is written without a pause.
  private static let maximumEntries = 32

  /// Appends a whole container or entry. False, with part of it appended, when there is too much in it for one go.
  private func appendWhole(_ node: InteriorNode, end: Int) -> Bool {
    let schema = node.schema
    sink.append(UInt8(ascii: "{"))
    let slots = node.slots
    for index in 0..<slots.count {
      let slot = slots[index]
      let child = schema.dataChildren[Int(slot.position)]
      leafs.encoding.appendName(child, qualified: Self.isQualified(child, in: schema), isFirst: index == 0, to: &sink)
      switch slot.node {
      case .leaf(let value): leafs.append(value, of: child, to: &sink)
      case .leafList(let values):
        guard values.count <= Self.maximumEntries else { return false }
        sink.append(UInt8(ascii: "["))
        for (place, value) in values.enumerated() {
          if place > 0 { sink.append(UInt8(ascii: ",")) }
          leafs.append(value, of: child, to: &sink)
        }
        sink.append(UInt8(ascii: "]"))
      case .container(let below): guard appendWhole(below, end: end) else { return false }
      case .list(let entries):
        guard entries.count <= Self.maximumEntries else { return false }
        sink.append(UInt8(ascii: "["))
        var isFirst = true
        for entry in entries {
          if !isFirst { sink.append(UInt8(ascii: ",")) }
          isFirst = false
          guard appendWhole(entry, end: end) else { return false }
        }
        sink.append(UInt8(ascii: "]"))
      case .any(let content): leafs.append(content, to: &sink)
      }
    }
    sink.append(UInt8(ascii: "}"))
    needsComma = true
    return sink.count <= end
  }

  // MARK: Annotations

  private func annotate(
    _ child: SchemaNode, _ content: DataNode, _ around: Annotations, _ qualified: Bool, _ top: Int
  ) {
    switch content {
    case .leaf, .any:
      guard let own = around.below[.init(schema: child)]?.own, !own.isEmpty else { return }
      annotationName(child, qualified, top)
      append(own)
    case .leafList(let values):
      let found = values.map { around.below[.init(schema: child, keys: [$0])]?.own ?? [] }
      guard let last = found.lastIndex(where: { !$0.isEmpty }) else { return }
      // The values go first: the frame that has just begun is finished here.
      while stack.count > top + 1 { step() }
      annotationName(child, qualified, top)
      sink.append(UInt8(ascii: "["))
      for (place, own) in found[...last].enumerated() {
        if place > 0 { sink.append(UInt8(ascii: ",")) }
        if own.isEmpty { sink.append(contentsOf: "null".utf8) } else { append(own) }
      }
      sink.append(UInt8(ascii: "]"))
    case .container, .list: break
    }
  }

  private func annotationName(_ child: SchemaNode, _ qualified: Bool, _ top: Int) {
    separate(depth: top + 1)
    let name = qualified ? "\(child.module.name):\(child.name)" : child.name
    sink.append(contentsOf: "\"@\(name)\":".utf8)
  }

  private func append(_ annotations: [Annotation]) {
    let members = annotations.map { JSONValue.Member(name: "\($0.module.name):\($0.name)", value: $0.value) }
    var text: [UInt8] = []
    JSONValue.object(members).append(to: &text)
    sink.append(contentsOf: text)
  }

  // MARK: Punctuation

  private func begin(_ bracket: UInt8) {
    sink.append(bracket)
    needsComma = false
  }

  private func end(_ bracket: UInt8, depth: Int) {
    if needsComma { newLine(depth) }
    sink.append(bracket)
    needsComma = true
  }

  private func separate(depth: Int) {
    if needsComma { sink.append(UInt8(ascii: ",")) }
    newLine(depth)
    needsComma = true
  }

  private func name(_ node: SchemaNode, qualified: Bool, depth: Int) {
    separate(depth: depth)
    leafs.encoding.appendName(node, qualified: qualified, isFirst: true, to: &sink)
    if indentation != nil { sink.append(UInt8(ascii: " ")) }
  }

  private func newLine(_ depth: Int) {
    guard let indentation else { return }
    sink.append(0x0A)
    for _ in 0..<(indentation * depth) { sink.append(0x20) }
  }
}
