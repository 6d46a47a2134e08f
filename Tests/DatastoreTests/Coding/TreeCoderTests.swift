// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing
import YANG

@testable import Datastore

@Suite struct TreeCoderTests {
  static let module = """
    module test { yang-version 1.1; namespace urn:test:test; prefix t;
      identity animal; identity dog { base animal; }
      container top {
        leaf name { type string; } leaf number { type uint32; } leaf small { type int8; }
        leaf fraction { type decimal64 { fraction-digits 3; } } leaf flag { type boolean; } leaf void { type empty; }
        leaf data { type binary; } leaf color { type enumeration { enum red; enum green; } }
        leaf rights { type bits { bit read; bit write; bit run; } }
        leaf kind { type identityref { base animal; } }
        leaf where { type instance-identifier { require-instance false; } }
        leaf either { type union { type uint8; type enumeration { enum none; } type identityref { base animal; } } }
        list item { key "a b"; leaf a { type string; } leaf b { type uint8; } leaf text { type string; }
          container sub { leaf x { type string; } } }
        list rule { key id; ordered-by user; leaf id { type string; } leaf text { type string; } }
        leaf-list tag { type uint16; } leaf-list step { type string; ordered-by user; }
        anydata any;
        container presence { presence yes; }
      }
    }
    """
  let fixture = EditFixture(schema: TestSchema(test: module))

  static let content = """
    <top xmlns:t='urn:test:test'><name>grün</name><number>4294967295</number><small>-128</small>
    <fraction>-0.125</fraction><flag>true</flag><void/><data>AAEC</data><color>green</color>
    <rights>read run</rights><kind>t:dog</kind><where>/t:top/t:item[t:a='x'][t:b='1']/t:text</where>
    <either>none</either><item><a>x</a><b>1</b><text>1</text></item><item><a>x</a><b>2</b><sub><x>y</x></sub></item>
    <rule><id>z</id></rule><rule><id>a</id><text>1</text></rule><tag>3</tag><tag>1</tag><step>b</step><step>a</step>
    <any><x xmlns='urn:x'>1</x></any><presence/></top>
    """

  func decodeTree(_ bytes: [UInt8], same: Bool, in schema: Schema? = nil) throws -> TreeCoder.Decoded<InteriorNode> {
    try TreeCoder.decodeTree(bytes, schema: schema ?? fixture.schema.schema, isSameSchema: same, sealer: nil)
  }

  @Test(arguments: [true, false]) func treesComeBack(same: Bool) throws {
    let tree = try fixture.tree(Self.content)
    let bytes = TreeCoder.encode(tree)
    let decoded = try decodeTree(bytes, same: same)
    #expect(decoded.problems.isEmpty, "\(decoded.problems)")
    #expect(decoded.content == tree)
    #expect(bytes.count < 700, "\(bytes.count) bytes")
  }

  @Test func theEmptyTree() throws {
    let tree = InteriorNode(schema: fixture.schema.root)
    #expect(try decodeTree(TreeCoder.encode(tree), same: true).content == tree)
  }

  @Test func anotherSchemaTakesWhatStillFits() throws {
    let tree = try fixture.tree(Self.content)
    let changed = Self.module
      .replacing("leaf number { type uint32; }", with: "leaf number { type uint8; }")
      .replacing(
        "leaf name { type string; }", with: "container added { leaf n { type string; } } leaf title { type string; }"
      )
      .replacing("enum green;", with: "enum blue;")
      .replacing("leaf small { type int8; }", with: "leaf small { type string; }")
      .replacing("container presence { presence yes; }", with: "leaf presence { type empty; }")
      .replacing("key \"a b\";", with: "key \"a\";")
    let schema = TestSchema(test: changed).schema
    let decoded = try decodeTree(TreeCoder.encode(tree), same: false, in: schema)
    let problems = decoded.problems.map(\.description).joined(separator: "\n")
    #expect(decoded.problems.count == 5, "\(problems)")
    #expect(problems.contains("/test:top/test:name: the schema does not have it"))
    #expect(problems.contains("/test:top/test:number: its value does not fit any more"))
    #expect(problems.contains("/test:top/test:color: its value does not fit any more"))
    #expect(problems.contains("/test:top/presence: it was another kind of node"), "\(problems)")
    #expect(problems.contains("two entries have the same keys now"))
    let top = try #require(decoded.content.container("top"))
    #expect(top.leaf("small") == .string("-128"))
    #expect(top.entries("item")?.count == 1)
    #expect(top.leaf("flag") == .boolean(true))
  }

