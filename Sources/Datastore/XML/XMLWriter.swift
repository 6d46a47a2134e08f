// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// Writes a tree as XML, as much at a time as the reader takes: a cursor over a snapshot, so that a slow reader costs a
/// cursor and not a copy.
///
/// A filter selects while it walks. Operational data is asked of its sources when the walk gets to it, and pulled one
/// entry at a time. Elements that turn out to have nothing selected in them are not written. Not for use by several
/// threads at once.
public final class XMLWriter {
  let leafs: LeafWriter
  let operational: OperationalSources?
  private var stack: [Frame] = []

  /// A place in the walk.
  private struct Frame {
    let schema: SchemaNode
    var work: Work
    /// For a container or entry: whether its start tag is written.
    var isOpen = false
    /// What of a container's or entry's children is wanted.
    var selection = Selection.all
    /// For the entries of a list: the filters that name it.
    var filters: [FilterChild]?

    /// Whether the frame stands for an element with tags.
    var isTagged: Bool {
      if case .children = work { true } else { false }
    }
  }

  private enum Work {
    /// The children of a container or entry; nil when only operational data is in it. The next slot, and the next of
    /// the positions at which there are operational sources.
    case children(InteriorNode?, slot: Int, source: Int)
    case entries(ListEntries.Iterator)
    case found([InteriorNode], next: Int)
    case provided(AnyIterator<InteriorNode>)
    case values([Value], next: Int)
  }

  /// Writes the children of a root or message body.
  ///
  /// - Parameters:
  ///   - content: configuration, or the body of a message; nil when only operational data is wanted.
  ///   - filter: nil selects everything.
  ///   - operational: the sources of operational data; nil for none.
  ///   - sealer: encodes secrets; without one they do not show.
  public init(
    encoding: XMLEncoding, content: InteriorNode?, filter: SubtreeFilter? = nil,
    operational: OperationalSources? = nil, sealer: Sealer?
  ) {
    leafs = LeafWriter(encoding: encoding, sealer: sealer)
    self.operational = operational
    let schema = content?.schema ?? encoding.schema.root
    var top = Frame(schema: schema, work: .children(content, slot: 0, source: 0), isOpen: true)
    if let filter {
      guard filter.root.passes(content) else { return }
      top.selection = .groups([filter.root])
    }
    stack = [top]
  }

  /// Writes one container, entry or notification with its own tags.
  public init(encoding: XMLEncoding, element: InteriorNode, filter: SubtreeFilter? = nil, sealer: Sealer?) {
    leafs = LeafWriter(encoding: encoding, sealer: sealer)
    operational = nil
    let filters = filter.map { $0.root.children[element.schema.id] ?? [] }
    if let selection = Selection.of(element, by: filters) { push(element, element.schema, selection) }
    elementDepth = 1
  }

  /// The number of frames at the bottom that have tags of their own although they are not below anything.
  private var elementDepth = 0

