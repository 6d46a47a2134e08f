// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import YANG

/// Builds plain data from a JSON document (RFC 7951) that comes in pieces: `feed` it, `finish` it, then ask for `data()`.
///
/// The document is one object, whose members are children of the given schema node. What does not fit the schema is
/// collected, and the parsing goes on, so that all of it is found together. Members may come in any order, the keys of
/// a list entry among them. Annotations (RFC 7952) are collected in `annotations`.
public final class JSONDataParser: DataAssembler {
  let purpose: Purpose
  let limits: JSONLimits
  @exclusivity(unchecked) private var cache: MemberCache
  @exclusivity(unchecked) private var tokenizer: JSONTokenizer<JSONDataParser>?
  private var root: InteriorNode?
  /// The operation that the one member of the document is to name, when its content is what is read.
  private let envelope: SchemaNode?

  /// Where a value stands.
  private enum Place: UInt8 {
    /// The members of a container or entry.
    case object
    /// The entries of a list.
    case entries
    /// The values of a leaf-list.
    case values
    /// `[null]`, a value of type empty, alone or among the values of a leaf-list.
    case empty
    /// The object around the one member that names an operation.
    case envelope
  }

  private struct Level {
    let place: Place
    unowned(unsafe) let schema: SchemaNode
    /// Of `empty`: how many nulls were there; more than one for what is none.
    var nulls = 0
  }
  @exclusivity(unchecked) private var levels: [Level] = []
  /// Whom the value that comes next belongs to.
  @exclusivity(unchecked) private unowned(unsafe) var pending: SchemaNode?
  /// How many objects and arrays are open of what is not looked at; the value that comes next is one of those when
  /// `pending` is nil.
  @exclusivity(unchecked) private var skipped = 0
  /// The content of an anydata or anyxml, or annotations, while they come.
  @exclusivity(unchecked) private var capture: JSONCapture?
  /// Set while annotations are captured.
  @exclusivity(unchecked) private var annotated: AnnotationTarget?

  /// Reads children of `schema`: the root, the input of an rpc, a notification.
  ///
  /// - Parameters:
  ///   - envelope: when given, the document's object has this one member, whose value is the object to read.
  public init(
    schema: SchemaNode, purpose: Purpose, reader: ValueReader, encoding: JSONEncoding, envelope: SchemaNode? = nil,
    limits: JSONLimits = JSONLimits()
  ) {
    self.purpose = purpose
    self.limits = limits
    self.envelope = envelope
    cache = MemberCache(encoding: encoding)
    super.init(schema: schema, reader: reader)
    tokenizer = JSONTokenizer(handler: self, limits: limits)
  }

  // MARK: Input and result

  /// Takes the next piece of the document.
  public func feed(_ bytes: UnsafeRawBufferPointer) throws(JSONError) { try tokenizer?.feed(bytes) }

  /// As `feed(_:)`.
  public func feed(_ bytes: [UInt8]) throws(JSONError) {
    let result = bytes.withUnsafeBytes { bytes -> Result<Void, JSONError> in
      do throws(JSONError) { return .success(try feed(bytes)) } catch { return .failure(error) }
    }
    try result.get()
  }

  /// Says that the document is over.
  public func finish() throws(JSONError) { try tokenizer?.finish() }

  /// What was read, once the document is over.
  public func data() throws(DatastoreFailure) -> InteriorNode {
    guard errors.isEmpty else { throw DatastoreFailure(errors) }
    return root ?? InteriorNode(schema: schema)
  }

  /// The line that the parsing has come to, from 1.
  public var line: Int { tokenizer?.line ?? 0 }

  override var currentLine: Int { line }

  // MARK: Values

  private func refuse(_ child: SchemaNode, _ wanted: String) {
    pending = nil
    report(
      DatastoreError(
        .invalidValue, path: path(to: child), message: "\(child.name): \(wanted) is expected",
        info: [("bad-element", child.name)]))
  }

  private func expectation(of child: SchemaNode) -> String {
    switch child.kind {
    case .list: "an array of objects"
    case .leafList: "an array"
    case .container, .anydata, .input, .output, .rpc, .action, .notification: "an object"
    case .leaf: "a value of its type"
    default: "another value"
    }
  }

