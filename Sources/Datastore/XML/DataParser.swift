// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Builds an edit from the content of `<config>`, or plain data from the content of an rpc, as their events come.
///
/// Enter it (`XMLAction.enter`) for the element whose content it is to read; when that has ended, ask `edit()` or
/// `data()`. What does not fit the schema is collected and reported there; the parsing goes on, so that all of it is
/// found together.
///
/// Elements without an operation in or below them become finished tree nodes at once: they are the objects that the
/// datastore will hold. Stacks shared by all levels keep what the open elements have so far.
///
/// The stacks are changed for every element; run-time checks for overlapping access would cost as much as the parsing.
/// They are off: events come one at a time, and no method lends a stack to anything that calls back.
public final class DataParser: XMLHandler {
  /// What the content may be.
  public enum Purpose: Sendable {
    /// Configuration with operations: the content of `<config>`.
    case edit
    /// Configuration as it is, such as the content of a stored document.
    case configuration
    /// The input of an rpc or action, a notification: all kinds of nodes.
    case message
  }

  let schema: SchemaNode
  let purpose: Purpose
  let reader: ValueReader
  let limits: XMLLimits
  unowned(unsafe) let tokenizer: XMLTokenizer
  @exclusivity(unchecked) var cache: ChildCache
  private(set) var errors: [DatastoreError] = []
  private var result: EditNode?
  private var captured: AnyContent?

  /// More errors than these are not of use to anyone.
  static let maximumErrors = 100

  /// One open element. The schema outlives the parser, which holds it by `reader`.
  struct Frame {
    unowned(unsafe) let schema: SchemaNode
    let isInterior: Bool
    let hasAttributes: Bool
    /// Where this element's part of each stack begins.
    let slots: Int
    let entries: Int
    let values: Int
    let edits: Int
    /// Set when something inside was refused: then it is not handed up.
    var isBroken = false
  }
  @exclusivity(unchecked) var frames: [Frame] = []
  @exclusivity(unchecked) var slots: [InteriorNode.Slot] = []
  @exclusivity(unchecked) var entries: [Item] = []
  @exclusivity(unchecked) var values: [(schema: SchemaNode, value: Value)] = []
  @exclusivity(unchecked) var edits: [EditNode] = []
  /// Of the open elements that have any, the outermost first.
  @exclusivity(unchecked) var attributes: [EditAttributes] = []
  @exclusivity(unchecked) private var text: [UInt8] = []

  /// An entry of a list, in document order among those with operations.
  enum Item {
    case plain(InteriorNode)
    case edit(EditNode)
    var schema: SchemaNode {
      switch self {
      case .plain(let node): node.schema
      case .edit(let edit): edit.schema
      }
    }
  }

  /// What an element has become.
  enum Finished {
    case plain(InteriorNode)
    case edit(EditNode)
  }

  /// Reads children of `schema`: the root, or the input of an rpc. `tokenizer` is the one whose events come here.
  public init(
    schema: SchemaNode, purpose: Purpose, reader: ValueReader, tokenizer: XMLTokenizer
  ) {
    self.schema = schema
    self.purpose = purpose
    self.reader = reader
    self.tokenizer = tokenizer
    limits = tokenizer.limits
    cache = ChildCache(schema: reader.schema)
    frames = [
      Frame(schema: schema, isInterior: true, hasAttributes: false, slots: 0, entries: 0, values: 0, edits: 0)
    ]
  }

  // MARK: Results

  /// What was read, once the element has ended.
  public func edit() throws(DatastoreFailure) -> Edit {
    guard errors.isEmpty else { throw DatastoreFailure(errors) }
    return Edit(root: result ?? EditNode(schema: schema))
  }

  /// What was read as a tree; for purposes without operations.
  public func data() throws(DatastoreFailure) -> InteriorNode {
    try edit().root.plain ?? InteriorNode(schema: schema)
  }

  func report(_ error: DatastoreError) {
    if errors.count < Self.maximumErrors { errors.append(error) }
    for index in frames.indices { frames[index].isBroken = true }
  }

  /// The path of the innermost element, with the keys that have been read so far.
  func path(to child: SchemaNode? = nil) -> InstancePath {
    var steps: [InstancePath.Step] = []
    for (index, frame) in frames.enumerated().dropFirst() {
      var keys: [Value] = []
      if frame.schema.kind == .list {
        let end = index + 1 < frames.count ? frames[index + 1].slots : slots.count
        let own = slots[frame.slots..<end]
        keys = frame.schema.keys.compactMap { key in
          own.first { Int($0.position) == key.position }?.node.leafValue
        }
        if keys.count < frame.schema.keys.count { keys = [] }
      }
      steps.append(.init(schema: frame.schema, keys: keys))
    }
    if let child { steps.append(.init(schema: child)) }
    return InstancePath(steps)
  }

  // MARK: Events

