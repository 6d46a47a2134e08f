// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import Datastore

/// Writes down every event.
private final class Recorder: JSONHandler {
  var log: [String] = []
  func beginObject() { log.append("{") }
  func endObject() { log.append("}") }
  func beginArray() { log.append("[") }
  func endArray() { log.append("]") }
  func name(_ text: UnsafeBufferPointer<UInt8>) { log.append("name \(String(decoding: text, as: UTF8.self))") }
  func string(_ text: UnsafeBufferPointer<UInt8>) { log.append("string \(String(decoding: text, as: UTF8.self))") }
  func number(_ text: UnsafeBufferPointer<UInt8>) { log.append("number \(String(decoding: text, as: UTF8.self))") }
  func literal(_ literal: JSONLiteral) { log.append("\(literal)") }
}

@Suite struct JSONTokenizerTests {
  /// The events of a document that is fed in pieces of that many bytes, or what it is refused for.
  private func events(
    _ bytes: [UInt8], pieces: Int = .max, limits: JSONLimits = JSONLimits()
  ) -> Result<[String], JSONError> {
    let recorder = Recorder()
    var tokenizer = JSONTokenizer(handler: recorder, limits: limits)
    do throws(JSONError) {
      var start = 0
      while start < bytes.count {
        let end = pieces == .max ? bytes.count : min(start + pieces, bytes.count)
        let piece = Array(bytes[start..<end])
        let result = piece.withUnsafeBytes { piece -> Result<Void, JSONError> in
          do throws(JSONError) { return .success(try tokenizer.feed(piece)) } catch { return .failure(error) }
        }
        try result.get()
        start = end
      }
      try tokenizer.finish()
      return .success(recorder.log)
    } catch { return .failure(error) }
  }

  private func events(_ text: String, pieces: Int = .max) -> Result<[String], JSONError> {
    events(Array(text.utf8), pieces: pieces)
  }

  private func failure(_ text: String, limits: JSONLimits = JSONLimits()) -> JSONError? {
    if case .failure(let error) = events(Array(text.utf8), limits: limits) { error } else { nil }
  }

  @Test func allKindsOfValues() throws {
    let text = #" {"a" : [1, -2.5e+3,"x\n\u00e9\ud83d\ude00\/", true,false,null,{}, []] , "":"é"} "#
    #expect(
      try events(text).get() == [
        "{", "name a", "[", "number 1", "number -2.5e+3", "string x\né😀/", "yes", "no", "null", "{", "}", "[", "]", "]",
        "name ", "string é", "}",
      ])
  }

  @Test func piecesOfAnySizeGiveTheSameEvents() throws {
    let text = #"{"name\"\\":"wörld😀\ud83d\ude00\\","n":[12345,-0.5e-7,0],"t":[true,false,null],"e":""}"#
    let whole = try events(text).get()
    for pieces in 1...17 { #expect(try events(text, pieces: pieces).get() == whole, "pieces of \(pieces)") }
    #expect(try events("12", pieces: 1).get() == ["number 12"])
    #expect(try events("true", pieces: 1).get() == ["yes"])
  }

  @Test(arguments: [
    "{", "[1", "{\"a\"", "{\"a\":", "{\"a\":1,}", "[1,]", "[,1]", "{,}", "{1:2}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "]",
    "}",
    "[}", "{]", "01", "-", "1.", ".5", "+1", "1e", "1e+", "0x10", "1 2", "tru", "trues", "nul", "None", "'a'", "\"a",
    "\"\\x\"",
    "\"\\u12\"", "\"\\u12G4\"", "\"a\nb\"", "[1]]", "[1] x", "", " ", "NaN", "--1", "1-2", "/**/1", "{\"a\":}",
  ])
  func whatIsNoJSONIsRefused(_ text: String) {
    for pieces in [1, 2, Int.max] {
      guard case .failure(let error) = events(text, pieces: pieces) else {
        Issue.record("\(text) was taken, in pieces of \(pieces)")
        continue
      }
      #expect(error.kind == .malformed || error.kind == .truncated, "\(text): \(error)")
    }
  }

  @Test(arguments: ["\"\\u0000\"", "\"\\b\"", "\"\\ud800\"", "\"\\udc00x\"", "\"\\ud800\\u0041\"", "\"\\uffff\""])
  func charactersThatYANGDoesNotHaveAreRefused(_ text: String) { #expect(failure(text)?.kind == .encoding) }

  @Test(arguments: [
    [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82], [0xF5, 0x80, 0x80, 0x80], [0xEF, 0xBF, 0xBE],
  ])
  func stringsThatAreNotUTF8AreRefused(_ bytes: [UInt8]) {
    guard case .failure(let error) = events([0x22] + bytes + [0x22]) else {
      Issue.record("\(bytes) were taken")
      return
    }
    #expect(error.kind == .encoding)
  }

  @Test func limitsHold() {
    #expect(failure("[[[1]]]", limits: JSONLimits(depth: 2))?.kind == .tooDeep)
    #expect(failure("[[1]]", limits: JSONLimits(depth: 2)) == nil)
    #expect(failure("\"12345\"", limits: JSONLimits(valueBytes: 4))?.kind == .tooBig)
    #expect(failure("[12345 ]", limits: JSONLimits(valueBytes: 4))?.kind == .tooBig)
    #expect(failure("\"\\n\\n\\n\"", limits: JSONLimits(valueBytes: 4))?.kind == .tooBig)
  }

  @Test func anErrorSaysWhere() {
    let error = failure("{\n  \"a\": 1,\n  \"b\" 2\n}")
    #expect(error?.line == 3)
    #expect(error?.column == 7)
    #expect(error?.message == "a colon is expected, not a value")
    #expect(failure("[1,\n }")?.description == "line 2, column 2: a value is expected, not '}'")
  }

  @Test(arguments: [
    ("1.2e3", "1200"), ("-1.50", "-1.5"), ("0.0", "0"), ("100e-2", "1"), ("1e2", "100"), ("0.05e1", "0.5"),
    ("12e-4", "0.0012"),
    ("0e9", "0"), ("1E+1", "10"), ("10.0", "10"), ("0.10e2", "10"),
  ])
  func numbersWithExponentsBecomePlain(_ text: String, _ plain: String) {
    let bytes = Array(text.utf8)
    let result = bytes.withUnsafeBufferPointer { NumberText.plain($0).map { String(decoding: $0, as: UTF8.self) } }
    #expect(result == plain)
  }

  @Test func hugeExponentsAreBounded() {
    for text in ["1e1000000000000000000", "1e999", "1e-999"] {
      #expect(Array(text.utf8).withUnsafeBufferPointer { NumberText.plain($0) } == nil)
    }
  }
}
