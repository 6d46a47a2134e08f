// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

/// Changes find what they break by searching, at a cost that does not grow with the list.
@Suite struct SearchTests {
  static let module = """
    module s { yang-version 1.1; namespace urn:s; prefix s;
      container all {
        list target { key name; leaf name { type string; } leaf port { type uint16; } container sub { leaf tag { type string; } }
          unique "port sub/tag"; }
        list user { key id; leaf id { type uint32; } leaf uses { type leafref { path ../../target/name; } }
          leaf-list also { type leafref { path /all/target/name; } }
          list inner { key n; leaf n { type uint8; } leaf uses { type leafref { path "../../../target/name"; } } } }
      }
    }
    """

  /// Targets t0… and users 0…, where user n uses target n.
  private func tree(_ count: Int) throws -> (fixture: ConfigurationFixture, tree: InteriorNode) {
    let fixture = try ConfigurationFixture(Self.module)
    var text = "<all>"
    for number in 0..<count {
      text += "<target><name>t\(number)</name><port>\(number % 60_000)</port><sub><tag>x</tag></sub></target>"
      text += "<user><id>\(number)</id><uses>t\(number)</uses>"
      if number % 10 == 0 {
        text += "<also>t\((number + 1) % count)</also><inner><n>1</n><uses>t\((number + 2) % count)</uses></inner>"
      }
      text += "</user>"
    }
    return (fixture, try fixture.tree(text + "</all>"))
  }

  @Test(arguments: [10, 500]) func whatLosesItsTargetIsFound(_ count: Int) throws {
    let (fixture, tree) = try tree(count)
    let validator = Validator(schema: fixture.schema)
    #expect(validator.validate(tree).isEmpty)
    for target in [0, 1, 2, 3] {
      let edit = "<all><target nc:operation='delete'><name>t\(target)</name></target></all>"
      let next = try fixture.edited(tree, edit)
      let found = summary(validator.validate(old: tree, new: next))
      #expect(found.sorted() == summary(validator.validate(next)).sorted())
      #expect(found.count == (target == 1 || target == 2 ? 2 : 1), "t\(target): \(found)")
    }
    // Both ends at once: nothing is broken.
    let both = try fixture.edited(
      tree,
      "<all><target nc:operation='delete'><name>t3</name></target><user nc:operation='delete'><id>3</id></user></all>")
    #expect(validator.validate(old: tree, new: both).isEmpty)
    // And when the value stays but elsewhere.
    let moved = try fixture.edited(tree, "<all><user><id>3</id><uses>t4</uses></user></all>")
    let gone = try fixture.edited(moved, "<all><target nc:operation='delete'><name>t3</name></target></all>")
    #expect(validator.validate(old: moved, new: gone).isEmpty)
    #expect(!validator.validate(old: tree, new: gone).contains { $0.path?.description.contains("'3'") ?? false })
  }

  @Test(arguments: [10, 500]) func whatBecomesEqualIsFound(_ count: Int) throws {
    let (fixture, tree) = try tree(count)
    let validator = Validator(schema: fixture.schema)
    for (edit, isRepeated) in [
      ("<target><name>t5</name><port>6</port></target>", true),
      ("<target><name>t5</name><port>59999</port></target>", false),
      ("<target><name>new</name><port>6</port><sub><tag>x</tag></sub></target>", true),
      ("<target><name>new</name><port>6</port></target>", false),
      ("<target><name>t5</name><port>6</port><sub><tag>y</tag></sub></target>", false),
      ("<target><name>t5</name><port>6</port></target><target><name>t6</name><port>5</port></target>", false),
      (
        "<target><name>a</name><port>9</port><sub><tag>z</tag></sub></target>"
          + "<target><name>b</name><port>9</port><sub><tag>z</tag></sub></target>", true
      ),
    ] {
      let next = try fixture.edited(tree, "<all>\(edit)</all>")
      let found = validator.validate(old: tree, new: next)
      #expect(found.map(\.message) == validator.validate(next).map(\.message), "\(edit)")
      #expect(found.isEmpty != isRepeated, "\(edit): \(found.map(\.message))")
    }
  }

  @Test func everyRepetitionIsTold() throws {
    let (fixture, tree) = try tree(10)
    let next = try fixture.edited(
      tree,
      "<all><target><name>t1</name><port>0</port></target><target><name>t3</name><port>2</port></target></all>")
    let errors = Validator(schema: fixture.schema).validate(old: tree, new: next)
    #expect(errors.count == 2)
    #expect(
      errors.allSatisfy {
        $0.appTag == "data-not-unique" && $0.info.map(\.name) == Array(repeating: "non-unique", count: 4)
      })
  }

  @Test func summariesNeverMissAValue() {
    for count in [0, 1, 5, 64, 1000, 5000] {
      let hashes = (0..<count).map { _ in UInt32.random(in: 0...UInt32.max) }.sorted()
      let list = ValueSummary.hashes(hashes)
      let filter = ValueSummary.filter(of: [list, .hashes([])])
      #expect(hashes.allSatisfy { list.mayHold($0) && filter.mayHold($0) })
      let others = (0..<1000).map { _ in UInt32.random(in: 0...UInt32.max) }
      #expect(others.count { filter.mayHold($0) } < 200, "the filter of \(count) lets nearly all pass")
    }
    #expect(ValueSummary.filter(of: [.hashes([1]), .unknown]).mayHold(77))
  }
}

/// Many look-ups in one list.
@Suite struct KeyLookupTests {
  @Test(arguments: [10, 64, 65, 3000]) func findsWhatIsThereAndNothingElse(_ count: Int) throws {
    let schema = TestSchema([
      list("item", key: "id", [leaf("id", .uint32)]), list("own", key: "id", byUser: true, [leaf("id")]),
    ])
    for (name, value) in [("item", { Value.uint(UInt64($0)) }), ("own", { Value.string("k\($0)") })]
      as [(String, (Int) -> Value)]
    {
      let entries = (0..<count).map { number in
        InteriorNode(schema: schema(name), slots: [.init(schema("\(name)/id"), .leaf(value(2 * number)))])
      }
      let (list, _) = ListEntries.make(schema: schema(name), entries: entries.shuffled())
      let other = list.removing([value(0)])
      let lookups = KeyLookups()
      // Twice, before and after a table is made, by turns with another version of the list.
      for number in Array(0..<(2 * count)) + Array(0..<(2 * count)) {
        #expect(lookups.contains(value(number), in: list) == (number % 2 == 0))
        #expect(lookups.contains(value(number), in: other) == (number % 2 == 0 && number > 0))
      }
    }
  }
}
