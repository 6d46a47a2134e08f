// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Reads the children of one data node for a generated type, by their numbers in its layout.
public struct NodeReader {
  private let node: InteriorNode
  private let binding: NodeBinding

  init(_ node: InteriorNode, _ layout: NodeLayout) {
    self.node = node
    binding = layout.binding(node.schema)
  }

  private func content(_ field: Int) -> DataNode? {
    guard let child = binding.children[field] else { return nil }
    return node[position: child.position]
  }

  /// Whether the child is there.
  public func has(_ field: Int) -> Bool { content(field) != nil }

  /// Whether one of the children is there.
  public func has(_ fields: Range<Int>) -> Bool { fields.contains { content($0) != nil } }

  public func leaf<T: LeafRepresentable>(_ field: Int) throws(DatastoreError) -> T? {
    guard let content = content(field) else { return nil }
    guard case .leaf(let value) = content, let result = T(yang: value) else {
      throw mismatch(field, "is no \(T.self)")
    }
    return result
  }

  public func required<T: LeafRepresentable>(_ field: Int) throws(DatastoreError) -> T {
    guard let value: T = try leaf(field) else { throw missing(field) }
    return value
  }

  public func leafList<T: LeafRepresentable>(_ field: Int) throws(DatastoreError) -> [T] {
    guard let content = content(field) else { return [] }
    guard case .leafList(let values) = content else { throw mismatch(field, "is no leaf-list") }
    var result: [T] = []
    result.reserveCapacity(values.count)
    for value in values {
      guard let element = T(yang: value) else { throw mismatch(field, "is no \(T.self)") }
      result.append(element)
    }
    return result
  }

  public func container<T: TreeRepresentable>(_ field: Int) throws(DatastoreError) -> T? {
    guard let content = content(field) else { return nil }
    guard case .container(let node) = content else { throw mismatch(field, "is no container") }
    return try T(node)
  }

  /// A container that is there even when nothing in it is (RFC 7950 section 7.5.1), unless it has mandatory content.
  public func requiredContainer<T: TreeRepresentable>(_ field: Int) throws(DatastoreError) -> T {
    if let value: T = try container(field) { return value }
    guard let child = binding.children[field] else { throw missing(field) }
    return try T(InteriorNode(schema: child))
  }

  /// The entries of a list with keys.
  public func list<T: ListEntry>(_ field: Int) throws(DatastoreError) -> KeyedList<T> {
    KeyedList(try entries(field))
  }

  /// The entries of a list, in document order.
  public func entries<T: TreeRepresentable>(_ field: Int) throws(DatastoreError) -> [T] {
    guard let content = content(field) else { return [] }
    guard case .list(let entries) = content else { throw mismatch(field, "is no list") }
    var result: [T] = []
    result.reserveCapacity(entries.count)
    for entry in entries { result.append(try T(entry)) }
    return result
  }

  public func any(_ field: Int) -> AnyContent? {
    if case .any(let content)? = content(field) { content } else { nil }
  }

  public func requiredAny(_ field: Int) throws(DatastoreError) -> AnyContent {
    guard let content = any(field) else { throw missing(field) }
    return content
  }

  /// Unwraps a mandatory choice.
  public func required<T: ChoiceRepresentable>(choice name: String, _ value: T?) throws(DatastoreError) -> T {
    guard let value else {
      throw DatastoreError(
        .dataMissing, appTag: "missing-choice", message: "\(node.schema.path): no case of choice \(name) is there")
    }
    return value
  }

  private func path(_ field: Int) -> String {
    binding.children[field].map(\.path) ?? "child \(field + 1) of \(node.schema.path)"
  }

  private func missing(_ field: Int) -> DatastoreError {
    DatastoreError(.dataMissing, message: "\(path(field)) is mandatory and not there")
  }

  private func mismatch(_ field: Int, _ what: String) -> DatastoreError {
    DatastoreError(
      .operationFailed,
      message: "\(path(field)) \(what): the modules in force are not those that the program was built with")
  }
}

/// Reads the key of a list entry.
public struct KeyReader {
  private let schema: SchemaNode
  private let values: [Value]

  /// `values` in the order of the `key` statement of the list `schema`.
  public init(_ values: [Value], of schema: SchemaNode) {
    self.values = values
    self.schema = schema
  }

  public func key<T: LeafRepresentable>(_ index: Int) throws(DatastoreError) -> T {
    guard values.indices.contains(index), let key = T(yang: values[index]) else {
      throw DatastoreError(.operationFailed, message: "\(schema.path): key \(index + 1) is no \(T.self)")
    }
    return key
  }
}