  public func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    guard let above = frames.last else { return .skip }
    let parent = above.schema
    guard above.isInterior, let child = cache.child(of: parent, tag, generation: tokenizer.generation) else {
      report(unknown(tag, in: parent))
      return .skip
    }
    if purpose != .message, !child.isConfig {
      report(
        DatastoreError(
          .badElement, path: path(to: child), message: "\(child.path) is state, not configuration",
          info: [("bad-element", child.name)]))
      return .skip
    }
    var hasAttributes = false
    if tag.attributeCount > 0 {
      do throws(DatastoreError) {
        if let own = try readAttributes(tag, child) {
          attributes.append(own)
          hasAttributes = true
        }
      } catch {
        report(error)
        return .skip
      }
    }
    let kind = child.kind
    frames.append(
      Frame(
        schema: child, isInterior: child.isInterior, hasAttributes: hasAttributes, slots: slots.count,
        entries: entries.count, values: values.count, edits: edits.count))
    if kind == .anydata || kind == .anyxml {
      return .enter(AnyContentParser(parser: self, tokenizer: tokenizer, limit: limits.valueBytes))
    }
    text.removeAll(keepingCapacity: true)
    return .descend
  }

  public func characters(_ characters: UnsafeBufferPointer<UInt8>) throws(XMLError) {
    guard let frame = frames.last else { return }
    if frame.isInterior {
      // White space between elements; anything else is an error, told once for each node.
      guard !frame.isBroken, characters.contains(where: { !isBlank($0) }) else { return }
      let place = frame.schema.isInterior && frames.count > 1 ? frame.schema.path : "the top level"
      report(
        DatastoreError(
          .badElement, path: path(), message: "\(place) holds text where only elements may be",
          info: [("bad-element", frame.schema.name)]))
      return
    }
    guard text.count + characters.count <= limits.valueBytes else {
      throw XMLError(
        .tooBig, line: tokenizer.line, column: tokenizer.column,
        message: "the value of \(frame.schema.name) is longer than \(limits.valueBytes) bytes")
    }
    text.append(contentsOf: characters)
  }

  public func endElement() throws(XMLError) {
    guard frames.count > 1, let frame = frames.last else { return }
    let own = frame.hasAttributes ? attributes.popLast() : nil
    switch frame.schema.kind {
    case .leaf, .leafList: endLeaf(frame.schema, own)
    case .anydata, .anyxml: endAny(frame.schema, own)
    default:
      let node = endInterior(frame, own)
      frames.removeLast()
      switch node {
      case .plain(let node)?:
        if frame.schema.kind == .list {
          entries.append(.plain(node))
        } else if !(node.isEmpty && frame.schema.isNonPresenceContainer) {
          slots.append(InteriorNode.Slot(frame.schema, .container(node)))
        }
      case .edit(let edit)?:
        if frame.schema.kind == .list { entries.append(.edit(edit)) } else { edits.append(edit) }
      case nil: break
      }
    }
  }

  public func finish() throws(XMLError) {
    guard let frame = frames.first, frames.count == 1 else { return }
    switch endInterior(frame, nil) {
    case .plain(let node)?: result = EditNode(schema: schema, plain: node)
    case .edit(let edit)?: result = edit
    case nil: break
    }
  }

  private func endLeaf(_ leaf: SchemaNode, _ attributes: EditAttributes?) {
    let operation = attributes?.operation
    if leaf.kind == .leaf, operation == .delete || operation == .remove {
      // Which leaf is all that matters; its text is not looked at.
      frames.removeLast()
      if leaf.isKey {
        report(
          DatastoreError(
            .badAttribute, path: path(to: leaf), message: "the key \(leaf.name) cannot be deleted from its entry",
            info: [("bad-attribute", "operation"), ("bad-element", leaf.name)]))
      } else {
        edits.append(EditNode(schema: leaf, operation: operation))
      }
      return
    }
    let value: Value
    do throws(DatastoreError) {
      value = try readValue(of: leaf)
    } catch {
      frames.removeLast()
      return report(error)
    }
    frames.removeLast()
    if leaf.kind == .leaf {
      if operation == nil || leaf.isKey {
        slots.append(InteriorNode.Slot(leaf, .leaf(value)))
      } else {
        edits.append(EditNode(schema: leaf, operation: operation, content: .leaf(value)))
      }
    } else if let attributes {
      edits.append(
        EditNode(
          schema: leaf, operation: attributes.operation, insertion: attributes.insertion, content: .leaf(value)))
    } else {
      values.append((leaf, value))
    }
  }

  private func readValue(of leaf: SchemaNode) throws(DatastoreError) -> Value {
    let result = text.withUnsafeBufferPointer { text -> Result<Value, DatastoreError> in
      do throws(DatastoreError) {
        return .success(
          try reader.read(text, for: leaf, at: { path() }, namespace: { tokenizer.namespace(forPrefix: $0) }))
      } catch { return .failure(error) }
    }
    return try result.get()
  }

  /// Takes the captured content of an anydata or anyxml, whose end comes next.
  func take(_ content: AnyContent) { captured = content }

  private func endAny(_ schema: SchemaNode, _ attributes: EditAttributes?) {
    frames.removeLast()
    guard let content = captured else { return }
    captured = nil
    if let operation = attributes?.operation {
      edits.append(EditNode(schema: schema, operation: operation, content: .any(content)))
    } else {
      slots.append(InteriorNode.Slot(schema, .any(content)))
    }
  }
}

func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
