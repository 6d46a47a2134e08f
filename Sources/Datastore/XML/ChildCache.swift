// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Finds the data child that an element stands for, by the addresses of its names in a tokenizer's dictionary.
///
/// To be cleared when the tokenizer's `generation` changes.
struct ChildCache {
  private struct Entry {
    var parent: UnsafeRawPointer?
    var name: UnsafePointer<UInt8>?
    var namespace: UnsafePointer<UInt8>?
    var child: SchemaNode?
  }
  private let schema: Schema
  private var entries: [Entry] = []
  private var generation = -1
  /// A power of two. Children beyond it push each other out.
  private static let size = 1024

  init(schema: Schema) { self.schema = schema }

  /// The child of that name, or nil.
  mutating func child(of parent: SchemaNode, _ tag: XMLTag, generation: Int) -> SchemaNode? {
    if generation != self.generation {
      entries = [Entry](repeating: Entry(), count: Self.size)
      self.generation = generation
    }
    let parentAddress = UnsafeRawPointer(Unmanaged.passUnretained(parent).toOpaque())
    var hash = UInt(bitPattern: parentAddress) >> 4
    hash = (hash &* 0x9E37_79B9_7F4A_7C15) ^ (UInt(bitPattern: tag.name) &* 0xC2B2_AE3D_27D4_EB4F)
    hash ^= UInt(bitPattern: tag.namespace) &* 0x1656_67B1_9E37_79F9
    let index = Int(hash >> 40) & (Self.size - 1)
    let isKnown = entries.withUnsafeBufferPointer { entries in
      entries[index].parent == parentAddress && entries[index].name == tag.name
        && entries[index].namespace == tag.namespace
    }
    if isKnown { return entries[index].child }
    guard let namespace = tag.namespace, let module = schema.module(namespace: String(cString: namespace)),
      let child = parent.dataChild(String(cString: tag.name), in: module)
    else { return nil }
    entries[index] = Entry(parent: parentAddress, name: tag.name, namespace: tag.namespace, child: child)
    return child
  }
}
