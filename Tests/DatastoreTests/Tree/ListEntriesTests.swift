// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

@Suite struct ListEntriesTests {
  let schema = TestSchema([
    list("sorted", key: "id", [leaf("id", .uint32), leaf("text")]),
    list("ordered", key: "id", byUser: true, [leaf("id", .uint32), leaf("text")]),
    list("keyless", [leaf("text")]).state,
    list("two", key: "a b", [leaf("a"), leaf("b", .int32), leaf("text")]),
  ])

  func entry(_ list: String, _ id: UInt64, _ text: String = "") -> InteriorNode {
    let node = schema(list)
    return InteriorNode(
      schema: node,
      slots: [.init(node.dataChildren[0], .leaf(.uint(id))), .init(node.dataChildren[1], .leaf(.string(text)))])
  }

  func ids(_ list: ListEntries) -> [UInt64] {
    list.map { if case .uint(let id)? = $0.leaf("id") { id } else { .max } }
  }

  @Test func makesSortedListFromAnyOrderAndReportsRepeatedKeys() {
    let made = ListEntries.make(
      schema: schema("sorted"), entries: [5, 3, 9, 3, 1].map { entry("sorted", $0) })
    #expect(ids(made.list) == [1, 3, 5, 9])
    #expect(made.repeated.count == 1)
    #expect(made.list.find([.uint(9)]) != nil)
    #expect(made.list.find([.uint(4)]) == nil)
    #expect(made.list.find([.string("9")]) == nil)
    #expect(made.list.find([]) == nil)
  }

