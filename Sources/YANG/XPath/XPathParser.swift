// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// An XPath expression that cannot be parsed.
public struct XPathError: Error, Sendable, Hashable, CustomStringConvertible {
  public let message: String
  /// Where in the expression, in octets from its start.
  public let offset: Int

  public var description: String { "\(message) (at offset \(offset))" }
}

extension XPath {
  /// Octets of one expression, and nesting within it.
  public static let maximumLength = 65_536
  static let maximumDepth = 128

  /// Parses an expression of XPath 1.0 with the functions of RFC 7950 section 10.
  ///
  /// - Parameters:
  ///   - defaultModule: the module of names without a prefix; nil lets them match in any module.
  ///   - resolvePrefix: the module that a prefix stands for, nil for a prefix that is not declared.
  public static func parse(
    _ text: String, defaultModule: Module?, resolvePrefix: (String) -> Module?
  ) throws(XPathError) -> XPath {
    guard text.utf8.count <= maximumLength else {
      throw XPathError(message: "the expression is longer than \(maximumLength) octets", offset: 0)
    }
    return try withoutActuallyEscaping(resolvePrefix) { (resolve) throws(XPathError) -> XPath in
      var parser = XPathParser(
        tokens: try XPathLexer.tokens(of: text), defaultModule: defaultModule, resolvePrefix: resolve,
        end: text.utf8.count)
      return try parser.parse()
    }
  }
}

/// Recursive descent over the tokens, one method a production of XPath 1.0 section 3.
struct XPathParser {
  private let tokens: [XPathLexer.Token]
  private let defaultModule: Module?
  private let resolvePrefix: (String) -> Module?
  private let end: Int
  private var position = 0
  private var depth = 0

  init(
    tokens: [XPathLexer.Token], defaultModule: Module?, resolvePrefix: @escaping (String) -> Module?, end: Int
  ) {
    self.tokens = tokens
    self.defaultModule = defaultModule
    self.resolvePrefix = resolvePrefix
    self.end = end
  }

  private var peek: XPathLexer.Kind? { position < tokens.count ? tokens[position].kind : nil }
  private var offset: Int { position < tokens.count ? tokens[position].offset : end }

  private func failure(_ message: String) -> XPathError { XPathError(message: message, offset: offset) }

  private mutating func take(_ symbol: XPathLexer.Symbol) -> Bool {
    guard case .symbol(symbol) = peek else { return false }
    position += 1
    return true
  }

  private mutating func takeOperator(_ name: String) -> Bool {
    guard case .operatorName(name) = peek else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ symbol: XPathLexer.Symbol) throws(XPathError) {
    guard take(symbol) else { throw failure("'\(symbol.rawValue)' is expected") }
  }

  mutating func parse() throws(XPathError) -> XPath {
    let expression = try parseOr()
    guard position == tokens.count else { throw failure("an operator or the end is expected") }
    return expression
  }

  private mutating func parseOr() throws(XPathError) -> XPath {
    depth += 1
    defer { depth -= 1 }
    guard depth <= XPath.maximumDepth else { throw failure("the expression is nested too deeply") }
    var left = try parseAnd()
    while takeOperator("or") { left = .or(left, try parseAnd()) }
    return left
  }

  private mutating func parseAnd() throws(XPathError) -> XPath {
    var left = try parseEquality()
    while takeOperator("and") { left = .and(left, try parseEquality()) }
    return left
  }

  private mutating func parseEquality() throws(XPathError) -> XPath {
    var left = try parseRelational()
    while true {
      if take(.equal) {
        left = .comparison(.equal, left, try parseRelational())
      } else if take(.notEqual) {
        left = .comparison(.notEqual, left, try parseRelational())
      } else {
        return left
      }
    }
  }

  private mutating func parseRelational() throws(XPathError) -> XPath {
    var left = try parseAdditive()
    while true {
      if take(.less) {
        left = .comparison(.less, left, try parseAdditive())
      } else if take(.lessOrEqual) {
        left = .comparison(.lessOrEqual, left, try parseAdditive())
      } else if take(.greater) {
        left = .comparison(.greater, left, try parseAdditive())
      } else if take(.greaterOrEqual) {
        left = .comparison(.greaterOrEqual, left, try parseAdditive())
      } else {
        return left
      }
    }
  }

