// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Testing

@testable import Datastore

/// Writes down every event.
private final class Recorder: XMLHandler {
  var log: [String] = []
  private var text: [UInt8] = []
  var skip: String?
  var enter: (String, Recorder)?
  var textBytes = 0

  private func flush() {
    if !text.isEmpty { log.append("\"\(String(decoding: text, as: UTF8.self))\"") }
    text = []
  }

  func startElement(_ tag: XMLTag) -> XMLAction {
    flush()
    var line = "<" + (tag.namespaceText.map { "{\($0)}" } ?? "") + tag.nameText
    for index in 0..<tag.attributeCount {
      guard let attribute = tag.attribute(at: index) else { continue }
      line += " \(attribute.namespaceText.map { "{\($0)}" } ?? "")\(attribute.nameText)=\(attribute.valueText)"
    }
    log.append(line)
    if tag.nameText == skip { return .skip }
    if let enter, enter.0 == tag.nameText { return .enter(enter.1) }
    return .descend
  }

  func characters(_ characters: UnsafeBufferPointer<UInt8>) {
    textBytes += characters.count
    if textBytes < 1_000_000 { text.append(contentsOf: characters) }
  }

  func endElement() {
    flush()
    log.append("/")
  }

  func finish() {
    flush()
    log.append("finish")
  }
}

@Suite struct XMLTokenizerTests {
  private func events(_ document: String, pieces: Int = .max) throws -> [String] {
    let recorder = Recorder()
    let tokenizer = XMLTokenizer(handler: recorder)
    let bytes = Array(document.utf8)
    var start = 0
    while start < bytes.count {
      let end = pieces == .max ? bytes.count : min(start + pieces, bytes.count)
      try tokenizer.feed(bytes[start..<end])
      start = end
    }
    try tokenizer.finish()
    return recorder.log
  }

  private func failure(of document: some Sequence<UInt8>, limits: XMLLimits = XMLLimits()) -> XMLError? {
    let tokenizer = XMLTokenizer(limits: limits, handler: Recorder())
    do throws(XMLError) {
      try tokenizer.feed(document)
      try tokenizer.finish()
      return nil
    } catch { return error }
  }

  let document = """
    <?xml version="1.0" encoding="UTF-8"?>
    <!-- a > comment --><a xmlns="urn:a" xmlns:p="urn:p" one="1 &gt; &amp; > 0" p:two='"é"'>
    <p:b>grün &lt;&#x26;&#65; 𝄞</p:b><c/><![CDATA[<raw> & ]] text]]><?target data?></a>

    """

