// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANG

/// Which statements may stand where, how often, and what their arguments look like (RFC 7950 section 7 and 14).
@Suite struct GrammarTests {
  @Test(arguments: [
    ("leaf a { type string; type string; }", "only once"),
    ("leaf a { }", "needs a 'type'"),
    ("leaf a { type string; key k; }", "'key' is not allowed in 'leaf'"),
    ("container c { type string; }", "'type' is not allowed in 'container'"),
    ("leaf 1a { type string; }", "not an identifier"),
    ("leaf \"a b\" { type string; }", "not an identifier"),
    ("leaf a { type a:b:c; }", "not a name"),
    ("leaf a { type string; config yes; }", "one of true, false"),
    ("leaf a { type string; status old; }", "one of current, deprecated, obsolete"),
    ("leaf-list a { type string; ordered-by me; }", "one of system, user"),
    ("leaf-list a { type string; max-elements 0; }", "'unbounded' or a positive integer"),
    ("leaf-list a { type string; min-elements -1; }", "0 or a positive integer"),
    ("leaf-list a { type string; min-elements 01; }", "0 or a positive integer"),
    ("leaf a { type decimal64 { fraction-digits 19; } }", "1 to 18"),
    ("leaf a { type enumeration { enum \" a\"; } }", "whitespace"),
    ("leaf a { type enumeration { enum a { value 99999999999; } } }", "-2147483648 to 2147483647"),
    ("leaf a { type bits { bit a { position -1; } } }", "0 to 4294967295"),
    ("list l { key \"\"; leaf k { type string; } }", "leaf names"),
    ("augment m:c { leaf a { type string; } }", "absolute schema node identifier"),
    ("deviation c { deviate not-supported; }", "absolute schema node identifier"),
    ("leaf a { if-feature \"a or\"; type string; }", "feature expression"),
    ("leaf a { if-feature \"(a\"; type string; }", "feature expression"),
    ("rpc r { input x { } }", "takes no argument"),
    ("rpc r { input; input; }", "only once"),
    ("container;", "needs an argument"),
    ("include;", "needs an argument"),
    ("container c { deviate add; }", "'deviate' is not allowed"),
    ("leaf a { type string; must; }", "needs an argument"),
    ("grouping g { action a; } choice c { case d { uses g; } }", "'action' must not stand in a case"),
    ("grouping g { notification n; } choice c { case d { uses g; } }", "'notification' must not stand in a case"),
    ("rpc r { input { } }", "'input' needs at least one data definition"),
    ("rpc r { output { typedef t { type string; } } }", "'output' needs at least one data definition"),
    ("leaf c { type string; } deviation /m:c { deviate replace { default a; default b; } }", "only once"),
  ])
  func bodyErrors(body: String, message: String) {
    let errors = findings([module(body)]).filter { $0.severity == .error }
    #expect(errors.contains { $0.location?.line == 2 && $0.description.contains(message) }, "\(errors)")
  }

  @Test func deviateSubstatements() {
    expectBodyError(
      "container c;\ndeviation /m:c { deviate delete { config false; } }", line: 3, "not allowed in 'deviate delete'")
    expectBodyError(
      "leaf c { type string; }\ndeviation /m:c { deviate add { type int8; } }", line: 3, "not allowed in 'deviate add'")
  }

  @Test(arguments: ["m", "example.com", ":m", "1a:m", "urn:", "urn:a b", "urn:{m}", ""])
  func namespacesAreURIs(text: String) {
    expectError("module m {\nnamespace '\(text)'; prefix m; }", line: 2, "is not a URI")
  }

  @Test(arguments: ["urn:m", "http://example.com/ns/m?a=b#c", "tag:x@y,2024:m", "x-y.z+1:m%20n"])
  func namespacesOfAnyScheme(text: String) {
    #expect(findings(["module m { namespace '\(text)'; prefix m; }"]) == [])
  }

