// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

/// Random edits, and what a plain, slow model says of them.
@Suite struct EditPropertyTests {
  let fixture = EditFixture(
    schema: TestSchema([
      container(
        "top",
        [
          list("item", key: "id", [leaf("id", .uint32), leaf("a"), leaf("b")]),
          list("rule", key: "id", byUser: true, [leaf("id", .uint32), leaf("a"), leaf("b")]),
          leafList("step", .uint32, byUser: true),
        ])
    ]))

  struct Failure: Error {}

  /// A list of entries of an id and two leafs, in document order.
  struct Model: Equatable {
    struct Entry: Equatable {
      var id: Int
      var leafs: [String: String] = [:]
    }
    var entries: [Entry] = []

    func index(_ id: Int) -> Int? { entries.firstIndex { $0.id == id } }
  }

  struct RandomEdit {
    var id: Int
    var operation: String
    var leafs: [(name: String, operation: String, value: String)]
    var insert: (place: String, neighbour: Int)?

    func xml(_ list: String) -> String {
      var attributes = operation == "none" ? "" : " nc:operation='\(operation)'"
      if let insert {
        attributes += " yang:insert='\(insert.place)'"
        if insert.place == "before" || insert.place == "after" {
          attributes += " yang:key=\"[id='\(insert.neighbour)']\""
        }
      }
      let body = leafs.map { leaf in
        let attribute = leaf.operation == "none" ? "" : " nc:operation='\(leaf.operation)'"
        return "<\(leaf.name)\(attribute)>\(leaf.value)</\(leaf.name)>"
      }
      return "<\(list)\(attributes)>" + body.prefix(1).joined() + "<id>\(id)</id>" + body.dropFirst().joined()
        + "</\(list)>"
    }

    /// The rules of RFC 6241 section 7.2, one entry after the other.
    func apply(to model: inout Model, default byDefault: String) throws {
      let operation = self.operation == "none" ? byDefault : self.operation
      let index = model.index(id)
      var entry = Model.Entry(id: id)
      switch operation {
      case "delete", "remove":
        if operation == "delete", index == nil { throw Failure() }
        if let index { model.entries.remove(at: index) }
        return
      case "create": if index != nil { throw Failure() }
      case "replace": break
      case "merge": if let index { entry = model.entries[index] }
      default:
        guard let index else { throw Failure() }
        entry = model.entries[index]
      }
      for leaf in leafs {
        switch leaf.operation == "none" ? operation : leaf.operation {
        case "delete":
          guard entry.leafs[leaf.name] != nil else { throw Failure() }
          entry.leafs[leaf.name] = nil
        case "remove": entry.leafs[leaf.name] = nil
        case "create":
          guard entry.leafs[leaf.name] == nil else { throw Failure() }
          entry.leafs[leaf.name] = leaf.value
        case "none": if entry.leafs[leaf.name] == nil { throw Failure() }
        default: entry.leafs[leaf.name] = leaf.value
        }
      }
      guard let insert else {
        if let index { model.entries[index] = entry } else { model.entries.append(entry) }
        return
      }
      if insert.place == "before" || insert.place == "after",
        insert.neighbour == id || model.index(insert.neighbour) == nil
      {
        throw Failure()
      }
      if let index { model.entries.remove(at: index) }
      switch insert.place {
      case "first": model.entries.insert(entry, at: 0)
      case "last": model.entries.append(entry)
      case "before": model.entries.insert(entry, at: model.index(insert.neighbour) ?? 0)
      default: model.entries.insert(entry, at: (model.index(insert.neighbour) ?? 0) + 1)
      }
    }
  }

