// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import Datastore
@testable import YANG

@Suite struct LeafRepresentableTests {
  private func decimal(_ digits: UInt8) -> SchemaType {
    let type = SchemaType(base: .decimal64)
    type.fractionDigits = digits
    return type
  }

  @Test func integersOutOfRangeAreNoValues() {
    #expect(Int8(yang: .int(127)) == 127)
    #expect(Int8(yang: .int(128)) == nil)
    #expect(UInt64(yang: .uint(.max)) == .max)
    #expect(UInt32(yang: .uint(1 << 32)) == nil)
    #expect(UInt8(yang: .int(1)) == nil)
    #expect(Int64.min.yangValue(as: SchemaType(base: .int64)) == .int(.min))
  }

  @Test func decimalsTakeTheTypesDigits() {
    #expect(Decimal64(scaled: 15, digits: 1).yangValue(as: decimal(3)) == .decimal64(1500, digits: 3))
    #expect(Decimal64(scaled: 1500, digits: 3).yangValue(as: decimal(1)) == .decimal64(15, digits: 1))
    #expect(Decimal64(scaled: 1501, digits: 3).yangValue(as: decimal(1)) == nil)
    #expect(Decimal64(scaled: .max, digits: 1).yangValue(as: decimal(2)) == nil)
  }

  @Test func leafrefsAreFollowed() {
    let target = SchemaNode(
      kind: .leaf, name: "target",
      module: Module(
        name: "m", namespace: "urn:m", prefix: "m", revision: nil, isImplemented: true, yangVersion: .onePointOne,
        source: SourceText(file: "m.yang", bytes: [])),
      location: SourceLocation(file: "m.yang", line: 1, column: 1))
    target.type = SchemaType(base: .uint8)
    let reference = SchemaType(base: .leafref)
    reference.leafrefTarget = target
    #expect(reference.followed === target.type)
    #expect(SchemaType(base: .leafref).followed.base == .leafref)
  }

  private struct Flags: BitsRepresentable {
    let rawValue: UInt64
    static let bitNames = ["a", "b"]
  }

  @Test func bitsAreFoundByName() {
    let type = SchemaType(base: .bits)
    type.bits = [BitValue(position: 5, name: "b"), BitValue(position: 2, name: "a")]
    let both = Flags(rawValue: 3)
    #expect(both.yangValue(as: type) == .bits([BitValue(position: 2, name: "a"), BitValue(position: 5, name: "b")]))
    #expect(Flags(yang: .bits([BitValue(position: 5, name: "b")])) == Flags(rawValue: 2))
    #expect(Flags(yang: .bits([BitValue(position: 9, name: "other")])) == nil)
    type.bits.removeLast()
    #expect(both.yangValue(as: type) == nil)
  }
}
