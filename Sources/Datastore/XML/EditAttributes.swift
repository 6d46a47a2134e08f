// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The attributes that an element of an edit may have.
struct EditAttributes {
  var operation: EditOperation?
  var insertion: ListEntries.Destination?
}

extension DataParser {
  static let netconf: StaticString = "urn:ietf:params:xml:ns:netconf:base:1.0"
  static let yang: StaticString = "urn:ietf:params:xml:ns:yang:1"

  /// Nil when there is none that matters. Others than those of RFC 6241 section 7.2 and RFC 7950 section 7.8.6 are
  /// refused.
  func readAttributes(_ tag: XMLTag, _ schema: SchemaNode) throws(DatastoreError) -> EditAttributes? {
    var operation: EditOperation?
    var insert: String?
    var key: String?
    var value: String?
    for index in 0..<tag.attributeCount {
      guard let attribute = tag.attribute(at: index) else { continue }
      if purpose == .edit, attribute.isNamed("operation", in: Self.netconf) {
        operation = EditOperation(rawValue: attribute.valueText)
        if operation == nil || operation == EditOperation.none {
          throw bad(.badAttribute, "operation", schema, "\(Self.shortened(attribute.valueText)) is no operation")
        }
      } else if purpose == .edit, attribute.isNamed("insert", in: Self.yang) {
        insert = attribute.valueText
      } else if purpose == .edit, attribute.isNamed("key", in: Self.yang) {
        key = attribute.valueText
      } else if purpose == .edit, attribute.isNamed("value", in: Self.yang) {
        value = attribute.valueText
      } else if keepsAnnotations, let annotation = annotation(attribute) {
        pendingAnnotations.append(annotation)
      } else {
        let name = Self.shortened(attribute.nameText)
        throw bad(.unknownAttribute, name, schema, "the attribute \(name) is not known here")
      }
    }
    let insertion = try readInsertion(insert, key: key, value: value, schema, tag)
    guard operation != nil || insertion != nil else { return nil }
    return EditAttributes(operation: operation, insertion: insertion)
  }

  /// The annotation that an attribute is (RFC 7952 section 5.1); nil when its namespace is no module's.
  private func annotation(_ attribute: XMLTag.Attribute) -> Annotation? {
    guard let namespace = attribute.namespaceText else { return nil }
    // RFC 6243 gives its attribute a namespace of its own; it is the annotation `default` of its module.
    if namespace == Annotation.defaultNamespace, let module = reader.schema.module(named: Annotation.defaultModule) {
      let isTrue = attribute.valueText == "true" || attribute.valueText == "1"
      return Annotation(module: module, name: attribute.nameText, value: .literal(isTrue ? .yes : .no))
    }
    guard let module = reader.schema.module(namespace: namespace) else { return nil }
    return Annotation(module: module, name: attribute.nameText, value: .string(attribute.valueText))
  }

  private func readInsertion(
    _ insert: String?, key: String?, value: String?, _ schema: SchemaNode, _ tag: XMLTag
  ) throws(DatastoreError) -> ListEntries.Destination? {
    let name = insert != nil ? "insert" : key != nil ? "key" : "value"
    guard insert != nil || key != nil || value != nil else { return nil }
    guard schema.isOrderedByUser else {
      throw bad(.unknownAttribute, name, schema, "\(schema.name) is not ordered by its user")
    }
    switch insert {
    case nil: throw bad(.missingAttribute, "insert", schema, "\(name) is of use only with insert")
    case "first": return .first
    case "last": return .last
    case "before": return .before(try neighbour(key: key, value: value, schema, tag))
    case "after": return .after(try neighbour(key: key, value: value, schema, tag))
    default: throw bad(.badAttribute, "insert", schema, "insert is first, last, before or after")
    }
  }

  private func neighbour(
    key: String?, value: String?, _ schema: SchemaNode, _ tag: XMLTag
  ) throws(DatastoreError) -> [Value] {
    if schema.kind == .leafList {
      guard let value else { throw bad(.missingAttribute, "value", schema, "the value to put this beside is missing") }
      return [try read(value, for: schema, "value", tag)]
    }
    guard let key else {
      throw bad(.missingAttribute, "key", schema, "the key of the entry to put this beside is missing")
    }
    guard let predicates = KeyPredicates(key) else {
      throw bad(.badAttribute, "key", schema, "\(Self.shortened(key)) is no list of key predicates")
    }
    var texts: [String: String] = [:]
    for predicate in predicates.predicates {
      if let prefix = predicate.prefix, tag.namespace(forPrefix: prefix) != schema.module.namespace {
        throw bad(.badAttribute, "key", schema, "the prefix \(prefix) is not that of \(schema.module.name)")
      }
      texts[predicate.name] = predicate.value
    }
    guard texts.count == schema.keys.count else {
      throw bad(.badAttribute, "key", schema, "\(Self.shortened(key)) does not name each key once")
    }
    var values: [Value] = []
    for leaf in schema.keys {
      guard let text = texts[leaf.name] else {
        throw bad(.badAttribute, "key", schema, "\(Self.shortened(key)) does not name the key \(leaf.name)")
      }
      values.append(try read(text, for: leaf, "key", tag))
    }
    return values
  }

  private func read(
    _ text: String, for leaf: SchemaNode, _ attribute: String, _ tag: XMLTag
  ) throws(DatastoreError) -> Value {
    let bytes = Array(text.utf8)
    let result = bytes.withUnsafeBufferPointer { bytes -> Result<Value, DatastoreError> in
      do throws(DatastoreError) {
        return .success(
          try reader.read(bytes, for: leaf, at: { path(to: leaf) }, namespace: { tag.namespace(forPrefix: $0) }))
      } catch { return .failure(error) }
    }
    do throws(DatastoreError) { return try result.get() } catch {
      throw bad(.badAttribute, attribute, leaf, error.message)
    }
  }

  private func bad(
    _ tag: DatastoreError.Tag, _ attribute: String, _ schema: SchemaNode, _ message: String
  ) -> DatastoreError {
    DatastoreError(
      tag, path: path(to: schema), message: message,
      info: [("bad-attribute", attribute), ("bad-element", schema.name)])
  }
}

/// Key predicates as the attribute `key` has them: `[p:name='text'][p:other="text"]`.
struct KeyPredicates {
  struct Predicate: Equatable {
    let prefix: String?
    let name: String
    let value: String
  }
  private(set) var predicates: [Predicate] = []

  /// Nil for what is none. At most 64 predicates.
  init?(_ text: String) {
    var rest = Substring(text)
    func skipBlanks() { rest = rest.drop { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" } }
    while true {
      skipBlanks()
      if rest.isEmpty { break }
      guard predicates.count < 64, rest.popFirst() == "[" else { return nil }
      skipBlanks()
      guard let equals = rest.firstIndex(of: "=") else { return nil }
      var name = rest[..<equals]
      while let last = name.last, last == " " || last == "\t" { name.removeLast() }
      rest = rest[rest.index(after: equals)...]
      skipBlanks()
      guard let quote = rest.popFirst(), quote == "'" || quote == "\"", let end = rest.firstIndex(of: quote) else {
        return nil
      }
      let value = String(rest[..<end])
      rest = rest[rest.index(after: end)...]
      skipBlanks()
      guard rest.popFirst() == "]" else { return nil }
      let parts = name.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }), let local = parts.last else { return nil }
      predicates.append(
        Predicate(prefix: parts.count == 2 ? String(parts[0]) : nil, name: String(local), value: value))
    }
    if predicates.isEmpty { return nil }
  }
}
