// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The condition of an `if-feature` (RFC 7950 section 7.20.2).
indirect enum FeatureExpression {
  case feature(prefix: String?, name: String)
  case not(FeatureExpression)
  case and(FeatureExpression, FeatureExpression)
  case or(FeatureExpression, FeatureExpression)

  struct Problem: Error {
    let message: String
  }

  static let maximumDepth = 512

  static func parse(_ text: String) -> Result<FeatureExpression, Problem> {
    var parser = Parser(tokens: tokens(of: text))
    do throws(Problem) {
      let expression = try parser.parseOr(depth: 0)
      guard parser.isAtEnd else { throw Problem(message: "'and' or 'or' is expected before '\(parser.peek ?? "")'") }
      return .success(expression)
    } catch { return .failure(error) }
  }

  private static func tokens(of text: String) -> [String] {
    var tokens: [String] = []
    var word = ""
    func flush() {
      if !word.isEmpty { tokens.append(word) }
      word = ""
    }
    for character in text {
      if character == "(" || character == ")" {
        flush()
        tokens.append(String(character))
      } else if ArgumentSyntax.isSeparator(character) {
        flush()
      } else {
        word.append(character)
      }
    }
    flush()
    return tokens
  }

  private struct Parser {
    let tokens: [String]
    var position = 0

    init(tokens: [String]) { self.tokens = tokens }

    var isAtEnd: Bool { position == tokens.count }
    var peek: String? { position < tokens.count ? tokens[position] : nil }

    mutating func parseOr(depth: Int) throws(Problem) -> FeatureExpression {
      let left = try parseAnd(depth: depth)
      guard peek == "or" else { return left }
      try step(depth)
      return .or(left, try parseOr(depth: depth + 1))
    }

    mutating func parseAnd(depth: Int) throws(Problem) -> FeatureExpression {
      let left = try parseFactor(depth: depth)
      guard peek == "and" else { return left }
      try step(depth)
      return .and(left, try parseAnd(depth: depth + 1))
    }

    mutating func parseFactor(depth: Int) throws(Problem) -> FeatureExpression {
      guard let token = peek else { throw Problem(message: "a feature name is missing at the end") }
      try step(depth)
      if token == "not" { return .not(try parseFactor(depth: depth + 1)) }
      if token == "(" {
        let inner = try parseOr(depth: depth + 1)
        guard peek == ")" else { throw Problem(message: "')' is missing") }
        position += 1
        return inner
      }
      guard token != "and", token != "or", let (prefix, name) = Identifier.reference(token) else {
        throw Problem(message: "a feature name is expected, not '\(token)'")
      }
      return .feature(prefix: prefix, name: name)
    }

    private mutating func step(_ depth: Int) throws(Problem) {
      guard depth < FeatureExpression.maximumDepth else { throw Problem(message: "it is nested too deeply") }
      position += 1
    }
  }
}
