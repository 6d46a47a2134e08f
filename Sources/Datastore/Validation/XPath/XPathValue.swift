// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The value of an expression (XPath 1.0 section 1).
enum XPathValue {
  /// In document order.
  case nodes([XPathNode])
  case string(String)
  case number(Double)
  case boolean(Bool)

  /// boolean() of section 4.3.
  var boolean: Bool {
    switch self {
    case .nodes(let nodes): !nodes.isEmpty
    case .string(let text): !text.isEmpty
    case .number(let number): number != 0 && !number.isNaN
    case .boolean(let flag): flag
    }
  }

  /// string() of section 4.2.
  var string: String {
    switch self {
    case .nodes(let nodes): nodes.first?.stringValue ?? ""
    case .string(let text): text
    case .number(let number): XPathNumber.text(number)
    case .boolean(let flag): flag ? "true" : "false"
    }
  }

  /// number() of section 4.4.
  var number: Double {
    switch self {
    case .nodes(let nodes): nodes.first.map { $0.value?.xpathNumber ?? XPathNumber.parse($0.stringValue) } ?? .nan
    case .string(let text): XPathNumber.parse(text)
    case .number(let number): number
    case .boolean(let flag): flag ? 1 : 0
    }
  }
}

/// Numbers as XPath 1.0 writes them.
enum XPathNumber {
  /// White space, an optional minus sign, digits with an optional point; all else is not a number (section 4.4).
  static func parse(_ text: String) -> Double {
    var bytes = Substring(text).utf8[...]
    while let first = bytes.first, isSpace(first) { bytes.removeFirst() }
    while let last = bytes.last, isSpace(last) { bytes.removeLast() }
    var digits = 0
    var points = 0
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "-") where index == 0: break
      case UInt8(ascii: "."): points += 1
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digits += 1
      default: return .nan
      }
    }
    guard digits > 0, points <= 1 else { return .nan }
    var number = String(decoding: bytes, as: UTF8.self)
    if number.hasSuffix(".") { number.removeLast() }
    if number.hasPrefix("-.") { number = "-0" + number.dropFirst() }
    if number.hasPrefix(".") { number = "0" + number }
    return Double(number) ?? .nan
  }

  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

  /// No exponent, no point in integers, the fewest digits that tell the number (section 4.2).
  static func text(_ number: Double) -> String {
    if number.isNaN { return "NaN" }
    if number.isInfinite { return number < 0 ? "-Infinity" : "Infinity" }
    if number == 0 { return "0" }
    if number == number.rounded(), abs(number) < 1e15 { return String(Int64(number)) }
    return withoutExponent("\(number)")
  }

  private static func withoutExponent(_ text: String) -> String {
    guard let mark = text.firstIndex(of: "e"), let exponent = Int(text[text.index(after: mark)...]) else {
      return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
    var mantissa = String(text[..<mark])
    let sign = mantissa.hasPrefix("-") ? "-" : ""
    if !sign.isEmpty { mantissa.removeFirst() }
    let parts = mantissa.split(separator: ".", omittingEmptySubsequences: false)
    let whole = String(parts[0])
    var fraction = parts.count > 1 ? String(parts[1]) : ""
    if fraction == "0" { fraction = "" }
    let digits = whole + fraction
    let point = whole.count + exponent
    if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
    if point >= digits.count { return sign + digits + String(repeating: "0", count: point - digits.count) }
    return sign + digits.prefix(point) + "." + digits.dropFirst(point)
  }

  /// round() of section 4.4: to the nearest integer, halves towards positive infinity.
  static func rounded(_ number: Double) -> Double {
    if number.isNaN || number.isInfinite { return number }
    if number < 0, number >= -0.5 { return -0.0 }
    // Not the floor of number + 0.5, whose own rounding shows just below a half and above 2^52, and loses a zero's sign.
    let floor = number.rounded(.down)
    return number - floor >= 0.5 ? floor + 1 : floor
  }
}

extension XPath.Comparison {
  func holds(_ left: Double, _ right: Double) -> Bool {
    switch self {
    case .equal: left == right
    case .notEqual: left != right
    case .less: left < right
    case .lessOrEqual: left <= right
    case .greater: left > right
    case .greaterOrEqual: left >= right
    }
  }

  /// The comparison with its sides exchanged.
  var mirrored: XPath.Comparison {
    switch self {
    case .equal: .equal
    case .notEqual: .notEqual
    case .less: .greater
    case .lessOrEqual: .greaterOrEqual
    case .greater: .less
    case .greaterOrEqual: .lessOrEqual
    }
  }

  var isEquality: Bool { self == .equal || self == .notEqual }
}

extension XPathValue {
  /// A comparison (section 3.4): node-sets compare by any of their nodes.
  static func compare(_ comparison: XPath.Comparison, _ left: XPathValue, _ right: XPathValue) -> Bool {
    switch (left, right) {
    case (.nodes(let left), .nodes(let right)):
      return left.contains { a in right.contains { b in holds(comparison, a, b) } }
    case (.nodes(let nodes), _): return compare(comparison, nodes, right)
    case (_, .nodes(let nodes)): return compare(comparison.mirrored, nodes, left)
    default: break
    }
    guard comparison.isEquality else { return comparison.holds(left.number, right.number) }
    let equal =
      switch (left, right) {
      case (.boolean, _), (_, .boolean): left.boolean == right.boolean
      case (.number, _), (_, .number): left.number == right.number
      default: left.string == right.string
      }
    // NaN is unequal to everything, itself included.
    if case .notEqual = comparison { return !equal }
    return equal
  }

  private static func holds(_ comparison: XPath.Comparison, _ left: XPathNode, _ right: XPathNode) -> Bool {
    guard comparison.isEquality else { return comparison.holds(number(of: left), number(of: right)) }
    let equal =
      if let a = left.value, let b = right.value {
        sameCase(a, b) ? a.isSame(as: b) : a.xpathText == b.xpathText
      } else { left.stringValue == right.stringValue }
    return equal == (comparison == .equal)
  }

  /// Values whose order tells whether their texts are equal.
  private static func sameCase(_ left: Value, _ right: Value) -> Bool {
    switch (left, right) {
    case (.string, .string), (.uint, .uint), (.int, .int), (.identity, .identity), (.boolean, .boolean),
      (.sealed, .sealed):
      true
    default: false
    }
  }

  static func number(of node: XPathNode) -> Double {
    node.value?.xpathNumber ?? XPathNumber.parse(node.stringValue)
  }

  /// Whether one node compares as asked with a value that is no node-set.
  static func holds(_ comparison: XPath.Comparison, _ node: XPathNode, _ other: XPathValue) -> Bool {
    guard comparison.isEquality else { return comparison.holds(number(of: node), other.number) }
    let equal: Bool
    switch other {
    case .number(let number): equal = self.number(of: node) == number
    case .string(let text): equal = node.value?.isNamed(text) ?? (node.stringValue == text)
    case .boolean, .nodes: return false
    }
    return equal == (comparison == .equal)
  }

  private static func compare(_ comparison: XPath.Comparison, _ nodes: [XPathNode], _ other: XPathValue) -> Bool {
    if case .boolean(let flag) = other {
      let left: Double = nodes.isEmpty ? 0 : 1
      return comparison.holds(left, flag ? 1 : 0)
    }
    return nodes.contains { holds(comparison, $0, other) }
  }
}
