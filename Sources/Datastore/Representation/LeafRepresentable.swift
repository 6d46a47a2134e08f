// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// A Swift type for the values of leafs.
public protocol LeafRepresentable: Hashable, Sendable {
  /// Nil when the value is of another type.
  init?(yang value: Value)
  /// The value for a leaf of a type, leafrefs followed; nil when the type has no such value.
  func yangValue(as type: SchemaType) -> Value?
}

extension SchemaType {
  /// The type of values: that of a leafref's target (RFC 7950 section 9.9).
  var followed: SchemaType {
    var type = self
    while type.base == .leafref, let next = type.leafrefTarget?.type { type = next }
    return type
  }
}

extension Bool: LeafRepresentable {
  public init?(yang value: Value) {
    guard case .boolean(let flag) = value else { return nil }
    self = flag
  }
  public func yangValue(as type: SchemaType) -> Value? { .boolean(self) }
}

extension String: LeafRepresentable {
  public init?(yang value: Value) {
    guard case .string(let text) = value else { return nil }
    self = text
  }
  public func yangValue(as type: SchemaType) -> Value? { .string(self) }
}

extension LeafRepresentable where Self: FixedWidthInteger & SignedInteger {
  public init?(yang value: Value) {
    guard case .int(let number) = value else { return nil }
    self.init(exactly: number)
  }
  public func yangValue(as type: SchemaType) -> Value? { .int(Int64(self)) }
}

extension LeafRepresentable where Self: FixedWidthInteger & UnsignedInteger {
  public init?(yang value: Value) {
    guard case .uint(let number) = value else { return nil }
    self.init(exactly: number)
  }
  public func yangValue(as type: SchemaType) -> Value? { .uint(UInt64(self)) }
}

extension Int8: LeafRepresentable {}
extension Int16: LeafRepresentable {}
extension Int32: LeafRepresentable {}
extension Int64: LeafRepresentable {}
extension UInt8: LeafRepresentable {}
extension UInt16: LeafRepresentable {}
extension UInt32: LeafRepresentable {}
extension UInt64: LeafRepresentable {}

/// A value of the type binary.
extension Array: LeafRepresentable where Element == UInt8 {
  public init?(yang value: Value) {
    guard case .binary(let bytes) = value else { return nil }
    self = bytes
  }
  public func yangValue(as type: SchemaType) -> Value? { .binary(self) }
}

extension Sealed: LeafRepresentable {
  public init?(yang value: Value) {
    guard case .sealed(let sealed) = value else { return nil }
    self = sealed
  }
  public func yangValue(as type: SchemaType) -> Value? { .sealed(self) }
}

extension InstanceIdentifier: LeafRepresentable {
  public init?(yang value: Value) {
    guard case .instanceIdentifier(let identifier) = value else { return nil }
    self = identifier
  }
  public func yangValue(as type: SchemaType) -> Value? { .instanceIdentifier(self) }
}

/// The one value of the type empty, where a Boolean would not do: in keys and unions.
public struct Presence: LeafRepresentable {
  public init() {}
  public init?(yang value: Value) {
    guard case .empty = value else { return nil }
  }
  public func yangValue(as type: SchemaType) -> Value? { .empty }
}

/// A value of the type decimal64: `scaled` times ten to the power of minus `digits`.
public struct Decimal64: LeafRepresentable {
  public var scaled: Int64
  /// Fraction digits, 1 to 18.
  public var digits: UInt8

  public init(scaled: Int64, digits: UInt8) {
    self.scaled = scaled
    self.digits = digits
  }
  public init?(yang value: Value) {
    guard case .decimal64(let scaled, let digits) = value else { return nil }
    self.init(scaled: scaled, digits: digits)
  }

  /// The number without zeros at its end: numbers are equal, and the same keys, however many digits they are given with.
  private var reduced: (scaled: Int64, digits: UInt8) {
    var (scaled, digits) = (scaled, digits)
    while digits > 0, scaled % 10 == 0 {
      scaled /= 10
      digits -= 1
    }
    return (scaled, digits)
  }

  public static func == (left: Decimal64, right: Decimal64) -> Bool { left.reduced == right.reduced }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(reduced.scaled)
    hasher.combine(reduced.digits)
  }

  /// The value with the fraction digits of the type; nil when that loses digits or overflows.
  public func yangValue(as type: SchemaType) -> Value? {
    var scaled = scaled
    var digits = digits
    while digits < type.fractionDigits {
      let (product, overflow) = scaled.multipliedReportingOverflow(by: 10)
      if overflow { return nil }
      scaled = product
      digits += 1
    }
    while digits > type.fractionDigits {
      let (quotient, remainder) = scaled.quotientAndRemainder(dividingBy: 10)
      if remainder != 0 { return nil }
      scaled = quotient
      digits -= 1
    }
    return .decimal64(scaled, digits: digits)
  }
}