  @Test func anyDamageIsAnErrorOrAnotherTreeButNeverACrash() throws {
    let bytes = TreeCoder.encode(try fixture.tree(Self.content))
    for count in 0..<bytes.count {
      #expect(throws: TreeCodingError.self, "cut at \(count)") { try decodeTree(Array(bytes[..<count]), same: true) }
    }
    var generator = SeededGenerator(seed: 77)
    for _ in 0..<1500 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let index = Int.random(in: 0..<damaged.count, using: &generator)
        damaged[index] = UInt8.random(in: 0...255, using: &generator)
      }
      _ = try? decodeTree(damaged, same: Bool.random(using: &generator))
    }
    for _ in 0..<2000 {
      let noise =
        TreeCoder.mark + [1, 1]
        + (0..<Int.random(in: 0...200, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
      _ = try? decodeTree(noise, same: true)
    }
  }

  @Test(arguments: [4, 44, 444, 4444] as [UInt64])
  func diffsLeadFromOneTreeToTheNext(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var tree = InteriorNode(schema: fixture.schema.root)
    for round in 0..<120 {
      let next = try fixture.tree(Self.random(&generator))
      let diff = Diff(from: tree, to: next)
      let result = try diff.applied(to: tree)
      #expect(result == next, "seed \(seed), round \(round): \(diff.changes)")
      let withOld = Bool.random(using: &generator)
      let stored = TreeCoder.encode(diff, withOld: withOld)
      let decoded = try TreeCoder.decodeDiff(
        stored, schema: fixture.schema.schema, isSameSchema: round % 2 == 0, sealer: nil)
      #expect(decoded.problems.isEmpty, "seed \(seed), round \(round): \(decoded.problems)")
      #expect(decoded.content.changes.count == diff.changes.count)
      #expect(try decoded.content.applied(to: tree) == next, "seed \(seed), round \(round)")
      #expect(try decoded.content.applied(to: next) == next || diff.changes.contains { $0.after != nil }, "again")
      tree = next
    }
  }

  static func random(_ generator: inout SeededGenerator) -> String {
    func maybe(_ text: @autoclosure () -> String) -> String { Bool.random(using: &generator) ? text() : "" }
    func pick(_ texts: String...) -> String { texts.randomElement(using: &generator) ?? "" }
    func some(_ count: Int) -> [Int] {
      (0..<count).shuffled(using: &generator).prefix(Int.random(in: 0...count, using: &generator)).map { $0 }
    }
    var text = maybe("<name>\(pick("a", "b"))</name>") + maybe("<kind>\(pick("dog"))</kind>")
    text += maybe("<either>\(pick("1", "none", "dog"))</either>") + maybe("<presence/>")
    for id in some(30) {
      text += "<item><a>k\(id % 5)</a><b>\(id)</b>\(maybe("<text>\(pick("1", "2"))</text>"))"
      text += maybe("<sub><x>\(pick("1", "2"))</x></sub>") + "</item>"
    }
    for id in some(9) { text += "<rule><id>r\(id)</id>\(maybe("<text>\(pick("1", "2"))</text>"))</rule>" }
    for id in some(6) { text += "<tag>\(id)</tag>" }
    for id in some(6) { text += "<step>s\(id)</step>" }
    return text.isEmpty ? "" : "<top>\(text)</top>"
  }

  @Test func secretsAreStoredOnlySealed() throws {
    let sealer = try Sealer(MasterKey(SecretBytes(copying: [UInt8](repeating: 7, count: 32))))
    let clear = "correct-horse-battery"
    let sealed = try sealer.seal(SecretBytes(copying: Array(clear.utf8)))
    let schema = fixture.schema("top/name")
    var top = InteriorBuilder(schema: fixture.schema("top"))
    top.set(schema, leaf: .sealed(sealed))
    let tree = InteriorNode(
      schema: fixture.schema.root, slots: [.init(fixture.schema("top"), .container(top.build()))])
    let bytes = TreeCoder.encode(tree)
    #expect(!String(decoding: bytes, as: UTF8.self).contains(clear))
    // The leaf is no secret in this schema: then the value does not fit, and is not opened.
    let decoded = try decodeTree(bytes, same: true)
    #expect(decoded.content.isEmpty)
    #expect(decoded.problems.count == 1)
  }

  @Test func fingerprints() {
    let one = SchemaFingerprint(of: fixture.schema.schema)
    #expect(one == SchemaFingerprint(of: TestSchema(test: Self.module).schema))
    #expect(one != SchemaFingerprint(of: TestSchema(test: Self.module.replacing("uint32", with: "uint16")).schema))
    #expect(one.bytes.count == 16)
  }
}

extension String {
  fileprivate func replacing(_ old: String, with new: String) -> String {
    var result = ""
    var rest = Substring(self)
    while let range = rest.firstRange(of: old) {
      result += rest[..<range.lowerBound] + new
      rest = rest[range.upperBound...]
    }
    return result + rest
  }
}
