// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

@Suite struct JSONDataTests {
  static let fixture = EditFixture(
    schema: TestSchema(
      test: """
        module test { yang-version 1.1; namespace urn:test:test; prefix t;
          identity animal; identity dog { base animal; }
          container top {
            leaf name { type string; } leaf small { type int8; } leaf big { type uint64; } leaf flag { type boolean; }
            leaf price { type decimal64 { fraction-digits 2; } } leaf none { type empty; }
            leaf kind { type identityref { base animal; } } leaf data { type binary; }
            leaf colour { type enumeration { enum red; enum 'light "blue'; } } leaf set { type bits { bit a; bit b; } }
            leaf where { type instance-identifier { require-instance false; } }
            leaf any-of { type union { type int8; type uint64; type boolean; type empty;
              type enumeration { enum 7; } type identityref { base animal; } type string; } }
            leaf ref { type leafref { path ../big; } }
            container plain { leaf a { type string; } }
            container presence { presence yes; }
            list item { key 'id other'; leaf id { type uint32; } leaf other { type string; } leaf text { type string; } }
            list free { config false; leaf x { type string; } }
            leaf-list tag { type string; ordered-by user; } leaf-list number { type uint16; }
            anydata data-any; anyxml xml-any;
            choice c { case one { leaf c1 { type string; } } case two { leaf c2 { type string; } } }
          }
          notification event { leaf what { type string; } }
          rpc run { input { leaf x { type string; } } }
        }
        """,
      other: """
        module other { namespace urn:test:other; prefix o; import test { prefix t; }
          identity cat { base t:animal; }
          augment /t:top { container more { leaf a { type string; } leaf b { type string; } } }
          augment /t:top/t:item { leaf extra { type string; } }
        }
        """))

  static let encoding = JSONEncoding(schema: fixture.schema.schema)

