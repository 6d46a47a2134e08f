// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Testing
import YANG

/// Uses what was generated for the module that has one of each thing.
@Suite struct EverythingTests {
  private typealias Everything = ExampleEverything.Everything
  private let schema = Schemas.everything

  private func node(_ path: String) throws -> SchemaNode {
    try #require(schema.node(at: "/example-everything:everything" + path))
  }

  private func roundTrip<T: TreeRepresentable>(_ value: T, _ path: String) throws -> T {
    try T(value.interiorNode(node(path)))
  }

  private var smallest: Everything { Everything(needed: .init(mustBe: "here"), necessary: .this("x")) }

  @Test func absentIsAbsent() throws {
    let tree = try smallest.interiorNode(schema: schema)
    #expect(tree.slots.count == 2)
    #expect(try Everything(tree) == smallest)
  }

  @Test func everyLeafTypeSurvivesTheTree() throws {
    let types = Everything.Types(
      int8: -128, int16: .min, int32: .max, int64: .min, uint8: 255, uint16: .max, uint32: 20, uint64: .max,
      boolean: false, string: "text", binary: [0, 255], decimal: Decimal64(scaled: -150, digits: 2), flag: true,
      mode: ._10Gig, narrowMode: .on, ownMode: .up, bits: [.high, .xY], address: .enumeration(.self_),
      ownUnion: .string2(""), shape: .square, reference: .m_30, entryReference: "e", numbers: [3, 1, 2],
      names: ["a", "z"], shapes: [.square_exampleAugment, .triangle], colour: .darkBlue, default: "d", reader: "r")
    #expect(try roundTrip(types, "/types") == types)
  }

  @Test func valuesStandInTheTreeAsTheSchemaSays() throws {
    let types = Everything.Types(
      decimal: Decimal64(scaled: 5, digits: 0), flag: true, mode: .none_, bits: [.high, .low],
      address: .colour(.red), shape: .triangle, names: ["z", "a"])
    let tree = try types.interiorNode(node("/types"))
    #expect(tree.leaf("decimal") == .decimal64(500, digits: 2))
    #expect(tree.leaf("flag") == .empty)
    guard case .enumeration(let mode)? = tree.leaf("mode"), case .bits(let bits)? = tree.leaf("bits"),
      case .union(let member, .enumeration(let colour))? = tree.leaf("address"),
      case .identity(let shape)? = tree.leaf("shape")
    else {
      Issue.record("unexpected values in \(tree)")
      return
    }
    #expect(mode.name == "none")
    #expect(bits.map(\.position) == [3, 40])
    #expect(member == 3)
    #expect(colour.name == "red")
    #expect(shape.name == "triangle" && shape.module.name == "example-augment")
    #expect(tree.leafList("names") == [.string("a"), .string("z")])
  }

  @Test func defaultsAreSeenAndNotStored() throws {
    let types = Everything.Types()
    #expect(types.int32OrDefault == -5)
    #expect(types.uint64OrDefault == .max)
    #expect(types.booleanOrDefault)
    #expect(types.stringOrDefault == "a\"b\\c")
    #expect(types.decimalOrDefault == Decimal64(scaled: 325, digits: 2))
    #expect(types.modeOrDefault == .off)
    #expect(types.bitsOrDefault == [.low, .xY])
    #expect(types.addressOrDefault == .hostName("any"))
    #expect(types.ownUnionOrDefault == .int32(7))
    #expect(types.shapeOrDefault == .circle)
    #expect(types.namesOrDefault == ["b", "a"])
    #expect(types.mode == nil)
    #expect(try types.interiorNode(node("/types")).isEmpty)
  }

  @Test func unknownIdentitiesAreKeptInSwift() {
    #expect(ExampleTypes.ShapeIdentity(identity: "other:hexagon").identity == "other:hexagon")
    #expect(ExampleTypes.ShapeIdentity.circle.identity == "example-types:circle")
  }

  @Test func keyedListsAreFoundByKey() throws {
    var value = smallest
    value.byName = [.init(name: "b", value: 2), .init(name: "a", value: 1, key: .init(seven: "s"), colour: .red)]
    #expect(value.byName[key: "a"]?.value == 1)
    let read = try roundTrip(value, "")
    #expect(read.byName.keys == ["a", "b"])
    #expect(read.byName[key: "a"]?.colour == .red)
    #expect(read.byName[key: "c"] == nil)
    value.byName.remove("b")
    #expect(value.byName.count == 1)
    #expect(value.byName[key: "a"]?.key == .init(seven: "s"))
  }

