// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Makes values of types.
struct ScalarGenerator {
  let schema: Schema
  private var samplers: [ObjectIdentifier: TextSampler] = [:]
  /// Texts that conditions compare a leaf with, by node id.
  private var hints: [Int: [String]] = [:]
  /// A few values for each leaf, so that references and conditions meet, by node id.
  private var pools: [Int: [String]] = [:]

  private static let poolSize = 5

  init(schema: Schema) {
    self.schema = schema
    for node in schema.nodes {
      for must in node.musts { collect(must.condition, at: node) }
      for when in node.whens { collect(when.condition, at: node) }
    }
  }

  /// A value for a leaf or leaf-list entry; nil when none could be made. An instance-identifier comes as `""` of no
  /// meaning, since it needs a document.
  mutating func scalar(for leaf: SchemaNode, using random: inout SeededRandom) -> Scalar? {
    guard let type = leaf.type else { return nil }
    if let hints = hints[leaf.id], random.once(in: 2), let text = hints.randomElement(using: &random),
      let scalar = Scalar(text, of: type, in: schema)
    {
      return scalar
    }
    // References take what their target has or will have.
    var owner = leaf
    for _ in 0..<64 {
      guard let type = owner.type, type.base == .leafref, let target = type.leafrefTarget else { break }
      owner = target
    }
    let pool = pools[owner.id] ?? []
    if !pool.isEmpty, pool.count >= Self.poolSize || owner !== leaf || random.once(in: 3),
      let text = pool.randomElement(using: &random), let scalar = Scalar(text, of: type, in: schema)
    {
      return scalar
    }
    guard let text = text(of: owner.type ?? type, using: &random),
      let scalar = Scalar(text, of: type, in: schema, keepingSpelling: true)
    else { return nil }
    if pool.count < Self.poolSize { pools[owner.id, default: []].append(scalar.text) }
    return scalar
  }

  /// Forgets the values of the last document.
  mutating func forget() { pools = [:] }

  // MARK: Texts

  private mutating func text(of type: SchemaType, using random: inout SeededRandom) -> String? {
    // The patterns of addresses and dates take much that none of these is.
    for name in type.typedefChain {
      let known = name.split(separator: ":").last.flatMap { WellKnownValues.texts[String($0)] }
      guard let text = known?.randomElement(using: &random) else { continue }
      if Scalar(text, of: type, in: schema) != nil { return text }
    }
    switch type.base {
    case .string: return sampler(type).sample(using: &random, preferredLength: 10)
    case .boolean: return random.once(in: 2) ? "true" : "false"
    case .empty: return ""
    case .enumeration: return type.enums.randomElement(using: &random)?.name
    case .bits: return bits(type, &random)
    case .binary: return binary(type, &random)
    case .identityref:
      return type.identities.randomElement(using: &random).map { "\($0.module.name):\($0.name)" }
    case .decimal64: return decimal(type, &random)
    case .union:
      for _ in 0..<8 {
        guard let member = type.members.randomElement(using: &random) else { return nil }
        if member.base != .instanceIdentifier, let text = text(of: member, using: &random) { return text }
      }
      return nil
    case .leafref: return type.leafrefTarget?.type.flatMap { text(of: $0, using: &random) }
    case .instanceIdentifier: return nil
    default: return integer(type, &random)
    }
  }

  mutating func sampler(_ type: SchemaType) -> TextSampler {
    if let known = samplers[ObjectIdentifier(type)] { return known }
    let made = TextSampler(type)
    samplers[ObjectIdentifier(type)] = made
    return made
  }

  static func number(in intervals: [ClosedRange<Int128>], using random: inout SeededRandom) -> Int128 {
    guard let interval = intervals.randomElement(using: &random) else { return 0 }
    switch Int.random(in: 0..<6, using: &random) {
    case 0: return interval.lowerBound
    case 1: return interval.upperBound
    case 2, 3:
      let end = min(interval.upperBound, interval.lowerBound + 20)
      return interval.lowerBound <= 0 && interval.upperBound >= 0
        ? Int128.random(in: max(interval.lowerBound, -3)...min(interval.upperBound, 20), using: &random)
        : Int128.random(in: interval.lowerBound...end, using: &random)
    default: return Int128.random(in: interval, using: &random)
    }
  }

  private func integer(_ type: SchemaType, _ random: inout SeededRandom) -> String {
    let number = Self.number(in: Self.intervals(type), using: &random)
    switch Int.random(in: 0..<24, using: &random) {
    case 0 where number >= 0: return "+\(number)"
    case 1: return " \(number)\n"
    case 2 where number > 0: return "00\(number)"
    default: return "\(number)"
    }
  }

