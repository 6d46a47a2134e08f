// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2
import CLinux
import Datastore
import Dispatch
import Glibc
import Synchronization
import YANG

/// A configuration with many list entries, eight nodes each: read, validated, changed, written, given back.
struct Documents {
  let entries: Int
  let schema: Schema

  static let module = """
    module bench { yang-version 1.1; namespace urn:bench; prefix b;
      container links {
        list link {
          key name;
          must "enabled = 'false' or mtu >= 68" { error-message "an enabled link needs an MTU of 68 or more"; }
          leaf name { type string { length 1..64; } }
          leaf description { type string; }
          leaf enabled { type boolean; default true; }
          leaf mtu { type uint16; }
          leaf mode { type enumeration { enum access; enum trunk; enum routed; } }
          leaf address { type string { pattern '[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+'; } }
          leaf peer { type leafref { path "/links/link/name"; } }
        }
      }
    }
    """

  init(entries: Int) throws {
    self.entries = entries
    schema = try Schema.compile(sources: [SourceText(file: "bench.yang", bytes: Array(Self.module.utf8))]).schema
  }

  private func xmlText() -> [UInt8] {
    var text = Array("<links xmlns=\"urn:bench\">".utf8)
    for index in 0..<entries {
      text += Array(
        """
        <link><name>link-\(index)</name><description>to the neighbour of \(index)</description><enabled>true</enabled>\
        <mtu>\(1000 + index % 8000)</mtu><mode>\(["access", "trunk", "routed"][index % 3])</mode>\
        <address>10.\(index >> 16 & 255).\(index >> 8 & 255).\(index & 255)</address>\
        <peer>link-\((index * 7919) % entries)</peer></link>
        """.utf8)
    }
    return text + Array("</links>".utf8)
  }

  /// Hands the content of the element around to a parser.
  private final class Door: XMLHandler {
    var parser: DataParser?
    func startElement(_ tag: XMLTag) -> XMLAction { parser.map { .enter($0) } ?? .skip }
    func endElement() {}
  }

  private func parseXML(_ text: [UInt8]) throws -> InteriorNode {
    let door = Door()
    let tokenizer = XMLTokenizer(handler: door)
    let parser = DataParser(
      schema: schema.root, purpose: .configuration, reader: ValueReader(schema: schema, sealer: nil),
      tokenizer: tokenizer)
    door.parser = parser
    try tokenizer.feed("<config>".utf8)
    try tokenizer.feed(text)
    try tokenizer.feed("</config>".utf8)
    try tokenizer.finish()
    return try parser.data()
  }

  private func parseJSON(_ text: [UInt8], _ encoding: JSONEncoding) throws -> InteriorNode {
    let parser = JSONDataParser(
      schema: schema.root, purpose: .configuration, reader: ValueReader(schema: schema, sealer: nil),
      encoding: encoding)
    try parser.feed(text)
    try parser.finish()
    return try parser.data()
  }

  private func write(_ next: (inout [UInt8]) -> Bool) -> Int {
    var count = 0
    var output: [UInt8] = []
    output.reserveCapacity(131_072)
    while true {
      let isMore = next(&output)
      count += output.count
      output.removeAll(keepingCapacity: true)
      if !isMore { return count }
    }
  }

  func measure(_ report: inout Report) throws {
    let text = xmlText()
    let nodes = Double(8 * entries)
    let validator = Validator(schema: schema)
    var isValid = true
    report.add("document", Double(text.count) / 1e6, "MB of XML, \(8 * entries) nodes")

    // By turns, so that what else the machine does is shared evenly.
    var (dom, parsed, validated) = (Double.infinity, Double.infinity, Double.infinity)
    var held: InteriorNode?
    var bytesPerNode = 0.0
    for _ in 0..<7 {
      held = nil
      dom = min(dom, buildDOM(text))
      let before = allocatedBytes()
      parsed = min(parsed, try milliseconds(runs: 1) { held = try parseXML(text) })
      bytesPerNode = Double(allocatedBytes() - before) / nodes
      guard let tree = held else { return }
      validated = min(validated, milliseconds(runs: 1) { isValid = validator.validate(tree).isEmpty })
      guard isValid else { throw Failure.invalid }
    }
    guard let tree = held else { return }
    report.add("libxml2 builds and frees its DOM", dom, "ms")
    report.add("parse XML", parsed, "ms")
    report.add("validate", validated, "ms")
    report.add("parse and validate XML, against the DOM", (parsed + validated) / dom, "times", atMost: 3)
    report.add("memory", bytesPerNode, "bytes a node", atMost: 120)
    try measureJSON(tree, text, &report)
    try measureChange(tree, validator, &report)
    held = nil
    try measureReturn(text, &report)
  }

