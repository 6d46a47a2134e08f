// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Synchronization
import YANG

/// The data children that a generated type knows, and where they stand in the schemas in force.
///
/// Generated code numbers children; which schema node a number is, is looked up by name once for each schema node and
/// kept, so that reading and writing compare no strings.
public final class NodeLayout: Sendable {
  /// The module of children whose names have no prefix.
  private let module: String
  /// Names, with the module's where it is another one.
  private let names: [String]
  private let bindings = Mutex<[ObjectIdentifier: NodeBinding]>([:])

  public init(module: String, _ names: [String]) {
    self.module = module
    self.names = names
  }

  func binding(_ schema: SchemaNode) -> NodeBinding {
    bindings.withLock { known in
      if let binding = known[ObjectIdentifier(schema)] { return binding }
      let binding = NodeBinding(schema: schema, children: names.map { child($0, of: schema) })
      known[ObjectIdentifier(schema)] = binding
      return binding
    }
  }

  private func child(_ name: String, of schema: SchemaNode) -> SchemaNode? {
    let parts = name.split(separator: ":", maxSplits: 1).map(String.init)
    let module = parts.count == 2 ? parts[0] : self.module
    guard let name = parts.last else { return nil }
    return schema.dataChildren(named: name).first { $0.module.name == module }
  }
}

/// A layout's children in one schema. Holds the schema node, so that its identity is not given to another.
final class NodeBinding: Sendable {
  let schema: SchemaNode
  /// Nil for children that this schema does not have.
  let children: [SchemaNode?]

  init(schema: SchemaNode, children: [SchemaNode?]) {
    self.schema = schema
    self.children = children
  }
}
