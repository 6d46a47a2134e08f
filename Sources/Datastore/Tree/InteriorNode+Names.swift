// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

extension InteriorNode {
  /// The child of a name in the module of that name; nil stands for this node's own module.
  public func child(_ name: String, module: String?) -> SchemaNode? {
    guard let module, module != schema.module.name else { return schema.dataChild(name, in: schema.module) }
    return schema.dataChildren(named: name).first { $0.module.name == module }
  }

  /// The value of a leaf, or its default when that is in the schema.
  public func leafOrDefault(_ name: String, module: String? = nil) -> Value? {
    guard let child = child(name, module: module) else { return nil }
    return leaf(child) ?? child.defaults.first
  }

  public func leaf(_ name: String, module: String?) -> Value? { child(name, module: module).flatMap { leaf($0) } }
  public func leafList(_ name: String, module: String?) -> [Value] {
    child(name, module: module).map { leafList($0) } ?? []
  }
  public func container(_ name: String, module: String?) -> InteriorNode? {
    child(name, module: module).flatMap { container($0) }
  }
  public func entries(_ name: String, module: String?) -> ListEntries? {
    child(name, module: module).flatMap { entries($0) }
  }

  /// The value of a leaf that has to be there.
  public func requiredLeaf(_ name: String, module: String? = nil) throws(DatastoreError) -> Value {
    if let value = leaf(name, module: module) { return value }
    throw DatastoreError(
      .dataMissing, message: "\(schema.path) has no \(name)", info: [("bad-element", name)])
  }
}

extension InteriorBuilder {
  /// As `set(_:_:)`, by names; nil stands for the node's own module.
  public mutating func set(_ name: String, module: String?, _ node: DataNode?) throws(DatastoreError) {
    guard let node else { return }
    guard let child = InteriorNode(schema: schema).child(name, module: module) else {
      throw DatastoreError(
        .unknownElement, message: "\(schema.path) has no child \(name)", info: [("bad-element", name)])
    }
    set(child, node)
  }
}

/// Values as plain Swift: nil when the value is of another kind. Unions are looked through.
extension Value {
  /// The value inside any unions.
  public var withoutUnion: Value {
    if case .union(_, let value) = self { value.withoutUnion } else { self }
  }
  public var asString: String? {
    if case .string(let text) = withoutUnion { text } else { nil }
  }
  public var asBool: Bool? {
    if case .boolean(let flag) = withoutUnion { flag } else { nil }
  }
  public var asInt64: Int64? {
    switch withoutUnion {
    case .int(let number): number
    case .uint(let number): Int64(exactly: number)
    default: nil
    }
  }
  public var asUInt64: UInt64? {
    switch withoutUnion {
    case .uint(let number): number
    case .int(let number): UInt64(exactly: number)
    default: nil
    }
  }
  public var asBytes: [UInt8]? {
    if case .binary(let bytes) = withoutUnion { bytes } else { nil }
  }
  /// The name of an enum.
  public var asEnumName: String? {
    if case .enumeration(let value) = withoutUnion { value.name } else { nil }
  }
  public var asBitNames: [String]? {
    if case .bits(let bits) = withoutUnion { bits.map(\.name) } else { nil }
  }
  public var asIdentity: Identity? {
    if case .identity(let identity) = withoutUnion { identity } else { nil }
  }
}
