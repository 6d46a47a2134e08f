// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Texts that a type does not take.
extension ScalarGenerator {
  /// A value outside the type; nil for a type that takes nearly everything.
  mutating func broken(of type: SchemaType, using random: inout SeededRandom) -> Scalar? {
    for text in candidates(type, &random).shuffled(using: &random) where Scalar(text, of: type, in: schema) == nil {
      return Scalar(broken: text, of: type)
    }
    return nil
  }

  private mutating func candidates(_ type: SchemaType, _ random: inout SeededRandom) -> [String] {
    let target = type.valueType
    switch target.base {
    case .string:
      var texts = ["", "!\u{E9}\u{4E2D}", String(repeating: "x", count: 300), "\u{1F600} "]
      if var near = sampler(target).sample(using: &random) {
        near.insert(["\\", " ", "~", "0", "/"].randomElement(using: &random) ?? " ", at: near.startIndex)
        texts.append(near)
        texts.append(String(near.dropFirst(2)))
      }
      return texts
    case .boolean: return ["TRUE", "1", "yes", ""]
    case .empty: return ["x", "null"]
    case .enumeration, .bits, .identityref:
      let known = target.enums.first?.name ?? target.bits.first?.name ?? target.identities.first?.name ?? "x"
      return [known + "x", "no-such-name", "no-such-prefix:\(known)", known.uppercased() + "_", "\(known) \(known)"]
    case .binary:
      return ["====", "a", "not base64!"]
        + [Base64Text.encode([UInt8](repeating: 7, count: Int(clamping: target.lengths.last?.upper ?? 0) % 5_000 + 1))]
    case .instanceIdentifier: return ["", "x", "/", "//a", "/a[", "/no-such-module:a"]
    case .decimal64:
      let intervals = Self.intervals(target)
      let digits = Int(target.fractionDigits)
      return ["", "1e3", "0x1", ".", "1.", "--1", "1." + String(repeating: "1", count: digits + 1)]
        + Self.outside(intervals).map { Self.decimalText($0, digits) }
    case .union:
      return ["", "!\u{E9}", "no-such-prefix:name", "-99999999999999999999999", String(repeating: "y", count: 400)]
    default:
      return ["", "1.5", "ten", "0x", "1 2", "--1", "99999999999999999999999"]
        + Self.outside(Self.intervals(target)).map { "\($0)" }
    }
  }

  /// Numbers next to the intervals.
  private static func outside(_ intervals: [ClosedRange<Int128>]) -> [Int128] {
    intervals.flatMap { [$0.lowerBound - 1, $0.upperBound + 1] }.filter { number in
      !intervals.contains { $0.contains(number) }
    }
  }
}
