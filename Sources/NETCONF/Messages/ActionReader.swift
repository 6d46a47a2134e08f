// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// Reads an action's call (RFC 7950 section 7.15.2): the containers and list entries that lead to the action, with
/// their keys, and the action's input.
final class ActionReader: XMLHandler {
  private enum Limit { static let keyBytes = 65_536 }

  private let parsers: ContentParsers
  private var path: [InstancePath.Step] = []
  /// The key leaf that is being read.
  private var key: SchemaNode?
  private var text: [UInt8] = []
  private var called: (action: SchemaNode, target: InstancePath, parser: DataParser)?
  private var isInsideAction = false
  private var failure: DatastoreError?

  init(parsers: ContentParsers) { self.parsers = parsers }

  /// What is called, once the element has ended.
  func operation() throws(DatastoreFailure) -> Operation {
    if let failure { throw DatastoreFailure(failure) }
    guard let called else {
      throw DatastoreFailure(
        DatastoreError(.missingElement, layer: .protocol, message: "action names no action of a module"))
    }
    return .action(called.action, target: called.target, input: try called.parser.data())
  }

  private var current: SchemaNode { path.last?.schema ?? parsers.schema.root }

  // MARK: Events

  func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    guard failure == nil else { return .skip }
    do throws(DatastoreError) {
      guard called == nil, key == nil else { throw .unknown(tag, message: "action calls one action only") }
      return try enter(tag)
    } catch {
      failure = error
      return .skip
    }
  }

  private func enter(_ tag: XMLTag) throws(DatastoreError) -> XMLAction {
    let name = tag.nameText
    guard let module = parsers.schema.module(namespace: tag.namespaceText ?? "") else {
      throw DatastoreError(
        .unknownNamespace, layer: .protocol, message: "no module has the namespace '\(tag.namespaceText ?? "")'",
        info: [("bad-element", name), ("bad-namespace", tag.namespaceText ?? "")])
    }
    let action = current.children.first { $0.kind == .action && $0.name == name && $0.module === module }
    if let action, let input = action.children.first(where: { $0.kind == .input }) {
      try requireKeys()
      let parser = parsers.makeInputParser(input)
      called = (action, InstancePath(path), parser)
      isInsideAction = true
      return .enter(parser)
    }
    guard let child = current.dataChild(name, in: module) else {
      throw .unknown(tag, message: "\(current.path.isEmpty ? "the top level" : current.path) has no \(name)")
    }
    if child.isKey {
      key = child
      text.removeAll()
      return .descend
    }
    guard child.kind == .container || child.kind == .list else {
      throw .bad(tag, message: "only containers, list entries and their keys lead to an action, not \(child.path)")
    }
    try requireKeys()
    path.append(InstancePath.Step(schema: child))
    return .descend
  }

  /// The list entry that the path is in must be known before anything below it is.
  private func requireKeys() throws(DatastoreError) {
    guard let step = path.last, step.schema.kind == .list, step.keys.count < step.schema.keys.count else { return }
    let missing = step.schema.keys[step.keys.count]
    throw DatastoreError(
      .missingElement, layer: .protocol, path: InstancePath(path),
      message: "an entry of \(step.schema.path) is named by its keys in their order; \(missing.name) is missing",
      info: [("bad-element", missing.name)])
  }

  func characters(_ bytes: UnsafeBufferPointer<UInt8>) throws(XMLError) {
    guard key != nil, text.count + bytes.count <= Limit.keyBytes else { return }
    text.append(contentsOf: bytes)
  }

  func endElement() throws(XMLError) {
    if let key {
      takeKey(key)
      self.key = nil
    } else if isInsideAction {
      isInsideAction = false
    } else if failure == nil, called == nil {
      path.removeLast(path.isEmpty ? 0 : 1)
    }
  }

  private func takeKey(_ key: SchemaNode) {
    guard failure == nil, let step = path.last else { return }
    guard step.keys.count < step.schema.keys.count, step.schema.keys[step.keys.count] === key, let type = key.type
    else {
      failure = DatastoreError(
        .badElement, layer: .protocol, message: "the keys of \(step.schema.path) come once each, in their order",
        info: [("bad-element", key.name)])
      return
    }
    let tokenizer = parsers.tokenizer
    let schema = parsers.schema
    let resolve = { (prefix: String) in tokenizer.namespace(forPrefix: prefix).flatMap { schema.module(namespace: $0) }
    }
    do throws(ValueError) {
      let value = try type.parse(String(decoding: text, as: UTF8.self), resolvePrefix: resolve, sealer: nil)
      path[path.count - 1] = InstancePath.Step(schema: step.schema, keys: step.keys + [value])
    } catch {
      failure = DatastoreError(
        .invalidValue, layer: .protocol, path: InstancePath(path), message: "\(key.name): \(error)",
        info: [("bad-element", key.name)])
    }
  }
}
