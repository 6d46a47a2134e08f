// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Builds an edit from the content of `<config>`, or plain data from the content of an rpc, as their events come.
///
/// Enter it (`XMLAction.enter`) for the element whose content it is to read; when that has ended, ask `edit()` or
/// `data()`. What does not fit the schema is collected and reported there; the parsing goes on, so that all of it is
/// found together.
///
/// Elements without an operation in or below them become finished tree nodes at once: they are the objects that the
/// datastore will hold.
public final class DataParser: DataAssembler, XMLHandler {
  let purpose: Purpose
  let limits: XMLLimits
  unowned(unsafe) let tokenizer: XMLTokenizer
  @exclusivity(unchecked) var cache: ChildCache
  private var result: EditNode?
  private var captured: AnyContent?
  /// Of the open elements that have any, the outermost first.
  @exclusivity(unchecked) var attributes: [EditAttributes] = []
  /// Of the element that is about to be opened.
  @exclusivity(unchecked) var pendingAnnotations: [Annotation] = []
  @exclusivity(unchecked) private var text: [UInt8] = []

  /// Reads children of `schema`: the root, or the input of an rpc. `tokenizer` is the one whose events come here.
  public init(
    schema: SchemaNode, purpose: Purpose, reader: ValueReader, tokenizer: XMLTokenizer
  ) {
    self.purpose = purpose
    self.tokenizer = tokenizer
    limits = tokenizer.limits
    cache = ChildCache(schema: reader.schema)
    super.init(schema: schema, reader: reader)
  }

  /// Whether attributes are taken as annotations (RFC 7952) that belong to modules and are of no edit.
  var keepsAnnotations = false

  override var currentLine: Int { tokenizer.line }

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

  // MARK: Events

  public func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    guard let above = frames.last else { return .skip }
    let parent = above.schema
    guard above.isInterior, let child = cache.child(of: parent, tag, generation: tokenizer.generation) else {
      report(unknown(tag, in: parent))
      return .skip
    }
    if purpose != .message, !child.isConfig {
      report(stateRefused(child))
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
    open(child, hasAttributes: hasAttributes)
    if !pendingAnnotations.isEmpty {
      annotationStack[annotationLevel()].annotations.own = pendingAnnotations
      pendingAnnotations = []
    }
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
    if annotationStack.last?.depth == frames.count {
      var keys: [Value]?
      if frame.schema.kind == .leafList { keys = (try? readValue(of: frame.schema)).map { [$0] } }
      endAnnotations(frame, keys: keys)
    }
    switch frame.schema.kind {
    case .leaf, .leafList: endLeaf(frame.schema, own)
    case .anydata, .anyxml: endAny(frame.schema, own)
    default:
      let node = endInterior(frame, own)
      frames.removeLast()
      hand(up: node, frame.schema)
    }
  }

  public func finish() throws(XMLError) {
    guard let frame = frames.first, frames.count == 1 else { return }
    if annotationStack.last?.depth == frames.count { endAnnotations(frame, keys: nil) }
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
    } else if leaf.isOrderedByUser, hasEdit(of: leaf) {
      // Plain data is made before edits: behind an edit, where order is data, it has to wait its turn.
      edits.append(EditNode(schema: leaf, content: .leaf(value)))
    } else {
      values.append((leaf, value))
    }
  }

  /// Whether the innermost element has an edit of that child already.
  private func hasEdit(of leaf: SchemaNode) -> Bool {
    guard let frame = frames.last, edits.count > frame.edits else { return false }
    return edits[frame.edits...].lastIndex { $0.schema === leaf } != nil
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

  /// What is wrong with an element that is no child of `parent`.
  func unknown(_ tag: XMLTag, in parent: SchemaNode) -> DatastoreError {
    let name = Self.shortened(tag.nameText)
    guard let namespace = tag.namespaceText.map(Self.shortened) else {
      return DatastoreError(
        .unknownNamespace, path: path(), message: "\(name) has no namespace",
        info: [("bad-element", name), ("bad-namespace", "")])
    }
    guard let module = tag.namespaceText.flatMap({ reader.schema.module(namespace: $0) }), module.isImplemented else {
      return DatastoreError(
        .unknownNamespace, path: path(), message: "\(name): there is no module with the namespace \(namespace)",
        info: [("bad-element", name), ("bad-namespace", namespace)])
    }
    let place = parent.kind == .root ? "the top level" : parent.path
    return DatastoreError(
      .unknownElement, path: path(), message: "\(module.name) has no \(name) in \(place)",
      info: [("bad-element", name)])
  }
}
