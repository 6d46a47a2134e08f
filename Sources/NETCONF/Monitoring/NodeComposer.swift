// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// Composes a data node from names and texts, for the few modules that are about the server itself.
///
/// A name that the schema does not have, or a text that its type does not take, is left out: so what a subset or an
/// older revision of a module lacks is simply not told.
struct NodeComposer {
  private let schema: Schema
  private let node: SchemaNode
  private var builder: InteriorBuilder

  init(_ node: SchemaNode, in schema: Schema) {
    self.schema = schema
    self.node = node
    builder = InteriorBuilder(schema: node)
  }

  func build() -> InteriorNode { builder.build() }

  private func child(_ name: String) -> SchemaNode? { node.dataChild(name, in: node.module) }

  private func value(_ text: String, of leaf: SchemaNode) -> Value? {
    guard let type = leaf.type else { return nil }
    // Identities of other modules are written with the module's name.
    let resolve = { (prefix: String) in prefix.isEmpty ? leaf.module : schema.module(named: prefix) }
    do throws(ValueError) { return try type.parse(text, resolvePrefix: resolve, sealer: nil) } catch { return nil }
  }

  mutating func leaf(_ name: String, _ text: String?) {
    guard let text, let leaf = child(name), let value = value(text, of: leaf) else { return }
    builder.set(leaf, .leaf(value))
  }

  mutating func leaf(_ name: String, _ number: UInt32) { leaf(name, String(number)) }

  /// Values of a leaf-list that the system orders: they are sorted.
  mutating func leafList(_ name: String, _ texts: some Sequence<String>) {
    guard let leaf = child(name) else { return }
    let values = texts.sorted().compactMap { value($0, of: leaf) }
    if !values.isEmpty { builder.set(leaf, .leafList(values)) }
  }

  mutating func container(_ name: String, _ compose: (inout NodeComposer) -> Void) {
    guard let child = child(name) else { return }
    var composer = NodeComposer(child, in: schema)
    compose(&composer)
    let content = composer.build()
    if !content.isEmpty || child.hasPresence { builder.set(child, .container(content)) }
  }

  mutating func list<Item>(
    _ name: String, _ items: some Sequence<Item>, _ compose: (Item, inout NodeComposer) -> Void
  ) {
    guard let child = child(name) else { return }
    let entries = items.map { item in
      var composer = NodeComposer(child, in: schema)
      compose(item, &composer)
      return composer.build()
    }
    let list = ListEntries.make(schema: child, entries: entries).list
    if !list.isEmpty { builder.set(child, .list(list)) }
  }
}

/// What the providers of this module have in common: they only read.
protocol ReadOnlyProvider: Backend {}

extension ReadOnlyProvider {
  var subscriptions: [String] { [] }
  var operations: [String] { [] }
  func prepare(_ changes: ChangeSet) -> [Refusal] { [] }
  func apply(_ changes: ChangeSet) {}
  func invoke(_ operation: Invocation) async throws(DatastoreError) -> InteriorNode? {
    throw DatastoreError(.operationNotSupported, message: "\(name) has no operations")
  }
}
