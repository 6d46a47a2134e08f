// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANG

/// Characters, tokens, quoting and statements (RFC 7950 section 6).
@Suite struct LexerTests {
  private func description(_ quoted: String, version: String = "1.1") throws -> String? {
    let text = "module m { yang-version \(version); namespace 'urn:m'; prefix m;\n  description\(quoted);\n}"
    let (statement, problems) = StatementParser.parse(source(text))
    #expect(problems == [])
    return try #require(statement).argument(of: .description)
  }

  private func problem(_ text: String) throws -> YANGDiagnostic {
    try #require(StatementParser.parse(source(text)).diagnostics.first)
  }

  @Test(arguments: [
    (" word", "word"), (" \"two words\"", "two words"), (" 'single \\n'", "single \\n"), (" \"a\" + \"b\"", "ab"),
    (" \"a\"\n+\n'b' + \"c\"", "abc"), (" \"tab\\tand\\nline\"", "tab\tand\nline"), (" \"q\\\"q\"", "q\"q"),
    (" \"back\\\\slash\"", "back\\slash"), (" a//comment\n", "a"), (" a/* comment */", "a"), (" a/b", "a/b"),
    (" a+b", "a+b"), (" \"/* no comment */\"", "/* no comment */"), ("/**/'x'", "x"), (" \"\"", ""),
    (" +", "+"), (" +1", "+1"), (" \"ü – 漢\"", "ü – 漢"),
  ])
  func arguments(written: String, expected: String) throws {
    #expect(try description(written) == expected)
  }

  @Test func indentationIsStripped() throws {
    // The opening quote stands in column 15 of its line.
    #expect(try description(" \"one\n               two\n                 three\"") == "one\ntwo\n  three")
    #expect(try description(" \"one\n  two\"") == "one\ntwo")
    #expect(try description(" \"one   \t\n               two\"") == "one\ntwo", "blanks before a line break go")
    #expect(try description(" \"one\\t\n               two\"") == "one\t\ntwo", "an escape is no blank")
    #expect(try description(" \"one\r\n               two\"") == "one\ntwo")
    #expect(try description(" \"one\n\t\ttwo\"") == "one\n two", "two tabs are sixteen columns, fifteen are stripped")
    #expect(try description(" 'one\n    two'") == "one\n    two", "single quotes keep everything")
  }

  @Test func yangOneKeepsUnknownEscapes() throws {
    #expect(try description(" \"\\d+\"", version: "1") == "\\d+")
  }

  @Test(arguments: [
    ("module m {", 1, "ends inside"), ("module m", 1, "not finished"), ("module m { prefix", 1, "not finished"),
    ("}", 1, "without '{'"), ("", 1, "no statement"), ("module m { } }", 1, "without '{'"),
    ("module m {\n  prefix \"m;\n}", 2, "never ends"), ("module m {\n  prefix 'm;\n}", 2, "never ends"),
    ("module m {\n/* x\n", 2, "never ends"), ("module m {\n  prefix \"a\" \"b\";\n}", 2, "not finished"),
    ("module m {\n  prefix a b;\n}", 2, "not finished"),
    ("module m {\n  prefix \"a\" + b;\n}", 2, "quoted strings only"),
    ("module m {\n  \"prefix\" m;\n}", 2, "keyword is expected"),
    ("module m { }\nmodule n { }", 2, "nothing may follow"),
    ("module m {\n  prefiks m;\n}", 2, "did you mean 'prefix'?"), ("module m {\n */ prefix m;\n}", 2, "'*/' without"),
    ("module m {\n  units kg';\n}", 2, "must not contain quotes"), ("module m {\n  units a\"b\";\n}", 2, "quotes"),
    ("module m {\n  ;\n}", 2, "keyword is expected"), ("module m {\n  1a b;\n}", 2, "not a keyword"),
  ])
  func syntaxErrors(text: String, line: Int, message: String) throws {
    let problem = try problem(text)
    #expect(problem.location?.line == line)
    #expect(problem.description.contains(message), "\(problem)")
  }

  @Test func columnsCountCharacters() throws {
    let problem = try problem("module m {\n  /* ä */ prefiks m;\n}")
    #expect(problem.location == YANG.SourceLocation(file: "m.yang", line: 2, column: 11))
  }

  @Test func versionOnePointOneIsStricter() {
    let body = "module m { yang-version 1.1; namespace 'urn:m'; prefix m;\n"
    #expect(StatementParser.parse(source(body + "description \"\\d\";\n}")).diagnostics.first?.location?.line == 2)
    let old = "module m { namespace 'urn:m'; prefix m;\n"
    #expect(StatementParser.parse(source(old + "description \"\\d\";\n}")).diagnostics == [])
  }

  @Test func forbiddenCharacters() {
    for bytes: [UInt8] in [
      [0x00], [0x1B], [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3], [0xEF, 0xBF, 0xBE],
      [0xE2, 0x82],
    ] {
      let text = SourceText(file: "m.yang", bytes: Array("module m {\n  // ".utf8) + bytes + Array("\n}".utf8))
      let problem = StatementParser.parse(text).diagnostics.first
      #expect(problem?.location == YANG.SourceLocation(file: "m.yang", line: 2, column: 6), "\(bytes)")
    }
  }

  @Test func byteOrderMarkIsSkipped() {
    let text = SourceText(file: "m.yang", bytes: [0xEF, 0xBB, 0xBF] + Array("module m { }".utf8))
    #expect(StatementParser.parse(text).diagnostics == [])
  }

  @Test func boundsHold() throws {
    let deep = String(repeating: "container c { ", count: YANGLimits.statementDepth + 1)
    #expect(try problem("module m { " + deep).description.contains("deeper than"))
    let long = String(repeating: "x", count: YANGLimits.argumentLength + 1)
    #expect(try problem("module m { description \"\(long)\"; }").description.contains("longer than"))
  }

  @Test func locations() throws {
    let text = "module m {\n  prefix m;\n    leaf a\n  { type string; }\n}"
    let root = try #require(StatementParser.parse(source(text)).statement)
    let leaf = try #require(root.first(.leaf))
    #expect(leaf.location == YANG.SourceLocation(file: "m.yang", line: 3, column: 5))
    #expect(leaf.first(.type)?.location == YANG.SourceLocation(file: "m.yang", line: 4, column: 5))
    withExtendedLifetime(root) { #expect(leaf.first(.type)?.path == "module m / leaf a / type string") }
  }

  @Test func extensionStatementsAreKept() throws {
    let text = "module m { prefix m; x:y \"z\" { container c; x:w; } }"
    let root = try #require(StatementParser.parse(source(text)).statement)
    let use = try #require(root.first(.unknown))
    #expect(use.prefix == "x" && use.name == "y" && use.argument == "z" && use.substatements.count == 2)
  }
}
