// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// A parameter of an operation of the protocol itself.
struct Parameter: Sendable {
  enum Kind: Sendable {
    /// Text, such as an enumeration or a number.
    case text
    /// A choice of a datastore by an empty element; an inline configuration where the flag says so.
    case datastore(orInline: Bool)
    /// An edit.
    case configuration
    /// A subtree filter.
    case filter
  }
  let name: StaticString
  let kind: Kind
  var isMandatory = false
  /// Nil for the namespace of the operation.
  var namespace: StaticString?
}

/// Reads the parameters of one operation by a table of what it takes.
///
/// The first thing that is wrong is kept, and the rest is skipped: what comes of it is asked for when the operation has
/// ended.
final class ParameterReader: XMLHandler {
  enum Value {
    case text(String)
    case datastore(DatastoreName)
    case inline(DataParser)
    case filter(SubtreeFilterParser)
  }
  private enum Limit { static let textBytes = 65_536 }

  let syntax: OperationSyntax
  private let parsers: ContentParsers
  private var values: [String: Value] = [:]
  private(set) var failure: DatastoreError?
  /// The parameter that is being read, and whether something is inside it.
  private var current: Parameter?
  private var isInside = false
  private var text: [UInt8] = []

  init(_ syntax: OperationSyntax, parsers: ContentParsers) {
    self.syntax = syntax
    self.parsers = parsers
  }

  // MARK: Results

  func text(_ name: String) -> String? {
    if case .text(let text)? = values[name] { return text }
    return nil
  }

  func datastore(_ name: String) throws(DatastoreError) -> DatastoreName {
    if case .datastore(let datastore)? = values[name] { return datastore }
    throw .missing(name)
  }

  func source(_ name: String) throws(DatastoreFailure) -> ConfigurationSource {
    switch values[name] {
    case .datastore(let datastore): return .datastore(datastore)
    case .inline(let parser): return .inline(try parser.edit())
    default: throw DatastoreFailure(.missing(name))
    }
  }

  func edit(_ name: String) throws(DatastoreFailure) -> Edit {
    guard case .inline(let parser)? = values[name] else { throw DatastoreFailure(.missing(name)) }
    return try parser.edit()
  }

  func filter() throws(DatastoreFailure) -> SubtreeFilter? {
    guard case .filter(let parser)? = values["filter"] else { return nil }
    return try parser.filter()
  }

  /// The operation that was asked for, once its element has ended.
  func operation() throws(DatastoreFailure) -> Operation {
    if let failure { throw DatastoreFailure(failure) }
    for parameter in syntax.parameters where parameter.isMandatory {
      if values["\(parameter.name)"] == nil { throw DatastoreFailure(.missing("\(parameter.name)")) }
    }
    return try syntax.build(self)
  }

  // MARK: Events

