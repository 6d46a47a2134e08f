// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Testing
import YANG

/// Uses what was generated for the module of odd types, keys, choices, operations and deviations.
@Suite struct WholeTests {
  private typealias Whole = ExampleWhole.Whole
  private let schema = Schemas.everything
  private var smallest: Whole { Whole(way: .rail(.init(track: 1))) }

  private func roundTrip<T: TreeRepresentable>(_ value: T) throws -> T { try T(value.interiorNode(schema: schema)) }

  @Test func unionsOfUnions() throws {
    let unions: [ExampleWhole.OuterUnion] = [
      .innerUnion(.boolean(true)), .innerUnion(.manyBits([.b1, .far])), .innerUnion(.empty), .string("a name"),
      .identityref(.glassBall), .binary([1, 2, 3]), .percentage(Decimal64(scaled: 25, digits: 2)),
    ]
    var values = Whole.Values()
    for union in unions {
      values.outer = union
      #expect(try roundTrip(values).outer == union)
    }
    values.unions = unions
    #expect(Set(try roundTrip(values).unions) == Set(unions))
    // A reference to a reference to a union is that union.
    values.toTheReference = .innerUnion(.boolean(false))
    #expect(try roundTrip(values).toTheReference == .innerUnion(.boolean(false)))
  }

  @Test func moreBitsThanAWordHas() throws {
    var values = Whole.Values(bits: [.b0, .b63, .b64, .far])
    values.allBits = [[.b64], [], [.b0, .b1]]
    let tree = try values.interiorNode(schema: schema)
    guard case .bits(let bits)? = tree.leaf("bits") else {
      Issue.record("no bits in \(tree)")
      return
    }
    #expect(bits.map(\.name) == ["b0", "b63", "b64", "far"])
    #expect(bits.last?.position == 4_000_000_000)
    #expect(try Whole.Values(tree) == values)
    #expect(Whole.Values().bitsOrDefault == [.b0, .far])
  }

  @Test func identitiesWithTwoBases() throws {
    #expect(Whole.Values().ballOrDefault == .glassBall)
    let values = Whole.Values(ball: .woodenBall)
    #expect(try roundTrip(values).ball == .woodenBall)
    // What derives from one of the bases only is no value: it is not written.
    let round = Whole.Values(ball: .init(identity: "example-whole:round"))
    #expect(try roundTrip(round).ball == nil)
  }

  @Test func defaultsOfOddTypes() {
    let values = Whole.Values()
    #expect(values.binaryOrDefault == Array("ab".utf8))
    #expect(values.halfOrDefault == Decimal64(scaled: 25, digits: 2))
    #expect(values.fractionsOrDefault == [Decimal64(scaled: 5, digits: 1), Decimal64(scaled: 0, digits: 0)])
    // A refined default, and one that a deviation adds.
    #expect(Whole.OnceMore(host: "h", port: 1).helloOrDefault == 20)
    #expect(smallest.changedOrDefault == 7)
  }

  @Test func keysOfEveryType() throws {
    var whole = smallest
    whole.byIdentity = [.init(id: .woodenBall, value: "w"), .init(id: .glassBall, value: "g")]
    whole.byBits = [.init(id: [.b1, .b2], value: "12"), .init(id: [], value: "none")]
    whole.byNumber = [.init(id: Decimal64(scaled: 5, digits: 1), value: "half")]
    whole.byOctets = [.init(id: [0, 255], value: "ends")]
    whole.byFlag = [.init(id: false, value: "no"), .init(id: true, value: "yes")]
    whole.byNothing = [.init(id: .innerUnion(.empty), here: Presence(), value: "nothing")]
    let read = try roundTrip(whole)
    #expect(read.byIdentity[key: .glassBall]?.value == "g")
    #expect(read.byBits[key: []]?.value == "none")
    #expect(read.byNumber[key: Decimal64(scaled: 50, digits: 2)]?.value == "half")
    #expect(read.byOctets[key: [0, 255]]?.value == "ends")
    #expect(read.byFlag[key: true]?.value == "yes")
    #expect(read.byNothing[key: .init(id: .innerUnion(.empty), here: Presence())]?.value == "nothing")
  }

