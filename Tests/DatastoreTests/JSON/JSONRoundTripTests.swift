// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing
import YANG

@testable import Datastore

/// Whatever a tree holds comes back from JSON and from XML; whatever bytes come, the parser says yes or no.
@Suite struct JSONRoundTripTests {
  @Test(arguments: IncrementalValidationTests.schemas.indices) func randomTreesComeBack(_ index: Int) throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("JSON round trips: schema \(index), seed \(seed)")
    let schema = try ConfigurationFixture(IncrementalValidationTests.schemas[index]).schema
    var maker = RandomConfiguration(schema: schema, random: SeededRandom(seed))
    let encoding = JSONEncoding(schema: schema)
    let reader = ValueReader(schema: schema, sealer: nil)
    var tree = InteriorNode(schema: schema.root)
    for round in 0..<400 {
      tree = maker.changed(tree)
      let text = JSONWriter(encoding: encoding, content: tree, sealer: nil).writeAll()
      let parser = JSONDataParser(schema: schema.root, purpose: .configuration, reader: reader, encoding: encoding)
      var rest = text[...]
      while !rest.isEmpty {
        let piece = rest.prefix(Int.random(in: 1...max(1, text.count), using: &maker.random))
        try parser.feed(Array(piece))
        rest = rest.dropFirst(piece.count)
      }
      try parser.finish()
      #expect(try parser.data() == tree, "seed \(seed), round \(round): \(String(decoding: text, as: UTF8.self))")
      let slow = JSONWriter(encoding: encoding, content: tree, sealer: nil)
      var pieces: [UInt8] = []
      while slow.write(into: &pieces, limit: Int.random(in: 1...64, using: &maker.random)) {}
      #expect(pieces == text, "seed \(seed), round \(round)")
      var xml: [UInt8] = []
      var printer = XMLPrinter(schema: schema, sealer: nil, indentation: round % 2 == 0 ? 2 : nil) { xml += $0 }
      printer.print(content: tree)
      let document = try InstanceDocument.read(xml, .xml, .getconfig, reader: reader)
      guard case .tree(let again) = document.content else { return }
      #expect(again == tree, "seed \(seed), round \(round): \(String(decoding: xml, as: UTF8.self))")
    }
  }

  @Test func damagedDocumentsAreRefusedOrRead() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("damaged JSON: seed \(seed)")
    var random = SeededRandom(seed)
    let fixture = JSONDataTests.fixture.schema
    let original = Array(JSONDataTests.everything.utf8)
    let alphabet = Array("{}[]\",:\\0123456789.eE+-truefalsn@\u{0}\u{7F}é".utf8)
    var (read, refused) = (0, 0)
    for round in 0..<3000 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = alphabet.randomElement(using: &random) ?? 0
        case 1: bytes.insert(alphabet.randomElement(using: &random) ?? 0, at: place)
        case 2: bytes.remove(at: place)
        default: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...40, using: &random)))
        }
        if bytes.isEmpty { bytes = [0] }
      }
      let parser = JSONDataParser(
        schema: fixture.root, purpose: .message, reader: ValueReader(schema: fixture.schema, sealer: nil),
        encoding: JSONDataTests.encoding)
      do {
        try parser.feed(bytes)
        try parser.finish()
        let tree = try parser.data()
        read += 1
        // What was read can be written and read again.
        #expect(try JSONDataTests.tree(JSONDataTests.written(tree)) == tree, "seed \(seed), round \(round)")
      } catch { refused += 1 }
    }
    #expect(read > 20 && refused > 500, "read \(read), refused \(refused)")
  }
}
