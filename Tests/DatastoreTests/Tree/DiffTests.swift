// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

@Suite struct DiffTests {
  let schema = TestSchema([
    container(
      "top",
      [
        leaf("name"),
        container("inner", presence: true, [leaf("a"), leaf("b", .uint8)]),
        list("item", key: "id", [leaf("id", .uint32), leaf("text"), container("deep", [leaf("x")])]),
        list("rule", key: "id", byUser: true, [leaf("id", .uint32), leaf("text")]),
        leafList("tag"),
        leafList("step", byUser: true),
      ])
  ])

  func top(_ slots: [(String, DataNode)]) -> InteriorNode {
    var builder = InteriorBuilder(schema: schema("top"))
    for (name, node) in slots { builder.set(schema("top/\(name)"), node) }
    var root = InteriorBuilder(schema: schema.root)
    root.set(schema("top"), .container(builder.build()))
    return root.build()
  }

  func entry(_ list: String, _ id: UInt64, _ text: String = "", deep: String? = nil) -> InteriorNode {
    let node = schema("top/\(list)")
    var builder = InteriorBuilder(schema: node)
    builder.set(node.dataChildren[0], leaf: .uint(id))
    builder.set(node.dataChildren[1], leaf: .string(text))
    if let deep {
      var below = InteriorBuilder(schema: node.dataChildren[2])
      below.set("x", .leaf(.string(deep)))
      builder.set("deep", .container(below.build()))
    }
    return builder.build()
  }

  func entries(_ list: String, _ entries: [InteriorNode]) -> DataNode {
    .list(ListEntries.make(schema: schema("top/\(list)"), entries: entries).list)
  }

  func describe(_ changes: [Change]) -> [String] {
    changes.map { change in
      let after = change.after.map { " after " + ($0.isEmpty ? "none" : $0.map(\.moduleQualifiedText).joined()) } ?? ""
      return "\(change.kind) \(change.path)\(after)"
    }
  }

  @Test func sameTreesDoNotDiffer() {
    let one = top([("name", .leaf(.string("x"))), ("item", entries("item", [entry("item", 1)]))])
    let two = top([("name", .leaf(.string("x"))), ("item", entries("item", [entry("item", 1)]))])
    #expect(Diff(from: one, to: one).isEmpty)
    #expect(Diff(from: one, to: two).isEmpty)
  }

