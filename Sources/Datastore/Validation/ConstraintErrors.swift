// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The errors of constraints, with the tags of RFC 7950 section 15 and RFC 6241 appendix A.
extension DatastoreError {
  /// A mandatory node is missing (RFC 6241 appendix A, data-missing).
  static func missing(_ node: SchemaNode, at parent: InstancePath) -> DatastoreError {
    DatastoreError(
      .dataMissing, path: parent.appending(node),
      message: "the \(node.kindName) '\(node.name)' is mandatory and missing")
  }

  /// Section 15.6.
  static func missingChoice(_ choice: SchemaNode, at parent: InstancePath) -> DatastoreError {
    let cases = choice.children.map(\.name).joined(separator: ", ")
    return DatastoreError(
      .dataMissing, appTag: "missing-choice", path: parent,
      message: "the choice '\(choice.name)' is mandatory: one of \(cases) is needed",
      info: [(name: "missing-choice", text: choice.name)])
  }

  static func severalCases(_ choice: SchemaNode, _ cases: [String], at parent: InstancePath) -> DatastoreError {
    DatastoreError(
      .badElement, path: parent,
      message: "only one case of the choice '\(choice.name)' can be there, not \(cases.joined(separator: " and "))",
      info: [(name: "bad-element", text: cases.last ?? choice.name)])
  }

  /// Section 15.2.
  static func tooMany(_ node: SchemaNode, _ count: Int, _ maximum: Int, at parent: InstancePath) -> DatastoreError {
    DatastoreError(
      .operationFailed, appTag: "too-many-elements", path: parent.appending(node),
      message: "'\(node.name)' has \(count) elements, max-elements is \(maximum)")
  }

  /// Section 15.3.
  static func tooFew(_ node: SchemaNode, _ count: Int, _ minimum: Int, at parent: InstancePath) -> DatastoreError {
    DatastoreError(
      .operationFailed, appTag: "too-few-elements", path: parent.appending(node),
      message: "'\(node.name)' has \(count) elements, min-elements is \(minimum)")
  }

  /// Section 15.1.
  static func notUnique(
    _ list: SchemaNode, _ leafs: [SchemaNode], _ values: [Value], _ entries: [InstancePath], at parent: InstancePath
  ) -> DatastoreError {
    let pairs = zip(leafs, values).map { "\($0.name) = \($1.shownText)" }.joined(separator: ", ")
    let paths = entries.flatMap { entry in leafs.map { Self.path(from: entry, list, to: $0).description } }
    return DatastoreError(
      .operationFailed, appTag: "data-not-unique", path: parent.appending(list),
      message: "several entries of '\(list.name)' have the same values, which are to be unique: \(pairs)",
      info: paths.map { (name: "non-unique", text: $0) })
  }

  private static func path(from entry: InstancePath, _ list: SchemaNode, to leaf: SchemaNode) -> InstancePath {
    var chain: [SchemaNode] = []
    var node: SchemaNode? = leaf
    while let next = node, next !== list {
      chain.append(next)
      node = next.dataParent
    }
    return chain.reversed().reduce(entry) { $0.appending($1) }
  }

  /// Section 15.4.
  static func must(_ must: Must, at node: XPathNode) -> DatastoreError {
    let value = node.value.map { " for the value \($0.shownText)" } ?? ""
    var error = DatastoreError(
      .operationFailed, appTag: must.errorAppTag ?? "must-violation", path: node.path,
      message: must.errorMessage ?? "the condition \"\(must.condition.source)\" does not hold\(value)")
    if must.errorMessage != nil { error.rule = "must \"\(must.condition.source)\"\(value)" }
    return error
  }

  /// A node whose `when` is false (section 8.3.1).
  static func when(_ condition: String, at node: XPathNode) -> DatastoreError {
    DatastoreError(
      .unknownElement, path: node.path,
      message: "'\(node.schema.name)' cannot be here, because the condition \"\(condition)\" is false",
      info: [(name: "bad-element", text: node.schema.name)])
  }

  /// Section 15.5.
  static func instanceRequired(_ source: String, _ value: Value, at node: XPathNode) -> DatastoreError {
    DatastoreError(
      .dataMissing, appTag: "instance-required", path: node.path,
      message: "the value \(value.shownText) refers to nothing: there is no such \"\(source)\"")
  }
}

extension SchemaNode {
  fileprivate var kindName: String {
    switch kind {
    case .leafList: "leaf-list"
    case .leaf: "leaf"
    default: "\(kind)"
    }
  }
}

extension Value {
  /// The value for a message: short, and never a secret.
  var shownText: String {
    if case .sealed = withoutUnion { return "(secret)" }
    let text = xpathText
    return text.unicodeScalars.count > 64 ? "'\(String(text.prefix(64)))…'" : "'\(text)'"
  }
}
