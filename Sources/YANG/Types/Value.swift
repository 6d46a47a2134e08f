// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// A typed value of a leaf or leaf-list entry (RFC 7950 section 9). Two values of one type are equal when their
/// canonical forms are.
public enum Value: Sendable, Hashable {
  case empty
  case boolean(Bool)
  /// int8 to int64.
  case int(Int64)
  /// uint8 to uint64.
  case uint(UInt64)
  /// The number times 10 to the power of `digits`.
  case decimal64(Int64, digits: UInt8)
  case string(String)
  case binary([UInt8])
  /// The name of an enum.
  case enumeration(EnumValue)
  /// The names of the bits that are set, in order of position.
  case bits([BitValue])
  case identity(Identity)
  case instanceIdentifier(InstanceIdentifier)
  /// A union: which member type took the value (for its canonical form), and the value.
  indirect case union(member: Int, Value)
  /// A secret: encrypted, compared by clear text (module Secrets).
  case sealed(Sealed)
}

/// One `enum` of an enumeration type. Interned by the type: equality is by value.
public struct EnumValue: Sendable, Hashable {
  public let value: Int32
  /// The assigned name: a static property of the type, shared by all its values.
  public let name: String

  public static func == (left: EnumValue, right: EnumValue) -> Bool { left.value == right.value }
  public func hash(into hasher: inout Hasher) { hasher.combine(value) }
}

/// One `bit` of a bits type.
public struct BitValue: Sendable, Hashable {
  public let position: UInt32
  public let name: String

  public static func == (left: BitValue, right: BitValue) -> Bool { left.position == right.position }
  public func hash(into hasher: inout Hasher) { hasher.combine(position) }
}

/// An instance-identifier's value (RFC 7950 section 9.13), prefixes resolved.
public struct InstanceIdentifier: Sendable, Hashable {
  public enum Predicate: Sendable, Hashable {
    /// `[key='value']`: module name, leaf name, text.
    case key(module: String, name: String, value: String)
    /// `[.='value']` of a leaf-list.
    case value(String)
    /// `[n]` of a keyless list, from 1.
    case position(Int)
  }
  public struct Step: Sendable, Hashable {
    public let module: String
    public let name: String
    public let predicates: [Predicate]
  }
  public let steps: [Step]
}
