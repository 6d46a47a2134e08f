// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// A message that has been received whole.
enum IncomingMessage {
  case hello(Hello)
  case rpc(IncomingRPC)
  /// A document that is well-formed, but neither of these.
  case other(name: String)
}

/// A request: what is to be echoed, and what is asked for or why that cannot be.
struct IncomingRPC {
  let attributes: EchoedAttributes
  let operation: Result<Operation, DatastoreFailure>
}

/// Reads the messages of a client, one after the other, as their bytes come.
///
/// What is well-formed but wrong is told with the message, and the reading goes on; what is not well-formed is
/// thrown, and then the rest of the message is to be left out and `begin` called for the next.
final class MessageReader: XMLHandler {
  private enum Content {
    case none
    case hello(HelloReader)
    case rpc
    case other(String)
  }
  /// The operation element inside an rpc.
  private enum Asked {
    case none
    case ours(ParameterReader)
    case module(SchemaNode, DataParser)
    case action(ActionReader)
    case nothing(DatastoreError)
  }

  private let reader: ValueReader
  private var tokenizer: XMLTokenizer?
  private let limits: XMLLimits
  private var content = Content.none
  private var asked = Asked.none
  private var attributes = EchoedAttributes()
  private var hasMessageID = false
  private var isInsideRPC = false

  private let stored: () -> InteriorNode?

  /// - Parameter stored: the tree whose secrets a client may refer to by what a read gave it.
  init(reader: ValueReader, limits: XMLLimits = XMLLimits(), stored: @escaping () -> InteriorNode? = { nil }) {
    self.reader = reader
    self.limits = limits
    self.stored = stored
  }

  /// Makes ready for the next message.
  private func begin() {
    content = .none
    asked = .none
    attributes = EchoedAttributes()
    hasMessageID = false
    isInsideRPC = false
  }

  /// Takes a piece of the message.
  func feed(_ bytes: UnsafeRawBufferPointer) throws(XMLError) { try prepared().feed(bytes) }

  /// The message is over.
  func finish() throws(XMLError) -> IncomingMessage {
    try prepared().finish()
    switch content {
    case .none: return .other(name: "")
    case .other(let name): return .other(name: name)
    case .hello(let reader): return .hello(reader.hello)
    case .rpc: return .rpc(IncomingRPC(attributes: attributes, operation: operation()))
    }
  }

  /// Forgets the message, finished or not.
  func reset() {
    begin()
    tokenizer?.reset(handler: self)
  }

  private func prepared() -> XMLTokenizer {
    if let tokenizer { return tokenizer }
    // The tokenizer holds its handlers, so it is made when it is needed and dropped by `release`.
    let made = XMLTokenizer(limits: limits, handler: self)
    tokenizer = made
    return made
  }

  /// Breaks the cycle with the tokenizer; the reader can be used again after.
  func release() {
    begin()
    tokenizer = nil
  }

  private func operation() -> Result<Operation, DatastoreFailure> {
    guard hasMessageID else {
      return .failure(
        DatastoreFailure(
          DatastoreError(
            .missingAttribute, layer: .rpc, message: "rpc has no message-id",
            info: [("bad-attribute", "message-id"), ("bad-element", "rpc")])))
    }
    do throws(DatastoreFailure) {
      switch asked {
      case .none:
        throw DatastoreFailure(DatastoreError(.missingElement, layer: .rpc, message: "rpc holds no operation"))
      case .nothing(let error): throw DatastoreFailure(error)
      case .ours(let reader): return .success(try reader.operation())
      case .module(let rpc, let parser): return .success(.invoke(rpc, input: try parser.data()))
      case .action(let reader): return .success(try reader.operation())
      }
    } catch {
      return .failure(error)
    }
  }

  // MARK: Events

  func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    if isInsideRPC { return startOperation(tag) }
    if tag.isNamed("rpc", in: Namespace.base) {
      content = .rpc
      isInsideRPC = true
      for index in 0..<tag.attributeCount {
        guard let attribute = tag.attribute(at: index) else { continue }
        if attribute.isNamed("message-id", in: nil) { hasMessageID = true }
        attributes.append(attribute)
      }
      return .descend
    }
    if tag.isNamed("hello", in: Namespace.base) {
      let reader = HelloReader()
      content = .hello(reader)
      return .enter(reader)
    }
    content = .other(tag.nameText)
    return .skip
  }

  private func startOperation(_ tag: XMLTag) -> XMLAction {
    guard case .none = asked else {
      asked = .nothing(
        DatastoreError(
          .unknownElement, layer: .rpc, message: "rpc holds more than one operation",
          info: [("bad-element", tag.nameText)]))
      return .skip
    }
    guard hasMessageID, let tokenizer else {
      asked = .nothing(DatastoreError(.missingAttribute, layer: .rpc, message: "rpc has no message-id"))
      return .skip
    }
    let parsers = ContentParsers(reader: reader, tokenizer: tokenizer, stored: stored)
    if let syntax = OperationSyntax.of(tag) {
      let reader = ParameterReader(syntax, parsers: parsers)
      asked = .ours(reader)
      return .enter(reader)
    }
    if tag.isNamed("action", in: Namespace.yang) {
      let reader = ActionReader(parsers: parsers)
      asked = .action(reader)
      return .enter(reader)
    }
    let name = tag.nameText
    let namespace = tag.namespaceText ?? ""
    guard let module = reader.schema.module(namespace: namespace) else {
      asked = .nothing(
        DatastoreError(
          .unknownNamespace, layer: .protocol, message: "no module has the namespace '\(namespace)'",
          info: [("bad-element", name), ("bad-namespace", namespace)]))
      return .skip
    }
    if let rpc = reader.schema.rpcs.first(where: { $0.name == name && $0.module === module }),
      let input = rpc.children.first(where: { $0.kind == .input }), !Self.isProtocol(module)
    {
      let parser = parsers.makeInputParser(input)
      asked = .module(rpc, parser)
      return .enter(parser)
    }
    asked = .nothing(
      DatastoreError(
        .operationNotSupported, layer: .protocol,
        message: "the operation \(name) of \(module.name) is not supported", info: [("bad-element", name)]))
    return .skip
  }

  /// Whether a module's operations are those of the protocol, whose syntax is not read by the schema.
  private static func isProtocol(_ module: Module) -> Bool {
    module.namespace == "\(Namespace.base)" || module.namespace == "\(Namespace.notification)"
      || module.namespace == "\(Namespace.monitoring)"
  }

  func endElement() throws(XMLError) {}
}
