// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// A generated enum for an enumeration: raw values are YANG's names.
public protocol EnumerationRepresentable: LeafRepresentable, CaseIterable, RawRepresentable where RawValue == String {}

extension EnumerationRepresentable {
  public init?(yang value: Value) {
    guard case .enumeration(let value) = value else { return nil }
    self.init(rawValue: value.name)
  }

  public func yangValue(as type: SchemaType) -> Value? {
    type.enums.first { $0.name == rawValue }.map { .enumeration($0) }
  }
}

/// A generated option set for bits: the raw value's bits count the defined bits in order of position.
public protocol BitsRepresentable: LeafRepresentable, OptionSet where RawValue: FixedWidthInteger & Sendable {
  /// YANG's names, by number of the raw value's bit.
  static var bitNames: [String] { get }
}

extension BitsRepresentable {
  public init?(yang value: Value) {
    guard case .bits(let bits) = value else { return nil }
    var raw: RawValue = 0
    for bit in bits {
      guard let number = Self.bitNames.firstIndex(of: bit.name) else { return nil }
      raw |= 1 << RawValue(number)
    }
    self.init(rawValue: raw)
  }

  public func yangValue(as type: SchemaType) -> Value? {
    var bits: [BitValue] = []
    for (number, name) in Self.bitNames.enumerated() where rawValue & (1 << RawValue(number)) != 0 {
      guard let bit = type.bits.first(where: { $0.name == name }) else { return nil }
      bits.append(bit)
    }
    return .bits(bits)
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
}

/// A generated struct for an identityref, with a constant for each known identity.
public protocol IdentityRepresentable: LeafRepresentable {
  /// The identity's name with its module's, `module:name`.
  var identity: String { get }
  init(identity: String)
}

extension IdentityRepresentable {
  public init?(yang value: Value) {
    guard case .identity(let identity) = value else { return nil }
    self.init(identity: "\(identity.module.name):\(identity.name)")
  }

  public func yangValue(as type: SchemaType) -> Value? {
    let parts = identity.split(separator: ":", maxSplits: 1)
    guard parts.count == 2 else { return nil }
    return type.identities.first { $0.name == parts[1] && $0.module.name == parts[0] }.map { .identity($0) }
  }
}

/// A generated enum for a union, with a case for each member type.
public protocol UnionRepresentable: LeafRepresentable {
  /// Makes the case of a member, counted from 0; nil when the value is none of its type's.
  static func make(member: Int, value: Value) -> Self?
  /// The member's number, and the value.
  var memberValue: (member: Int, value: any LeafRepresentable) { get }
}

extension UnionRepresentable {
  public init?(yang value: Value) {
    guard case .union(let member, let inner) = value, let made = Self.make(member: member, value: inner) else {
      return nil
    }
    self = made
  }

  public func yangValue(as type: SchemaType) -> Value? {
    let (member, value) = memberValue
    guard type.members.indices.contains(member) else { return nil }
    return value.yangValue(as: type.members[member].followed).map { .union(member: member, $0) }
  }

  /// Puts a member's value into its case, for generated code.
  public static func payload<T: LeafRepresentable>(_ value: Value, _ wrap: (T) -> Self) -> Self? {
    T(yang: value).map(wrap)
  }
}