  func random(_ generator: inout SeededGenerator, ordered: Bool, range: Int) -> RandomEdit {
    // Mostly what succeeds, so that edits get somewhere.
    let operation =
      ["none", "none", "merge", "merge", "replace", "remove", "create", "delete"].randomElement(using: &generator) ?? ""
    var leafs: [(String, String, String)] = []
    for name in ["a", "b"] where Bool.random(using: &generator) {
      let own =
        ["none", "none", "merge", "replace", "remove", "create", "delete"].randomElement(using: &generator) ?? ""
      leafs.append((name, own, "\(Int.random(in: 0..<3, using: &generator))"))
    }
    var edit = RandomEdit(
      id: Int.random(in: 0..<range, using: &generator), operation: operation,
      leafs: leafs.map { (name: $0.0, operation: $0.1, value: $0.2) })
    let takesInsertion = ["none", "merge", "create", "replace"].contains(operation)
    if ordered, takesInsertion, Bool.random(using: &generator) {
      let place = ["first", "last", "before", "after"].randomElement(using: &generator) ?? ""
      edit.insert = (place, Int.random(in: 0..<range, using: &generator))
    }
    return edit
  }

  @Test(arguments: ["item", "rule"], [5, 55, 555] as [UInt64])
  func editsAgreeWithTheModel(list: String, seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var model = Model()
    var tree = InteriorNode(schema: fixture.schema.root)
    var successes = 0
    for round in 0..<500 {
      let byDefault = ["merge", "merge", "none"].randomElement(using: &generator) ?? ""
      let range = round % 10 == 0 ? 200 : 12
      let count = Int.random(in: 1...(round % 10 == 0 ? 60 : 3), using: &generator)
      var edits: [RandomEdit] = []
      for _ in 0..<count {
        var edit = random(&generator, ordered: list == "rule", range: range)
        // Many edits at once hardly ever succeed if any of them may fail.
        if count > 3 {
          if edit.operation == "create" || edit.operation == "none" { edit.operation = "merge" }
          if edit.operation == "delete" { edit.operation = "remove" }
          edit.leafs = edit.leafs.map {
            (name: $0.name, operation: $0.operation == "remove" ? "remove" : "merge", value: $0.value)
          }
          if let insert = edit.insert { edit.insert = (insert.place == "first" ? "first" : "last", 0) }
        }
        if !edits.contains(where: { $0.id == edit.id }) { edits.append(edit) }
      }
      var expected: Model? = model
      do {
        var next = model
        for edit in edits { try edit.apply(to: &next, default: byDefault) }
        if list == "item" { next.entries.sort { $0.id < $1.id } }
        expected = next
      } catch { expected = nil }
      let xml = edits.map { $0.xml(list) }.joined()
      let result = try? fixture.apply(
        "<top>\(xml)</top>", to: tree, default: EditOperation(rawValue: byDefault) ?? .merge)
      #expect((result == nil) == (expected == nil), "seed \(seed), round \(round): \(byDefault) \(xml)")
      guard let result, let expected else { continue }
      successes += 1
      #expect(read(result, list) == expected, "seed \(seed), round \(round): \(byDefault) \(xml)")
      #expect(try Diff(from: tree, to: result).applied(to: tree) == result, "seed \(seed), round \(round)")
      (model, tree) = (expected, result)
    }
    #expect(successes > 100)
  }

  func read(_ tree: InteriorNode, _ list: String) -> Model {
    var model = Model()
    for entry in tree.container("top")?.entries(list) ?? ListEntries(schema: fixture.schema("top/\(list)")) {
      var leafs: [String: String] = [:]
      for name in ["a", "b"] { leafs[name] = entry.leaf(name)?.asString }
      model.entries.append(Model.Entry(id: Int(entry.leaf("id")?.asUInt64 ?? 0), leafs: leafs))
    }
    return model
  }

  @Test func aThousandInsertionsIntoALeafList() throws {
    let values = (0..<3000).map { "<step yang:insert='first'>\($0)</step>" }.joined()
    let tree = try fixture.apply("<top>\(values)</top>", to: InteriorNode(schema: fixture.schema.root))
    let steps = tree.container("top")?.leafList("step") ?? []
    #expect(steps == (0..<3000).reversed().map { .uint(UInt64($0)) })
  }
}
