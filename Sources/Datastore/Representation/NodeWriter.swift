// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Collects the children of one data node for a generated type, by their numbers in its layout. Children that the
/// schema in force does not have, and values that its types do not have, are left out.
public struct NodeWriter {
  private let binding: NodeBinding
  private var builder: InteriorBuilder

  init(_ schema: SchemaNode, _ layout: NodeLayout) {
    binding = layout.binding(schema)
    builder = InteriorBuilder(schema: schema)
  }

  func finish() -> InteriorNode { builder.build() }

  public mutating func leaf(_ field: Int, _ value: (some LeafRepresentable)?) {
    guard let value, let child = binding.children[field], let type = child.type else { return }
    builder.set(child, leaf: value.yangValue(as: type.followed))
  }

  /// A leaf of type empty.
  public mutating func presence(_ field: Int, _ isPresent: Bool) {
    if isPresent { leaf(field, Presence()) }
  }

  public mutating func leafList(_ field: Int, _ values: [some LeafRepresentable]) {
    guard !values.isEmpty, let child = binding.children[field], let type = child.type?.followed else { return }
    var list = values.compactMap { $0.yangValue(as: type) }
    if !child.keepsOrder { list.sort { Value.order($0, $1) < 0 } }
    builder.set(child, .leafList(list))
  }

  public mutating func container(_ field: Int, _ value: (some TreeRepresentable)?) {
    guard let value, let child = binding.children[field] else { return }
    builder.set(child, .container(value.interiorNode(child)))
  }

  public mutating func list(_ field: Int, _ entries: some Collection<some TreeRepresentable>) {
    guard !entries.isEmpty, let child = binding.children[field] else { return }
    builder.set(child, .list(ListEntries.make(schema: child, entries: entries.map { $0.interiorNode(child) }).list))
  }

  public mutating func any(_ field: Int, _ content: AnyContent?) {
    guard let content, let child = binding.children[field] else { return }
    builder.set(child, .any(content))
  }
}
