// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// decimal64 as text (RFC 7950 section 9.3).
enum DecimalText {
  struct Malformed: Error {
    /// The digits were right, but the number does not fit.
    let isOutOfRange: Bool
  }

  /// The number times ten to the power of `digits`.
  static func parse(_ text: some Sequence<UInt8>, digits: Int) -> Result<Int64, Malformed> {
    var value: Int64 = 0
    var isNegative = false
    var isFirst = true
    var hasDigit = false
    var fraction = -1
    var overflow = false
    for byte in text {
      switch byte {
      case UInt8(ascii: "-") where isFirst: isNegative = true
      case UInt8(ascii: "+") where isFirst: break
      case UInt8(ascii: ".") where hasDigit && fraction < 0: fraction = 0
      case 0x30...0x39:
        if fraction >= 0 {
          fraction += 1
          // Zeros behind the last allowed digit change nothing.
          if fraction > digits {
            guard byte == 0x30 else { return .failure(Malformed(isOutOfRange: false)) }
            continue
          }
        }
        hasDigit = true
        append(Int64(byte - 0x30), isNegative, to: &value, &overflow)
      default: return .failure(Malformed(isOutOfRange: false))
      }
      isFirst = false
    }
    guard hasDigit, fraction != 0 else { return .failure(Malformed(isOutOfRange: false)) }
    for _ in min(max(fraction, 0), digits)..<digits { append(0, isNegative, to: &value, &overflow) }
    return overflow ? .failure(Malformed(isOutOfRange: true)) : .success(value)
  }

  private static func append(_ digit: Int64, _ isNegative: Bool, to value: inout Int64, _ overflow: inout Bool) {
    let (product, first) = value.multipliedReportingOverflow(by: 10)
    let (sum, second) = product.addingReportingOverflow(isNegative ? -digit : digit)
    overflow = overflow || first || second
    value = sum
  }

  /// The canonical form: no leading or trailing zeros but one digit on each side of the point.
  static func append(_ value: Int64, digits: Int, to output: inout [UInt8]) {
    if value < 0 { output.append(UInt8(ascii: "-")) }
    var magnitude = Array(String(value.magnitude).utf8)
    while magnitude.count <= digits { magnitude.insert(0x30, at: 0) }
    let point = magnitude.count - digits
    output += magnitude[..<point]
    output.append(UInt8(ascii: "."))
    var last = magnitude.count
    while last > point + 1, magnitude[last - 1] == 0x30 { last -= 1 }
    output += digits == 0 ? [0x30] : magnitude[point..<last]
  }
}
