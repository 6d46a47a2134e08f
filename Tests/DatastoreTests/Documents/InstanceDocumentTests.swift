// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

@Suite struct InstanceDocumentTests {
  static let fixture = Result {
    try ConfigurationFixture(
      """
      module d { yang-version 1.1; namespace urn:d; prefix d;
        container top {
          leaf flag { type boolean; default true; }
          leaf small { type uint8; must '. < 50' { error-message 'too big'; error-app-tag big; } }
          list item { key id; leaf id { type uint8; } leaf text { type string; }
            action reset { input { leaf x { type string; mandatory true; } } output { leaf done { type boolean; } } }
            notification event { leaf of { type leafref { path ../../id; } } } }
          list row { config false; min-elements 1; leaf x { type string; mandatory true; } }
        }
        notification alarm { leaf what { type string; mandatory true; } }
        rpc run { input { leaf x { type string; mandatory true; } } output { leaf z { type uint8; } } }
      }
      """)
  }

  private func read(_ text: String, _ kind: InstanceDocument.Kind) throws -> InstanceDocument {
    let schema = try Self.fixture.get().schema
    return try InstanceDocument.read(
      Array(text.utf8), text.hasPrefix("<") ? .xml : .json, kind, reader: ValueReader(schema: schema, sealer: nil))
  }

  /// What is wrong with a document, in reading or else in validation, as "line tag path".
  private func problems(
    _ text: String, _ kind: InstanceDocument.Kind, operational: String? = nil
  ) throws -> [String] {
    func line(_ error: DatastoreError) -> String {
      "\(error.line.map(String.init) ?? "-") \(error.appTag ?? error.tag.rawValue) \(error.path?.description ?? "-")"
    }
    var surroundings: InteriorNode?
    if let operational, case .tree(let tree) = try read(operational, .data).content { surroundings = tree }
    do {
      return try read(text, kind).violations(operational: surroundings, schema: Self.fixture.get().schema).map(line)
    } catch let failure as DatastoreFailure { return failure.errors.map(line) }
  }