  private func take(_ form: JSONForm, _ text: UnsafeBufferPointer<UInt8>) {
    guard let level = levels.last else {
      return report(DatastoreError(.invalidValue, message: "the document is no object"))
    }
    switch level.place {
    case .object:
      guard let child = pending else { return }
      pending = nil
      switch child.kind {
      case .leaf:
        if let value = read(form, text, child) { slots.append(InteriorNode.Slot(child, .leaf(value))) }
      case .anyxml:
        var capture = JSONCapture()
        write(form, text, to: &capture)
        slots.append(InteriorNode.Slot(child, .any(AnyContent(json: String(decoding: capture.text, as: UTF8.self)))))
      default: refuse(child, expectation(of: child))
      }
    case .values:
      if let value = read(form, text, level.schema) { values.append((level.schema, value)) }
    case .empty: levels[levels.count - 1].nulls += form == .null ? 1 : 2
    case .entries: refuse(level.schema, expectation(of: level.schema))
    case .envelope: refuse(level.schema, expectation(of: level.schema))
    }
  }

  private func write(_ form: JSONForm, _ text: UnsafeBufferPointer<UInt8>, to capture: inout JSONCapture) {
    switch form {
    case .string: capture.string(text)
    case .number, .boolean: capture.plain(text)
    case .null: capture.plain("null".utf8)
    }
  }

  private func read(_ form: JSONForm, _ text: UnsafeBufferPointer<UInt8>, _ leaf: SchemaNode) -> Value? {
    do throws(DatastoreError) {
      return try reader.read(form, text, for: leaf, at: { path(to: leaf) })
    } catch {
      report(error)
      return nil
    }
  }

  private func scalar(_ form: JSONForm, _ text: UnsafeBufferPointer<UInt8>) throws(JSONError) {
    if skipped > 0 { return }
    if capture != nil {
      capture.modify { write(form, text, to: &$0) }
      return try finishCapture()
    }
    // A bare null is a value of no type.
    if form == .null, levels.last?.place != .empty, let child = pending ?? levels.last?.schema, pending?.kind != .anyxml
    {
      return refuse(child, child.kind == .leaf || child.kind == .leafList ? "no bare null" : expectation(of: child))
    }
    take(form, text)
  }

  // MARK: Anydata and annotations

  /// Whom annotations belong to.
  enum AnnotationTarget {
    /// The object that they stand in.
    case object
    case child(SchemaNode)
  }

  private func finishCapture() throws(JSONError) {
    guard let finished = capture, finished.isComplete else { return }
    capture = nil
    if let target = annotated {
      annotated = nil
      return try annotate(target, finished.text)
    }
    guard let child = pending else { return }
    pending = nil
    slots.append(InteriorNode.Slot(child, .any(AnyContent(json: String(decoding: finished.text, as: UTF8.self)))))
  }

  private func checkCapture() throws(JSONError) {
    if let capture, capture.text.count > limits.valueBytes {
      throw JSONError(.tooBig, line: line, message: "an anydata is longer than \(limits.valueBytes) bytes")
    }
  }
}

// MARK: - Events

extension JSONDataParser: JSONHandler {
  func beginObject() throws(JSONError) {
    if skipped > 0 {
      skipped += 1
      return
    }
    if capture != nil {
      capture?.begin("{")
      return try checkCapture()
    }
    guard let level = levels.last else {
      levels.append(Level(place: envelope == nil ? .object : .envelope, schema: envelope ?? schema))
      return
    }
    switch level.place {
    case .object:
      guard let child = pending else { return skip() }
      switch child.kind {
      case .container:
        pending = nil
        open(child, hasAttributes: false)
        levels.append(Level(place: .object, schema: child))
      case .anydata, .anyxml:
        capture = JSONCapture()
        capture?.begin("{")
      default:
        refuse(child, expectation(of: child))
        skip()
      }
    case .entries:
      open(level.schema, hasAttributes: false)
      levels.append(Level(place: .object, schema: level.schema))
    case .envelope:
      guard pending != nil else { return skip() }
      pending = nil
      levels.append(Level(place: .object, schema: schema))
    case .values:
      refuse(level.schema, "a value")
      skip()
    case .empty:
      levels[levels.count - 1].nulls = 2
      skip()
    }
  }

