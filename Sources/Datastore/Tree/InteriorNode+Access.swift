// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

extension InteriorNode {
  /// The place among the slots of that schema position, or where it would be.
  func find(position: Int32) -> (index: Int, found: Bool) {
    storage.withUnsafeMutablePointers { header, elements in
      var low = 0
      var high = header.pointee.count
      while low < high {
        let middle = (low + high) / 2
        let at = elements[middle].position
        if at == position { return (middle, true) }
        if at < position { low = middle + 1 } else { high = middle }
      }
      return (low, false)
    }
  }

  /// What stands at a schema position (`SchemaNode.position`).
  public subscript(position position: Int) -> DataNode? {
    let place = find(position: Int32(truncatingIfNeeded: position))
    return place.found ? storage.withUnsafeMutablePointerToElements { $0[place.index].node } : nil
  }

  /// What instances of a data child hold here; nil when there are none.
  public subscript(child: SchemaNode) -> DataNode? {
    assert(child.dataParent === schema, "\(child.path) is no child of \(schema.path)")
    return self[position: child.position]
  }

  /// The value of a leaf, when it is there. Defaults are not looked at.
  public func leaf(_ child: SchemaNode) -> Value? { self[child]?.leafValue }

  /// The values of a leaf-list.
  public func leafList(_ child: SchemaNode) -> [Value] {
    if case .leafList(let values)? = self[child] { values } else { [] }
  }

  /// A child container.
  public func container(_ child: SchemaNode) -> InteriorNode? { self[child]?.interior }

  /// The entries of a list, when it has any.
  public func entries(_ child: SchemaNode) -> ListEntries? { self[child]?.entries }

  /// The data child of that name: of this node's own module, else of whichever module has one.
  public func child(named name: String) -> SchemaNode? {
    schema.dataChild(name, in: schema.module) ?? schema.dataChildren(named: name).first
  }

  /// As `leaf(_:)`, by name.
  public func leaf(_ name: String) -> Value? { child(named: name).flatMap { leaf($0) } }
  /// As `leafList(_:)`, by name.
  public func leafList(_ name: String) -> [Value] { child(named: name).map { leafList($0) } ?? [] }
  /// As `container(_:)`, by name.
  public func container(_ name: String) -> InteriorNode? { child(named: name).flatMap { container($0) } }
  /// As `entries(_:)`, by name.
  public func entries(_ name: String) -> ListEntries? { child(named: name).flatMap { entries($0) } }

  /// The key values of a list entry, in key order; empty for other nodes.
  public var keys: [Value] {
    // Keys come first among the data children, so they are the first slots of a complete entry.
    let count = schema.keys.count
    guard count > 0 else { return [] }
    var values: [Value] = []
    values.reserveCapacity(count)
    for slot in slots.prefix(count) where Int(slot.position) < count {
      if case .leaf(let value) = slot.node { values.append(value) }
    }
    return values
  }

  /// How many data nodes there are, this one included; a list counts as its entries. The root does not count.
  public var nodeCount: Int { slots.reduce(schema.kind == .root ? 0 : 1) { $0 + $1.node.nodeCount } }

  /// This node with another (or no) content in one slot. Void content is the same as none.
  public func replacing(position: Int, with node: DataNode?) -> InteriorNode {
    let position = Int32(truncatingIfNeeded: position)
    let place = find(position: position)
    let node = node.flatMap { $0.isVoid ? nil : $0 }
    if node == nil, !place.found { return self }
    var slots: [Slot] = []
    slots.reserveCapacity(storage.header.count + 1)
    for (index, slot) in self.slots.enumerated() {
      if index == place.index {
        if let node { slots.append(Slot(position: position, node: node)) }
        if place.found { continue }
      }
      slots.append(slot)
    }
    if place.index == self.slots.count, let node { slots.append(Slot(position: position, node: node)) }
    return InteriorNode(schema: schema, slots: slots)
  }

  /// This node with another (or no) content for a data child. Void content is the same as none.
  public func replacing(_ child: SchemaNode, with node: DataNode?) -> InteriorNode {
    assert(child.dataParent === schema, "\(child.path) is no child of \(schema.path)")
    return replacing(position: child.position, with: node)
  }

  /// What stands at a path below this node; the path's first step names a child. A list entry comes as `.container`,
  /// a leaf-list entry as `.leaf`. Costs O(log n) for each list on the way.
  public func node(at path: InstancePath) -> DataNode? { node(at: path.steps[...]) }

  func node(at steps: ArraySlice<InstancePath.Step>) -> DataNode? {
    guard let step = steps.first else { return .container(self) }
    guard step.schema.dataParent === schema, let child = self[position: step.schema.position] else { return nil }
    let rest = steps.dropFirst()
    switch child {
    case .leaf, .any: return rest.isEmpty ? child : nil
    case .leafList(let values):
      guard rest.isEmpty else { return nil }
      guard let wanted = step.keys.first else { return child }
      return values.contains { $0.isSame(as: wanted) } ? .leaf(wanted) : nil
    case .container(let node): return node.node(at: rest)
    case .list(let entries):
      if step.keys.isEmpty {
        guard let place = step.place else { return rest.isEmpty ? child : nil }
        return entries.entry(at: place)?.node(at: rest)
      }
      return entries.find(step.keys)?.node(at: rest)
    }
  }
}

/// Collects the children of an interior node in any order.
public struct InteriorBuilder {
  public let schema: SchemaNode
  private var slots: [InteriorNode.Slot] = []
  private var isSorted = true

  public init(schema: SchemaNode) { self.schema = schema }

  /// Sets what a data child holds; void content is left out. Setting a child twice keeps the later one.
  public mutating func set(_ child: SchemaNode, _ node: DataNode?) {
    guard let node, !node.isVoid else { return }
    if let last = slots.last, last.position >= Int32(truncatingIfNeeded: child.position) { isSorted = false }
    slots.append(InteriorNode.Slot(child, node))
  }

  public mutating func set(_ child: SchemaNode, leaf value: Value?) { set(child, value.map { .leaf($0) }) }

  /// As `set(_:_:)`, by the child's name in the node's own module, else in any. Unknown names are ignored.
  public mutating func set(_ name: String, _ node: DataNode?) {
    guard let child = schema.dataChild(name, in: schema.module) ?? schema.dataChildren(named: name).first else {
      return
    }
    set(child, node)
  }

  public func build() -> InteriorNode {
    if isSorted { return InteriorNode(schema: schema, slots: slots) }
    var byPosition: [Int32: DataNode] = [:]
    for slot in slots { byPosition[slot.position] = slot.node }
    let sorted = byPosition.sorted { $0.key < $1.key }
    return InteriorNode(
      schema: schema, slots: sorted.map { InteriorNode.Slot(position: $0.key, node: $0.value) })
  }
}
