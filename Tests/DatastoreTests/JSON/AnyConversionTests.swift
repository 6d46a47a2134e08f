// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

/// The content of anydata and anyxml in the other encoding.
@Suite struct AnyConversionTests {
  private let schema = JSONDataTests.fixture.schema.schema

  private func json(_ xml: String) -> String {
    var output: [UInt8] = []
    AnyConversion(schema: schema).json(fromXML: xml).append(to: &output)
    return String(decoding: output, as: UTF8.self)
  }

  private func xml(_ json: String) -> String { AnyConversion(schema: schema).xml(fromJSON: json) }

  @Test func dataOfTheSchemaKeepsItsTypes() {
    let xml =
      "<top xmlns=\"urn:test:test\"><small>5</small><big>6</big><flag>true</flag><none></none><kind "
      + "xmlns:o=\"urn:test:other\">o:cat</kind><item><id>1</id><other>a</other></item><number>7</number></top>"
    let json =
      #"{"test:top":{"small":5,"big":"6","flag":true,"none":[null],"kind":"other:cat","item":[{"id":1,"other":"a"}],"number":[7]}}"#
    #expect(self.json(xml) == json)
    #expect(self.xml(json) == xml)
  }

  @Test func foreignContentIsTakenAsItLooks() {
    #expect(
      json("<a xmlns=\"urn:x\"><b>1</b><b>2</b><c/></a>") == #"{"urn:x:a":{"b":["1","2"],"c":""}}"#)
    #expect(json("text &amp; more") == #""text & more""#)
    #expect(json("") == #""""#)
    #expect(
      xml(#"{"x:a":{"b":[1,true,{"c":null}],"d":"<"}}"#)
        == "<a xmlns=\"x\"><b>1</b><b>true</b><b><c></c></b><d>&lt;</d></a>")
  }

  @Test func contentKeepsTheEncodingThatItCameIn() throws {
    let text = #"{"test:top":{"data-any":{"x":[1,{"y":null}]}}}"#
    let tree = try JSONDataTests.tree(text)
    #expect(JSONDataTests.written(tree) == text)
    let stored = try TreeCoder.decodeTree(TreeCoder.encode(tree), schema: schema, isSameSchema: true, sealer: nil)
    #expect(stored.content == tree)
    let writer = XMLWriter(encoding: XMLEncoding(schema: schema), content: tree, sealer: nil)
    #expect(
      String(decoding: writer.writeAll(), as: UTF8.self)
        == "<top xmlns=\"urn:test:test\"><data-any><x>1</x><x><y></y></x></data-any></top>")
  }
}