  @Test func headerIsRequired() {
    let errors = findings(["module m { }"])
    #expect(errors.contains { $0.message == "'module' needs a 'namespace' statement" })
    #expect(errors.contains { $0.message == "'module' needs a 'prefix' statement" })
    #expect(errors.allSatisfy { $0.location == YANG.SourceLocation(file: "m.yang", line: 1, column: 1) })
  }

  @Test func sectionsAreInOrder() {
    expectError(
      "module m { namespace 'urn:m'; prefix m;\nleaf a { type string; }\norganization o;\n}", line: 3, "too late")
    expectError("module m { namespace 'urn:m'; revision 2026-01-01;\nprefix m;\n}", line: 2, "too late")
  }

  @Test(arguments: ["2026-13-01", "2026-02-29", "2026-1-1", "26-01-01", "2026-00-10", "today", "2026-04-31"])
  func dates(date: String) {
    expectError("module m { namespace 'urn:m'; prefix m;\nrevision \(date);\n}", line: 2, "not a date")
  }

  @Test func leapDayExists() throws {
    let made = try schema("module m { namespace 'urn:m'; prefix m; revision 2024-02-29; }")
    #expect(made.module(named: "m")?.revision == "2024-02-29")
  }

  @Test(arguments: [
    "anydata d;", "container c { action a; }", "container c { notification n; }",
    "leaf-list l { type string; default a; }",
    "choice c { choice d; }", "leaf a { type string { pattern a { modifier invert-match; } } }",
    "rpc r { input { must true(); leaf a { type string; } } }", "identity i { if-feature f; } feature f;",
    "leaf a { type enumeration { enum a { if-feature f; } enum b; } } feature f;",
  ])
  func needsVersionOnePointOne(body: String) {
    let errors = findings([module(body, version: "1")]).filter { $0.severity == .error }
    #expect(errors.contains { $0.message.contains("needs YANG 1.1") }, "\(errors)")
    #expect(findings([module(body)]).filter { $0.severity == .error } == [])
  }

  @Test func versionOneAllowsOneBase() {
    expectBodyError(
      "identity a; identity b;\nidentity c { base a; base b; }", line: 3, "only once", version: "1")
  }

  @Test func featureExpressionsNeedOnePointOne() {
    expectBodyError("feature a;\nleaf l { if-feature 'not a'; type string; }", line: 3, "YANG 1.1", version: "1")
  }

  @Test func allErrorsInOneRun() {
    let body = "leaf a { type strin; }\nleaf b { type int8 { range 5..1; } }\ncontainer c { uses g; }\nlist l { }"
    let errors = findings([module(body)]).filter { $0.severity == .error }
    #expect(errors.map { $0.location?.line } == [2, 3, 4, 5], "\(errors)")
    #expect(errors.first?.hint == "did you mean 'string'?")
    #expect(errors.first?.statementPath == "module m / leaf a / type strin")
  }

  @Test func unknownExtensions() {
    expectBodyError("\nm:foo bar;", line: 3, "no extension 'foo'")
    expectBodyError("\nx:foo bar;", line: 3, "prefix 'x' is not declared")
    expectBodyError("extension ext { argument a; }\nm:ext;", line: 3, "needs an argument")
    expectBodyError("extension ext;\nm:ext a;", line: 3, "takes no argument")
    expectBodyError("extension extra;\ncontainer c { m:exta; }", line: 3, "did you mean 'extra'?")
  }

  @Test func extensionsAreKeptOnNodes() throws {
    let made = try schema(module("extension note { argument text; }\nleaf a { type string; m:note hello; }"))
    let use = try #require(try made.node("/a").extensions.first)
    #expect(use.module == "m" && use.name == "note" && use.argument == "hello")
  }

  @Test func fileWithAnotherStatement() {
    expectError("leaf a { type string; }", line: 1, "holds a module or a submodule", file: "a.yang")
  }
}
