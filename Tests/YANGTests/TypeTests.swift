// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import YANG

/// Types as they are defined, and restricted (RFC 7950 sections 4.2.4, 7.3, 7.4 and 9).
@Suite struct TypeTests {
  private func type(_ text: String, _ more: String = "") throws -> SchemaType {
    let made = try schema(module("\(more)\nleaf a { type \(text) }"))
    return try #require(try made.node("/a").type)
  }

  private func bounds(_ intervals: [Restriction.Interval]) -> String {
    intervals.map(\.description).joined(separator: "|")
  }

  // MARK: Typedefs

  @Test func typedefChain() throws {
    let made = try schema(
      module(
        "typedef base { type string { length 1..10; pattern a.*; } units u; default abc; }\n"
          + "typedef derived { type base { length 2..5; pattern .*b; } default axb; }\n"
          + "leaf a { type derived; } leaf b { type base; default abb; } leaf c { type derived { length 3; } }"))
    let a = try #require(try made.node("/a").type)
    #expect(a.typedefName == "derived" && a.typedefModule?.name == "m" && a.typedefChain == ["m:derived", "m:base"])
    #expect(bounds(a.lengths) == "2..5" && a.patterns.map(\.source) == ["a.*", ".*b"])
    #expect(try made.node("/a").defaults == [.string("axb")] && (try made.node("/a")).units == "u")
    #expect(try made.node("/b").defaults == [.string("abb")])
    #expect(bounds(try #require(try made.node("/c").type).lengths) == "3")
    #expect(try made.node("/a").type === made.nodes.first { $0.name == "a" }?.type)
  }

  @Test func nestedTypedefs() throws {
    let made = try schema(
      module(
        "container c { typedef t { type int8; } container d { leaf a { type t; } } } rpc r { typedef t2 { type "
          + "int16; } input { leaf x { type t2; } } }"
      ))
    #expect(try made.node("/c/d/a").type?.base == .int8)
    expectBodyError("container c { typedef t { type int8; } }\nleaf a { type t; }", line: 3, "no type 't'")
  }

  @Test func typedefErrors() {
    expectBodyError("typedef a { type b; }\ntypedef b { type a; }", line: 2, "in a circle: a → b → a")
    expectBodyError("leaf a { type sting; }", line: 2, "did you mean 'string'?")
    expectBodyError(
      "typedef t { type int8 { range 1..5; } default 3; }\nleaf a { type t { range 4..5; } }", line: 3,
      "default '3' is not a value")
  }

  @Test func builtInTypesAreShared() throws {
    let made = try schema(module("leaf a { type string; } leaf b { type string; }"))
    #expect(try made.node("/a").type === (try made.node("/b")).type)
  }

  // MARK: Ranges and lengths

