// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Ranges and lengths (RFC 7950 sections 9.2.4 and 9.4.4).
extension Compiler {
  func restrictRange(_ type: SchemaType, _ base: SchemaType, _ statement: Statement) {
    guard base.base.isInteger, let whole = base.base.integerRange else { return }
    let allowed = base.ranges.isEmpty ? [whole] : base.ranges
    type.ranges = intervals(statement, within: allowed, number: { Int128($0) }) ?? allowed
  }

  func restrictLength(_ type: SchemaType, _ base: SchemaType, _ statement: Statement) {
    let whole = Restriction.Interval(lower: 0, upper: Int128(UInt64.max))
    let allowed = base.lengths.isEmpty ? [whole] : base.lengths
    let parsed = intervals(statement, within: allowed) { text in ArgumentSyntax.natural(text).map { Int128($0) } }
    type.lengths = parsed ?? allowed
  }

  /// The range of a decimal64 is scaled by its fraction digits, which may stand behind it.
  func restrictDecimal(_ type: SchemaType, _ base: SchemaType, _ statement: Statement) {
    let digits = Int(type.fractionDigits)
    let whole = Restriction.Interval(lower: Int128(Int64.min), upper: Int128(Int64.max))
    let allowed = base.ranges.isEmpty ? [whole] : base.ranges
    guard let range = statement.first(.range), digits > 0 else { return }
    type.ranges = intervals(range, within: allowed) { Self.scaled($0, digits: digits) } ?? allowed
  }

  static func scaled(_ text: String, digits: Int) -> Int128? {
    guard let value = try? DecimalText.parse(Array(text.utf8), digits: digits).get() else { return nil }
    return Int128(value)
  }

  /// `a..b | c | min..d`: ascending, apart, within what the base allows. Nil after an error.
  private func intervals(
    _ statement: Statement, within allowed: [Restriction.Interval], number: (String) -> Int128?
  ) -> [Restriction.Interval]? {
    guard let least = allowed.first?.lower, let greatest = allowed.last?.upper else { return nil }
    func bound(_ text: Substring) -> Int128? {
      let word = text.trimmingSeparators()
      switch word {
      case "min": return least
      case "max": return greatest
      default: return number(String(word))
      }
    }
    var result: [Restriction.Interval] = []
    for part in statement.text.split(separator: "|", omittingEmptySubsequences: false) {
      let ends = Self.splitBounds(part)
      guard ends.count <= 2, let lower = bound(ends[0]), let upper = bound(ends[ends.count - 1]) else {
        log.error(
          statement, "'\(part.trimmingSeparators())' is not an interval",
          hint: "'number', 'number..number', 'min' and 'max' are expected, with '|' between intervals")
        return nil
      }
      guard lower <= upper else {
        log.error(statement, "the interval '\(part.trimmingSeparators())' ends before it begins")
        return nil
      }
      if let last = result.last, lower <= last.upper {
        log.error(statement, "intervals must be in ascending order and must not overlap")
        return nil
      }
      result.append(Restriction.Interval(lower: lower, upper: upper))
    }
    let joined = Self.joined(allowed)
    for interval in result
    where !joined.contains(where: { $0.lower <= interval.lower && interval.upper <= $0.upper }) {
      let limits = joined.map { "\($0.lower)..\($0.upper)" }.joined(separator: " | ")
      log.error(
        statement, "the interval \(interval.lower)..\(interval.upper) is wider than the type allows",
        hint: "the type allows \(limits)")
      return nil
    }
    return result
  }

  private static func splitBounds(_ text: Substring) -> [Substring] {
    var parts: [Substring] = []
    var rest = text
    while let dots = rest.firstRange(of: "..") {
      parts.append(rest[..<dots.lowerBound])
      rest = rest[dots.upperBound...]
    }
    return parts + [rest]
  }

  /// Intervals with neighbours put together.
  private static func joined(_ intervals: [Restriction.Interval]) -> [Restriction.Interval] {
    var result: [Restriction.Interval] = []
    for interval in intervals {
      if let last = result.last, last.upper + 1 == interval.lower {
        result[result.count - 1] = Restriction.Interval(lower: last.lower, upper: interval.upper)
      } else {
        result.append(interval)
      }
    }
    return result
  }
}

extension Substring {
  func trimmingSeparators() -> Substring {
    var text = self
    while let first = text.first, ArgumentSyntax.isSeparator(first) { text.removeFirst() }
    while let last = text.last, ArgumentSyntax.isSeparator(last) { text.removeLast() }
    return text
  }

  func firstRange(of pattern: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(pattern) { return start..<index(start, offsetBy: pattern.count) }
      start = index(after: start)
    }
    return nil
  }
}
