// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

/// What recovery does with each commit: its stored diff, made on the tree before, gives the tree after.
@Suite struct ReplayTests {
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
  @Test func replaysRandomEdits() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("replayed edits: seed \(seed)")
    var random = SeededRandom(seed)
    let fixture = try ConfigurationFixture(Self.module)
    var tree = InteriorNode(schema: fixture.schema.root)
    for round in 0..<1500 {
      var next = tree
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        next = (try? fixture.edited(next, Self.randomEdit(&random))) ?? next
      }
      let diff = Diff(from: tree, to: next)
      let decoded = try TreeCoder.decodeDiff(
        TreeCoder.encode(diff), schema: fixture.schema, isSameSchema: round % 2 == 0, sealer: nil)
      #expect(decoded.problems.isEmpty, "seed \(seed), round \(round): \(decoded.problems)")
      let patched = try decoded.content.applied(to: tree)
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