  @Test func sortsByEveryKeyInTurn() {
    let node = schema("two")
    func two(_ a: String, _ b: Int64) -> InteriorNode {
      InteriorNode(
        schema: node,
        slots: [.init(node.dataChildren[0], .leaf(.string(a))), .init(node.dataChildren[1], .leaf(.int(b)))])
    }
    let list = ListEntries.make(schema: node, entries: [two("b", 1), two("a", 10), two("a", -2), two("B", 3)]).list
    #expect(
      list.map(\.keys) == [
        [.string("B"), .int(3)], [.string("a"), .int(-2)], [.string("a"), .int(10)], [.string("b"), .int(1)],
      ])
    #expect(list.find([.string("a"), .int(10)]) != nil)
  }

  @Test func oldVersionsStayAsTheyWere() {
    let first = ListEntries.make(schema: schema("sorted"), entries: (0..<1000).map { entry("sorted", $0) }).list
    let second = first.setting(entry("sorted", 500, "new")).removing([[.uint(3)], [.uint(4000)]])
    #expect(first.count == 1000)
    #expect(first.find([.uint(500)])?.leaf("text") == .string(""))
    #expect(second.count == 999)
    #expect(second.find([.uint(500)])?.leaf("text") == .string("new"))
    #expect(second.find([.uint(3)]) == nil)
  }

  @Test func aSmallChangeSharesNearlyAllNodes() throws {
    let first = ListEntries.make(schema: schema("sorted"), entries: (0..<100_000).map { entry("sorted", $0) }).list
    let second = first.setting(entry("sorted", 77_777, "x"))
    var visited = 0
    guard case .sorted(let old) = first.storage, case .sorted(let new) = second.storage else {
      Issue.record("not sorted lists")
      return
    }
    var comparison = TreeComparison(old, new)
    while let next = comparison.next() {
      visited += 1
      #expect(next.old?.entry.keys == [.uint(77_777)])
    }
    #expect(visited == 1)
  }

  @Test(arguments: [1, 7, 42, 20_261_121] as [UInt64])
  func sortedListAgreesWithPlainArray(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var model: [UInt64: String] = [:]
    var list = ListEntries(schema: schema("sorted"))
    for round in 0..<120 {
      let size = Int.random(in: 1...(round % 7 == 0 ? 400 : 5), using: &generator)
      let keys = (0..<size).map { _ in UInt64.random(in: 0..<1500, using: &generator) }
      if Bool.random(using: &generator) {
        list = list.setting(keys.map { entry("sorted", $0, "\(round)") })
        for key in keys { model[key] = "\(round)" }
      } else {
        list = list.removing(keys.map { [.uint($0)] })
        for key in keys { model[key] = nil }
      }
      let expected = model.keys.sorted()
      #expect(ids(list) == expected, "seed \(seed), round \(round)")
      #expect(list.count == expected.count, "seed \(seed), round \(round)")
      check(list, seed: seed)
      if let probe = expected.randomElement(using: &generator) {
        let place = expected.firstIndex(of: probe)
        #expect(list.find([.uint(probe)])?.leaf("text") == model[probe].map { .string($0) }, "seed \(seed)")
        #expect(list.place(of: [.uint(probe)]) == place, "seed \(seed)")
        #expect(list.entry(at: place ?? 0)?.keys == [.uint(probe)], "seed \(seed)")
      }
    }
  }

  /// All leaves at one depth, no node too big, counts and first elements right.
  func check(_ list: ListEntries, seed: UInt64) {
    guard case .sorted(let root) = list.storage else { return }
    func walk(_ node: TreeNode<KeyedEntry>) -> (height: Int, count: Int) {
      #expect(node.elements.count <= TreeNode<KeyedEntry>.capacity, "seed \(seed)")
      guard !node.isLeaf else { return (0, node.elements.count) }
      let below = node.children.map(walk)
      #expect(Set(below.map(\.height)).count == 1, "seed \(seed)")
      #expect(below.reduce(0) { $0 + $1.count } == node.count, "seed \(seed)")
      for (child, first) in zip(node.children, node.elements) {
        #expect(child.elements[0].entry === first.entry, "seed \(seed)")
      }
      return (below[0].height + 1, node.count)
    }
    _ = walk(root)
  }

  @Test(arguments: [2, 11, 99] as [UInt64])
  func userOrderedListAgreesWithPlainArray(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var model: [UInt64] = []
    var list = ListEntries(schema: schema("ordered"))
    for round in 0..<600 {
      let id = UInt64.random(in: 0..<120, using: &generator)
      let neighbour = model.randomElement(using: &generator) ?? 0
      let new = entry("ordered", id, "\(round)")
      switch Int.random(in: 0..<6, using: &generator) {
      case 0:
        list = list.removing([.uint(id)])
        model.removeAll { $0 == id }
      case 1:
        list = list.placing(new, .first) ?? list
        model.removeAll { $0 == id }
        model.insert(id, at: 0)
      case 2:
        list = list.placing(new, .last) ?? list
        model.removeAll { $0 == id }
        model.append(id)
      case 3, 4:
        let isBefore = Bool.random(using: &generator)
        let placed = list.placing(new, isBefore ? .before([.uint(neighbour)]) : .after([.uint(neighbour)]))
        if let placed {
          list = placed
          model.removeAll { $0 == id }
          model.insert(id, at: (model.firstIndex(of: neighbour) ?? 0) + (isBefore ? 0 : 1))
        } else {
          #expect(id == neighbour || !model.contains(neighbour), "seed \(seed), round \(round)")
        }
      default:
        list = list.setting(new)
        if !model.contains(id) { model.append(id) }
      }
      #expect(ids(list) == model, "seed \(seed), round \(round)")
      if let probe = model.first { #expect(list.place(of: [.uint(probe)]) == 0, "seed \(seed), round \(round)") }
    }
  }

  @Test func labelsAreDealtAnewWhenThereIsNoRoom() {
    var list = ListEntries.make(schema: schema("ordered"), entries: [entry("ordered", 1), entry("ordered", 2)]).list
    for id in 3..<200 { list = list.placing(entry("ordered", UInt64(id)), .after([.uint(1)])) ?? list }
    #expect(ids(list) == [1] + (3..<200).reversed().map { UInt64($0) } + [2])
  }

  @Test func userOrderedListKeepsOrderAndReportsRepeatedKeys() {
    let made = ListEntries.make(schema: schema("ordered"), entries: [5, 3, 5, 1].map { entry("ordered", $0) })
    #expect(ids(made.list) == [5, 3, 1])
    #expect(made.repeated.count == 1)
  }

  @Test func keylessListMayRepeat() {
    let node = schema("keyless")
    let same = InteriorNode(schema: node, slots: [.init(node.dataChildren[0], .leaf(.string("x")))])
    let list = ListEntries.make(schema: node, entries: [same, same, same]).list
    #expect(list.count == 3)
    #expect(list.entry(at: 2) == same)
    #expect(list.setting([same]).count == 4)
  }

  @Test func aKeptIteratorGoesOnWhereItStood() {
    let list = ListEntries.make(schema: schema("sorted"), entries: (0..<300).map { entry("sorted", $0) }).list
    var iterator = list.makeIterator()
    for _ in 0..<130 { _ = iterator.next() }
    var kept = iterator
    _ = list.removing((0..<300).map { [.uint($0)] })
    var rest: [UInt64] = []
    while let next = kept.next() { if case .uint(let id)? = next.leaf("id") { rest.append(id) } }
    #expect(rest == Array(130..<300))
  }
}
