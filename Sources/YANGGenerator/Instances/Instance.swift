// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The value of a leaf or leaf-list entry, as text.
public struct Scalar: Hashable, Sendable {
  /// The canonical form (RFC 7950 section 9), with names of modules for prefixes.
  public let text: String
  /// The built-in type that took the text: that of the target for a leafref, of the member for a union.
  public let base: SchemaType.Base
  /// Another form of the same value, to be written in XML in place of the canonical one; without prefixes.
  public var spelling: String?
  /// False for a text that the type does not take.
  public let isValid: Bool

  public static func == (left: Scalar, right: Scalar) -> Bool { left.text == right.text }
  public func hash(into hasher: inout Hasher) { hasher.combine(text) }

  /// A text whose prefixes are names of modules; nil when the type does not take it.
  public init?(_ text: String, of type: SchemaType, in schema: Schema, keepingSpelling: Bool = false) {
    self.init(text, of: type, keepingSpelling: keepingSpelling) { schema.module(named: $0) }
  }

  /// A text with prefixes of any kind; nil when the type does not take it.
  public init?(
    _ text: String, of type: SchemaType, keepingSpelling: Bool = false, resolvePrefix: (String) -> Module?
  ) {
    guard let value = try? type.parse(text, resolvePrefix: resolvePrefix, sealer: nil) else { return nil }
    self.text = type.canonicalText(of: value) { $0.name }
    base = Self.base(of: value, type)
    isValid = true
    spelling = keepingSpelling && text != self.text ? text : nil
  }

  /// A text that is none of the type's values, for broken documents.
  init(broken text: String, of type: SchemaType) {
    self.text = text
    base = type.valueType.base == .union ? .string : type.valueType.base
    isValid = false
    spelling = text
  }

  /// A text as it was read, canonical or not.
  init(verbatim text: String, base: SchemaType.Base) {
    self.text = text
    self.base = base
    isValid = true
  }

  private static func base(of value: Value, _ type: SchemaType) -> SchemaType.Base {
    guard case .union(let member, let inner) = value, type.valueType.members.indices.contains(member) else {
      return type.valueType.base
    }
    return base(of: inner, type.valueType.members[member])
  }

  /// Whether the text has names of modules in it.
  var isQualified: Bool { base == .identityref || base == .instanceIdentifier }
}

/// One element of a document: a plain tree, made to be read and changed simply.
public struct Instance: Sendable {
  public let schema: SchemaNode
  /// Of a leaf or leaf-list entry.
  public var scalar: Scalar?
  public var children: [Instance] = []
  /// The content of an anydata or anyxml, as XML.
  public var content: String?
  /// What an edit is to do with it.
  public var operation: Operation?
  public var insertion: Insertion?
  /// What it is called in a broken document in place of its name and namespace.
  var disguise: (name: String, namespace: String)?
  /// Text beside the children, which only broken documents have.
  var strayText: String?

  /// The operations of edit-config (RFC 6241 section 7.2).
  public enum Operation: String, Sendable, CaseIterable {
    case merge, replace, create, delete, remove
  }

  /// Where an entry of a user-ordered list goes (RFC 7950 section 7.8.6).
  public enum Insertion: Sendable, Equatable {
    case first, last
    /// The neighbour's keys, or its value.
    case before([String])
    case after([String])
  }

  public init(_ schema: SchemaNode, scalar: Scalar? = nil, children: [Instance] = []) {
    self.schema = schema
    self.scalar = scalar
    self.children = children
  }

  /// The key values of a list entry, in key order, as far as they are there.
  public var keys: [String] {
    schema.keys.compactMap { key in children.first { $0.schema === key }?.scalar?.text }
  }

  /// What tells an instance from others of its schema node below the same parent.
  public var identity: [String] {
    switch schema.kind {
    case .list: keys
    case .leafList: [scalar?.text ?? ""]
    default: []
    }
  }

  /// How many elements there are, this one included.
  public var count: Int { children.reduce(1) { $0 + $1.count } }

  subscript(path: [Int]) -> Instance {
    get { path.reduce(self) { $0.children[$1] } }
    set {
      guard let first = path.first else {
        self = newValue
        return
      }
      children[first][Array(path.dropFirst())] = newValue
    }
  }

  mutating func remove(at path: [Int]) {
    guard let last = path.last else { return }
    self[Array(path.dropLast())].children.remove(at: last)
  }

  /// Calls `body` for every instance below, with its path, parents first.
  func forEach(_ body: ([Int], Instance) -> Void) { forEach([], body) }

  private func forEach(_ path: [Int], _ body: ([Int], Instance) -> Void) {
    for (index, child) in children.enumerated() {
      body(path + [index], child)
      child.forEach(path + [index], body)
    }
  }

  /// Puts children in the order of the schema; entries keep theirs. Non-presence containers without children go.
  public mutating func normalize() {
    for index in children.indices { children[index].normalize() }
    children.removeAll { $0.schema.isNonPresenceContainer && $0.children.isEmpty && $0.operation == nil }
    let order = children.enumerated().sorted {
      ($0.element.schema.position, $0.offset) < ($1.element.schema.position, $1.offset)
    }
    children = order.map(\.element)
  }
}
