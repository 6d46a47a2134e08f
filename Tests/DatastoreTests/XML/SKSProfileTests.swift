// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing
import YANG

@testable import Datastore

/// The project's own models from XML to the tree, the store and back.
@Suite struct SKSProfileTests {
  static let namespace = "http://cisco.com/ns/yang/Cisco-IOS-XR-um-sks-server-cfg"
  let schema: Schema
  let sealer: Sealer

  init() throws {
    let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
    schema = try Schema.compile(directory: "/\(root)/yang").schema
    sealer = try Sealer(MasterKey(SecretBytes(copying: [UInt8](repeating: 9, count: 32))))
  }

  private final class Door: XMLHandler {
    var parser: DataParser?
    func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
    func endElement() {}
  }

  func edit(_ bytes: some Collection<UInt8>, stored: InteriorNode? = nil) throws -> Edit {
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = DataParser(
      schema: schema.root, purpose: .edit, reader: ValueReader(schema: schema, sealer: sealer, stored: stored),
      tokenizer: tokenizer)
    door.parser = parser
    try tokenizer.feed(bytes)
    try tokenizer.finish()
    return try parser.edit()
  }

  func document(_ profiles: String) -> [UInt8] {
    Array("<config><sks-server xmlns='\(Self.namespace)'><profiles>\(profiles)</profiles></sks-server></config>".utf8)
  }

  func profile(_ name: String, key: String) -> String {
    """
    <profile><profile-name>\(name)</profile-name><type><remote><kme><server><ipv4>127.0.0.1</ipv4><port>10001</port>\
    </server><psk><id>router1</id><key><seven>\(key)</seven></key></psk></kme></remote></type></profile>
    """
  }

  @Test func secretsAreSealedAndReadAsType7() throws {
    let clear = "SecretOfRouterOne"
    let root = try edit(document(profile("ProfileR1toR2", key: "!" + clear))).applied(
      to: InteriorNode(schema: schema.root))
    #expect(root.nodeCount == 14)
    let text = String(
      decoding: XMLWriter(encoding: XMLEncoding(schema: schema), content: root, sealer: sealer).writeAll(),
      as: UTF8.self)
    #expect(!text.contains(clear))
    let stored = TreeCoder.encode(root)
    #expect(!String(decoding: stored, as: UTF8.self).contains(clear))
    #expect(!"\(root)".contains(clear))
    var dumped = ""
    dump(root, to: &dumped)
    #expect(!dumped.contains(clear))
    // What a read gave may be written back, and so may the same clear text: both change nothing.
    let again = try edit("<config>\(text)</config>".utf8).applied(to: root)
    #expect(again === root)
    #expect(try edit(document(profile("ProfileR1toR2", key: "!" + clear))).applied(to: root) === root)
    let other = try edit(document(profile("ProfileR1toR2", key: "!another"))).applied(to: root)
    #expect(Diff(from: root, to: other).changes.map(\.kind) == [.modified])
    let recovered = try TreeCoder.decodeTree(stored, schema: schema, isSameSchema: false, sealer: sealer)
    #expect(recovered.content == root)
    #expect(recovered.problems.isEmpty)
  }

  @Test func privateKeysAreReadAsReferencesThatMayBeWrittenBack() throws {
    let key = "-----BEGIN PRIVATE KEY----- not really -----END PRIVATE KEY-----"
    let document = """
      <config><crypto xmlns='http://cisco.com/ns/yang/Cisco-IOS-XR-um-crypto-cfg'><ca>\
      <trustpoint><trustpoints><trustpoint>\
      <trustpoint-name>kme</trustpoint-name>\
      <private-key xmlns='urn:agentd:yang:agentd-crypto'>\(key)</private-key>\
      </trustpoint></trustpoints></trustpoint></ca></crypto></config>
      """
    let root = try edit(document.utf8).applied(to: InteriorNode(schema: schema.root))
    let text = String(
      decoding: XMLWriter(encoding: XMLEncoding(schema: schema), content: root, sealer: sealer).writeAll(),
      as: UTF8.self)
    #expect(!text.contains("not really"))
    #expect(text.contains(Sealer.opaquePrefix))
    let back = "<config>\(text)</config>"
    #expect(try edit(back.utf8, stored: root).applied(to: root) === root)
    #expect(throws: DatastoreFailure.self) { try edit(back.utf8) }
  }

  @Test func errorsDoNotRepeatSecrets() throws {
    do {
      _ = try edit(document(profile("P", key: "098secretnotype7")))
      Issue.record("a key that is neither marked clear text nor type 7 was taken")
    } catch let failure as DatastoreFailure {
      #expect(failure.errors.map(\.tag) == [.invalidValue])
      #expect(!"\(failure)".contains("secretnotype7"))
    }
  }

  @Test func aOneLeafChangeSharesTheRest() throws {
    let many = (0..<2000).map { profile("P\($0)", key: "!key\($0)") }.joined()
    let root = try edit(document(many)).applied(to: InteriorNode(schema: schema.root))
    let change = "<profile><profile-name>P77</profile-name><type><remote><kme><server><port>1</port></server></kme>"
    let next = try edit(document(change + "</remote></type></profile>")).applied(to: root)
    let changes = Diff.changes(from: root, to: next)
    #expect(changes.count == 1)
    #expect(changes.first?.path.description.hasSuffix(":port") == true)
    var seen = 0
    let list = try #require(schema.node(at: "/Cisco-IOS-XR-um-sks-server-cfg:sks-server/profiles/profile"))
    Diff.forEachChanged(at: list, from: root, to: next) { _, _, _ in seen += 1 }
    #expect(seen == 1)
  }

  @Test(arguments: [6, 66, 666] as [UInt64])
  func damagedDocumentsAreRefusedOrTakenButNeverCrash(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let whole = document(profile("A", key: "!x") + profile("B", key: "!y"))
    let alphabet = Array("<>/&;'\"=! \n\u{0}\u{FF}xA1:[]?-".utf8)
    for _ in 0..<700 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let index = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes.remove(at: index)
        case 1: bytes.insert(alphabet.randomElement(using: &generator) ?? 0, at: index)
        case 2: bytes[index] = alphabet.randomElement(using: &generator) ?? 0
        default:
          let end = min(index + Int.random(in: 1...60, using: &generator), bytes.count)
          bytes.insert(contentsOf: bytes[index..<end], at: Int.random(in: 0...bytes.count, using: &generator))
        }
      }
      do {
        _ = try edit(bytes).applied(to: InteriorNode(schema: schema.root))
      } catch is XMLError {
      } catch let failure as DatastoreFailure {
        #expect(!failure.errors.isEmpty)
      }
    }
  }

  @Test func namesInErrorsAreShort() throws {
    let long = String(repeating: "x", count: 40_000)
    let refused = #expect(throws: DatastoreFailure.self) {
      try edit("<config><\(long) xmlns='urn:\(long)'/><sks-server xmlns='\(Self.namespace)' \(long)=''/></config>".utf8)
    }
    #expect((refused.map { "\($0)".utf8.count } ?? 0) < 5000)
  }
}