  @Test func ranges() throws {
    #expect(bounds(try type("int8 { range \"min..-5 | 0 | 10..max\"; }").ranges) == "-128..-5|0|10..127")
    #expect(bounds(try type("uint64 { range 1..max; }").ranges) == "1..18446744073709551615")
    #expect(
      bounds(try type("t { range 2..4; }", "typedef t { type int8 { range \"1..3 | 4..5\"; } }").ranges) == "2..4")
    #expect(bounds(try type("decimal64 { fraction-digits 2; range \"-1.5..3.14 | 10\"; }").ranges) == "-150..314|1000")
    #expect(bounds(try type("binary { length \"0 | 4..max\"; }").lengths) == "0|4..18446744073709551615")
  }

  @Test(arguments: [
    ("int8 { range 1..200; }", "wider than the type allows"), ("int8 { range 5..1; }", "ends before it begins"),
    ("int8 { range \"1..5 | 3..7\"; }", "ascending order"), ("int8 { range \"5 | 1\"; }", "ascending order"),
    ("int8 { range 1...5; }", "not an interval"), ("int8 { range a..b; }", "not an interval"),
    ("int8 { range \"\"; }", "not an interval"), ("int8 { range 1..2..3; }", "not an interval"),
    ("string { length -1..5; }", "not an interval"), ("string { range 1..5; }", "cannot restrict"),
    ("int8 { length 1..5; }", "cannot restrict"), ("int8 { pattern a; }", "cannot restrict"),
    ("string { fraction-digits 2; }", "cannot restrict"), ("boolean { range 0; }", "cannot restrict"),
    ("decimal64;", "needs a 'fraction-digits'"), ("enumeration;", "needs a 'enum'"), ("bits;", "needs a 'bit'"),
    ("union;", "needs a 'type'"), ("leafref;", "needs a 'path'"), ("identityref;", "needs a 'base'"),
    ("decimal64 { fraction-digits 2; range 0.001..1; }", "not an interval"),
    ("string { pattern \"[\"; }", "regular expression"),
  ])
  func restrictionErrors(text: String, message: String) {
    let errors = findings([module("leaf a { type \(text) }")]).filter { $0.severity == .error }
    #expect(errors.count == 1 && errors[0].description.contains(message), "\(errors)")
  }

  @Test func narrowingOnly() {
    expectBodyError(
      "typedef t { type int8 { range 1..5; } }\nleaf a { type t { range 1..6; } }", line: 3, "the type allows 1..5")
    expectBodyError(
      "typedef t { type string { length 1..5; } }\nleaf a { type t { length 0..5; } }", line: 3, "the type allows 1..5")
  }

  // MARK: Names

  @Test func enums() throws {
    let plain = try type("enumeration { enum a; enum b { value 5; } enum c; enum d { value -2; } enum e; }")
    #expect(plain.enums.map(\.name) == ["a", "b", "c", "d", "e"])
    #expect(plain.enums.map(\.value) == [0, 5, 6, -2, 7])
    let fewer = try type("t { enum c; enum a; }", "typedef t { type enumeration { enum a; enum b; enum c; } }")
    #expect(fewer.enums.map(\.name) == ["c", "a"] && fewer.enums.map(\.value) == [2, 0])
    #expect(try type("enumeration { enum 'with space'; enum ''''; }".replacing("''''", with: "é")).enums.count == 2)
  }

  @Test func bits() throws {
    let plain = try type("bits { bit a; bit b { position 7; } bit c; bit d { position 3; } }")
    #expect(plain.bits.map(\.name) == ["a", "d", "b", "c"] && plain.bits.map(\.position) == [0, 3, 7, 8])
    let fewer = try type("t { bit b; }", "typedef t { type bits { bit a; bit b; } }")
    #expect(fewer.bits.map(\.position) == [1])
  }

  @Test(arguments: [
    ("enumeration { enum a; enum a; }", "defined twice"),
    ("enumeration { enum a { value 1; } enum b { value 1; } }", "same value as 'a'"),
    ("enumeration { enum a { value 2147483647; } enum b; }", "no value left"),
    ("bits { bit a { position 4294967295; } bit b; }", "no position left"), ("bits { bit 1; }", "not an identifier"),
    ("t { enum d; }", "has no enum 'd'"), ("t { enum a { value 7; } }", "cannot be changed"),
  ])
  func nameErrors(text: String, message: String) {
    let errors = findings([module("typedef t { type enumeration { enum a; enum b; } }\nleaf a { type \(text) }")])
    #expect(errors.count == 1 && errors[0].description.contains(message) && errors[0].location?.line == 3, "\(errors)")
  }

  @Test func restrictedEnumsNeedOnePointOne() {
    expectBodyError(
      "typedef t { type enumeration { enum a; } }\nleaf a { type t { enum a; } }", line: 3, "cannot restrict",
      version: "1")
  }

  // MARK: Leafrefs

  @Test func leafrefs() throws {
    let made = try schema(
      module(
        "container c { list l { key k; leaf k { type int8 { range 1..5; } } leaf v { type string; } } "
          + "leaf r { type leafref { path ../l/k; } } leaf abs { type leafref { path /m:c/m:l/m:k; "
          + "require-instance false; } } "
          + "leaf v { type leafref { path \"../l[k = current()/../r]/v\"; } } leaf chain { type leafref { path "
          + "../r; } } "
          + "leaf u { type union { type leafref { path ../l/k; } type string; } } leaf d { type leafref { path "
          + "\"deref(../r)/../v\"; } } }"
      ))
    let r = try #require(try made.node("/c/r").type)
    #expect(
      r.base == .leafref && r.leafrefTarget?.path == "/m:c/l/k" && r.requiresInstance && r.valueType.base == .int8)
    #expect(try made.node("/c/abs").type?.requiresInstance == false)
    #expect(try made.node("/c/chain").type?.valueType.base == .int8)
    #expect(try made.node("/c/u").type?.members.first?.leafrefTarget?.name == "k")
    #expect(try made.node("/c/d").type?.leafrefTarget?.path == "/m:c/l/v")
    let v = try #require(try made.node("/c/v").type?.path)
    #expect(v.reads?.map(\.name) == ["k", "v", "r"])
    #expect(try made.node("/c/r").accepts("3") && !(try made.node("/c/r")).accepts("6"))
    #expect(try made.node("/c/chain").parse("2") == .int(2))
  }

  @Test func leafrefsOfTypedefsAndGroupings() throws {
    let made = try schema(
      module(
        "container things { leaf name { type string; } } typedef ref { type leafref { path /things/name; } } "
          + "grouping g { leaf here { type int16; } leaf r { type leafref { path ../here; } } }",
        name: "a"),
      "module m { namespace 'urn:m'; prefix m; import a { prefix a; }\nleaf x { type a:ref; } container c { "
        + "uses a:g; } }"
    )
    #expect(try made.node("/x").type?.leafrefTarget?.path == "/a:things/name", "of the module of the typedef")
    #expect(try made.node("/c/r").type?.leafrefTarget?.path == "/m:c/here", "of the module that uses the grouping")
  }

  @Test(arguments: [
    ("../nothing", "no node 'nothing'"), ("../nme", "did you mean 'name'?"), ("../c", "not lead to a leaf"),
    ("../../../x", "'..' leads above the root"), ("../name | ../x", "not a path of a leafref"),
    ("'../name + 1'", "not a path"),
    ("../name/..", "not a path"), ("../name[", "not an XPath expression"), ("../x:name", "prefix 'x' is not declared"),
    ("../*", "not a path"), ("//name", "not a path"), ("../name[1]", "not a path"),
  ])
  func leafrefErrors(path: String, message: String) {
    let errors = findings([
      module("leaf name { type string; } container c;\nleaf a { type leafref { path \"\(path)\"; } }")
    ])
    .filter { $0.severity == .error }
    #expect(errors.count == 1 && errors[0].description.contains(message) && errors[0].location?.line == 3, "\(errors)")
  }

  @Test func leafrefCircle() {
    let errors = findings([module("leaf a { type leafref { path ../b; } }\nleaf b { type leafref { path ../a; } }")])
    #expect(errors.contains { $0.message.contains("refer to each other in a circle") }, "\(errors)")
  }

  @Test func leafrefToState() {
    expectBodyError(
      "leaf s { type string; config false; }\nleaf a { type leafref { path ../s; } }", line: 3, "refers to state data")
  }

  // MARK: Defaults

  @Test(arguments: [
    ("leaf a { type int8;\ndefault 300; }", "not a value"),
    ("leaf a { type int8; mandatory true;\ndefault 3; }", "is mandatory"),
    ("leaf-list a { type int8; min-elements 1;\ndefault 3; }", "min-elements"),
    ("leaf-list a { type int8; default 3;\ndefault 3; }", "stands twice"),
    ("leaf a { type empty;\ndefault ''; }", "not a value"),
    ("identity i; leaf a { type identityref { base i; }\ndefault i; }", "not a value"),
    ("leaf a { type enumeration { enum one; }\ndefault on; }", "did you mean 'one'?"),
    ("leaf k { type int8; } leaf a { type leafref { path ../k; }\ndefault x; }", "not a value"),
  ])
  func defaultErrors(body: String, message: String) {
    let errors = findings([module(body)]).filter { $0.severity == .error }
    #expect(errors.count == 1 && errors[0].description.contains(message), "\(errors)")
  }

  @Test func defaultsInEffect() throws {
    let made = try schema(
      module(
        "typedef t { type int8; default 7; } leaf a { type t; } leaf b { type t; mandatory true; } leaf-list c "
          + "{ type t; } leaf-list d { type t; min-elements 1; } "
          + "leaf-list e { type t; default 2; default 1; } identity i; identity j { base i; } leaf f { type "
          + "identityref { base i; } default m:j; }"
      ))
    #expect(try made.node("/a").defaults == [.int(7)] && (try made.node("/b")).defaults == [])
    #expect(try made.node("/c").defaults == [.int(7)] && (try made.node("/d")).defaults == [])
    #expect(try made.node("/e").defaults == [.int(2), .int(1)])
    guard case .identity(let identity) = try made.node("/f").defaults.first else {
      Issue.record("no identity")
      return
    }
    #expect(identity.name == "j")
  }
}