  static func parser(
    _ text: String, at node: SchemaNode? = nil, purpose: DataAssembler.Purpose = .message, envelope: SchemaNode? = nil,
    pieces: Int = .max
  ) throws -> JSONDataParser {
    let schema = fixture.schema
    let parser = JSONDataParser(
      schema: node ?? schema.root, purpose: purpose, reader: ValueReader(schema: schema.schema, sealer: nil),
      encoding: encoding, envelope: envelope)
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      let end = pieces == .max ? bytes.count : min(start + pieces, bytes.count)
      try parser.feed(Array(bytes[start..<end]))
      start = end
    }
    try parser.finish()
    return parser
  }

  static func tree(_ text: String, pieces: Int = .max) throws -> InteriorNode {
    try parser(text, pieces: pieces).data()
  }

  static func written(_ tree: InteriorNode, limit: Int = .max / 4, annotations: Annotations? = nil) -> String {
    let writer = JSONWriter(encoding: encoding, content: tree, sealer: nil, annotations: annotations)
    var output: [UInt8] = []
    while writer.write(into: &output, limit: limit) {}
    return String(decoding: output, as: UTF8.self)
  }

  private func refusals(_ top: String) throws -> [String] {
    do {
      _ = try Self.tree("{\"test:top\":{\(top)}}")
      return []
    } catch let failure as DatastoreFailure {
      return failure.errors.map { "\($0.tag.rawValue) \($0.path?.description ?? "-")" }
    }
  }

  static let everything = #"""
    {"test:top":{"name":"a \"b\" \\ \n é","small":-5,"big":"18446744073709551615","flag":true,"price":"1.5","none":[null],"kind":"dog","data":"AQID","colour":"light \"blue","set":"a b","where":"/test:top/item[id='1'][other='x']/other:extra","any-of":"hello","ref":"7","plain":{"a":"1"},"presence":{},"item":[{"id":1,"other":"x","text":"t"},{"id":2,"other":"y","other:extra":"e"}],"free":[{"x":"1"},{"x":"1"}],"tag":["z","a"],"number":[1,2,30],"data-any":{"x":[1,{"y":null}]},"xml-any":[1,"a",{}],"c1":"one","other:more":{"a":"1","b":"2"}}}
    """#

  @Test func whatIsReadIsWrittenAgain() throws {
    let tree = try Self.tree(Self.everything)
    #expect(Self.written(tree) == Self.everything)
    for pieces in [1, 2, 3, 7, 64] { #expect(try Self.tree(Self.everything, pieces: pieces) == tree) }
    for limit in [1, 5, 50] { #expect(Self.written(tree, limit: limit) == Self.everything) }
  }

  @Test func membersComeInAnyOrder() throws {
    let tree = try Self.tree(
      #"{"test:top":{"other:more":{"b":"2"},"item":[{"text":"t","other":"b","id":2},{"other":"a","id":2}],"number":[3,1]}}"#
    )
    #expect(
      Self.written(tree)
        == #"{"test:top":{"item":[{"id":2,"other":"a"},{"id":2,"other":"b","text":"t"}],"number":[1,3],"other:more":{"b":"2"}}}"#
    )
  }

  @Test func namesOfModulesMayStandWhereTheyNeedNot() throws {
    let tree = try Self.tree(#"{"test:top":{"test:name":"x","test:kind":"test:dog","any-of":"other:cat"}}"#)
    #expect(Self.written(tree) == #"{"test:top":{"name":"x","kind":"dog","any-of":"other:cat"}}"#)
  }

  @Test(arguments: [
    (#""any-of":5"#, "int(5)"), (#""any-of":"300""#, "uint(300)"), (#""any-of":true"#, "boolean(true)"),
    (#""any-of":[null]"#, "empty"), (#""any-of":"true""#, "string(\"true\")"), (#""any-of":"dog""#, "identity"),
  ])
  func aUnionTakesTheMemberOfTheForm(_ member: String, _ value: String) throws {
    let top = try #require(try Self.tree("{\"test:top\":{\(member)}}").container("top"))
    let found = try #require(top.leaf("any-of")?.withoutUnion)
    #expect("\(found)".hasPrefix(value))
    #expect(Self.written(try Self.tree("{\"test:top\":{\(member)}}")) == "{\"test:top\":{\(member)}}")
  }

  @Test func numbersOfAnyFormAreTaken() throws {
    let tree = try Self.tree(#"{"test:top":{"small":1.2e1,"number":[100e-2]}}"#)
    #expect(Self.written(tree) == #"{"test:top":{"small":12,"number":[1]}}"#)
  }

  @Test(arguments: [
    #""small":"5""#, #""small":128"#, #""small":1.5"#, #""small":true"#, #""small":null"#, #""small":[5]"#,
    #""small":{}"#,
    #""big":5"#, #""price":1.5"#, #""price":"1.555""#, #""flag":"true""#, #""flag":1"#, #""name":5"#, #""none":null"#,
    #""none":[]"#, #""none":[null,null]"#, #""none":[1]"#, #""none":"""#, #""none":[[null]]"#, #""kind":"cat""#,
    #""kind":"no:dog""#,
    #""colour":"green""#, #""set":"c""#, #""data":"!""#, #""where":"top""#, #""ref":7"#,
  ])
  func valuesOfTheWrongFormAreRefused(_ member: String) throws {
    let name = try #require(member.split(separator: "\"").first)
    #expect(try refusals(member) == ["invalid-value /test:top/test:\(name)"])
  }

  @Test(arguments: [
    (#""no":1"#, "unknown-element /test:top"), (#""no:name":1"#, "unknown-namespace /test:top"),
    (#""more":{}"#, "unknown-element /test:top"), (#""other:no":{"a":[1]}"#, "unknown-element /test:top"),
    (#""plain":[]"#, "invalid-value /test:top/test:plain"), (#""plain":"x""#, "invalid-value /test:top/test:plain"),
    (#""plain":null"#, "invalid-value /test:top/test:plain"), (#""item":{}"#, "invalid-value /test:top/test:item"),
    (#""item":[1]"#, "invalid-value /test:top/test:item"), (#""tag":"x""#, "invalid-value /test:top/test:tag"),
    (#""tag":{"a":1}"#, "invalid-value /test:top/test:tag"), (#""tag":[{}]"#, "invalid-value /test:top/test:tag"),
    (#""number":["1"]"#, "invalid-value /test:top/test:number"),
    (#""item":[{"id":1}]"#, "missing-element /test:top/test:item"),
    (
      #""item":[{"id":1,"other":"a"},{"id":1,"other":"a"}]"#,
      "bad-element /test:top/test:item[test:id='1'][test:other='a']"
    ),
    (#""tag":["a"],"tag":["b"]"#, "bad-element /test:top/test:tag"),
    (#""name":"a","name":"b""#, "bad-element /test:top/test:name"),
    (#""item":[{"id":1,"other":"a"}],"item":[]"#, "bad-element /test:top/test:item"),
    (#""number":[1,1]"#, "bad-element /test:top/test:number[.='1']"),
    (#""c1":"a","c2":"b""#, "bad-element /test:top/test:c2"),
    (#""data-any":5"#, "invalid-value /test:top/test:data-any"),
  ])
  func whatDoesNotFitTheSchemaIsRefused(_ member: String, _ refusal: String) throws {
    #expect(try refusals(member) == [refusal])
  }

  @Test func allErrorsAreFoundTogether() throws {
    #expect(
      try refusals(#""small":"x","item":[{"id":1,"other":"a","text":5},{"other":"b"}],"no":{"a":[{"b":1}]},"flag":7"#)
        == [
          "invalid-value /test:top/test:small",
          "invalid-value /test:top/test:item[test:id='1'][test:other='a']/test:text",
          "missing-element /test:top/test:item", "unknown-element /test:top", "invalid-value /test:top/test:flag",
        ])
  }

  @Test func theTopLevelNeedsModuleNames() throws {
    for text in [#"{"top":{}}"#, "[]", "5", #""x""#, "null", "[{}]"] {
      #expect(throws: DatastoreFailure.self, "\(text)") { try Self.tree(text) }
    }
    #expect(try Self.tree("{}").isEmpty)
  }

  @Test func stateIsNoConfiguration() throws {
    let parser = try Self.parser(#"{"test:top":{"free":[{"x":"1"}]}}"#, purpose: .configuration)
    #expect(throws: DatastoreFailure.self) { try parser.data() }
  }

  @Test func operationsStandInAnObjectOfTheirName() throws {
    let rpc = try #require(Self.fixture.schema.schema.rpcs.first)
    let input = try #require(rpc.children.first { $0.kind == .input })
    let parser = try Self.parser(#"{"test:run":{"x":"1"}}"#, at: input, envelope: rpc)
    let data = try parser.data()
    #expect(data.leaf("x")?.asString == "1")
    let writer = JSONWriter(encoding: Self.encoding, element: data, name: rpc, sealer: nil)
    #expect(String(decoding: writer.writeAll(), as: UTF8.self) == #"{"test:run":{"x":"1"}}"#)
    #expect(throws: DatastoreFailure.self) {
      try Self.parser(#"{"test:other":{"x":"1"}}"#, at: input, envelope: rpc).data()
    }
  }

  @Test func indentedOutputIsTheSameData() throws {
    let tree = try Self.tree(Self.everything)
    let writer = JSONWriter(encoding: Self.encoding, content: tree, sealer: nil, indentation: 2)
    let text = String(decoding: writer.writeAll(), as: UTF8.self)
    #expect(try Self.tree(text) == tree)
    #expect(text.hasPrefix("{\n  \"test:top\": {\n    \"name\": "))
    #expect(text.contains("\n    \"item\": [\n      {\n        \"id\": 1,"))
    #expect(text.hasSuffix("\n  }\n}"))
  }

  @Test func annotationsAreReadAndWritten() throws {
    let text = #"""
      {"test:top":{"@":{"other:a":"top"},"name":"x","@name":{"other:a":5,"other:b":[true]},"item":[{"@":{"other:a":null},"id":1,"other":"a"}],"tag":["p","q","r"],"@tag":[null,{"other:a":"q"}],"other:more":{"a":"1","@a":{"other:a":"m"}}}}
      """#
    let parser = try Self.parser(text)
    let annotations = try #require(parser.annotations)
    #expect(Self.written(try parser.data(), annotations: annotations) == text)
    #expect(Self.written(try parser.data(), limit: 1, annotations: annotations) == text)
  }

  @Test func annotationsMayComeBeforeWhatTheyAreOf() throws {
    let parser = try Self.parser(
      #"{"test:top":{"item":[{"@text":{"other:a":"t"},"text":"x","other":"b","id":3}],"@tag":[{"other:a":"p"}],"tag":["p"]}}"#
    )
    #expect(
      Self.written(try parser.data(), annotations: parser.annotations)
        == #"{"test:top":{"item":[{"id":3,"other":"b","text":"x","@text":{"other:a":"t"}}],"tag":["p"],"@tag":[{"other:a":"p"}]}}"#
    )
  }

  @Test(arguments: [
    (#""@name":5"#, "bad-attribute"), (#""@name":{"a":1}"#, "unknown-attribute"),
    (#""@name":{"no:a":1}"#, "unknown-attribute"),
    (#""@no":{"other:a":1}"#, "unknown-element"), (#""@tag":{"other:a":1}"#, "bad-attribute"),
    (#""@plain":{}"#, "bad-attribute"),
  ])
  func brokenAnnotationsAreRefused(_ member: String, _ tag: String) throws {
    #expect(try refusals(member).first?.hasPrefix(tag) == true)
  }
}
