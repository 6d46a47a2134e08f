// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A container, a list entry, the root of a data tree, or the body of an rpc or notification: an immutable set of
/// children, shared between the versions of a tree. One reference wide; children stand in the same allocation.
///
/// Sendable without a lock: the storage is written only by `InteriorStorage.make`, before anyone else sees it.
public struct InteriorNode: @unchecked Sendable {
  /// One child: everything that instances of one schema node hold here.
  public struct Slot: Sendable {
    public let node: DataNode
    /// `SchemaNode.position` of the child within its data parent.
    public let position: Int32

    public init(position: Int32, node: DataNode) {
      self.node = node
      self.position = position
    }

    /// The slot of that schema child.
    public init(_ schema: SchemaNode, _ node: DataNode) {
      self.init(position: Int32(truncatingIfNeeded: schema.position), node: node)
    }
  }

  let storage: InteriorStorage

  /// Makes a node of children that stand ascending by position, none of them void (an empty list, an empty leaf-list,
  /// a non-presence container without children).
  public init(schema: SchemaNode, slots: some Collection<Slot>) {
    storage = InteriorStorage.make(schema: schema, slots: slots)
  }

  /// An empty node.
  public init(schema: SchemaNode) {
    self.init(schema: schema, slots: EmptyCollection())
  }

  public var schema: SchemaNode { storage.header.schema }

  /// Ascending by position; no slot is void.
  public var slots: Slots { Slots(storage: storage) }

  public var isEmpty: Bool { storage.header.count == 0 }

  /// The same object, not only equal content.
  public static func === (left: InteriorNode, right: InteriorNode) -> Bool { left.storage === right.storage }
  public static func !== (left: InteriorNode, right: InteriorNode) -> Bool { left.storage !== right.storage }
  /// Identity of the shared object, for caches that live as long as a reference to the node does.
  public var identifier: ObjectIdentifier { ObjectIdentifier(storage) }

  /// The children in order. Sendable for the same reason as the node.
  public struct Slots: RandomAccessCollection, @unchecked Sendable {
    let storage: InteriorStorage
    public var startIndex: Int { 0 }
    public var endIndex: Int { storage.header.count }
    public subscript(index: Int) -> Slot {
      precondition(index >= 0 && index < storage.header.count)
      return storage.withUnsafeMutablePointerToElements { $0[index] }
    }
  }
}

struct InteriorHeader {
  let schema: SchemaNode
  let count: Int
}

/// The one allocation of an interior node.
final class InteriorStorage: ManagedBuffer<InteriorHeader, InteriorNode.Slot> {
  static func make(schema: SchemaNode, slots: some Collection<InteriorNode.Slot>) -> InteriorStorage {
    let count = slots.count
    let buffer = InteriorStorage.create(minimumCapacity: count) { _ in InteriorHeader(schema: schema, count: count) }
    buffer.withUnsafeMutablePointerToElements { elements in
      var index = 0
      for slot in slots {
        assert(index == 0 || elements[index - 1].position < slot.position, "slots of \(schema.path) are not in order")
        assert(!slot.node.isVoid, "a void slot in \(schema.path)")
        (elements + index).initialize(to: slot)
        index += 1
      }
    }
    return unsafeDowncast(buffer, to: InteriorStorage.self)
  }

  deinit {
    _ = withUnsafeMutablePointers { header, elements in elements.deinitialize(count: header.pointee.count) }
  }
}

extension InteriorNode: Equatable {
  /// Equal content; what both share is recognised without being walked.
  public static func == (left: InteriorNode, right: InteriorNode) -> Bool {
    if left === right { return true }
    let (leftSlots, rightSlots) = (left.slots, right.slots)
    guard left.schema === right.schema, leftSlots.count == rightSlots.count else { return false }
    for index in leftSlots.indices {
      let (a, b) = (leftSlots[index], rightSlots[index])
      guard a.position == b.position, a.node == b.node else { return false }
    }
    return true
  }
}
