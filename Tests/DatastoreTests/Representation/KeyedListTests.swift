// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import Datastore

@Suite struct KeyedListTests {
  private struct Entry: ListEntry {
    static let schemaPath = "/m:entry"
    static let layout = NodeLayout(module: "m", ["name", "value"])
    var name: String
    var value: UInt32
    var listKey: String { name }

    init(_ name: String, _ value: UInt32) {
      self.name = name
      self.value = value
    }
    init(from reader: NodeReader) throws(DatastoreError) {
      name = try reader.required(0)
      value = try reader.required(1)
    }
    func write(to writer: inout NodeWriter) {
      writer.leaf(0, name)
      writer.leaf(1, value)
    }
    static func listKey(from keys: KeyReader) throws(DatastoreError) -> String { try keys.key(0) }
  }

  @Test func theLastOfOneKeyCountsInThePlaceOfTheFirst() {
    let list: KeyedList = [Entry("b", 1), Entry("a", 2), Entry("b", 3)]
    #expect(list.map(\.value) == [3, 2])
    #expect(list[key: "b"]?.value == 3)
  }

  @Test func setAndRemoveKeepTheIndexRight() {
    var list = KeyedList((0..<100).map { Entry("\($0)", $0) })
    for number in stride(from: UInt32(0), to: 100, by: 3) { #expect(list.remove("\(number)")?.value == number) }
    #expect(list.remove("0") == nil)
    for (place, entry) in list.enumerated() {
      #expect(list[key: entry.name] == entry)
      #expect(list[place] == entry)
    }
    list[key: "1"]?.value = 1000
    #expect(list[key: "1"]?.value == 1000)
    list[key: "2"] = nil
    #expect(list[key: "2"] == nil)
    list[key: "4"] = Entry("new", 4)
    #expect(list[key: "4"] == nil)
    #expect(list.last == Entry("new", 4))
    #expect(list.count == 65)
  }

  @Test func equalityIsOfEntriesInOrder() {
    let list: KeyedList = [Entry("a", 1), Entry("b", 2)]
    #expect(list == [Entry("a", 1), Entry("b", 2)])
    #expect(list != [Entry("b", 2), Entry("a", 1)])
  }
}