  /// Appends what comes next: about `limit` bytes, and one leaf or small entry more at most.
  /// - Returns: true when there is more.
  public func write(into output: inout [UInt8], limit: Int) -> Bool {
    let end = output.count + limit
    while !stack.isEmpty {
      if output.count >= end { return true }
      step(&output)
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

  private func step(_ output: inout [UInt8]) {
    let top = stack.count - 1
    switch stack[top].work {
    case .children(let node, let slot, let source): visitChild(top, node, slot, source, &output)
    case .entries(var iterator):
      guard let entry = iterator.next() else {
        _ = stack.removeLast()
        return
      }
      stack[top].work = .entries(iterator)
      write(entry, stack[top].filters, &output)
    case .found(let entries, let next):
      guard next < entries.count else {
        _ = stack.removeLast()
        return
      }
      stack[top].work = .found(entries, next: next + 1)
      write(entries[next], stack[top].filters, &output)
    case .provided(let iterator):
      guard let node = iterator.next() else {
        _ = stack.removeLast()
        return
      }
      write(node, stack[top].filters, &output)
    case .values(let values, let next):
      guard next < values.count else {
        _ = stack.removeLast()
        return
      }
      stack[top].work = .values(values, next: next + 1)
      let schema = stack[top].schema
      open(&output)
      leafs.append(values[next], of: schema, declaring: isDeclaring(schema), to: &output)
    }
  }

  private func visitChild(_ top: Int, _ node: InteriorNode?, _ slot: Int, _ source: Int, _ output: inout [UInt8]) {
    let schema = stack[top].schema
    let next = node.flatMap { slot < $0.slots.count ? $0.slots[slot] : nil }
    var provided: Int?
    if let operational, let positions = operational.positions[schema.id], source < positions.count {
      provided = positions[source]
    }
    let slotPosition = next.map { Int($0.position) } ?? .max
    guard next != nil || provided != nil else { return close(top, &output) }
    let position = min(slotPosition, provided ?? .max)
    stack[top].work = .children(
      node, slot: slotPosition == position ? slot + 1 : slot, source: provided == position ? source + 1 : source)
    let child = schema.dataChildren[position]
    // Keys are written with the start tag of an entry that is selected in part.
    if child.isKey, case .groups = stack[top].selection {
      if stack[top].selection.filters(for: child)?.contains(where: { $0.group == nil }) ?? true { open(&output) }
      return
    }
    let filters = stack[top].selection.filters(for: child)
    if let filters, filters.isEmpty { return }
    if let origin = operational?.sources[child.id] {
      ask(origin, child, filters, slotPosition == position ? next?.node : nil)
    } else {
      visit(child, slotPosition == position ? next?.node : nil, filters, &output)
    }
  }

  private func visit(_ child: SchemaNode, _ content: DataNode?, _ filters: [FilterChild]?, _ output: inout [UInt8]) {
    switch content {
    case .leaf(let value)?:
      guard filters?.contains(where: { $0.group == nil }) ?? true else { return }
      open(&output)
      leafs.append(value, of: child, declaring: isDeclaring(child), to: &output)
    case .any(let any)?:
      guard filters?.contains(where: { $0.group == nil }) ?? true else { return }
      open(&output)
      leafs.append(any, of: child, declaring: isDeclaring(child), to: &output)
    case .leafList(let values)?:
      guard filters?.contains(where: { $0.group == nil }) ?? true else { return }
      stack.append(Frame(schema: child, work: .values(values, next: 0), isOpen: true))
    case .container(let node)?: write(node, filters, &output)
    case .list(let entries)?: push(entries, filters)
    case nil:
      // There may be operational data below; for a list there are no entries to hold it.
      guard child.kind == .container, let selection = Selection.of(nil, by: filters) else { return }
      stack.append(Frame(schema: child, work: .children(nil, slot: 0, source: 0), selection: selection))
    }
  }

  /// Writes a container or entry in one go when that is possible, else begins it.
  private func write(_ node: InteriorNode, _ filters: [FilterChild]?, _ output: inout [UInt8]) {
    guard let selection = Selection.of(node, by: filters) else { return }
    let schema = node.schema
    if case .all = selection, operational?.positions[schema.id] == nil {
      open(&output)
      let mark = output.count
      let end = mark + LeafWriter.maximumBytes
      if leafs.appendWhole(node, declaring: isDeclaring(schema), end: end, to: &output) { return }
      output.removeSubrange(mark...)
    }
    push(node, schema, selection)
  }

  private func push(_ node: InteriorNode, _ schema: SchemaNode, _ selection: Selection) {
    stack.append(Frame(schema: schema, work: .children(node, slot: 0, source: 0), selection: selection))
  }

  private func push(_ entries: ListEntries, _ filters: [FilterChild]?) {
    let schema = entries.schema
    if let filters, let keys = Self.fixedKeys(filters, schema) {
      // Entries that the filter names are looked up; each once, in the list's order.
      var places: [Int: InteriorNode] = [:]
      for keys in keys {
        guard let entry = entries.find(keys) else { continue }
        if filters.count == 1 {
          places[0] = entry
        } else if let place = entries.place(of: keys) {
          places[place] = entry
        }
      }
      let found = places.sorted { $0.key < $1.key }.map(\.value)
      stack.append(Frame(schema: schema, work: .found(found, next: 0), isOpen: true, filters: filters))
    } else {
      stack.append(Frame(schema: schema, work: .entries(entries.makeIterator()), isOpen: true, filters: filters))
    }
  }

  private static func fixedKeys(_ filters: [FilterChild], _ list: SchemaNode) -> [[Value]]? {
    let keys = filters.compactMap { $0.group?.fixedKeys(of: list) }
    return keys.count == filters.count && !keys.isEmpty ? keys : nil
  }

  // MARK: Operational data

  private func ask(
    _ source: OperationalSources.Source, _ child: SchemaNode, _ filters: [FilterChild]?, _ content: DataNode?
  ) {
    // What is configured at the same place comes first.
    let ancestors = ancestorKeys()
    let fixed = child.kind == .list ? filters.flatMap { Self.fixedKeys($0, child) } : nil
    let requests = (fixed ?? [[]]).map { keys in
      let all = ancestors + keys
      return OperationalRequest(path: source.path, schema: child, keys: all.isEmpty ? nil : all)
    }
    var pending = requests[...]
    var current: AnyIterator<InteriorNode>?
    let iterator = AnyIterator<InteriorNode> {
      while true {
        if let node = current?.next() { return node }
        guard let request = pending.popFirst() else { return nil }
        current = source.produce(request)
      }
    }
    stack.append(Frame(schema: child, work: .provided(iterator), isOpen: true, filters: filters))
    switch content {
    case .container(let node)?:
      stack.append(Frame(schema: child, work: .found([node], next: 0), isOpen: true, filters: filters))
    case .list(let entries)?: push(entries, filters)
    default: break
    }
  }

  /// The key values of the entries that the walk is in, outermost first.
  private func ancestorKeys() -> [Value] {
    stack.flatMap { frame -> [Value] in
      if case .children(let node?, _, _) = frame.work, frame.schema.kind == .list { return node.keys }
      return []
    }
  }

  // MARK: Tags

  /// A top-level element always declares its namespace; others do where the module changes.
  private func isDeclaring(_ schema: SchemaNode) -> Bool {
    guard let parent = schema.dataParent else { return true }
    switch parent.kind {
    case .root, .rpc, .action, .input, .output: return true
    default: return parent.module !== schema.module
    }
  }

  /// Writes the start tags that are still to be written of all elements the walk is in.
  private func open(_ output: inout [UInt8]) {
    // Nearly always all are open: the innermost one tells, as one opens with those around it.
    guard
      let first = stack.lastIndex(where: { $0.isTagged })
        .flatMap({ stack[$0].isOpen ? nil : stack.firstIndex { $0.isTagged && !$0.isOpen } })
    else { return }
    for index in first..<stack.count where stack[index].isTagged && !stack[index].isOpen {
      stack[index].isOpen = true
      let schema = stack[index].schema
      let isOutermost = index < elementDepth
      leafs.encoding.appendStart(schema, declaring: isOutermost || isDeclaring(schema), to: &output)
      guard schema.kind == .list, case .groups = stack[index].selection,
        case .children(let node?, _, _) = stack[index].work
      else { continue }
      for (key, value) in zip(schema.keys, node.keys) {
        leafs.append(value, of: key, declaring: key.module !== schema.module, to: &output)
      }
    }
  }

  private func close(_ top: Int, _ output: inout [UInt8]) {
    let frame = stack[top]
    let isElement = top > 0 || elementDepth > 0
    if isElement, !frame.isOpen, case .all = frame.selection, case .children(let node?, _, _) = frame.work,
      !(node.isEmpty && frame.schema.isNonPresenceContainer)
    {
      open(&output)
    }
    if isElement, stack[top].isOpen { leafs.encoding.appendEnd(frame.schema, to: &output) }
    stack.removeLast()
  }
}
