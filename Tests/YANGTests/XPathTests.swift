// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANG

/// The parser of expressions, and what expressions depend on (RFC 7950 section 6.4).
@Suite struct XPathTests {
  private func parse(_ text: String) throws(XPathError) -> XPath {
    try XPath.parse(text, defaultModule: nil) { _ in nil }
  }

  /// The expression in prefix notation.
  private func shape(_ text: String) throws -> String { Self.shape(try parse(text)) }

  static func shape(_ tree: XPath) -> String {
    switch tree {
    case .or(let a, let b): "(or \(shape(a)) \(shape(b)))"
    case .and(let a, let b): "(and \(shape(a)) \(shape(b)))"
    case .comparison(let op, let a, let b): "(\(op) \(shape(a)) \(shape(b)))"
    case .arithmetic(let op, let a, let b): "(\(op) \(shape(a)) \(shape(b)))"
    case .negation(let a): "(neg \(shape(a)))"
    case .union(let a, let b): "(union \(shape(a)) \(shape(b)))"
    case .path(let path): (path.isAbsolute ? "/" : "") + shape(path.steps)
    case .filter(let primary, let predicates, let steps):
      shape(primary) + predicates.map { "[\(shape($0))]" }.joined() + (steps.isEmpty ? "" : "/" + shape(steps))
    case .literal(let text): "'\(text)'"
    case .number(let value): "\(value)"
    case .variable(let name): "$\(name)"
    case .call(let function, let arguments): "\(function.rawValue)(\(arguments.map(shape).joined(separator: ",")))"
    }
  }

  static func shape(_ steps: [XPath.Step]) -> String {
    steps.map { step in
      let test =
        switch step.test {
        case .name(_, let name): name
        case .any: "*"
        case .node: "node()"
        case .text: "text()"
        case .comment: "comment()"
        case .processingInstruction: "pi()"
        }
      let axis = step.axis == .child ? "" : "\(step.axis.rawValue)::"
      return axis + test + step.predicates.map { "[\(shape($0))]" }.joined()
    }.joined(separator: "/")
  }

  @Test(arguments: [
    ("a", "a"), ("/", "/"), ("/a/b", "/a/b"), ("../a", "parent::node()/a"), (".", "self::node()"),
    ("//a", "/descendant-or-self::node()/a"),
    ("a//b", "a/descendant-or-self::node()/b"), ("*", "*"), ("@a", "attribute::a"), ("child::a", "a"),
    ("ancestor-or-self :: a", "ancestor-or-self::a"),
    ("a[1]", "a[1.0]"), ("a[b='c'][2]", "a[(equal b 'c')][2.0]"), ("a or b and c", "(or a (and b c))"),
    ("(a or b) and c", "(and (or a b) c)"),
    ("a = b != c", "(notEqual (equal a b) c)"), ("a < b", "(less a b)"), ("a<=b", "(lessOrEqual a b)"),
    ("a > b", "(greater a b)"), ("a>=b", "(greaterOrEqual a b)"),
    ("1 + 2 * 3", "(add 1.0 (multiply 2.0 3.0))"),
    ("6 div 2 mod 2 - 1", "(subtract (modulo (divide 6.0 2.0) 2.0) 1.0)"), ("-a", "(neg a)"),
    ("--1", "(neg (neg 1.0))"),
    ("a | b", "(union a b)"), ("count(a)", "count(a)"), ("current()/../a", "current()/parent::node()/a"),
    ("(a)[1]/b", "a[1.0]/b"), ("'it''s'".replacing("''", with: "-"), "'it-s'"),
    ("\"a'b\"", "'a'b'"), (".5", "0.5"), ("5.", "5.0"), ("$x", "$x"), ("text()", "text()"), ("node()", "node()"),
    ("a/text()", "a/text()"), ("processing-instruction('x')", "pi()"),
    ("* * *", "(multiply * *)"), ("and and and", "(and and and)"), ("div div div", "(divide div div)"), ("a-b", "a-b"),
    ("a - b", "(subtract a b)"), ("a.b", "a.b"),
    ("derived-from-or-self(../type, 'x')", "derived-from-or-self(parent::node()/type,'x')"),
    ("concat(a, b, 'c')", "concat(a,b,'c')"), ("not(a)", "not(a)"),
    ("or", "or"), ("count(or)", "count(or)"), ("a[.='b']", "a[(equal self::node() 'b')]"),
    ("a\n=\t'b'", "(equal a 'b')"), ("text", "text"), ("id('x')/a", "id('x')/a"),
  ])
  func parses(text: String, expected: String) throws {
    #expect(try shape(text) == expected)
  }

