// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Reads an XML document of instances. There may be several elements at the top, as in the content of `<config>`, and
/// envelopes of NETCONF around them are looked through.
final class XMLDocumentReader: XMLHandler {
  private let kind: InstanceDocument.Kind
  private let reader: ValueReader
  private var tokenizer: XMLTokenizer?
  /// Of what is no operation.
  private var parser: DataParser?
  /// How many elements are open that `parser` knows of.
  private var depth = 0
  /// How many envelopes are open, with the element that was put around all.
  private var envelopes = 0
  /// Of an operation: the way to it, and its own parser.
  private var path: [InstancePath.Step] = []
  private var key: SchemaNode?
  private var text: [UInt8] = []
  private var found: (operation: SchemaNode, parser: DataParser)?
  private var isInsideOperation = false
  private var failure: DatastoreError?

  init(kind: InstanceDocument.Kind, reader: ValueReader) {
    self.kind = kind
    self.reader = reader
  }

  func read(_ bytes: [UInt8]) throws(DatastoreFailure) -> InstanceDocument {
    let tokenizer = XMLTokenizer(limits: XMLLimits(depth: 512), handler: self)
    self.tokenizer = tokenizer
    defer { self.tokenizer = nil }
    if !kind.isOperation { parser = makeParser(reader.schema.root, tokenizer) }
    do throws(XMLError) {
      try tokenizer.feed("<d>".utf8)
      try tokenizer.feed(bytes[Self.contentStart(bytes)...])
      try tokenizer.feed("</d>".utf8)
      try tokenizer.finish()
      try parser?.finish()
    } catch {
      var malformed = DatastoreError(.malformedMessage, layer: .rpc, message: error.message)
      malformed.line = error.line > 0 ? error.line : nil
      throw DatastoreFailure((parser?.errors ?? found?.parser.errors ?? []) + [malformed])
    }
    if let failure { throw DatastoreFailure(failure) }
    if let parser {
      let edit = try parser.edit()
      let tree = edit.root.plain ?? InteriorNode(schema: reader.schema.root)
      return InstanceDocument(
        kind: kind, content: kind == .edit ? .edit(edit) : .tree(tree), annotations: parser.annotations)
    }
    guard let found else { throw InstanceDocument.noOperation(kind, InstancePath(path)) }
    return InstanceDocument(
      kind: kind,
      content: .operation(found.operation, target: InstancePath(path), body: try found.parser.data()),
      annotations: found.parser.annotations)
  }

  /// Behind a byte order mark and the XML declaration.
  private static func contentStart(_ bytes: [UInt8]) -> Int {
    var start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    guard bytes[start...].starts(with: "<?xml".utf8) else { return start }
    while start + 1 < bytes.count, !(bytes[start] == UInt8(ascii: "?") && bytes[start + 1] == UInt8(ascii: ">")) {
      start += 1
    }
    return min(start + 2, bytes.count)
  }

  private func makeParser(_ schema: SchemaNode, _ tokenizer: XMLTokenizer) -> DataParser {
    let parser = DataParser(schema: schema, purpose: kind.purpose, reader: reader, tokenizer: tokenizer)
    parser.keepsAnnotations = true
    return parser
  }

  // MARK: Events

  func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    if envelopes == 0 || depth == 0 && path.isEmpty && found == nil && isEnvelope(tag) {
      envelopes += 1
      return .descend
    }
    if let parser {
      let action = try parser.startElement(tag)
      if case .skip = action { return .skip }
      depth += 1
      return action
    }
    if envelopes > 1, tag.isNamed("eventTime", in: Self.notification) { return .skip }
    guard failure == nil else { return .skip }
    do throws(DatastoreError) { return try walk(tag) } catch {
      failure = error
      failure?.line = tokenizer?.line
      return .skip
    }
  }

  private static let netconf: StaticString = "urn:ietf:params:xml:ns:netconf:base:1.0"
  private static let notification: StaticString = "urn:ietf:params:xml:ns:netconf:notification:1.0"

  private func isEnvelope(_ tag: XMLTag) -> Bool {
    switch kind {
    case .rpc: tag.isNamed("rpc", in: Self.netconf) || tag.isNamed("action", in: "urn:ietf:params:xml:ns:yang:1")
    case .reply: tag.isNamed("rpc-reply", in: Self.netconf)
    case .notif: tag.isNamed("notification", in: Self.notification)
    default:
      tag.isNamed("data", in: Self.netconf) || tag.isNamed("config", in: Self.netconf)
        || tag.isNamed("rpc-reply", in: Self.netconf)
    }
  }

  private func walk(_ tag: XMLTag) throws(DatastoreError) -> XMLAction {
    let current = path.last?.schema ?? reader.schema.root
    guard found == nil, let tokenizer else {
      throw DatastoreError(.unknownElement, message: "a document has one operation or notification")
    }
    guard key == nil, let module = tag.namespaceText.flatMap({ reader.schema.module(namespace: $0) }) else {
      throw DatastoreError(.unknownNamespace, message: "\(tag.nameText): no module has its namespace")
    }
    if let operation = InstanceDocument.operation(tag.nameText, module, in: current, reader.schema),
      let body = kind.body(of: operation)
    {
      try requireKeys()
      let parser = makeParser(body, tokenizer)
      found = (operation, parser)
      isInsideOperation = true
      return .enter(parser)
    }
    guard let child = current.dataChild(tag.nameText, in: module) else {
      throw DatastoreError(
        .unknownElement, path: InstancePath(path), message: "\(module.name) has no \(tag.nameText) here")
    }
    if child.isKey {
      key = child
      text.removeAll()
      return .descend
    }
    guard child.kind == .container || child.kind == .list else {
      throw DatastoreError(
        .badElement, path: InstancePath(path), message: "\(child.name) does not lead to an operation or notification")
    }
    try requireKeys()
    path.append(InstancePath.Step(schema: child))
    return .descend
  }

  private func requireKeys() throws(DatastoreError) {
    guard let step = path.last, step.schema.kind == .list, step.keys.count < step.schema.keys.count else { return }
    throw DatastoreError(
      .missingElement, path: InstancePath(path), message: "the entry of \(step.schema.path) is not named by its keys")
  }

  func characters(_ bytes: UnsafeBufferPointer<UInt8>) throws(XMLError) {
    if let parser, depth > 0 || envelopes > 0 { return try parser.characters(bytes) }
    if key != nil { text.append(contentsOf: bytes) }
  }

  func endElement() throws(XMLError) {
    if let parser, depth > 0 {
      depth -= 1
      return try parser.endElement()
    }
    if let key {
      self.key = nil
      take(key)
    } else if isInsideOperation {
      isInsideOperation = false
    } else if found == nil, !path.isEmpty, failure == nil {
      path.removeLast()
    }
  }

  private func take(_ key: SchemaNode) {
    guard let step = path.last else { return }
    do throws(DatastoreError) {
      let result = text.withUnsafeBufferPointer { text -> Result<Value, DatastoreError> in
        do throws(DatastoreError) {
          return .success(
            try reader.read(
              text, for: key, at: { InstancePath(path) }, namespace: { self.tokenizer?.namespace(forPrefix: $0) }))
        } catch { return .failure(error) }
      }
      path[path.count - 1] = InstancePath.Step(schema: step.schema, keys: step.keys + [try result.get()])
    } catch {
      failure = error
      failure?.line = tokenizer?.line
    }
  }
}
