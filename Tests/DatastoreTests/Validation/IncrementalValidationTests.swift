// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing
import YANG

@testable import Datastore

/// For random changes of valid configurations, the incremental verdict is the full one.
@Suite struct IncrementalValidationTests {
  static let schemas = [
    // Conditions, choices with defaults, implicit nodes.
    """
    module a { yang-version 1.1; namespace "urn:a"; prefix a;
      list a { key k; leaf k { type string; } leaf kind { type enumeration { enum x; enum y; } }
        leaf only-x { when "../kind = 'x'"; type string; must "not(../../b[k=current()])"; }
        choice c { default d1;
          case d1 { leaf l1 { type uint8; default 1; must "not(../../limit) or . < ../../limit"; } }
          case d2 { leaf l2 { type uint8; } container n { leaf l3 { type uint8; default 2; must ". != ../../l2"; } } } }
        container np { must "../kind or not(../only-x)";
          leaf z { when "count(../../../b) > 1"; type uint8; default 3; must ". < 3 or ../../kind"; } } }
      list b { key k; ordered-by user; leaf k { type string; } leaf on { type boolean; default true; }
        leaf pos { type uint8; must "count(../preceding-sibling::b) < 2"; } }
      leaf limit { type uint8; }
      container top { when "../limit > 0"; presence p; leaf m { type uint8; mandatory true; } }
    }
    """,
    // References, aggregates, deep paths.
    """
    module b { yang-version 1.1; namespace "urn:b"; prefix b;
      identity base; identity one { base base; } identity two { base one; }
      list a { key "i j"; leaf i { type uint8; } leaf j { type string; }
        leaf ref { type leafref { path "../../t/k"; } must "deref(.)/../on = 'true'"; }
        leaf kind { type identityref { base base; } must "not(derived-from(., 'b:one')) or ../ref"; }
        list sub { key n; max-elements 2; leaf n { type uint8; } leaf v { type uint8; }
          must "not(../sub[v = current()/v][n != current()/n])"; unique v; }
        leaf-list tags { type leafref { path "/t/k"; } }
        leaf pick { type leafref { path "../../a[i=current()/../i]/sub/n"; } } }
      list t { key k; leaf k { type string; } leaf on { type boolean; default true; } leaf any { type union { type leafref { path "../../a/i"; } type string { length 1; } } } }
      container sums { leaf s { type uint8; must "sum(//v) <= . + 3"; } leaf few { type uint8; must "count(/a[i > 1]/sub) <= ."; }
        leaf text { type string; must "string(/t[1]/k) != ."; } }
      container all { presence p; choice must-have { mandatory true; case x { leaf x { type uint8; } } case y { leaf-list y { type uint8; min-elements 2; } } } }
    }
    """,
  ]

  @Test(arguments: schemas.indices) func verdictsAreEqual(_ index: Int) throws {
    let rounds = ProcessInfo.processInfo.environment["AGENTD_LONG"] == "1" ? 200_000 : 4000
    let seed = UInt64.random(in: 0...UInt64.max)
    print("incremental validation: schema \(index), seed \(seed)")
    let schema = try ConfigurationFixture(Self.schemas[index]).schema
    let validator = Validator(schema: schema)
    var maker = RandomConfiguration(schema: schema, random: SeededRandom(seed))
    var valid = InteriorNode(schema: schema.root)
    var (accepted, refused) = (0, 0)
    for round in 0..<rounds {
      var next = valid
      for _ in 0..<Int.random(in: 1...3, using: &maker.random) { next = maker.changed(next) }
      let full = Set(summary(validator.validate(next)))
      let incremental = Set(summary(validator.validate(old: valid, new: next)))
      if full != incremental {
        let changes = Diff(from: valid, to: next).changes.map { "\($0.kind) \($0.path)" }
        Issue.record(
          "schema \(index), seed \(seed), round \(round): \(changes): in full \(full), incrementally \(incremental)")
        return
      }
      if full.isEmpty {
        valid = next
        accepted += 1
      } else {
        refused += 1
      }
    }
    #expect(accepted > rounds / 20 && refused > rounds / 20, "accepted \(accepted), refused \(refused)")
  }

  @Test func conditionsHoldAfterEdits() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("conditions: seed \(seed)")
    let schema = try ConfigurationFixture(Self.schemas[0]).schema
    let validator = Validator(schema: schema)
    var maker = RandomConfiguration(schema: schema, random: SeededRandom(seed))
    var tree = InteriorNode(schema: schema.root)
    var (deleted, refused) = (0, 0)
    for round in 0..<4000 {
      let next = maker.changed(tree)
      guard let resolved = try? validator.resolvingConditions(from: tree, to: next) else {
        refused += 1
        continue
      }
      if resolved != next { deleted += 1 }
      let left = validator.validate(resolved).filter { $0.tag == .unknownElement }
      #expect(left.isEmpty, "seed \(seed), round \(round): \(summary(left))")
      tree = resolved
    }
    #expect(deleted > 10 && refused > 10, "deleted \(deleted), refused \(refused)")
  }
}