  @Test func severalKeysAreAStruct() throws {
    var value = smallest
    let second = Everything.ByThree(host: "a", unit: .b, enabled: true)
    value.byThree = [.init(host: "z", unit: .a, enabled: false, inner: [.init(id: .uint32(7))]), second]
    let read = try roundTrip(value, "")
    // The user's order is kept.
    #expect(read.byThree.map(\.host) == ["z", "a"])
    #expect(read.byThree[key: .init(host: "a", unit: .b, enabled: true)] == second)
    #expect(read == value)
    let keys = KeyReader([.string("a"), try unit("b"), .boolean(true)], of: try node("/by-three"))
    #expect(try Everything.ByThree.listKey(from: keys) == second.listKey)
  }

  private func unit(_ name: String) throws -> Value {
    .enumeration(try #require(try node("/by-three/unit").type?.enums.first { $0.name == name }))
  }

  @Test(arguments: [
    ExampleEverything.Everything.Transport.tcp(
      .init(tcpPort: 1, tcpOptions: .init(noDelay: true), tcpSecurity: .plain)),
    .tcp(.init(tcpSecurity: .tls(.init(version: "1.3")))), .file("f"), .stdio, .pipe([.init(name: "p")]),
    .queue(["a", "b"]), .tunnel(.init(id: 4)), .raw(AnyContent(xml: "<a/>")), .radio(Decimal64(scaled: 1, digits: 3)),
  ])
  func choices(_ transport: ExampleEverything.Everything.Transport) throws {
    var value = smallest
    value.transport = transport
    #expect(try roundTrip(value, "").transport == transport)
  }

  @Test func nodesOfTwoModulesUnderOneName() throws {
    var value = smallest
    value.presence = .init()
    value.augmentPresence.ofMind = true
    value.added = "by the augment"
    let tree = try value.interiorNode(node(""))
    #expect(
      tree.child("presence", module: "example-augment").flatMap { tree.container($0) }?.leaf("of-mind")
        == .boolean(true))
    #expect(try roundTrip(value, "") == value)
  }

  @Test func presenceContainersAreThereWhenEmpty() throws {
    var value = smallest
    value.presence = .init()
    value.type.everything.everything = .m_20
    let read = try roundTrip(value, "")
    #expect(read.presence != nil)
    #expect(read.type.everything.everything == .m_20)
    #expect(read.maybe == nil)
  }

  @Test func namesThatSwiftUsesItself() throws {
    var names = Everything.Names(layout: "l", schemaPath: "s", writer: "w", self_: "me", init_: "i", type: "t")
    names.protocol = .allCases_
    names._10Gig._1 = "one"
    names.any.value = "v"
    names.array.keyReader.x = "x"
    names.key = [.init(listKey_: "k", keys: "ks")]
    names.pair = [.init(keys: "k", reader: .a)]
    let read = try roundTrip(names, "/names")
    #expect(read == names)
    #expect(read.key[key: "k"]?.keys == "ks")
    #expect(read.pair[key: .init(keys: "k", reader: .a)] != nil)
  }

  @Test func whatIsMandatoryMustBeThere() throws {
    let empty = InteriorNode(schema: try node(""))
    #expect {
      try Everything(empty)
    } throws: { error in
      let error = error as? DatastoreError
      return error?.tag == .dataMissing && error?.message.contains("must-be") == true
    }
  }

  @Test func aValueOfAnotherTypeIsAnError() throws {
    var builder = InteriorBuilder(schema: try node("/types"))
    builder.set("int8", .leaf(.int(1000)))
    #expect(throws: DatastoreError.self) { try Everything.Types(builder.build()) }
  }

  @Test func operationsAndNotifications() throws {
    let input = ExampleEverything.Compute.Input(address: .empty, port: 80, argument: [2, 1])
    let tree = try input.interiorNode(schema: schema)
    #expect(tree.schema.kind == .input)
    #expect(try ExampleEverything.Compute.Input(tree).address == .empty)
    let output = try ExampleEverything.Compute.Output(result: .on).interiorNode(schema: schema)
    #expect(output.schema.kind == .output)
    let event = ExampleEverything.Happened(what: "it", address: .hostName("h"))
    let body = try event.interiorNode(schema: schema)
    #expect(body.schema.kind == .notification)
    #expect(try ExampleEverything.Happened(body) == event)
    #expect(ExampleEverything.Ping.schemaPath == "/example-everything:ping")
    #expect(ExampleEverything.Everything.ByThree.Reset.Input(hard: true).hard)
  }

  @Test func wholeTreesAreSearched() throws {
    var value = smallest
    value.type.string = "deep"
    var builder = InteriorBuilder(schema: schema.root)
    builder.set(try node(""), .container(try value.interiorNode(node(""))))
    let root = builder.build()
    #expect(try Everything.TypeContainer.read(from: root)?.string == "deep")
    #expect(try Everything.PresenceContainer.read(from: root) == nil)
    #expect(try Everything.ByName.read(from: root) == nil)
  }
}