  func endObject() throws(JSONError) {
    if skipped > 0 {
      skipped -= 1
      return
    }
    if capture != nil {
      capture?.end("}")
      return try finishCapture()
    }
    guard let level = levels.popLast(), level.place == .object, let frame = frames.last else { return }
    if annotationStack.last?.depth == frames.count { endAnnotations(frame, keys: nil) }
    let node = endInterior(frame, nil)
    if frames.count > 1 {
      frames.removeLast()
      hand(up: node, frame.schema)
    } else if case .plain(let node)? = node {
      root = node
    }
  }

  func beginArray() throws(JSONError) {
    if skipped > 0 {
      skipped += 1
      return
    }
    if capture != nil {
      capture?.begin("[")
      return try checkCapture()
    }
    guard let level = levels.last else {
      report(DatastoreError(.invalidValue, message: "the document is no object"))
      return skip()
    }
    switch level.place {
    case .object:
      guard let child = pending else { return skip() }
      switch child.kind {
      case .list, .leafList:
        if isRepeated(child) { report(.repeated(path(to: child))) }
        pending = nil
        levels.append(Level(place: child.kind == .list ? .entries : .values, schema: child))
      case .leaf:
        pending = nil
        levels.append(Level(place: .empty, schema: child))
      case .anyxml:
        capture = JSONCapture()
        capture?.begin("[")
      default:
        refuse(child, expectation(of: child))
        skip()
      }
    case .values: levels.append(Level(place: .empty, schema: level.schema))
    case .entries, .envelope:
      refuse(level.schema, expectation(of: level.schema))
      skip()
    case .empty:
      levels[levels.count - 1].nulls = 2
      skip()
    }
  }

  func endArray() throws(JSONError) {
    if skipped > 0 {
      skipped -= 1
      return
    }
    if capture != nil {
      capture?.end("]")
      return try finishCapture()
    }
    guard let level = levels.popLast(), level.place == .empty else { return }
    guard level.nulls == 1 else { return refuse(level.schema, expectation(of: level.schema)) }
    guard let value = read(.null, UnsafeBufferPointer(start: nil, count: 0), level.schema) else { return }
    if level.schema.kind == .leaf {
      slots.append(InteriorNode.Slot(level.schema, .leaf(value)))
    } else {
      values.append((level.schema, value))
    }
  }

  func name(_ text: UnsafeBufferPointer<UInt8>) throws(JSONError) {
    if skipped > 0 { return }
    if capture != nil {
      capture?.name(text)
      return try checkCapture()
    }
    pending = nil
    guard let level = levels.last else { return }
    if level.place == .envelope {
      if isName(text, of: level.schema) { pending = level.schema } else { report(unknown(text, in: level.schema)) }
      return
    }
    guard let parent = frames.last?.schema else { return }
    if text.first == UInt8(ascii: "@") { return beginAnnotation(text, parent) }
    guard let child = cache.child(of: parent, text) else { return report(unknown(text, in: parent)) }
    guard child.isConfig || purpose == .message else { return report(stateRefused(child)) }
    pending = child
  }

  func string(_ text: UnsafeBufferPointer<UInt8>) throws(JSONError) { try scalar(.string, text) }

  func number(_ text: UnsafeBufferPointer<UInt8>) throws(JSONError) {
    if capture != nil || NumberText.isPlain(text) { return try scalar(.number, text) }
    let plain = NumberText.plain(text) ?? Array(text)
    let result = plain.withUnsafeBufferPointer { text -> Result<Void, JSONError> in
      do throws(JSONError) { return .success(try scalar(.number, text)) } catch { return .failure(error) }
    }
    try result.get()
  }

