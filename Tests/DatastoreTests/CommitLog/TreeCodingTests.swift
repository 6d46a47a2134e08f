// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing
import YANG

@testable import Datastore

@Suite struct TreeCodingTests {
  static let module = """
    module a { yang-version 1.1; namespace "urn:a"; prefix a;
      identity base; identity one { base base; }
      container all {
        leaf text { type string; } leaf small { type int8; } leaf big { type uint64; } leaf flag { type boolean; }
        leaf none { type empty; } leaf price { type decimal64 { fraction-digits 3; } } leaf bytes { type binary; }
        leaf colour { type enumeration { enum red; enum green; } } leaf bits { type bits { bit up; bit down; } }
        leaf kind { type identityref { base base; } } leaf either { type union { type uint8; type string; } }
        leaf pointer { type instance-identifier { require-instance false; } }
        leaf-list tag { type string; } leaf-list order { type uint8; ordered-by user; }
        anydata free;
      }
      list item { key "a b"; leaf a { type uint8; } leaf b { type string; } leaf v { type int32; }
        container in { list deep { key k; leaf k { type uint8; } leaf w { type string; } } } }
      list queue { key k; ordered-by user; leaf k { type uint8; } leaf v { type string; } }
    }
    """
  static let everything = """
    <all><text>t &amp; ü</text><small>-128</small><big>18446744073709551615</big><flag>true</flag><none/>
    <price>-12.345</price><bytes>AAEC/w==</bytes><colour>green</colour><bits>up down</bits><kind>one</kind>
    <either>x</either><pointer>/a:item[a:a='1'][a:b='x']/a:in/a:deep[a:k='3']</pointer><tag>b</tag><tag>a</tag>
    <order>3</order><order>1</order><free><x xmlns="urn:x">y</x></free></all>
    <item><a>1</a><b>x</b><v>-5</v><in><deep><k>3</k><w>w</w></deep></in></item><item><a>2</a><b>y</b></item>
    <queue><k>2</k></queue><queue><k>1</k><v>v</v></queue>
    """

  @Test func readsWhatItWrote() throws {
    let fixture = try ConfigurationFixture(Self.module)
    for content in ["", Self.everything] {
      let tree = try fixture.tree(content)
      for isForeign in [false, true] {
        var decoder = TreeDecoder(TreeEncoder.encode(tree), schema: fixture.schema, isForeign: isForeign)
        #expect(try decoder.tree() == tree)
        #expect(decoder.problems.isEmpty, "\(decoder.problems)")
      }
    }
  }

  @Test func refusesDamagedBytesWithoutHarm() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("damaged coding: seed \(seed)")
    var random = SeededRandom(seed)
    let fixture = try ConfigurationFixture(Self.module)
    let tree = try fixture.tree(Self.everything)
    let good = TreeEncoder.encode(tree)
    let diff = TreeEncoder.encode(Diff(from: InteriorNode(schema: fixture.schema.root), to: tree))
    for length in 0..<good.count {
      var decoder = TreeDecoder(Array(good.prefix(length)), schema: fixture.schema, isForeign: false)
      #expect(throws: TreeDecoder.Failure.self) { try decoder.tree() }
    }
    // Whatever stands there: an answer or an error, and no crash.
    for _ in 0..<5000 {
      var (bytes, changes) = (good, diff)
      bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      changes[Int.random(in: 0..<changes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      var decoder = TreeDecoder(bytes, schema: fixture.schema, isForeign: Bool.random(using: &random))
      _ = try? decoder.tree()
      var other = TreeDecoder(changes, schema: fixture.schema, isForeign: Bool.random(using: &random))
      if let found = try? other.diff() { _ = try? TreePatch.apply(found, to: tree) }
    }
  }

  @Test func leavesOutWhatTheModulesDoNotHaveAnyMore() throws {
    let before = try ConfigurationFixture(Self.module)
    let after = try ConfigurationFixture(
      """
      module a { yang-version 1.1; namespace "urn:a"; prefix a;
        container all { leaf text { type uint8; } leaf small { type string; } leaf flag { type boolean; } }
        list item { key "a b"; leaf a { type uint8; } leaf b { type string; } container v { } }
      }
      """)
    let tree = try before.tree(Self.everything)
    var decoder = TreeDecoder(TreeEncoder.encode(tree), schema: after.schema, isForeign: true)
    let expected = try after.tree(
      "<all><small>-128</small><flag>true</flag></all><item><a>1</a><b>x</b></item><item><a>2</a><b>y</b></item>")
    #expect(try decoder.tree() == expected)
    #expect(decoder.problems.contains { $0.contains("a:queue") }, "\(decoder.problems)")
    #expect(decoder.problems.contains { $0.contains("/a:all/text") }, "\(decoder.problems)")
  }

  @Test func replaysRandomEdits() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("replayed edits: seed \(seed)")
    var random = SeededRandom(seed)
    let fixture = try ConfigurationFixture(Self.module)
    var tree = InteriorNode(schema: fixture.schema.root)
    for round in 0..<400 {
      var next = tree
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        next = (try? fixture.edited(next, Self.randomEdit(&random))) ?? next
      }
      let diff = Diff(from: tree, to: next)
      var decoder = TreeDecoder(TreeEncoder.encode(diff), schema: fixture.schema, isForeign: round % 2 == 0)
      let patched = try TreePatch.apply(decoder.diff(), to: tree)
      #expect(patched == next, "seed \(seed), round \(round)")
      if patched != next { return }
      tree = next
    }
  }

  static func randomEdit(_ random: inout SeededRandom) -> String {
    func number(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }
    let removed = number(3) == 0 ? " xmlns:nc='urn:ietf:params:xml:ns:netconf:base:1.0' nc:operation='remove'" : ""
    let yang = "xmlns:yang='urn:ietf:params:xml:ns:yang:1'"
    switch number(9) {
    case 0: return "<all><text\(removed)>\(number(5))</text></all>"
    case 1: return "<all><tag\(removed)>\(number(6))</tag></all>"
    case 2:
      let place = ["first", "last"][number(2)]
      return "<all><order \(yang) \(removed.isEmpty ? "yang:insert='\(place)'" : removed)>\(number(5))</order></all>"
    case 3: return "<item\(removed)><a>\(number(4))</a><b>\(number(2))</b></item>"
    case 4: return "<item><a>\(number(4))</a><b>0</b><v>\(number(9))</v></item>"
    case 5: return "<item><a>\(number(4))</a><b>1</b><in><deep\(removed)><k>\(number(3))</k></deep></in></item>"
    case 6:
      let place = ["first", "last"][number(2)]
      return "<queue \(yang) \(removed.isEmpty ? "yang:insert='\(place)'" : removed)><k>\(number(6))</k></queue>"
    case 7: return "<queue><k>\(number(6))</k><v>\(number(9))</v></queue>"
    default: return "<all\(removed)/>"
    }
  }
}