  @Test func leavesAndContainers() {
    let old = top([("name", .leaf(.string("x")))])
    let inner = InteriorNode(schema: schema("top/inner"))
    let new = top([("name", .leaf(.string("y"))), ("inner", .container(inner))])
    #expect(
      describe(Diff.changes(from: old, to: new)) == ["modified /test:top/test:name", "created /test:top/test:inner"])
    #expect(
      describe(Diff.changes(from: new, to: old)) == ["modified /test:top/test:name", "deleted /test:top/test:inner"])
  }

  @Test func aWholeListIsOneChange() {
    let new = top([("item", entries("item", (0..<100_000).map { entry("item", $0) }))])
    let changes = Diff.changes(from: InteriorNode(schema: schema.root), to: new)
    #expect(describe(changes) == ["created /test:top"])
    #expect(
      describe(Diff.changes(from: top([("name", .leaf(.string("x")))]), to: new)) == [
        "deleted /test:top/test:name", "created /test:top/test:item",
      ])
  }

  @Test func entriesByKey() {
    let old = top([("item", entries("item", (0..<500).map { entry("item", $0) }))])
    let new = top([
      ("item", entries("item", (1..<501).map { $0 == 77 ? entry("item", $0, "", deep: "d") : entry("item", $0) }))
    ])
    #expect(
      describe(Diff.changes(from: old, to: new)) == [
        "deleted /test:top/test:item[test:id='0']",
        "created /test:top/test:item[test:id='77']/test:deep",
        "created /test:top/test:item[test:id='500']",
      ])
  }

  @Test func movedEntriesOfUserOrderedLists() throws {
    let rules = ListEntries.make(schema: schema("top/rule"), entries: (1...5).map { entry("rule", $0) }).list
    let moved = try #require(rules.placing(entry("rule", 5), .after([.uint(1)])))
    let changes = Diff.changes(from: top([("rule", .list(rules))]), to: top([("rule", .list(moved))]))
    #expect(describe(changes) == ["moved /test:top/test:rule[test:id='5'] after 1"])
    // The same with lists that share nothing.
    let anew = entries("rule", [1, 5, 2, 3, 4].map { entry("rule", $0) })
    #expect(
      describe(Diff.changes(from: top([("rule", .list(rules))]), to: top([("rule", anew)]))) == [
        "moved /test:top/test:rule[test:id='5'] after 1"
      ])
  }

  @Test func everyReorderingLeadsToTheNewOrder() throws {
    var generator = SeededGenerator(seed: 31)
    var rules = ListEntries.make(schema: schema("top/rule"), entries: (0..<6).map { entry("rule", $0) }).list
    for round in 0..<300 {
      var next = rules
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let id = UInt64.random(in: 0..<6, using: &generator)
        let neighbour = UInt64.random(in: 0..<6, using: &generator)
        let places: [ListEntries.Destination] = [
          .first, .last, .before([.uint(neighbour)]), .after([.uint(neighbour)]),
        ]
        next = places.randomElement(using: &generator).flatMap { next.placing(entry("rule", id), $0) } ?? next
      }
      let (old, new) = (top([("rule", .list(rules))]), top([("rule", .list(next))]))
      #expect(try Diff(from: old, to: new).applied(to: old) == new, "round \(round)")
      rules = next
    }
  }

  @Test func leafLists() {
    func tags(_ tags: [String]) -> DataNode { .leafList(tags.map { .string($0) }) }
    let sorted = Diff.changes(from: top([("tag", tags(["a", "c"]))]), to: top([("tag", tags(["b", "c"]))]))
    #expect(describe(sorted) == ["deleted /test:top/test:tag[.='a']", "created /test:top/test:tag[.='b']"])
    let ordered = Diff.changes(
      from: top([("step", tags(["a", "b", "c", "d"]))]), to: top([("step", tags(["d", "a", "n", "c"]))]))
    #expect(
      describe(ordered) == [
        "deleted /test:top/test:step[.='b']", "moved /test:top/test:step[.='d'] after none",
        "created /test:top/test:step[.='n'] after a",
      ])
  }

  @Test func instancesOfASubscribedList() {
    let old = top([("item", entries("item", [entry("item", 1), entry("item", 2), entry("item", 3)]))])
    let new = top([("item", entries("item", [entry("item", 2, "x"), entry("item", 3), entry("item", 4)]))])
    var seen: [String] = []
    Diff.forEachChanged(at: schema("top/item"), from: old, to: new) { path, old, new in
      seen.append("\(path) \(old != nil) \(new != nil)")
    }
    #expect(
      seen == [
        "/test:top/test:item[test:id='1'] true false", "/test:top/test:item[test:id='2'] true true",
        "/test:top/test:item[test:id='4'] false true",
      ])
    seen = []
    Diff.forEachChanged(at: schema("top/item/deep/x"), from: old, to: new) { path, _, _ in seen.append("\(path)") }
    #expect(seen.isEmpty)
    Diff.forEachChanged(at: schema("top/item/text"), from: InteriorNode(schema: schema.root), to: new) {
      path, old, new in
      seen.append("\(path) \(old != nil) \(new?.leafValue?.moduleQualifiedText ?? "-")")
    }
    #expect(seen.count == 3)
    #expect(seen[0] == "/test:top/test:item[test:id='2']/test:text false x")
  }

  @Test(arguments: [3, 33, 333] as [UInt64])
  func randomListsDifferExactlyWhereTheyDiffer(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var model: [UInt64: String] = [:]
    var list = ListEntries(schema: schema("top/item"))
    for round in 0..<60 {
      let (oldModel, oldList) = (model, list)
      for _ in 0..<Int.random(in: 1...60, using: &generator) {
        let id = UInt64.random(in: 0..<2000, using: &generator)
        if Int.random(in: 0..<3, using: &generator) == 0 {
          model[id] = nil
          list = list.removing([.uint(id)])
        } else {
          model[id] = "\(round % 3)"
          list = list.setting(entry("item", id, "\(round % 3)"))
        }
      }
      let touched = Set(model.keys).union(oldModel.keys).filter { model[$0] != oldModel[$0] }
      let changes = Diff.changes(from: top([("item", .list(oldList))]), to: top([("item", .list(list))]))
      guard !oldList.isEmpty, !list.isEmpty else { continue }
      #expect(changes.count == touched.count, "seed \(seed), round \(round)")
    }
  }

  @Test func paths() {
    let path = InstancePath.root.appending(schema("top")).appending(schema("top/item"), keys: [.uint(7)])
    #expect("\(path)" == "/test:top/test:item[test:id='7']")
    let prefixed = path.prefixed()
    #expect(prefixed.text == "/t:top/t:item[t:id='7']")
    #expect(prefixed.namespaces.map(\.namespace) == ["urn:test:test"])
    #expect(InstancePath.quoted("it's") == "\"it's\"")
    #expect(InstancePath.quoted("it's \"x\"") == "concat('it',\"'\",'s \"x\"')")
    let tree = top([("item", entries("item", [entry("item", 7, "x")]))])
    #expect(tree.node(at: path.appending(schema("top/item/text")))?.leafValue == .string("x"))
    #expect(tree.node(at: InstancePath.root.appending(schema("top/item"), keys: [.uint(8)])) == nil)
    #expect(tree.nodeCount == 4)
  }
}
