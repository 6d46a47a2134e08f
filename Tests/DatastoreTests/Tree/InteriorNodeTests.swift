// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

@Suite struct InteriorNodeTests {
  let fixture = EditFixture(
    schema: TestSchema([
      container(
        "top",
        [
          leaf("a"), leaf("b"), leaf("c"), container("plain", [leaf("x")]), container("presence", presence: true, []),
          list("item", key: "id", [leaf("id", .uint32), leaf("x")]), leafList("tag"),
        ])
    ]))

  var top: SchemaNode { fixture.schema("top") }

  func node(_ names: String...) -> InteriorNode {
    var builder = InteriorBuilder(schema: top)
    for name in names { builder.set(name, .leaf(.string(name))) }
    return builder.build()
  }

  func names(_ node: InteriorNode) -> [String] { node.slots.map { top.dataChildren[Int($0.position)].name } }

  @Test func childrenStandInSchemaOrderWhateverTheOrderOfBuilding() {
    #expect(names(node("c", "a", "b")) == ["a", "b", "c"])
    #expect(names(node("c", "c")) == ["c"])
    #expect(names(node()) == [])
  }

  @Test func replacingAddsChangesAndRemoves() {
    let a = fixture.schema("top/a"), b = fixture.schema("top/b"), c = fixture.schema("top/c")
    let old = node("a", "c")
    #expect(names(old.replacing(b, with: .leaf(.string("new")))) == ["a", "b", "c"])
    #expect(old.replacing(a, with: .leaf(.string("new"))).leaf(a) == .string("new"))
    #expect(names(old.replacing(a, with: nil)) == ["c"])
    #expect(names(old.replacing(c, with: nil)) == ["a"])
    #expect(names(node().replacing(c, with: .leaf(.string("new")))) == ["c"])
    #expect(old.replacing(b, with: nil) === old)
    #expect(names(old) == ["a", "c"], "the old version stays as it was")
  }

  @Test func voidContentIsNotKept() {
    let plain = fixture.schema("top/plain"), presence = fixture.schema("top/presence")
    let old = node("a")
    #expect(old.replacing(plain, with: .container(InteriorNode(schema: plain))) === old)
    #expect(names(old.replacing(presence, with: .container(InteriorNode(schema: presence)))) == ["a", "presence"])
    #expect(
      old.replacing(fixture.schema("top/item"), with: .list(ListEntries(schema: fixture.schema("top/item")))) === old)
    #expect(old.replacing(fixture.schema("top/tag"), with: .leafList([])) === old)
  }

  @Test func findsByPath() throws {
    let tree = try fixture.tree(
      "<top><a>1</a><plain><x>2</x></plain><item><id>7</id><x>3</x></item><tag>t</tag></top>")
    let path = InstancePath().appending(top)
    let item = path.appending(fixture.schema("top/item"), keys: [.uint(7)])
    #expect(tree.node(at: path.appending(fixture.schema("top/a"))) == .leaf(.string("1")))
    #expect(tree.node(at: item.appending(fixture.schema("top/item/x"))) == .leaf(.string("3")))
    #expect(tree.node(at: item)?.interior?.keys == [.uint(7)])
    #expect(tree.node(at: path.appending(fixture.schema("top/item")))?.entries?.count == 1)
    #expect(tree.node(at: path.appending(fixture.schema("top/item"), keys: [.uint(8)])) == nil)
    #expect(tree.node(at: path.appending(fixture.schema("top/tag"), keys: [.string("t")])) == .leaf(.string("t")))
    #expect(tree.node(at: path.appending(fixture.schema("top/tag"), keys: [.string("u")])) == nil)
    #expect(tree.node(at: path.appending(fixture.schema("top/a")).appending(fixture.schema("top/b"))) == nil)
    #expect(tree.node(at: .root)?.interior.map { $0 === tree } == true)
    #expect(tree.nodeCount == 8)
  }

  @Test func equalityIsOfContent() throws {
    let one = try fixture.tree("<top><item><id>1</id></item><item><id>2</id></item><tag>a</tag></top>")
    let same = try fixture.tree("<top><tag>a</tag><item><id>2</id></item><item><id>1</id></item></top>")
    let other = try fixture.tree("<top><tag>a</tag><item><id>2</id><x>1</x></item><item><id>1</id></item></top>")
    #expect(one == same)
    #expect(one !== same)
    #expect(one != other)
  }

  @Test func textsThatOnlyLookTheSameDiffer() throws {
    let composed = try fixture.tree("<top><a>\u{E9}</a></top>")
    let decomposed = try fixture.tree("<top><a>e\u{301}</a></top>")
    #expect(composed != decomposed)
    #expect(Diff(from: composed, to: decomposed).changes.count == 1)
  }
}
