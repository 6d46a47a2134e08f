// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The form of a statement's argument (RFC 7950 section 14).
enum ArgumentSyntax: Sendable {
  case none
  case text
  case identifier
  /// A name, with or without a prefix.
  case reference
  case boolean
  case date
  case uri
  case oneOf([String])
  /// Both kinds of schema node identifier: absolute at the top of a module, descendant within `uses`.
  case schemaNodePath
  case absolutePath
  case descendantPath
  case featureExpression
  case keyNames
  case uniqueNames
  case minimum
  case maximum
  case fractionDigits
  case bitPosition
  case enumValue
  case enumName

  /// What is wrong with the argument, and what would be right; nil when nothing is.
  func problem(with text: String, of statement: Statement) -> (message: String, hint: String?)? {
    switch self {
    case .none, .text: return nil
    case .uri:
      if Self.isURI(text) { return nil }
      return ("'\(text)' is not a URI", "a scheme and a colon begin it, as in 'urn:example:module'")
    case .identifier:
      if Identifier.isValid(text) { return nil }
      return ("'\(text)' is not an identifier", "a letter or '_', then letters, digits, '_', '-' and '.'")
    case .reference:
      if Identifier.reference(text) != nil { return nil }
      return ("'\(text)' is not a name", "'name' or 'prefix:name' is expected")
    case .boolean: return Self.choice(text, ["true", "false"])
    case .date:
      if Self.isDate(text) { return nil }
      return ("'\(text)' is not a date", "yyyy-mm-dd is expected")
    case .oneOf(let words): return Self.choice(text, words)
    case .schemaNodePath:
      let inUses = statement.parent?.keyword == .uses
      return (inUses ? ArgumentSyntax.descendantPath : .absolutePath).problem(with: text, of: statement)
    case .absolutePath:
      if text.hasPrefix("/"), Self.isPath(text.dropFirst()) { return nil }
      return ("'\(text)' is not an absolute schema node identifier", "'/prefix:name/…' is expected")
    case .descendantPath:
      if Self.isPath(text[...]) { return nil }
      return ("'\(text)' is not a descendant schema node identifier", "'name/…' is expected")
    case .featureExpression:
      guard case .failure(let problem) = FeatureExpression.parse(text) else { return nil }
      return ("'\(text)' is not a feature expression: \(problem.message)", nil)
    case .keyNames:
      let names = text.split(whereSeparator: Self.isSeparator)
      if !names.isEmpty, names.allSatisfy({ Identifier.reference(String($0)) != nil }) { return nil }
      return ("'\(text)' is not a list of leaf names", "names with spaces between them are expected")
    case .uniqueNames:
      let names = text.split(whereSeparator: Self.isSeparator)
      if !names.isEmpty, names.allSatisfy({ Self.isPath($0) }) { return nil }
      return ("'\(text)' is not a list of descendant schema node identifiers", nil)
    case .minimum:
      if Self.natural(text) != nil { return nil }
      return ("'\(text)' is not a number of elements", "0 or a positive integer is expected")
    case .maximum:
      if text == "unbounded" || (Self.natural(text) ?? 0) > 0 { return nil }
      return ("'\(text)' is not a number of elements", "'unbounded' or a positive integer is expected")
    case .fractionDigits:
      if let digits = Self.natural(text), (1...18).contains(digits) { return nil }
      return ("'\(text)' is not a number of fraction digits", "1 to 18 is expected")
    case .bitPosition:
      if let position = Self.natural(text), position <= UInt64(UInt32.max) { return nil }
      return ("'\(text)' is not a bit position", "0 to 4294967295 is expected")
    case .enumValue:
      if Self.integer(text) != nil { return nil }
      return ("'\(text)' is not an enum value", "-2147483648 to 2147483647 is expected")
    case .enumName:
      if text.isEmpty { return ("the name of an enum must not be empty", nil) }
      if text.first?.isWhitespace == true || text.last?.isWhitespace == true {
        return ("the name of an enum must not begin or end with whitespace", nil)
      }
      return nil
    }
  }

  private static func choice(_ text: String, _ words: [String]) -> (message: String, hint: String?)? {
    if words.contains(text) { return nil }
    let hint = words.count == 1 ? "'\(words[0])' is expected" : "one of \(words.joined(separator: ", ")) is expected"
    return ("'\(text)' is not allowed here", hint)
  }

  static func isSeparator(_ character: Character) -> Bool {
    character == " " || character == "\t" || character == "\n" || character == "\r" || character == "\r\n"
  }

  private static func isPath(_ text: Substring) -> Bool {
    text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { Identifier.reference(String($0)) != nil }
  }

  /// A non-negative integer without leading zeros.
  static func natural(_ text: String) -> UInt64? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), text == "0" || text.utf8.first != 0x30 else {
      return nil
    }
    return UInt64(text)
  }

  static func integer(_ text: String) -> Int32? {
    let digits = text.hasPrefix("-") ? String(text.dropFirst()) : text
    guard natural(digits) != nil else { return nil }
    return Int32(text)
  }

  /// `yyyy-mm-dd`, a date that exists.
  static func isDate(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 10, bytes[4] == 0x2D, bytes[7] == 0x2D else { return false }
    func number(_ range: Range<Int>) -> Int? {
      var value = 0
      for byte in bytes[range] {
        guard (0x30...0x39).contains(byte) else { return nil }
        value = value * 10 + Int(byte - 0x30)
      }
      return value
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10) else { return false }
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (1...12).contains(month) && day >= 1 && day <= days[month - 1]
  }

  /// A scheme and something behind it, of the characters that RFC 3986 allows.
  private static func isURI(_ text: String) -> Bool {
    let bytes = text.utf8
    guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), colon != bytes.startIndex,
      bytes.index(after: colon) != bytes.endIndex
    else { return false }
    for (place, byte) in bytes[..<colon].enumerated() {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): break
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
        if place == 0 { return false }
      default: return false
      }
    }
    return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"<>\\^`{|}".utf8.contains($0) }
  }
}