  @Test func namesNamespacesAttributesAndText() throws {
    #expect(
      try events(document) == [
        "<{urn:a}a one=1 > & > 0 {urn:p}two=\"é\"", "\"\n\"", "<{urn:p}b", "\"grün <&A 𝄞\"", "/", "<{urn:a}c", "/",
        "\"<raw> & ]] text\"", "/",
      ])
  }

  @Test func piecesOfAnySizeGiveTheSameEvents() throws {
    let whole = try events(document)
    for size in 1...(document.utf8.count) { #expect(try events(document, pieces: size) == whole, "pieces of \(size)") }
  }

  @Test func everyCutDocumentIsTruncatedOrMalformed() {
    let bytes = Array(document.utf8)
    let complete = bytes.count - 1
    for end in 0..<complete {
      let error = failure(of: bytes[..<end])
      #expect(error != nil, "cut at \(end)")
      #expect(error?.kind == .truncated, "cut at \(end): \(String(describing: error))")
    }
  }

  @Test func handlersStandOnAStack() throws {
    let (outer, inner) = (Recorder(), Recorder())
    outer.enter = ("config", inner)
    outer.skip = "junk"
    let tokenizer = XMLTokenizer(handler: outer)
    try tokenizer.feed("<rpc><junk><x>y</x></junk><config>1<b><config/></b></config><end/></rpc>".utf8)
    try tokenizer.finish()
    #expect(outer.log == ["<rpc", "<junk", "<config", "/", "<end", "/", "/"])
    #expect(inner.log == ["\"1\"", "<b", "<config", "/", "/", "finish"])
  }

  @Test func prefixesResolveInScope() throws {
    final class Handler: XMLHandler {
      var seen: [String?] = []
      func startElement(_ tag: XMLTag) -> XMLAction {
        seen.append(tag.namespace(forPrefix: "p"))
        seen.append(tag.namespace(forPrefix: ""))
        return .descend
      }
      func endElement() {}
    }
    let handler = Handler()
    let tokenizer = XMLTokenizer(handler: handler)
    try tokenizer.feed("<a xmlns:p='urn:1'><b xmlns='urn:d' xmlns:p='urn:2'/><c xmlns=''/></a>".utf8)
    #expect(handler.seen == ["urn:1", nil, "urn:2", "urn:d", "urn:1", nil])
  }

  @Test(
    arguments: [
      ("<!DOCTYPE a><a/>", XMLError.Kind.documentType),
      ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", .documentType),
      ("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", .documentType),
      ("<a>&undefined;</a>", .malformed),
      ("<a><b></a>", .malformed), ("<a b='1' b='2'/>", .malformed), ("<p:a/>", .malformed), ("<a/><b/>", .malformed),
      ("text", .malformed), ("", .truncated), ("<a>", .truncated), ("<a>]]></a>", .malformed),
      ("<a>\u{1}</a>", .malformed), ("<a b='<'></a>", .malformed), ("<a>&#0;</a>", .malformed),
      ("<?xml version='1.0' encoding='ISO-8859-1'?><a/>", .encoding),
      ("<?xml version='1.0' encoding='UTF-16'?><a/>", .encoding),
    ] as [(String, XMLError.Kind)])
  func refusals(document: String, kind: XMLError.Kind) {
    #expect(failure(of: document.utf8)?.kind == kind, "\(String(describing: failure(of: document.utf8)))")
  }

  @Test func badBytes() {
    #expect(failure(of: Array("<a>".utf8) + [0xFF, 0xFE] + Array("</a>".utf8)) != nil)
    #expect(failure(of: Array("<a>".utf8) + [0xC3] + Array("</a>".utf8)) != nil)
    #expect(failure(of: Array("<a>".utf8) + [0xED, 0xA0, 0x80] + Array("</a>".utf8)) != nil)
    #expect(failure(of: Array("<a>".utf8) + [0] + Array("</a>".utf8))?.kind == .malformed)
    #expect(failure(of: [0xFF, 0xFE] + Array("<a/>".utf8).flatMap { [$0, 0] })?.kind == .encoding)
    #expect(failure(of: Array("<a/>".utf8).flatMap { [0, $0] })?.kind == .encoding)
    #expect(failure(of: [0xEF, 0xBB, 0xBF] + Array("<a/>".utf8)) == nil, "a byte order mark of UTF-8 is allowed")
  }

  @Test func limits() {
    let deep = String(repeating: "<a>", count: 100_000)
    #expect(failure(of: deep.utf8)?.kind == .tooDeep)
    #expect(failure(of: (String(repeating: "<a>", count: 256) + String(repeating: "</a>", count: 256)).utf8) == nil)
    #expect(failure(of: "<a b='\(String(repeating: "x", count: 300_000))'/>".utf8)?.kind == .tooBig)
    #expect(failure(of: "<!--\(String(repeating: "x", count: 900_000))".utf8)?.kind == .tooBig)
    let attributes = (0..<300).map { "a\($0)='1'" }.joined(separator: " ")
    #expect(failure(of: "<a \(attributes)/>".utf8)?.kind == .tooBig)
  }

  @Test func errorsSayWhere() {
    let error = failure(of: "<a>\n  <b></c></a>".utf8)
    #expect(error?.line == 2)
    #expect((error?.column ?? 0) > 5)
  }

  @Test func theFirstErrorIsFinalUntilReset() throws {
    let tokenizer = XMLTokenizer(handler: Recorder())
    #expect(throws: XMLError.self) { try tokenizer.feed("<a></b>".utf8) }
    #expect(throws: XMLError.self) { try tokenizer.feed("<a/>".utf8) }
    for _ in 0..<100 {
      let recorder = Recorder()
      tokenizer.reset(handler: recorder)
      try tokenizer.feed("<a>x</a>".utf8)
      try tokenizer.finish()
      #expect(recorder.log == ["<a", "\"x\"", "/"])
    }
  }

  @Test func manyNamesMakeANewDictionary() throws {
    let tokenizer = XMLTokenizer(handler: Recorder())
    for round in 0..<5 {
      tokenizer.reset(handler: Recorder())
      try tokenizer.feed("<a>".utf8)
      for index in 0..<8000 { try tokenizer.feed("<n\(round)x\(index)/>".utf8) }
      try tokenizer.feed("</a>".utf8)
      try tokenizer.finish()
    }
    #expect(tokenizer.generation > 0)
  }

  @Test func whiteSpaceWithoutEndTakesNoMemory() throws {
    func residentPages() -> Int {
      guard let file = fopen("/proc/self/statm", "r") else { return 0 }
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 128)
      fgets(&line, 128, file)
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return Int(text.split(separator: " ")[1]) ?? 0
    }
    let blank = [UInt8](repeating: UInt8(ascii: " "), count: 1 << 20)
    for start in ["", "<a>", "<a><b/>"] {
      let recorder = Recorder()
      let tokenizer = XMLTokenizer(handler: recorder)
      if !start.isEmpty { try tokenizer.feed(start.utf8) }
      try tokenizer.feed(blank)
      let before = residentPages()
      for _ in 0..<64 { try tokenizer.feed(blank) }
      #expect(residentPages() - before < 4096, "less than 16 MB for 64 MB of blanks after \(start)")
    }
  }
}