  @Test(arguments: [
    ("", 0), ("a b", 2), ("a[", 2), ("a]", 1), ("(a", 2), ("a)", 1), ("'a", 0), ("foo()", 0), ("count()", 0),
    ("count(a,b)", 0), ("a =", 3), ("/a/", 3),
    ("a//", 3), ("x:a", 0), ("bogus::a", 0), ("a!b", 1), ("#", 0), ("$", 1), ("a::b", 0), ("concat('a')", 0),
    ("1 2", 2), ("a[]", 2), ("p:*", 0), ("x:f()", 0), ("foo(1)", 0),
  ])
  func refuses(text: String, offset: Int) {
    do throws(XPathError) {
      let tree = try parse(text)
      Issue.record("'\(text)' was taken as \(Self.shape(tree))")
    } catch { #expect(error.offset == offset, "\(error)") }
  }

  @Test func suggestsFunctions() {
    do throws(XPathError) {
      _ = try parse("coutn(a)")
      Issue.record("there is no such function")
    } catch { #expect(error.message.contains("did you mean 'count'?")) }
  }

  @Test func nestingIsBounded() {
    #expect(throws: XPathError.self) { try parse(String(repeating: "(", count: 5_000)) }
    #expect(throws: XPathError.self) { try parse(String(repeating: "-", count: 5_000) + "1") }
    #expect(throws: XPathError.self) { try parse(String(repeating: "a[", count: 5_000)) }
    #expect(throws: XPathError.self) { try parse(String(repeating: "a", count: XPath.maximumLength + 1)) }
  }

  @Test(arguments: [UInt64(5), 6]) func neverCrashes(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    let pieces = [
      "a", "/", "//", "..", ".", "[", "]", "(", ")", "'", "\"", "*", "@", "and", "or", "div", " ", "=", "!", "::", ":",
      "count", "1", "-", "|", "$", ",", "é",
    ]
    for _ in 0..<3_000 {
      let text = (0..<Int.random(in: 1...12, using: &random)).map { _ in
        pieces[Int.random(in: 0..<pieces.count, using: &random)]
      }
      _ = try? parse(text.joined())
    }
  }

  // MARK: Dependencies

  static let body = """
    container c { leaf a { type string; } leaf b { type string; }
      list l { key k; leaf k { type string; } leaf v { type string; } container in { leaf deep { type string; } } }
      leaf ref { type leafref { path "../l/k"; } } leaf ii { type instance-identifier; } leaf-list ll { type string; }
      leaf x { type string; must "EXPRESSION"; } }
    leaf top { type string; }
    """

  private func reads(_ expression: String) throws -> [String]? {
    let text = module(Self.body.replacing("EXPRESSION", with: expression.replacing("\"", with: "\\\"")))
    let must = try #require(try schema(text).node("/c/x").musts.first)
    return must.condition.reads.map { $0.map(\.name) }
  }

  @Test(arguments: [
    ("../a", ["a"]), ("../a and ../b", ["a", "b"]), ("../a = 'x' or /m:top", ["a", "top"]), (".", ["x"]),
    ("true()", []), ("not(../a)", ["a"]),
    ("../l[k = current()]/v", ["k", "v", "x"]), ("../l[k = current()/../a]/in/deep", ["a", "k", "deep"]),
    ("count(../l) > 2", ["l"]),
    ("../l[1]/v", ["l", "v"]), ("../l[last()]/v", ["l", "v"]), ("../l[position() = 2]/k", ["l", "k"]),
    ("../l/in", ["in"]), ("../l/in = 'x'", ["in", "deep"]),
    ("//deep", ["deep"]), ("../*", ["a", "b", "l", "ref", "ii", "ll", "x"]), ("deref(../ref)/../v", ["k", "v", "ref"]),
    ("../a | ../b", ["a", "b"]),
    ("(../a | ../b)[1] = 'y'", ["a", "b"]), ("ancestor::c/a", ["a"]), ("../ll[. = 'x']", ["ll"]),
    ("string-length() > 1", ["x"]), ("re-match(../a, '[a-z]')", ["a"]),
    ("current()/../b", ["b"]), ("../self::node()/a", ["a"]), ("preceding-sibling::a", ["a"]),
    ("concat(../a, /top)", ["a", "top"]), ("../l[v]/k", ["k", "v"]),
  ])
  func dependencies(expression: String, expected: [String]) throws {
    #expect(try reads(expression) == expected)
  }

  @Test(arguments: ["deref(../ii)/x", "following::a", "preceding::*"])
  func unboundedDependencies(expression: String) throws {
    #expect(try reads(expression) == nil)
  }

  @Test(arguments: [
    ("../nothing", "no node 'nothing'"), ("../aa", "did you mean 'a'?"),
    ("../l/x", "no node 'x' of module 'm' in '/m:c/l'"), ("../../../top", "above the root"),
    ("/c/l/k/x", "no node 'x'"),
  ])
  func pathsThatCanNeverMatch(expression: String, message: String) {
    let found = findings([module(Self.body.replacing("EXPRESSION", with: expression))])
    #expect(found.count == 1 && found[0].severity == .warning && found[0].description.contains(message), "\(found)")
  }

  @Test func expressionsWithinOperations() throws {
    let made = try schema(
      module(
        "leaf top { type string; } rpc r { input { leaf a { type string; must \"../b or /r/b or /top\"; } leaf "
          + "b { type string; } } }"
          + "notification n { leaf c { type string; when \"../d\"; } leaf d { type string; } }"
          + "container box { leaf e { type string; } action act { input { leaf f { type string; must \"../g or "
          + "../../e\"; } leaf g { type string; } } } }"
      ))
    let a = try #require(made.rpcs[0].children[0].dataChildren.first)
    #expect(a.musts[0].condition.reads?.map(\.path) == ["/m:top", "/m:r/input/b"])
    #expect(made.notifications[0].dataChildren[0].whens[0].condition.reads?.map(\.name) == ["d"])
    let action = try #require(try made.node("/box").children.first { $0.kind == .action })
    #expect(action.children[0].dataChildren[0].musts[0].condition.reads?.map(\.name) == ["e", "g"])
    #expect(
      findings([module("rpc r { input { leaf a { type string; must \"../b\"; } } output { leaf b { type string; } } }")]
      ).count <= 1)
  }

  @Test func prefixesAreResolved() throws {
    expectBodyError("leaf a { type string;\nmust \"/x:b\"; }", line: 3, "prefix 'x' is not declared")
    expectBodyError("leaf a { type string;\nwhen \"b +\"; }", line: 3, "not an XPath expression")
  }
}

/// What the types of nodes say about an expression before there is data.
@Suite struct XPathLiteralTests {
  private func warnings(_ condition: String) -> [String] {
    findings([
      """
      module other { namespace urn:o; prefix o; identity far { base base; } identity base; }
      """,
      """
      module m { yang-version 1.1; namespace urn:m; prefix m; import other { prefix x; }
        identity near { base x:base; }
        leaf colour { type enumeration { enum red; enum green; } } leaf flag { type boolean; } leaf size { type uint8; }
        leaf kind { type identityref { base x:base; } } leaf set { type bits { bit a; bit b; } } leaf text { type string; }
        leaf any { type union { type uint8; type enumeration { enum none; } } }
        leaf ref { type leafref { path "../colour"; } }
        container top { must "\(condition)"; leaf inner { type string; } }
      }
      """,
    ]).filter { $0.severity == .warning }.map(\.message)
  }