  /// What stays with the process when a large configuration was committed and deleted again.
  private func measureReturn(_ text: [UInt8], _ report: inout Report) throws {
    malloc_trim(0)
    let before = residentBytes()
    let store = Datastore(schema: schema)
    let session = SessionIdentity(id: 1, user: "bench")
    let outcome = Mutex<DatastoreFailure?>(nil)
    let done = DispatchSemaphore(value: 0)
    func commit(_ change: @escaping @Sendable (InteriorNode) throws -> InteriorNode) throws {
      let finish: @Sendable (DatastoreFailure?) -> Void = { failure in
        outcome.withLock { $0 = failure }
        done.signal()
      }
      store.editCandidate(as: session, change) {
        if case .failure(let failure) = $0 { finish(failure) } else { finish(nil) }
      }
      done.wait()
      if let failure = outcome.withLock({ $0 }) { throw failure }
      store.commit(as: session) { if case .failure(let failure) = $0 { finish(failure) } else { finish(nil) } }
      done.wait()
      if let failure = outcome.withLock({ $0 }) { throw failure }
    }
    let documents = self
    try commit { _ in try documents.parseXML(text) }
    let full = residentBytes()
    try commit { _ in InteriorNode(schema: documents.schema.root) }
    var after = residentBytes()
    for _ in 0..<50 where after > before + (full - before) / 4 {
      usleep(100_000)
      after = residentBytes()
    }
    report.add("resident with all entries committed", Double(full - before) / 1e6, "MB")
    report.add("of that, kept when all are deleted", Double(max(0, after - before)) / 1e6, "MB", atMost: 16)
    withExtendedLifetime((store, text)) {}
  }

  private func buildDOM(_ text: [UInt8]) -> Double {
    milliseconds(runs: 1) {
      let document = text.withUnsafeBufferPointer { text in
        text.withMemoryRebound(to: CChar.self) { xmlReadMemory($0.baseAddress, Int32($0.count), nil, nil, 0) }
      }
      xmlFreeDoc(document)
    }
  }

  private func measureJSON(_ tree: InteriorNode, _ text: [UInt8], _ report: inout Report) throws {
    let xml = XMLEncoding(schema: schema)
    let json = JSONEncoding(schema: schema)
    let jsonText = JSONWriter(encoding: json, content: tree, sealer: nil).writeAll()
    guard try parseJSON(jsonText, json) == tree else { throw Failure.unequal }
    var (writtenXML, writtenJSON) = (Double.infinity, Double.infinity)
    var (parsedXML, parsedJSON) = (Double.infinity, Double.infinity)
    for _ in 0..<7 {
      writtenXML = min(
        writtenXML,
        milliseconds(runs: 1) {
          let writer = XMLWriter(encoding: xml, content: tree, sealer: nil)
          _ = write { writer.write(into: &$0, limit: 65_536) }
        })
      writtenJSON = min(
        writtenJSON,
        milliseconds(runs: 1) {
          let writer = JSONWriter(encoding: json, content: tree, sealer: nil)
          _ = write { writer.write(into: &$0, limit: 65_536) }
        })
      parsedXML = min(parsedXML, try milliseconds(runs: 1) { _ = try parseXML(text) })
      parsedJSON = min(parsedJSON, try milliseconds(runs: 1) { _ = try parseJSON(jsonText, json) })
    }
    report.add("write XML", writtenXML, "ms")
    report.add("write JSON", writtenJSON, "ms", atMost: writtenXML)
    report.add("parse JSON", parsedJSON, "ms", atMost: parsedXML)
  }

  enum Failure: Error { case unequal, unchanged, invalid }

  /// One leaf, from the text of the edit to the verdict.
  private func measureChange(_ tree: InteriorNode, _ validator: Validator, _ report: inout Report) throws {
    var number = 0
    for (what, leaf) in [("leaf", "<mtu>%</mtu>"), ("key reference", "<peer>link-%</peer>")] {
      let time = try milliseconds(runs: 50) {
        number += 1
        let edit = leaf.split(separator: "%").joined(separator: "\(number)")
        let text = Array(
          "<links xmlns=\"urn:bench\"><link><name>link-\(entries / 2)</name>\(edit)</link></links>".utf8)
        let wanted = try Edit(data: parseXML(text)).applied(to: tree, defaultOperation: .merge)
        let resolved = try validator.resolvingConditions(from: tree, to: wanted)
        guard resolved != tree || number < 2 else { throw Failure.unchanged }
        if number >= 68, !validator.validate(old: tree, new: resolved).isEmpty { print("the change is not valid") }
      }
      report.add("a changed \(what), from its text to the verdict", time, "ms", atMost: 1)
    }
    let links = schema.root.dataChildren[0]
    let link = links.dataChildren[0]
    let removed = tree.container(links)?.entries(link)?.removing([.string("link-\(entries / 2)")])
    guard let removed, let around = tree.container(links) else { throw Failure.unchanged }
    let without = tree.replacing(links, with: .container(around.replacing(link, with: .list(removed))))
    let time = milliseconds(runs: 5) { _ = validator.validate(old: tree, new: without) }
    report.add("a removed entry that others refer to", time, "ms")
  }
}
