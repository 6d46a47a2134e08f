// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The place of a data node instance, from the root. Its `description` is the instance-identifier of RFC 7950 section
/// 9.13 with module names as prefixes; NETCONF's error-path writes it with declared prefixes.
public struct InstancePath: Sendable, Hashable {
  public struct Step: Sendable, Hashable {
    public let schema: SchemaNode
    /// The key values of a list entry, in key order; the one value of a leaf-list entry; else empty. A list step
    /// without values (and without a place) stands for the whole list.
    public let keys: [Value]
    /// The place of an entry of a keyless list in document order, from 0.
    public let place: Int?

    public init(schema: SchemaNode, keys: [Value] = [], place: Int? = nil) {
      self.schema = schema
      self.keys = keys
      self.place = place
    }
  }
  public var steps: [Step]
  public init(_ steps: [Step] = []) { self.steps = steps }

  /// The path of a child.
  public func appending(_ schema: SchemaNode, keys: [Value] = [], place: Int? = nil) -> InstancePath {
    InstancePath(steps + [Step(schema: schema, keys: keys, place: place)])
  }

  /// The path of the node above; of the root, the root.
  public var parent: InstancePath { InstancePath(Array(steps.dropLast())) }

  /// The path of the root of all data.
  public static let root = InstancePath()
}

extension InstancePath: CustomStringConvertible {
  public var description: String { steps.isEmpty ? "/" : text { $0.name } }

  /// The path as XML writes it, with short prefixes and the namespaces to declare for them, in order of appearance.
  public func prefixed() -> (text: String, namespaces: [(prefix: String, namespace: String)]) {
    var prefixes: [String: String] = [:]
    var namespaces: [(prefix: String, namespace: String)] = []
    let text = text { module in
      if let known = prefixes[module.name] { return known }
      var prefix = module.prefix
      var attempt = 1
      while namespaces.contains(where: { $0.prefix == prefix }) {
        attempt += 1
        prefix = "\(module.prefix)\(attempt)"
      }
      prefixes[module.name] = prefix
      namespaces.append((prefix, module.namespace))
      return prefix
    }
    return (text.isEmpty ? "/" : text, namespaces)
  }

  private func text(prefix: (Module) -> String) -> String {
    var text = ""
    for step in steps {
      var schema = step.schema
      // The input of an operation is called after the operation.
      if schema.kind == .input || schema.kind == .output, let operation = schema.parent { schema = operation }
      text += "/\(prefix(schema.module)):\(schema.name)"
      if schema.kind == .leafList, let value = step.keys.first {
        text += "[.=\(Self.quoted(Self.text(of: value, schema, prefix)))]"
      } else {
        for (key, value) in zip(schema.keys, step.keys) {
          text += "[\(prefix(key.module)):\(key.name)=\(Self.quoted(Self.text(of: value, key, prefix)))]"
        }
      }
      if let place = step.place { text += "[\(place + 1)]" }
    }
    return text
  }

  /// Without a sealer secrets do not show.
  private static func text(of value: Value, _ leaf: SchemaNode, _ prefix: (Module) -> String) -> String {
    leaf.type?.canonicalText(of: value, prefix: prefix) ?? ""
  }

  /// A literal in single quotes, else in double quotes. A text with both kinds, which an instance-identifier cannot
  /// hold, becomes the XPath expression that gives it.
  static func quoted(_ text: String) -> String {
    if !text.contains("'") { return "'\(text)'" }
    if !text.contains("\"") { return "\"\(text)\"" }
    let parts = text.split(separator: "'", omittingEmptySubsequences: false).map { "'\($0)'" }
    return "concat(" + parts.joined(separator: ",\"'\",") + ")"
  }
}
