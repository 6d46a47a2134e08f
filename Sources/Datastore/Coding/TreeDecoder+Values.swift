// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

extension TreeDecoder {
  /// A stored value before it is known what type reads it.
  indirect enum Raw {
    case value(Value)
    case enumeration(String)
    case bits([String])
    case identity(Int)
    case instance(String)
    case union(Int, Raw)
  }

  mutating func raw(depth: Int) throws(TreeCodingError) -> Raw {
    guard depth < 16 else { throw input.failure("too many unions") }
    guard let tag = TreeCoder.ValueTag(rawValue: try input.byte()) else {
      throw input.failure("an unknown kind of value")
    }
    switch tag {
    case .empty: return .value(.empty)
    case .no: return .value(.boolean(false))
    case .yes: return .value(.boolean(true))
    case .int: return .value(.int(try input.signed()))
    case .uint: return .value(.uint(try input.number()))
    case .decimal:
      let number = try input.signed()
      let digits = try input.byte()
      guard (1...18).contains(digits) else { throw input.failure("a decimal64 has 1 to 18 fraction digits") }
      return .value(.decimal64(number, digits: digits))
    case .string: return .value(.string(try input.string()))
    case .binary: return .value(.binary(Array(try input.data())))
    case .enumeration: return .enumeration(names[try name()].name)
    case .bits:
      var bits: [String] = []
      for _ in 0..<(try input.count()) { bits.append(names[try name()].name) }
      return .bits(bits)
    case .identity: return .identity(try name())
    case .instance: return .instance(try input.string())
    case .union:
      let member = try input.number()
      guard member <= UInt64(UInt16.max) else { throw input.failure("a union has no such member") }
      return .union(Int(member), try raw(depth: depth + 1))
    case .sealed:
      do throws(SecretsError) { return .value(.sealed(try Sealed(serialized: Array(try sealedBytes())))) } catch {
        throw input.failure("not a sealed value")
      }
    }
  }

  /// Carries the input's error through a scope of another one: an empty array is no sealed value.
  private mutating func sealedBytes() throws(SecretsError) -> [UInt8] {
    do throws(TreeCodingError) { return Array(try input.data()) } catch {
      throw SecretsError(.malformed, "the data ends early")
    }
  }

  // MARK: Fitting

  mutating func values(_ leaf: SchemaNode, _ path: String) throws(TreeCodingError) -> [Value] {
    let count = try input.count()
    var values: [Value] = []
    values.reserveCapacity(count)
    for _ in 0..<count { if let value = try value(leaf, path) { values.append(value) } }
    return values
  }

  /// The next value as one of this leaf; nil, and reported, when it does not fit.
  mutating func value(_ leaf: SchemaNode, _ path: String) throws(TreeCodingError) -> Value? {
    let raw = try raw(depth: 0)
    guard let type = leaf.type else { return nil }
    if isSameSchema, let value = resolve(raw, type.valueType) { return value }
    do throws(ValueError) { return try fit(raw, type) } catch {
      report("\(path)/\(leaf.module.name):\(leaf.name)", "its value does not fit any more: \(error)")
      return nil
    }
  }

  /// A value of a type that it is known to fit; nil when it does not after all.
  private mutating func resolve(_ raw: Raw, _ type: SchemaType) -> Value? {
    switch (raw, type.base) {
    case (.enumeration(let name), .enumeration):
      let key = ObjectIdentifier(type)
      if enums[key] == nil {
        enums[key] = Dictionary(type.enums.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
      }
      return enums[key]?[name].map { .enumeration($0) }
    case (.bits(let names), .bits):
      let bits = type.bits.filter { names.contains($0.name) }
      return bits.count == names.count ? .bits(bits) : nil
    case (.identity(let name), .identityref):
      return type.identities.first { $0.name == names[name].name && $0.module.name == names[name].module }
        .map { .identity($0) }
    case (.union(let member, let raw), .union):
      guard type.members.indices.contains(member), let value = resolve(raw, type.members[member].valueType) else {
        return nil
      }
      return .union(member: member, value)
    case (.instance(let text), .instanceIdentifier):
      return try? type.parse(text, resolvePrefix: { schema.module(named: $0) }, sealer: nil)
    case (.value(let value), let base): return Self.fits(value, base, type) ? value : nil
    default: return nil
    }
  }

  private static func fits(_ value: Value, _ base: SchemaType.Base, _ type: SchemaType) -> Bool {
    switch (value, base) {
    case (.string, .string): type.secretEncoding == nil
    case (.sealed, .string): type.secretEncoding != nil
    case (.uint, .uint8), (.uint, .uint16), (.uint, .uint32), (.uint, .uint64): true
    case (.int, .int8), (.int, .int16), (.int, .int32), (.int, .int64): true
    case (.boolean, .boolean), (.empty, .empty), (.binary, .binary): true
    case (.decimal64(_, let digits), .decimal64): digits == type.fractionDigits
    default: false
    }
  }

  /// A value by its text, as if a client had sent it. A secret stays sealed and has to be a secret still.
  private func fit(_ raw: Raw, _ type: SchemaType) throws(ValueError) -> Value {
    if case .value(.sealed(let sealed)) = raw {
      guard type.valueType.secretEncoding != nil else { throw ValueError(.secret, "it is not a secret any more") }
      return .sealed(sealed)
    }
    if case .union(_, .value(.sealed(let sealed))) = raw {
      let member = type.valueType.members.firstIndex { $0.valueType.secretEncoding != nil }
      guard let member else { throw ValueError(.secret, "it is not a secret any more") }
      return .union(member: member, .sealed(sealed))
    }
    return try type.parse(text(raw, type), resolvePrefix: { schema.module(named: $0) }, sealer: reader.sealer)
  }

  private func text(_ raw: Raw, _ type: SchemaType) -> String {
    switch raw {
    case .value(let value): type.canonicalText(of: value) { $0.name }
    case .enumeration(let name): name
    case .instance(let text): text
    case .bits(let names): names.joined(separator: " ")
    case .identity(let name): "\(names[name].module):\(names[name].name)"
    case .union(_, let raw): text(raw, type)
    }
  }
}
