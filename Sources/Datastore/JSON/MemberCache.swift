// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Finds the data child that the name of a member stands for.
struct MemberCache {
  private struct Entry {
    var parent: UnsafeRawPointer?
    var hash: UInt = 0
    unowned(unsafe) var child: SchemaNode?
  }
  private let encoding: JSONEncoding
  /// A table that forgets: names that meet at one place push each other out.
  private var entries = [Entry](repeating: Entry(), count: size)
  /// A power of two.
  private static let size = 1024

  init(encoding: JSONEncoding) { self.encoding = encoding }

  /// The child of that name: with the name of its module, or without it where that is the parent's module
  /// (RFC 7951 section 4).
  mutating func child(of parent: SchemaNode, _ name: UnsafeBufferPointer<UInt8>) -> SchemaNode? {
    let address = UnsafeRawPointer(Unmanaged.passUnretained(parent).toOpaque())
    let hash = Self.hash(name, UInt(bitPattern: address) >> 4)
    let index = Int(hash >> 40) & (Self.size - 1)
    let known = entries.withUnsafeBufferPointer { $0[index] }
    if known.parent == address, known.hash == hash, let child = known.child, encoding.isName(name, of: child) {
      return child
    }
    guard let child = find(parent, name) else { return nil }
    entries[index] = Entry(parent: address, hash: hash, child: child)
    return child
  }

  private func find(_ parent: SchemaNode, _ name: UnsafeBufferPointer<UInt8>) -> SchemaNode? {
    guard let colon = name.firstIndex(of: UInt8(ascii: ":")) else {
      return parent.kind == .root ? nil : parent.dataChild(String(decoding: name, as: UTF8.self), in: parent.module)
    }
    guard let module = encoding.schema.module(named: String(decoding: name[..<colon], as: UTF8.self)) else {
      return nil
    }
    return parent.dataChild(String(decoding: name[(colon + 1)...], as: UTF8.self), in: module)
  }

  @inline(__always)
  private static func hash(_ text: UnsafeBufferPointer<UInt8>, _ seed: UInt) -> UInt {
    var hash = seed &* 0x9E37_79B9_7F4A_7C15
    guard let start = UnsafeRawPointer(text.baseAddress) else { return hash }
    var offset = 0
    while offset + 8 <= text.count {
      hash = (hash ^ start.loadUnaligned(fromByteOffset: offset, as: UInt.self)) &* 0xC2B2_AE3D_27D4_EB4F
      hash ^= hash >> 29
      offset += 8
    }
    var rest: UInt = UInt(truncatingIfNeeded: text.count)
    while offset < text.count {
      rest = rest << 8 | UInt(text[offset])
      offset += 1
    }
    hash = (hash ^ rest) &* 0xC2B2_AE3D_27D4_EB4F
    return hash ^ hash >> 23
  }
}