  @Test(arguments: [
    "../colour = 'red'", "'green' != ../colour", "../flag = 'true'", "../size = '7'", "../kind = 'x:far'",
    "../kind = 'm:near'",
    "../kind = 'near'", "../any = 'none'", "../any = '3'", "../text = 'anything'", "../ref = 'red'",
    "derived-from(../kind, 'x:base')", "derived-from-or-self(../kind, 'near')", "bit-is-set(../set, 'a')",
    "enum-value(../colour) = 1", "deref(../ref)/../text", "../colour | ../text = 'x'", "../text = ../colour",
  ])
  func whatCanHoldIsNotWarnedOf(_ condition: String) { #expect(warnings(condition) == [], "\(condition)") }

  @Test(arguments: [
    ("../colour = 'rad'", "'rad' is never the value of '/m:colour', which is of type enumeration"),
    ("'blue' != ../colour", "'blue' is never"), ("../flag = 'yes'", "'yes' is never"),
    ("../size = '300'", "'300' is never"),
    ("../size = 'x'", "'x' is never"), ("../kind = 'x:nowhere'", "'x:nowhere' is never"),
    ("../any = 'some'", "'some' is never"),
    ("../ref = 'blue'", "'blue' is never"),
    ("derived-from(../kind, 'x:bose')", "there is no identity 'bose' in module 'other'"),
    ("derived-from(../kind, 'y:base')", "the prefix 'y' of 'y:base' is not declared"),
    ("derived-from(../text, 'x:base')", "derived-from() has no meaning for '/m:text'"),
    ("enum-value(../text) = 1", "enum-value() has no meaning"),
    ("bit-is-set(../colour, 'a')", "bit-is-set() has no meaning"),
    ("bit-is-set(../set, 'c')", "'/m:set' has no bit 'c'"), ("deref(../text)", "deref() has no meaning"),
    ("inner/nothing", "there is no node 'nothing'"),
  ])
  func whatCannotHoldIsWarnedOf(_ condition: String, _ message: String) {
    let found = warnings(condition)
    #expect(found.count == 1 && found[0].contains(message), "\(condition): \(found)")
  }
}