  private mutating func parseAdditive() throws(XPathError) -> XPath {
    var left = try parseMultiplicative()
    while true {
      if take(.plus) {
        left = .arithmetic(.add, left, try parseMultiplicative())
      } else if take(.minus) {
        left = .arithmetic(.subtract, left, try parseMultiplicative())
      } else {
        return left
      }
    }
  }

  private mutating func parseMultiplicative() throws(XPathError) -> XPath {
    var left = try parseUnary()
    while true {
      if takeOperator("*") {
        left = .arithmetic(.multiply, left, try parseUnary())
      } else if takeOperator("div") {
        left = .arithmetic(.divide, left, try parseUnary())
      } else if takeOperator("mod") {
        left = .arithmetic(.modulo, left, try parseUnary())
      } else {
        return left
      }
    }
  }

  private mutating func parseUnary() throws(XPathError) -> XPath {
    guard take(.minus) else { return try parseUnion() }
    depth += 1
    defer { depth -= 1 }
    guard depth <= XPath.maximumDepth else { throw failure("the expression is nested too deeply") }
    return .negation(try parseUnary())
  }

  private mutating func parseUnion() throws(XPathError) -> XPath {
    var left = try parsePath()
    while take(.bar) { left = .union(left, try parsePath()) }
    return left
  }

  /// A location path, or a filter expression with the steps behind it.
  private mutating func parsePath() throws(XPathError) -> XPath {
    guard startsFilter else { return .path(try parseLocationPath()) }
    let primary = try parsePrimary()
    let predicates = try parsePredicates()
    var steps: [XPath.Step] = []
    if take(.doubleSlash) {
      steps.append(Self.anywhere)
      steps += try parseRelativePath()
    } else if take(.slash) {
      steps += try parseRelativePath()
    }
    if predicates.isEmpty, steps.isEmpty { return primary }
    return .filter(primary: primary, predicates: predicates, steps: steps)
  }

  private static let anywhere = XPath.Step(axis: .descendantOrSelf, test: .node, predicates: [])

  private var startsFilter: Bool {
    switch peek {
    case .literal, .number, .variable, .symbol(.open): return true
    case .name(_, let name):
      guard position + 1 < tokens.count, case .symbol(.open) = tokens[position + 1].kind else { return false }
      return !["comment", "text", "processing-instruction", "node"].contains(name)
    default: return false
    }
  }

  private mutating func parseLocationPath() throws(XPathError) -> XPath.LocationPath {
    if take(.doubleSlash) {
      return XPath.LocationPath(isAbsolute: true, steps: [Self.anywhere] + (try parseRelativePath()))
    }
    if take(.slash) {
      guard startsStep else { return XPath.LocationPath(isAbsolute: true, steps: []) }
      return XPath.LocationPath(isAbsolute: true, steps: try parseRelativePath())
    }
    return XPath.LocationPath(isAbsolute: false, steps: try parseRelativePath())
  }

  private var startsStep: Bool {
    switch peek {
    case .name, .star, .prefixStar, .axis, .symbol(.dot), .symbol(.doubleDot), .symbol(.at): true
    default: false
    }
  }

  private mutating func parseRelativePath() throws(XPathError) -> [XPath.Step] {
    var steps = [try parseStep()]
    while true {
      if take(.doubleSlash) {
        steps.append(Self.anywhere)
        steps.append(try parseStep())
      } else if take(.slash) {
        steps.append(try parseStep())
      } else {
        return steps
      }
    }
  }

  private mutating func parseStep() throws(XPathError) -> XPath.Step {
    if take(.dot) { return XPath.Step(axis: .self, test: .node, predicates: []) }
    if take(.doubleDot) { return XPath.Step(axis: .parent, test: .node, predicates: []) }
    var axis = XPath.Axis.child
    if take(.at) {
      axis = .attribute
    } else if case .axis(let name) = peek {
      guard let known = XPath.Axis(rawValue: name) else { throw failure("'\(name)' is not an axis") }
      axis = known
      position += 1
    }
    let test = try parseNodeTest()
    return XPath.Step(axis: axis, test: test, predicates: try parsePredicates())
  }