  @Test(arguments: [
    ("<top xmlns='urn:d'><row><x>1</x></row></top>", InstanceDocument.Kind.data, []),
    ("<?xml version='1.0' encoding='UTF-8'?>\n<top xmlns='urn:d'><row><x>1</x></row></top>\n", .data, []),
    (#"{"d:top":{"row":[{"x":"1"}]}}"#, .data, []),
    ("<top xmlns='urn:d'/>", .data, ["- too-few-elements /d:top/d:row"]),
    ("{}", .data, ["- too-few-elements /d:top/d:row"]),
    ("{}", .config, []),
    ("<top xmlns='urn:d'><row/></top>", .get, []),
    ("<top xmlns='urn:d'><row/></top>", .data, ["- data-missing /d:top/d:row[1]/d:x"]),
    ("<top xmlns='urn:d'>\n<row><x>1</x></row></top>", .config, ["2 bad-element /d:top/d:row"]),
    ("{\"d:top\":\n\n{\"row\":[]}}", .getconfig, ["3 bad-element /d:top/d:row"]),
    ("<top xmlns='urn:d'><small>60</small></top>", .config, ["- big /d:top/d:small"]),
    ("<top xmlns='urn:d'><small>60</small></top>", .edit, []),
    (
      "<top xmlns='urn:d'>\n<small>600</small>\n<no/></top>", .edit,
      ["2 invalid-value /d:top/d:small", "3 unknown-element /d:top"]
    ),
    ("<top xmlns='urn:d'>\n<small>6", .config, ["2 malformed-message -"]),
    ("{\"d:top\":\n", .config, ["2 malformed-message -"]),
    ("<data xmlns='urn:ietf:params:xml:ns:netconf:base:1.0'><top xmlns='urn:d'/></data>", .getconfig, []),
    (
      "<rpc-reply xmlns='urn:ietf:params:xml:ns:netconf:base:1.0'><data><top xmlns='urn:d'/></data></rpc-reply>",
      .getconfig, []
    ),
    (
      "<config xmlns='urn:ietf:params:xml:ns:netconf:base:1.0' xmlns:n='urn:ietf:params:xml:ns:netconf:base:1.0'>"
        + "<top xmlns='urn:d'><item n:operation='delete'><id>1</id></item></top></config>", .edit, []
    ),
  ])
  func dataAndPartsOfIt(_ text: String, _ kind: InstanceDocument.Kind, _ expected: [String]) throws {
    #expect(try problems(text, kind) == expected)
  }

  @Test(arguments: [
    ("<run xmlns='urn:d'><x>1</x></run>", InstanceDocument.Kind.rpc, []),
    (
      "<rpc xmlns='urn:ietf:params:xml:ns:netconf:base:1.0' message-id='1'><run xmlns='urn:d'><x>1</x></run></rpc>",
      .rpc, []
    ),
    (#"{"d:run":{"x":"1"}}"#, .rpc, []),
    ("<run xmlns='urn:d'/>", .rpc, ["- data-missing /d:run/d:x"]),
    (#"{"d:run":{}}"#, .rpc, ["- data-missing /d:run/d:x"]),
    ("<run xmlns='urn:d'><z>300</z></run>", .reply, ["1 invalid-value /d:z"]),
    (#"{"d:run":{"z":3}}"#, .reply, []),
    ("<top xmlns='urn:d'/>", .rpc, ["- unknown-element /"]),
    (#"{"d:no":{}}"#, .rpc, ["- unknown-element /"]),
    ("<alarm xmlns='urn:d'><what>x</what></alarm>", .notif, []),
    (
      "<notification xmlns='urn:ietf:params:xml:ns:netconf:notification:1.0'><eventTime>2026-01-01T00:00:00Z</eventTime>"
        + "<alarm xmlns='urn:d'><what>x</what></alarm></notification>", .notif, []
    ),
    (#"{"d:alarm":{}}"#, .notif, ["- data-missing /d:alarm/d:what"]),
    ("<top xmlns='urn:d'><item><id>1</id><reset><x>1</x></reset></item></top>", .rpc, []),
    (
      "<top xmlns='urn:d'><item><id>1</id><reset/></item></top>", .rpc,
      ["- data-missing /d:top/d:item[d:id='1']/d:reset/d:x"]
    ),
    (#"{"d:top":{"item":[{"id":1,"reset":{}}]}}"#, .rpc, ["- data-missing /d:top/d:item[d:id='1']/d:reset/d:x"]),
    (#"{"d:top":{"item":[{"event":{"of":1},"id":1}]}}"#, .notif, []),
    (
      #"{"d:top":{"item":[{"event":{"of":2},"id":1}]}}"#, .notif,
      ["- instance-required /d:top/d:item[d:id='1']/d:event/d:of"]
    ),
    (#"{"d:top":{"item":[{"event":{"of":2}}]}}"#, .notif, ["- missing-element /d:top/d:item"]),
  ])
  func operations(_ text: String, _ kind: InstanceDocument.Kind, _ expected: [String]) throws {
    #expect(try problems(text, kind) == expected)
  }

  @Test func xmlAndJSONAreTheSameData() throws {
    let schema = try Self.fixture.get().schema
    let text = #"{"d:top":{"flag":false,"small":7,"item":[{"id":1,"text":"a<b"},{"id":2}],"row":[{"x":"1"}]}}"#
    let document = try read(text, .data)
    guard case .tree(let tree) = document.content else { return }
    for indentation in [nil, 2] {
      var printed: [UInt8] = []
      var printer = XMLPrinter(schema: schema, sealer: nil, indentation: indentation) { printed += $0 }
      printer.print(content: tree)
      guard case .tree(let again) = try read(String(decoding: printed, as: UTF8.self), .data).content else { return }
      #expect(again == tree)
    }
  }

  @Test func annotationsGoThroughBothEncodings() throws {
    let schema = try Self.fixture.get().schema
    let text = #"{"d:top":{"@":{"d:a":"1"},"flag":true,"@flag":{"d:b":"2"},"item":[{"@":{"d:a":"3"},"id":1}]}}"#
    let document = try read(text, .get)
    guard case .tree(let tree) = document.content else { return }
    var printed: [UInt8] = []
    var printer = XMLPrinter(schema: schema, sealer: nil) { printed += $0 }
    printer.print(content: tree, annotations: document.annotations)
    let xml = String(decoding: printed, as: UTF8.self)
    #expect(
      xml == "<top xmlns=\"urn:d\" xmlns:a-d=\"urn:d\" a-d:a=\"1\"><flag xmlns:a-d=\"urn:d\" a-d:b=\"2\">true</flag>"
        + "<item xmlns:a-d=\"urn:d\" a-d:a=\"3\"><id>1</id></item></top>")
    let again = try read(xml, .get)
    #expect(again.annotations == document.annotations)
  }
}