  func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    guard failure == nil else { return .skip }
    do throws(DatastoreError) {
      guard let current else { return try begin(tag) }
      return try beginInside(tag, current)
    } catch {
      failure = error
      return .skip
    }
  }

  private func begin(_ tag: XMLTag) throws(DatastoreError) -> XMLAction {
    let parameter = syntax.parameters.first { tag.isNamed($0.name, in: $0.namespace ?? syntax.namespace) }
    guard let parameter else { throw .unknown(tag, message: "\(syntax.name) has no parameter \(tag.nameText)") }
    guard values["\(parameter.name)"] == nil else {
      throw .bad(tag, message: "\(syntax.name) has the parameter \(parameter.name) more than once")
    }
    switch parameter.kind {
    case .text, .datastore:
      current = parameter
      isInside = false
      text.removeAll(keepingCapacity: true)
      return .descend
    case .configuration:
      let parser = parsers.makeEditParser()
      values["\(parameter.name)"] = .inline(parser)
      current = parameter
      return .enter(parser)
    case .filter:
      try checkFilter(tag)
      let parser = parsers.makeFilterParser()
      values["\(parameter.name)"] = .filter(parser)
      current = parameter
      return .enter(parser)
    }
  }

  private func checkFilter(_ tag: XMLTag) throws(DatastoreError) {
    // RFC 6241 writes the attribute without a prefix; some clients give it the namespace of the protocol.
    let type = tag.attribute("type") ?? tag.attribute("type", in: Namespace.base)
    switch type?.valueText {
    case nil, "subtree": return
    case "xpath":
      throw DatastoreError(
        .operationNotSupported, layer: .protocol,
        message: "filters of type xpath are not supported; the capability :xpath is not announced")
    case .some(let other):
      throw DatastoreError(
        .badAttribute, layer: .protocol, message: "a filter has the type subtree, not \(other)",
        info: [("bad-attribute", "type"), ("bad-element", "filter")])
    }
  }

  private func beginInside(_ tag: XMLTag, _ parameter: Parameter) throws(DatastoreError) -> XMLAction {
    guard case .datastore(let inline) = parameter.kind else {
      throw .unknown(tag, message: "\(parameter.name) has no element \(tag.nameText)")
    }
    guard values["\(parameter.name)"] == nil else {
      throw .bad(tag, message: "\(parameter.name) names more than one datastore")
    }
    if let name = DatastoreName.allCases.first(where: { tag.isNamed($0, in: Namespace.base) }) {
      values["\(parameter.name)"] = .datastore(name)
      isInside = true
      return .descend
    }
    if inline, tag.isNamed("config", in: Namespace.base) {
      let parser = parsers.makeEditParser()
      values["\(parameter.name)"] = .inline(parser)
      isInside = true
      return .enter(parser)
    }
    if tag.isNamed("startup", in: Namespace.base) || tag.isNamed("url", in: Namespace.base) {
      throw DatastoreError(
        .operationNotSupported, layer: .protocol,
        message: "\(tag.nameText) is not supported; its capability is not announced")
    }
    throw .unknown(tag, message: "\(parameter.name) has no element \(tag.nameText)")
  }

  func characters(_ bytes: UnsafeBufferPointer<UInt8>) throws(XMLError) {
    guard failure == nil, case .text? = current?.kind else { return }
    text.append(contentsOf: bytes)
    if text.count > Limit.textBytes {
      failure = DatastoreError(
        .tooBig, layer: .protocol, message: "the parameter is longer than \(Limit.textBytes) bytes")
    }
  }

  func endElement() throws(XMLError) {
    if isInside {
      isInside = false
      return
    }
    if let parameter = current, case .text = parameter.kind {
      values["\(parameter.name)"] = .text(HelloReader.trimmed(text))
    }
    current = nil
  }
}

extension XMLTag {
  func isNamed(_ datastore: DatastoreName, in namespace: StaticString) -> Bool {
    switch datastore {
    case .running: isNamed("running", in: namespace)
    case .candidate: isNamed("candidate", in: namespace)
    }
  }
}

/// Makes the parsers of content that only the schema can tell the form of.
struct ContentParsers {
  let reader: ValueReader
  unowned let tokenizer: XMLTokenizer
  /// The tree whose secrets a client may refer to by what a read gave it.
  let stored: () -> InteriorNode?

  var schema: Schema { reader.schema }

  func makeEditParser() -> DataParser {
    var reader = reader
    reader.stored = stored()
    return DataParser(schema: schema.root, purpose: .edit, reader: reader, tokenizer: tokenizer)
  }

  func makeFilterParser() -> SubtreeFilterParser {
    SubtreeFilterParser(reader: reader, tokenizer: tokenizer)
  }

  func makeInputParser(_ input: SchemaNode) -> DataParser {
    DataParser(schema: input, purpose: .message, reader: reader, tokenizer: tokenizer)
  }
}

extension DatastoreError {
  static func missing(_ element: String) -> DatastoreError {
    DatastoreError(
      .missingElement, layer: .protocol, message: "the parameter \(element) is missing",
      info: [("bad-element", element)])
  }

  static func unknown(_ tag: XMLTag, message: String) -> DatastoreError {
    DatastoreError(.unknownElement, layer: .protocol, message: message, info: [("bad-element", tag.nameText)])
  }

  static func bad(_ tag: XMLTag, message: String) -> DatastoreError {
    DatastoreError(.badElement, layer: .protocol, message: message, info: [("bad-element", tag.nameText)])
  }

  static func invalid(_ parameter: String, _ value: String, expected: String) -> DatastoreError {
    DatastoreError(
      .invalidValue, layer: .protocol, message: "\(parameter) is \(expected), not '\(value.prefix(64))'",
      info: [("bad-element", parameter)])
  }
}
