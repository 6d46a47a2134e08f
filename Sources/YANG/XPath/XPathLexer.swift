// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Cuts an XPath expression into tokens (XPath 1.0 section 3.7), telling names from operators by what stands before.
enum XPathLexer {
  enum Symbol: String {
    case open = "("
    case close = ")"
    case openBracket = "["
    case closeBracket = "]"
    case dot = "."
    case doubleDot = ".."
    case at = "@"
    case comma = ","
    case slash = "/"
    case doubleSlash = "//"
    case bar = "|"
    case plus = "+"
    case minus = "-"
    case equal = "="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
  }

  enum Kind {
    case symbol(Symbol)
    case literal(String)
    case number(Double)
    case variable(String)
    case name(prefix: String?, String)
    case star
    case prefixStar(String)
    /// A name before `::`, with the colons.
    case axis(String)
    /// `and`, `or`, `div`, `mod`, `*` where an operator must stand.
    case operatorName(String)
  }

  struct Token {
    let kind: Kind
    let offset: Int
  }

  static func tokens(of text: String) throws(XPathError) -> [Token] {
    var scanner = Scanner(bytes: Array(text.utf8))
    return try scanner.scan()
  }

  private struct Scanner {
    let bytes: [UInt8]
    var position = 0
    var tokens: [Token] = []

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// True when the token before is one after which an operator, not an operand, must follow.
    private var operatorMustFollow: Bool {
      switch tokens.last?.kind {
      case nil, .axis, .operatorName: false
      case .symbol(let symbol): [.close, .closeBracket, .dot, .doubleDot].contains(symbol)
      default: true
      }
    }

    private func byte(_ ahead: Int = 0) -> UInt8? {
      position + ahead < bytes.count ? bytes[position + ahead] : nil
    }

    private static func isNameStart(_ byte: UInt8) -> Bool { Identifier.isStart(byte) || byte >= 0x80 }
    private static func isNamePart(_ byte: UInt8) -> Bool { Identifier.isPart(byte) || byte >= 0x80 }
    private static func isDigit(_ byte: UInt8?) -> Bool { byte.map { (0x30...0x39).contains($0) } ?? false }

    mutating func scan() throws(XPathError) -> [Token] {
      while let next = byte() {
        let start = position
        switch next {
        case 0x20, 0x09, 0x0A, 0x0D: position += 1
        case UInt8(ascii: "\""), UInt8(ascii: "'"): add(.literal(try literal(next)), start)
        case UInt8(ascii: "$"):
          position += 1
          guard let name = try qualifiedName() else { throw failure("a variable's name is expected") }
          add(.variable(name), start)
        case UInt8(ascii: "*"):
          let isOperator = operatorMustFollow
          position += 1
          add(isOperator ? .operatorName("*") : .star, start)
        case UInt8(ascii: ".") where !Self.isDigit(byte(1)):
          position += byte(1) == UInt8(ascii: ".") ? 2 : 1
          add(.symbol(position - start == 2 ? .doubleDot : .dot), start)
        case UInt8(ascii: "."), UInt8(ascii: "0")...UInt8(ascii: "9"): add(.number(try number()), start)
        case _ where Self.isNameStart(next): try scanName()
        default: add(.symbol(try symbol(next)), start)
        }
      }
      return tokens
    }

    private mutating func add(_ kind: Kind, _ offset: Int) { tokens.append(Token(kind: kind, offset: offset)) }

    private func failure(_ message: String) -> XPathError { XPathError(message: message, offset: position) }

    private mutating func literal(_ quote: UInt8) throws(XPathError) -> String {
      let start = position + 1
      guard let end = bytes[start...].firstIndex(of: quote) else { throw failure("the string is not closed") }
      position = end + 1
      return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    private mutating func number() throws(XPathError) -> Double {
      let start = position
      while Self.isDigit(byte()) { position += 1 }
      if byte() == UInt8(ascii: ".") {
        position += 1
        while Self.isDigit(byte()) { position += 1 }
      }
      var text = String(decoding: bytes[start..<position], as: UTF8.self)
      if text.hasSuffix(".") { text.removeLast() }
      if text.hasPrefix(".") { text = "0" + text }
      guard let value = Double(text) else { throw failure("'\(text)' is not a number") }
      return value
    }

    private mutating func word() -> String? {
      guard let first = byte(), Self.isNameStart(first) else { return nil }
      let start = position
      while let next = byte(), Self.isNamePart(next) { position += 1 }
      return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func qualifiedName() throws(XPathError) -> String? {
      guard let first = word() else { return nil }
      guard byte() == UInt8(ascii: ":"), byte(1) != UInt8(ascii: ":") else { return first }
      position += 1
      guard let second = word() else { throw failure("a name is expected after '\(first):'") }
      return "\(first):\(second)"
    }

    private mutating func skipSpace() {
      while let next = byte(), next == 0x20 || next == 0x09 || next == 0x0A || next == 0x0D { position += 1 }
    }

    private mutating func scanName() throws(XPathError) {
      let start = position
      guard let first = word() else { return }
      if operatorMustFollow {
        guard ["and", "or", "div", "mod"].contains(first) else {
          position = start
          throw failure("an operator is expected, not '\(first)'")
        }
        add(.operatorName(first), start)
        return
      }
      if byte() == UInt8(ascii: ":"), byte(1) != UInt8(ascii: ":") {
        position += 1
        if byte() == UInt8(ascii: "*") {
          position += 1
          add(.prefixStar(first), start)
          return
        }
        guard let second = word() else { throw failure("a name is expected after '\(first):'") }
        add(.name(prefix: first, second), start)
        return
      }
      let afterName = position
      skipSpace()
      if byte() == UInt8(ascii: ":"), byte(1) == UInt8(ascii: ":") {
        position += 2
        add(.axis(first), start)
        return
      }
      position = afterName
      add(.name(prefix: nil, first), start)
    }

    private mutating func symbol(_ first: UInt8) throws(XPathError) -> Symbol {
      let pair = String(decoding: bytes[position..<min(position + 2, bytes.count)], as: UTF8.self)
      if pair.utf8.count == 2, let symbol = Symbol(rawValue: pair) {
        position += 2
        return symbol
      }
      guard let symbol = Symbol(rawValue: String(decoding: [first], as: UTF8.self)) else {
        throw failure("an unexpected character stands here")
      }
      position += 1
      return symbol
    }
  }
}
