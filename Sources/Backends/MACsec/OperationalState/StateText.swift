// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import MKA
import Models

/// Texts in the forms that operators of IOS XR know.
enum StateText {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// `2021 May 18 13:23:29.588`, in universal time.
  static func timestamp(_ sinceEpoch: Duration) -> String {
    let (seconds, attoseconds) = sinceEpoch.components
    let parts = calendar(sinceEpoch)
    let milliseconds = attoseconds / 1_000_000_000_000_000
    return "\(parts.tm_year + 1_900) \(month(parts)) \(two(parts.tm_mday)) \(clock(parts))."
      + (milliseconds < 100 ? "0" : "") + (milliseconds < 10 ? "0" : "") + String(milliseconds)
      + (seconds < 0 ? " (before 1970)" : "")
  }

  /// `13:23:29, 18 May 2021`, in universal time.
  static func date(_ sinceEpoch: Duration) -> String {
    let parts = calendar(sinceEpoch)
    return "\(clock(parts)), \(two(parts.tm_mday)) \(month(parts)) \(parts.tm_year + 1_900)"
  }

  /// The form of date-and-time, in universal time.
  static func dateAndTime(_ sinceEpoch: Duration) -> String {
    let parts = calendar(sinceEpoch)
    return "\(parts.tm_year + 1_900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(clock(parts))Z"
  }

  /// `2 days 03:04:05`; without days, `03:04:05`.
  static func span(_ duration: Duration) -> String {
    let seconds = max(0, duration.components.seconds)
    let clock = "\(two(seconds / 3_600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    return seconds >= 86_400 ? "\(seconds / 86_400) days \(clock)" : clock
  }

  /// `456s`, or `NA` for no time.
  static func seconds(_ duration: Duration?) -> String { duration.map { "\($0.components.seconds)s" } ?? "NA" }

  private static func calendar(_ sinceEpoch: Duration) -> tm {
    var seconds = time_t(sinceEpoch.components.seconds)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    return parts
  }

  private static func month(_ parts: tm) -> String { months[Int(parts.tm_mon) % 12] }
  private static func clock(_ parts: tm) -> String { "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))" }
  private static func two(_ number: some BinaryInteger) -> String { (number < 10 ? "0" : "") + String(number) }
}

extension SCI {
  /// Sixteen hexadecimal digits.
  var digits: String { description.filter(\.isHexDigit).uppercased() }
}

extension CryptoMACsecMKAOper.MACsecCipherSuite {
  init(_ suite: CipherSuite?) {
    switch suite {
    case nil: self = .cipherSuiteNone
    case .gcmAES128: self = .cipherSuiteGCMAES128
    case .gcmAES256: self = .cipherSuiteGCMAES256
    case .gcmAESXPN128: self = .cipherSuiteGCMAES128XPN
    case .gcmAESXPN256: self = .cipherSuiteGCMAES256XPN
    }
  }
}

extension Duration {
  /// Whole seconds, rounded up, as far as 32 bits hold them.
  var wholeSeconds: UInt32 {
    let (seconds, attoseconds) = components
    return UInt32(clamping: seconds + (attoseconds > 0 ? 1 : 0))
  }
}
