// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The place of a data node instance, from the root. Its `description` is the instance-identifier of RFC 7950 section
/// 9.13 with module names as prefixes; NETCONF's error-path writes it with declared prefixes.
public struct InstancePath: Sendable, Hashable {
  public struct Step: Sendable, Hashable {
    public let schema: SchemaNode
    /// The key values of a list entry, in key order; the one value of a leaf-list entry; else empty. A list step
    /// without values stands for the whole list.
    public let keys: [Value]
    public init(schema: SchemaNode, keys: [Value] = []) {
      self.schema = schema
      self.keys = keys
    }
  }
  public var steps: [Step]
  public init(_ steps: [Step] = []) { self.steps = steps }

  /// The path of a child.
  public func appending(_ schema: SchemaNode, keys: [Value] = []) -> InstancePath {
    InstancePath(steps + [Step(schema: schema, keys: keys)])
  }
}
