// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Identifiers and references with a prefix (RFC 7950 sections 6.2 and 14).
public enum Identifier {
  static func isStart(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
    default: false
    }
  }

  static func isPart(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  public static func isValid(_ text: some StringProtocol) -> Bool {
    var bytes = text.utf8.makeIterator()
    guard let first = bytes.next(), isStart(first) else { return false }
    while let byte = bytes.next() {
      guard isPart(byte) else { return false }
    }
    return true
  }

  /// `prefix:name` or `name`; nil when it is neither.
  static func reference(_ text: String) -> (prefix: String?, name: String)? {
    guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else {
      return isValid(text) ? (nil, text) : nil
    }
    let prefix = text[..<colon]
    let name = text[text.utf8.index(after: colon)...]
    guard isValid(prefix), isValid(name) else { return nil }
    return (String(prefix), String(name))
  }
}