  /// The values that an integer or decimal64 type allows, scaled.
  static func intervals(_ type: SchemaType) -> [ClosedRange<Int128>] {
    if !type.ranges.isEmpty { return type.ranges.map { $0.lower...$0.upper } }
    switch type.base {
    case .int8: return [Int128(Int8.min)...Int128(Int8.max)]
    case .int16: return [Int128(Int16.min)...Int128(Int16.max)]
    case .int32: return [Int128(Int32.min)...Int128(Int32.max)]
    case .uint8: return [0...Int128(UInt8.max)]
    case .uint16: return [0...Int128(UInt16.max)]
    case .uint32: return [0...Int128(UInt32.max)]
    case .uint64: return [0...Int128(UInt64.max)]
    default: return [Int128(Int64.min)...Int128(Int64.max)]
    }
  }

  private func decimal(_ type: SchemaType, _ random: inout SeededRandom) -> String {
    let text = Self.decimalText(Self.number(in: Self.intervals(type), using: &random), Int(type.fractionDigits))
    switch Int.random(in: 0..<16, using: &random) {
    case 0 where !text.hasPrefix("-"): return "+\(text)"
    case 1 where text.hasSuffix(".0"): return String(text.dropLast(2))
    default: return text
    }
  }

  /// A scaled number with all its fraction digits.
  static func decimalText(_ number: Int128, _ digits: Int) -> String {
    var text = String(number.magnitude)
    while text.count <= digits { text = "0" + text }
    let point = text.index(text.endIndex, offsetBy: -digits)
    return (number < 0 ? "-" : "") + text[..<point] + "." + text[point...]
  }

  private func bits(_ type: SchemaType, _ random: inout SeededRandom) -> String {
    var names: [String] = []
    for bit in type.bits where random.once(in: 2) { names.append(bit.name) }
    if random.once(in: 4) { names.shuffle(using: &random) }
    return names.joined(separator: " ")
  }

  private func binary(_ type: SchemaType, _ random: inout SeededRandom) -> String {
    let interval = type.lengths.randomElement(using: &random)
    let least = Int(clamping: interval?.lower ?? 0)
    let most = min(Int(clamping: interval?.upper ?? 12), least + 12)
    let bytes = (0..<Int.random(in: least...max(least, most), using: &random)).map { _ in
      UInt8.random(in: .min ... .max, using: &random)
    }
    return Base64Text.encode(bytes)
  }

  // MARK: Hints

  private mutating func collect(_ condition: XPathExpression, at node: SchemaNode) {
    var texts: [String] = []
    Self.literals(condition.tree, &texts)
    guard !texts.isEmpty else { return }
    for leaf in (condition.reads ?? []) + [node] {
      guard let type = leaf.type else { continue }
      for text in texts {
        let parsed = Scalar(text, of: type) { prefix in
          schema.module(named: prefix) ?? schema.modules.first { $0.prefix == prefix && !prefix.isEmpty }
        }
        if let parsed, !(hints[leaf.id] ?? []).contains(parsed.text) { hints[leaf.id, default: []].append(parsed.text) }
      }
    }
  }

  private static func literals(_ tree: XPath, _ texts: inout [String]) {
    switch tree {
    case .or(let left, let right), .and(let left, let right), .comparison(_, let left, let right),
      .arithmetic(_, let left, let right), .union(let left, let right):
      literals(left, &texts)
      literals(right, &texts)
    case .negation(let inner): literals(inner, &texts)
    case .path(let path): for step in path.steps { for predicate in step.predicates { literals(predicate, &texts) } }
    case .filter(let primary, let predicates, let steps):
      literals(primary, &texts)
      for predicate in predicates { literals(predicate, &texts) }
      for step in steps { for predicate in step.predicates { literals(predicate, &texts) } }
    case .literal(let text): texts.append(text)
    case .number(let number):
      if number == number.rounded(), number.magnitude < 1e15 {
        for near in [number - 1, number, number + 1] { texts.append("\(Int64(near))") }
      }
    case .variable: break
    case .call(_, let arguments): for argument in arguments { literals(argument, &texts) }
    }
  }
}

/// RFC 4648 section 4.
enum Base64Text {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

  static func encode(_ bytes: [UInt8]) -> String {
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = Array(bytes[start..<min(start + 3, bytes.count)])
      let bits =
        UInt32(part[0]) << 16 | UInt32(part.count > 1 ? part[1] : 0) << 8 | UInt32(part.count > 2 ? part[2] : 0)
      for place in 0..<4 {
        text.append(place <= part.count ? alphabet[Int(bits >> UInt32(18 - 6 * place) & 63)] : "=")
      }
    }
    return text
  }
}