  private mutating func parseNodeTest() throws(XPathError) -> XPath.NodeTest {
    switch peek {
    case .star:
      position += 1
      return .any(module: nil)
    case .prefixStar(let prefix):
      let module = try module(for: prefix)
      position += 1
      return .any(module: module)
    case .name(let prefix, let name):
      if prefix == nil, position + 1 < tokens.count, case .symbol(.open) = tokens[position + 1].kind {
        return try parseNodeType(name)
      }
      let owner = if let prefix { try module(for: prefix) } else { defaultModule }
      position += 1
      return .name(module: owner, name)
    default: throw failure("a name is expected")
    }
  }

  private mutating func parseNodeType(_ name: String) throws(XPathError) -> XPath.NodeTest {
    position += 2
    var target: String?
    if name == "processing-instruction", case .literal(let text) = peek {
      target = text
      position += 1
    }
    try expect(.close)
    switch name {
    case "node": return .node
    case "text": return .text
    case "comment": return .comment
    case "processing-instruction": return .processingInstruction(target)
    default: throw failure("'\(name)()' is not a node test")
    }
  }

  private func module(for prefix: String) throws(XPathError) -> Module {
    guard let module = resolvePrefix(prefix) else { throw failure("the prefix '\(prefix)' is not declared") }
    return module
  }

  private mutating func parsePredicates() throws(XPathError) -> [XPath] {
    var predicates: [XPath] = []
    while take(.openBracket) {
      predicates.append(try parseOr())
      try expect(.closeBracket)
    }
    return predicates
  }

  private mutating func parsePrimary() throws(XPathError) -> XPath {
    switch peek {
    case .literal(let text):
      position += 1
      return .literal(text)
    case .number(let value):
      position += 1
      return .number(value)
    case .variable(let name):
      position += 1
      return .variable(name)
    case .symbol(.open):
      position += 1
      let inner = try parseOr()
      try expect(.close)
      return inner
    case .name(let prefix, let name): return try parseCall(prefix, name)
    default: throw failure("an expression is expected")
    }
  }

  private mutating func parseCall(_ prefix: String?, _ name: String) throws(XPathError) -> XPath {
    guard prefix == nil, let function = XPath.Function(rawValue: name) else {
      let full = prefix.map { "\($0):\(name)" } ?? name
      let near = NearestName.hint(name, among: XPath.Function.allCases.map(\.rawValue)).map { "; \($0)" } ?? ""
      throw failure("there is no function '\(full)'\(near)")
    }
    let start = offset
    position += 1
    try expect(.open)
    var arguments: [XPath] = []
    if !take(.close) {
      repeat { arguments.append(try parseOr()) } while take(.comma)
      try expect(.close)
    }
    let allowed = function.argumentCounts
    guard allowed.contains(arguments.count) else {
      let wanted = allowed.count == 1 ? "\(allowed.lowerBound)" : "\(allowed.lowerBound) to \(allowed.upperBound)"
      throw XPathError(
        message: "'\(name)' takes \(allowed.upperBound > 1_000 ? "at least \(allowed.lowerBound)" : wanted) arguments, "
          + "not \(arguments.count)", offset: start)
    }
    return .call(function, arguments)
  }
}

extension XPath.Function {
  /// How many arguments the function takes.
  var argumentCounts: ClosedRange<Int> {
    switch self {
    case .last, .position, .true, .false, .current: 0...0
    case .localName, .namespaceURI, .name, .string, .stringLength, .normalizeSpace, .number: 0...1
    case .count, .id, .boolean, .not, .lang, .sum, .floor, .ceiling, .round, .deref, .enumValue: 1...1
    case .startsWith, .contains, .substringBefore, .substringAfter, .reMatch, .derivedFrom, .derivedFromOrSelf,
      .bitIsSet:
      2...2
    case .substring: 2...3
    case .translate: 3...3
    case .concat: 2...10_000
    }
  }
}