  func literal(_ literal: JSONLiteral) throws(JSONError) {
    let (form, text): (JSONForm, StaticString) =
      switch literal {
      case .null: (.null, "")
      case .yes: (.boolean, "true")
      case .no: (.boolean, "false")
      }
    try scalar(form, UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private func skip() {
    pending = nil
    skipped = 1
  }

  /// Whether the list or leaf-list has been there in this object.
  private func isRepeated(_ child: SchemaNode) -> Bool {
    guard let frame = frames.last else { return false }
    if child.kind == .list { return entries[frame.entries...].contains { $0.schema === child } }
    return values[frame.values...].contains { $0.schema === child }
  }

  private func beginAnnotation(_ text: UnsafeBufferPointer<UInt8>, _ parent: SchemaNode) {
    if text.count == 1 {
      annotated = .object
    } else {
      let name = UnsafeBufferPointer(rebasing: text[1...])
      guard let child = cache.child(of: parent, name) else { return report(unknown(name, in: parent)) }
      annotated = .child(child)
    }
    capture = JSONCapture()
  }

  private func isName(_ text: UnsafeBufferPointer<UInt8>, of node: SchemaNode) -> Bool {
    text.elementsEqual("\(node.module.name):\(node.name)".utf8)
  }

  /// What is wrong with a member that is no child of `parent`.
  private func unknown(_ text: UnsafeBufferPointer<UInt8>, in parent: SchemaNode) -> DatastoreError {
    let name = Self.shortened(String(decoding: text, as: UTF8.self))
    let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let local = parts.last ?? name
    let place = parent.kind == .root ? "the top level" : parent.path
    guard parts.count == 2 else {
      let hint = parent.kind == .root ? "; at the top level a name needs its module's in front" : ""
      return DatastoreError(
        .unknownElement, path: path(), message: "there is no \(name) in \(place)\(hint)", info: [("bad-element", name)])
    }
    guard let module = reader.schema.module(named: parts[0]), module.isImplemented else {
      return DatastoreError(
        .unknownNamespace, path: path(), message: "\(name): there is no module \(parts[0])",
        info: [("bad-element", local), ("bad-namespace", parts[0])])
    }
    return DatastoreError(
      .unknownElement, path: path(), message: "\(module.name) has no \(local) in \(place)",
      info: [("bad-element", local)])
  }

  // MARK: Annotations

  private func annotate(_ target: AnnotationTarget, _ text: [UInt8]) throws(JSONError) {
    guard let value = try? JSONValue.parse(text) else { return }
    let top = annotationLevel()
    switch target {
    case .object:
      guard let found = annotations(in: value) else { return }
      annotationStack[top].annotations.own += found
    case .child(let child) where child.kind == .leafList:
      guard case .array(let items) = value else { return refuseAnnotation() }
      for (place, item) in items.enumerated() where item != .literal(.null) {
        guard let found = annotations(in: item) else { return }
        annotationStack[top].annotations.unplaced.append((child, place, found))
      }
    case .child(let child):
      guard child.kind != .list, child.kind != .container else { return refuseAnnotation() }
      guard let found = annotations(in: value) else { return }
      annotationStack[top].annotations.below[InstancePath.Step(schema: child), default: Annotations()].own += found
    }
  }

  private func annotations(in value: JSONValue) -> [Annotation]? {
    guard case .object(let members) = value else {
      refuseAnnotation()
      return nil
    }
    var result: [Annotation] = []
    for member in members {
      let parts = member.name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, let module = reader.schema.module(named: parts[0]) else {
        let name = Self.shortened(member.name)
        report(
          DatastoreError(
            .unknownAttribute, path: path(), message: "there is no annotation \(name)", info: [("bad-attribute", name)])
        )
        return nil
      }
      result.append(Annotation(module: module, name: parts[1], value: member.value))
    }
    return result
  }

  private func refuseAnnotation() {
    report(DatastoreError(.badAttribute, path: path(), message: "annotations are an object (RFC 7952 section 5.2)"))
  }
}

extension Optional {
  fileprivate mutating func modify(_ body: (inout Wrapped) -> Void) {
    guard var value = self else { return }
    self = nil
    body(&value)
    self = value
  }
}
