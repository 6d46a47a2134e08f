// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

@Suite struct XMLWriterTests {
  let fixture = EditFixture(
    schema: TestSchema(
      test: """
        module test { yang-version 1.1; namespace urn:test:test; prefix t;
          identity animal; identity dog { base animal; }
          container top {
            leaf name { type string; } leaf number { type uint32; }
            leaf kind { type identityref { base animal; } }
            leaf where { type instance-identifier { require-instance false; } }
            container plain { leaf a { type string; } leaf b { type string; } }
            container presence { presence yes; leaf a { type string; } }
            list item { key id; leaf id { type uint32; } leaf text { type string; }
              container sub { leaf x { type string; } }
              container status { config false; leaf up { type boolean; } } }
            leaf-list tag { type string; }
            anydata data;
            list state { config false; key id; leaf id { type uint32; } leaf up { type boolean; } }
          }
          container counters { config false; leaf packets { type uint64; } leaf bytes { type uint64; } }
          notification event { leaf what { type string; } leaf level { type uint8; } }
        }
        """,
      other: """
        module other { namespace urn:test:other; prefix o; import test { prefix t; }
          identity cat { base t:animal; }
          augment /t:top { container more { leaf a { type string; } } }
          augment /t:top/t:item { leaf extra { type string; } }
        }
        """))

  var encoding: XMLEncoding { XMLEncoding(schema: fixture.schema.schema) }

  static let content = """
    <top><name>a &amp; &lt;b&gt;</name><number>7</number><plain><a>1</a></plain><presence/>\
    <item><id>1</id><text>x</text></item><item><id>2</id><sub><x>y</x></sub><o:extra>e</o:extra></item>\
    <tag>m</tag><tag>n</tag><o:more><o:a>2</o:a></o:more></top>
    """

  func written(
    _ tree: InteriorNode?, filter: String? = nil, sources: OperationalSources? = nil, limit: Int = .max / 4
  ) throws -> String {
    let filter = try filter.map { try self.filter($0) }
    let writer = XMLWriter(
      encoding: encoding, content: tree, filter: filter, operational: sources, sealer: nil)
    var output: [UInt8] = []
    var rounds = 0
    while writer.write(into: &output, limit: limit) {
      rounds += 1
      if rounds > 1_000_000 { throw Endless() }
    }
    return String(decoding: output, as: UTF8.self)
  }
  struct Endless: Error {}

  func filter(_ content: String) throws -> SubtreeFilter {
    final class Door: XMLHandler {
      var parser: SubtreeFilterParser?
      func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
      func endElement() {}
    }
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = SubtreeFilterParser(
      reader: ValueReader(schema: fixture.schema.schema, sealer: nil), tokenizer: tokenizer)
    door.parser = parser
    try tokenizer.feed("<filter \(EditFixture.declarations)>\(content)</filter>".utf8)
    try tokenizer.finish()
    return try parser.filter()
  }

