// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import YANG

/// The order of list entries and of system-ordered leaf-list values: total over all values, numbers by number,
/// strings by their UTF-8 bytes. It is this project's choice (RFC 7950 section 7.7.7 leaves it open).
extension Value {
  /// Negative, zero or positive as `left` stands before, with or behind `right`.
  static func order(_ left: Value, _ right: Value) -> Int {
    switch (left, right) {
    case (.string(let left), .string(let right)): return orderOfBytes(left, right)
    case (.uint(let left), .uint(let right)): return left == right ? 0 : left < right ? -1 : 1
    case (.int(let left), .int(let right)): return left == right ? 0 : left < right ? -1 : 1
    case (.boolean(let left), .boolean(let right)): return left == right ? 0 : right ? -1 : 1
    case (.empty, .empty): return 0
    case (.decimal64(let left, _), .decimal64(let right, _)): return left == right ? 0 : left < right ? -1 : 1
    case (.enumeration(let left), .enumeration(let right)): return Int(left.value) - Int(right.value)
    case (.binary(let left), .binary(let right)): return orderOfElements(left, right) { Int($0) - Int($1) }
    case (.bits(let left), .bits(let right)):
      return orderOfElements(left, right) { Int($0.position) - Int($1.position) }
    case (.identity(let left), .identity(let right)):
      let modules = orderOfBytes(left.module.name, right.module.name)
      return modules != 0 ? modules : orderOfBytes(left.name, right.name)
    case (.instanceIdentifier(let left), .instanceIdentifier(let right)):
      return orderOfElements(left.steps, right.steps) { orderOfBytes("\($0)", "\($1)") }
    case (.union(let leftMember, let left), .union(let rightMember, let right)):
      return leftMember != rightMember ? leftMember - rightMember : order(left, right)
    case (.sealed(let left), .sealed(let right)):
      if left == right { return 0 }
      return orderOfElements(left.fingerprint.bytes, right.fingerprint.bytes) { Int($0) - Int($1) }
    default: return left.rank - right.rank
    }
  }

  /// Equality as the data model sees it: strings by code points, so that two normal forms of one text differ.
  func isSame(as other: Value) -> Bool { Value.order(self, other) == 0 }

  private var rank: Int {
    switch self {
    case .empty: 0
    case .boolean: 1
    case .int: 2
    case .uint: 3
    case .decimal64: 4
    case .string: 5
    case .binary: 6
    case .enumeration: 7
    case .bits: 8
    case .identity: 9
    case .instanceIdentifier: 10
    case .union: 11
    case .sealed: 12
    }
  }

  static func order(_ left: [Value], _ right: [Value]) -> Int { orderOfElements(left, right) { order($0, $1) } }
}

/// Compares two strings by their UTF-8 bytes.
func orderOfBytes(_ left: String, _ right: String) -> Int {
  let compared = left.utf8.withContiguousStorageIfAvailable { left in
    right.utf8.withContiguousStorageIfAvailable { right in
      let common = memcmpOrder(left, right)
      return common != 0 ? common : left.count - right.count
    }
  }
  if case let compared?? = compared { return compared }
  return orderOfElements(left.utf8, right.utf8) { Int($0) - Int($1) }
}

private func memcmpOrder(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Int {
  let count = min(left.count, right.count)
  guard count > 0, let left = left.baseAddress, let right = right.baseAddress else { return 0 }
  return Int(memcmp(left, right, count))
}

/// Compares element by element; the shorter one stands first when it is a prefix of the other.
func orderOfElements<C: Collection>(_ left: C, _ right: C, _ order: (C.Element, C.Element) -> Int) -> Int {
  for (left, right) in zip(left, right) {
    let result = order(left, right)
    if result != 0 { return result }
  }
  return left.count - right.count
}