  @Test(arguments: [
    ExampleWhole.Whole.Way.road(.init(road: .fast(.init(motorway: true, toll: Decimal64(scaled: 1, digits: 1))))),
    .road(.init(road: .slow(.init(kind: .path(.init()))))), .road(.init(road: .cobbled)),
    .water(.init(lock: [.init(number: 2, height: -3)], ship: ["b", "a"], cargo: AnyContent(xml: "<c/>"))),
    .air(.init(engine: .jet)), .air(.init(engine: .propeller([2, 3]))),
    .rail(.init(track: 3, gauge: Decimal64(scaled: 0, digits: 0))),
  ])
  func choicesInChoices(_ way: ExampleWhole.Whole.Way) throws {
    #expect(try roundTrip(Whole(way: way)).way == way)
  }

  @Test func aMandatoryChoiceMustBeMade() throws {
    var builder = InteriorBuilder(schema: try #require(schema.node(at: Whole.schemaPath)))
    builder.set("changed", .leaf(.uint(1)))
    #expect {
      try Whole(builder.build())
    } throws: { error in
      (error as? DatastoreError)?.appTag == "missing-choice"
    }
  }

  @Test func stateWithoutKeys() throws {
    var whole = smallest
    whole.state.samples = [3, 3, -1]
    whole.state.log = [.init(text: "a", more: [.init(line: "x"), .init(line: "x")]), .init(), .init(text: "a")]
    whole.state.keyed = [.init(id: .string("k"), marks: [.empty, .boolean(true)])]
    whole.state.page = [.init(word: ["one"], end: .next(2)), .init(end: .last)]
    #expect(try roundTrip(whole).state == whole.state)
  }

  @Test func decimalsAreEqualAsNumbers() {
    #expect(Decimal64(scaled: 50, digits: 2) == Decimal64(scaled: 5, digits: 1))
    #expect(Decimal64(scaled: 0, digits: 18) == Decimal64(scaled: 0, digits: 1))
    #expect(Decimal64(scaled: 50, digits: 2) != Decimal64(scaled: 50, digits: 1))
    #expect(Set([Decimal64(scaled: -30, digits: 1), Decimal64(scaled: -3, digits: 0)]).count == 1)
  }

  @Test func rpcs() throws {
    typealias Query = ExampleWhole.Query
    var input = Query.Input(subject: .entry([.init(id: 1, content: AnyContent(xml: "<x/>"))]))
    #expect(input.limitOrDefault == 100)
    input.limit = 5
    #expect(try roundTrip(input) == input)
    let output = Query.Output(
      row: [.init(cell: "a", column: [.red, .darkBlue, .red]), .init(cell: "a")],
      end: .more(.init(cursor: [1], pages: 9)))
    #expect(try roundTrip(output) == output)
    let complete = Query.Output(end: .complete)
    #expect(try roundTrip(complete).end == .complete)
  }

  @Test func actionsAndNotificationsInData() throws {
    typealias OnceMore = Whole.OnceMore
    #expect(OnceMore.Restart.schemaPath == "/example-whole:whole/once-more/restart")
    let input = OnceMore.Restart.Input(delay: 9)
    #expect(try input.interiorNode(schema: schema).schema.kind == .input)
    #expect(try roundTrip(input) == input)
    #expect(try roundTrip(OnceMore.Checks.Check.Output(passed: true)).passed)
    let expired = OnceMore.Expired(timer: 30)
    #expect(try expired.interiorNode(schema: schema).schema.kind == .notification)
    #expect(try roundTrip(expired) == expired)
  }

  @Test func notifications() throws {
    let alarm = ExampleWhole.Alarm(
      severity: .major, cause: [.init(id: .red, text: "hot")], origin: .unknown,
      details: AnyContent(xml: "<d/>"), urgent: true)
    #expect(try roundTrip(alarm) == alarm)
    guard case .enumeration(let severity)? = try alarm.interiorNode(schema: schema).leaf("severity") else {
      Issue.record("no severity")
      return
    }
    #expect(severity.value == 7)
  }
}