  @Test func writesWhatWasRead() throws {
    let tree = try fixture.tree(Self.content)
    #expect(
      try written(tree) == """
        <top xmlns="urn:test:test"><name>a &amp; &lt;b&gt;</name><number>7</number>\
        <plain><a>1</a></plain><presence></presence>\
        <item><id>1</id><text>x</text></item><item><id>2</id><sub><x>y</x></sub>\
        <extra xmlns="urn:test:other">e</extra></item><tag>m</tag><tag>n</tag>\
        <more xmlns="urn:test:other"><a>2</a></more></top>
        """)
  }

  @Test func anyLimitGivesTheSame() throws {
    let tree = try fixture.tree(Self.content)
    let whole = try written(tree)
    for limit in 1...50 { #expect(try written(tree, limit: limit) == whole, "limit \(limit)") }
    let many = try fixture.tree(
      "<top>" + (0..<500).map { "<item><id>\($0)</id><text>t</text></item>" }.joined() + "</top>")
    let all = try written(many)
    #expect(try written(many, limit: 100) == all)
    #expect(try fixture.tree(all) == many)
  }

  @Test func limitsAreKept() throws {
    let tree = try fixture.tree(
      "<top>" + (0..<5000).map { "<item><id>\($0)</id><text>t</text></item>" }.joined() + "</top>")
    let writer = XMLWriter(encoding: encoding, content: tree, sealer: nil)
    var hasMore = true
    while hasMore {
      var output: [UInt8] = []
      hasMore = writer.write(into: &output, limit: 1000)
      #expect(output.count < 1200)
    }
  }

  @Test func namesOfOtherModulesAreDeclared() throws {
    let tree = try fixture.tree(
      "<top xmlns:x='urn:test:other' xmlns:y='urn:test:test'><kind>x:cat</kind>"
        + "<where>/y:top/y:item[y:id='1']/x:extra</where></top>"
    )
    let text = try written(tree)
    #expect(
      text == """
        <top xmlns="urn:test:test"><kind xmlns:o="urn:test:other">o:cat</kind>\
        <where xmlns:t="urn:test:test" xmlns:o="urn:test:other">/t:top/t:item[t:id='1']/o:extra</where></top>
        """)
    #expect(try fixture.tree(text) == tree)
    #expect(try written(try fixture.tree("<top><kind>dog</kind></top>")).contains("<kind>dog</kind>"))
  }

  @Test func anydataIsKept() throws {
    let tree = try fixture.tree("<top><data><x:a xmlns:x='urn:x' k='&quot;1&quot;'>t &amp; <b/></x:a></data></top>")
    let text = try written(tree)
    #expect(text.contains("xmlns:x=\"urn:x\""))
    let again = try fixture.tree(text)
    #expect(try written(again).contains("k=\"&quot;1&quot;\">t &amp; <b></b></x:a></data>"))
  }

  @Test func whiteSpaceAndControlSurvive() throws {
    let tree = try fixture.tree("<top><name>&#13;&#10;&#9; x ]]&gt; </name></top>")
    #expect(try fixture.tree(try written(tree)) == tree)
  }

  // MARK: Filters (RFC 6241 section 6)

  @Test(arguments: [
    ("", ""),
    ("<top/>", "ALL"),
    ("<top xmlns=''/>", "ALL"),
    ("<top xmlns='urn:wrong'/>", ""),
    ("<nothing/>", ""),
    ("<top><name/></top>", "<top><name>a &amp; &lt;b&gt;</name></top>"),
    ("<top><name/><number/></top>", "<top><name>a &amp; &lt;b&gt;</name><number>7</number></top>"),
    ("<top><unknown/></top>", ""),
    ("<top><number>7</number></top>", "ALL"),
    ("<top><number> 7 </number></top>", "ALL"),
    ("<top><number>8</number></top>", ""),
    ("<top><number>x</number></top>", ""),
    ("<top><number>7</number><plain/></top>", "<top><number>7</number><plain><a>1</a></plain></top>"),
    ("<top><number>8</number><plain/></top>", ""),
    ("<top><number>7</number><unknown/></top>", "<top><number>7</number></top>"),
    ("<top><plain><b/></plain></top>", ""),
    ("<top><plain><a/></plain></top>", "<top><plain><a>1</a></plain></top>"),
    ("<top><presence/></top>", "<top><presence></presence></top>"),
    ("<top><presence><a/></presence></top>", ""),
    ("<top><item><id>1</id></item></top>", "<top><item><id>1</id><text>x</text></item></top>"),
    ("<top><item><id>9</id></item></top>", ""),
    ("<top><item><id>1</id><text/></item></top>", "<top><item><id>1</id><text>x</text></item></top>"),
    ("<top><item><id>2</id><text/></item></top>", "<top><item><id>2</id></item></top>"),
    ("<top><item><text/></item></top>", "<top><item><id>1</id><text>x</text></item></top>"),
    ("<top><item><text>x</text></item></top>", "<top><item><id>1</id><text>x</text></item></top>"),
    ("<top><item><id/></item></top>", "<top><item><id>1</id></item><item><id>2</id></item></top>"),
    (
      "<top><item><id>2</id></item><item><id>1</id></item><item><id>2</id></item></top>",
      "<top><item><id>1</id><text>x</text></item><item><id>2</id><sub><x>y</x></sub><extra O>e</extra></item></top>"
    ),
    (
      "<top><item><id>2</id><sub/></item><item><id>1</id></item></top>",
      "<top><item><id>1</id><text>x</text></item><item><id>2</id><sub><x>y</x></sub></item></top>"
    ),
    ("<top><item><sub><x/></sub></item></top>", "<top><item><id>2</id><sub><x>y</x></sub></item></top>"),
    ("<top><item><o:extra/></item></top>", "<top><item><id>2</id><extra O>e</extra></item></top>"),
    ("<top><item><extra xmlns=''/></item></top>", "<top><item><id>2</id><extra O>e</extra></item></top>"),
    ("<top><item><extra/></item></top>", ""),
    ("<top><tag/></top>", "<top><tag>m</tag><tag>n</tag></top>"),
    ("<top><tag>n</tag><name/></top>", "<top><name>a &amp; &lt;b&gt;</name><tag>m</tag><tag>n</tag></top>"),
    ("<top><name/></top><top><number/></top>", "<top><name>a &amp; &lt;b&gt;</name><number>7</number></top>"),
    ("<top><o:more/></top>", "<top><more O><a>2</a></more></top>"),
    ("<top><number>7<junk/></number></top>", ""),
    ("<top a='b'><number nc:operation='x'/></top>", "<top><number>7</number></top>"),
  ]) func subtreeFilters(filter: String, expected: String) throws {
    let tree = try fixture.tree(Self.content)
    var expected = expected == "ALL" ? try written(tree) : expected
    expected = expected.split(separator: " O>", omittingEmptySubsequences: false).joined(
      separator: " xmlns=\"urn:test:other\">")
    if expected.hasPrefix("<top>") { expected = "<top xmlns=\"urn:test:test\">" + expected.dropFirst(5) }
    #expect(try written(tree, filter: filter) == expected)
    #expect(try written(tree, filter: filter, limit: 1) == expected)
  }

  @Test func fixedKeys() throws {
    let list = fixture.schema("top/item")
    #expect(
      try filter("<top><item><id>3</id></item><item><id>4</id><text/></item></top>").fixedKeys(for: list) == [
        [.uint(3)], [.uint(4)],
      ])
    #expect(try filter("<top><item><text/></item></top>").fixedKeys(for: list) == nil)
    #expect(try filter("<top/>").fixedKeys(for: list) == nil)
  }

  @Test func tooManyFilterElements() throws {
    let many = String(repeating: "<top/>", count: SubtreeFilterParser.maximumElements + 1)
    #expect(throws: DatastoreFailure.self) { try filter(many) }
    func looking(_ count: Int, _ content: String) -> String {
      "<top>" + String(repeating: "<item>\(content)</item>", count: count) + "</top>"
    }
    #expect(throws: DatastoreFailure.self) { try filter(looking(200, "<text>x</text>")) }
    _ = try filter(looking(100, "<text>x</text>"))
    _ = try filter(looking(3000, "<id>1</id><text/>"))
  }

  // MARK: Operational data

  /// Sources that note what they are asked.
  final class Requests: @unchecked Sendable {
    var keys: [[Value]?] = []
  }

  func sources(_ requests: Requests) -> OperationalSources {
    let schema = fixture.schema
    let state = schema("top/state")
    @Sendable func entry(_ id: UInt64) -> InteriorNode {
      InteriorNode(
        schema: state,
        slots: [.init(state.dataChildren[0], .leaf(.uint(id))), .init(state.dataChildren[1], .leaf(.boolean(true)))])
    }
    let counters = schema("counters")
    let status = schema("top/item/status")
    return OperationalSources(
      schema: schema.schema,
      providers: [
        (
          "/test:top/state",
          { request in
            requests.keys.append(request.keys)
            if case .uint(let id)? = request.keys?.first { return AnyIterator([entry(id)].makeIterator()) }
            return AnyIterator((1...3).map { entry(UInt64($0)) }.makeIterator())
          }
        ),
        (
          "/test:counters",
          { request in
            requests.keys.append(request.keys)
            let node = InteriorNode(schema: counters, slots: [.init(counters.dataChildren[0], .leaf(.uint(5)))])
            return AnyIterator([node].makeIterator())
          }
        ),
        (
          "/test:top/item/status",
          { request in
            requests.keys.append(request.keys)
            let isUp = request.keys == [.uint(1)]
            guard isUp else { return AnyIterator { nil } }
            let node = InteriorNode(schema: status, slots: [.init(status.dataChildren[0], .leaf(.boolean(true)))])
            return AnyIterator([node].makeIterator())
          }
        ),
      ])
  }

  @Test(
    arguments: [
      (
        nil,
        "<top><item><id>1</id><status><up>true</up></status></item><item><id>2</id></item>"
          + "<state><id>1</id><up>true</up></state><state><id>2</id><up>true</up></state>"
          + "<state><id>3</id><up>true</up></state></top><counters><packets>5</packets></counters>",
        [[.uint(1)], [.uint(2)], nil, nil]
      ),
      ("<counters/>", "<counters><packets>5</packets></counters>", [nil]),
      ("<counters><bytes/></counters>", "", [nil]),
      ("<counters><packets>5</packets></counters>", "<counters><packets>5</packets></counters>", [nil]),
      ("<counters><packets>6</packets></counters>", "", [nil]),
      ("<top><state><id>2</id></state></top>", "<top><state><id>2</id><up>true</up></state></top>", [[.uint(2)]]),
      ("<top><state><id>2</id><up/></state></top>", "<top><state><id>2</id><up>true</up></state></top>", [[.uint(2)]]),
      ("<top><state><up>false</up></state></top>", "", [nil]),
      (
        "<top><item><status/></item></top>", "<top><item><id>1</id><status><up>true</up></status></item></top>",
        [[.uint(1)], [.uint(2)]]
      ),
      ("<top><item><id>2</id></item></top>", "<top><item><id>2</id></item></top>", [[.uint(2)]]),
      (
        "<top><item><id>1</id><status/></item></top>",
        "<top><item><id>1</id><status><up>true</up></status></item></top>", [[.uint(1)]]
      ),
    ] as [(String?, String, [[Value]?])])
  func operationalData(filter: String?, expected: String, asked: [[Value]?]) throws {
    let tree = try fixture.tree("<top><item><id>1</id></item><item><id>2</id></item></top>")
    let requests = Requests()
    let text = try written(tree, filter: filter, sources: sources(requests))
    let plain = text.split(separator: " xmlns=\"urn:test:test\"", omittingEmptySubsequences: false).joined()
    #expect(plain == expected)
    #expect(requests.keys == asked)
    #expect(try written(tree, filter: filter, sources: sources(requests), limit: 1) == text)
  }

  @Test func operationalDataWithoutConfiguration() throws {
    let text = try written(
      InteriorNode(schema: fixture.schema.root), filter: "<top><state><id>2</id></state></top>",
      sources: sources(Requests()))
    #expect(text == "<top xmlns=\"urn:test:test\"><state><id>2</id><up>true</up></state></top>")
  }

  @Test func entriesArePulledOneAtATime() throws {
    final class Pulled: @unchecked Sendable { var count = 0 }
    let pulled = Pulled()
    let state = fixture.schema("top/state")
    let sources = OperationalSources(
      schema: fixture.schema.schema,
      providers: [
        (
          "/test:top/state",
          { _ in
            AnyIterator {
              pulled.count += 1
              return InteriorNode(
                schema: state, slots: [.init(state.dataChildren[0], .leaf(.uint(UInt64(pulled.count))))])
            }
          }
        )
      ])
    let writer = XMLWriter(encoding: encoding, content: nil, operational: sources, sealer: nil)
    var output: [UInt8] = []
    #expect(writer.write(into: &output, limit: 300))
    #expect(pulled.count < 15)
  }

  // MARK: Notifications

  @Test func aWholeElement() throws {
    let event = try #require(fixture.schema.schema.notifications.first)
    let node = InteriorNode(schema: event, slots: [.init(event.dataChildren[0], .leaf(.string("up")))])
    let text = String(decoding: XMLWriter(encoding: encoding, element: node, sealer: nil).writeAll(), as: UTF8.self)
    #expect(text == "<event xmlns=\"urn:test:test\"><what>up</what></event>")
    #expect(try filter("<event/>").selects(notification: node))
    #expect(try filter("<event><what>up</what></event>").selects(notification: node))
    #expect(try !filter("<event><what>down</what></event>").selects(notification: node))
    #expect(try !filter("<top/>").selects(notification: node))
  }
}
