// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import KMESimulator

struct HTTPRequestParserTests {
  /// Parses everything that a parser makes of the pieces.
  private func parse(_ pieces: [[UInt8]]) -> (requests: [HTTPRequest], error: HTTPParseError?) {
    var parser = HTTPRequestParser()
    var requests: [HTTPRequest] = []
    do throws(HTTPParseError) {
      for piece in pieces {
        parser.append(piece)
        while let request = try parser.next() { requests.append(request) }
      }
    } catch {
      return (requests, error)
    }
    return (requests, nil)
  }

  private func parse(_ text: String) -> (requests: [HTTPRequest], error: HTTPParseError?) {
    parse([Array(text.utf8)])
  }

  private static let pipeline = [
    "GET /capabilities HTTP/1.1\r\nHost: kme\r\n\r\n",
    "\r\nGET /key?remoteSystemID=Bob%20B&size=128 HTTP/1.1\r\nhost: [::1]:10001\r\nX: \t a b \t\r\n\r\n",
    "POST /faults HTTP/1.1\r\nHost: kme\r\nContent-Length: 11\r\n\r\nGET / HTTP/",
    "GET /key/a%2Fb?remoteSystemID=Alice HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    "GET /entropy HTTP/1.1\r\nHost: kme\r\nConnection: foo, Close\r\n\r\n",
  ].joined()

  @Test func readsWhatARequestSays() throws {
    let (requests, error) = parse(Self.pipeline)
    #expect(error == nil)
    try #require(requests.count == 5)
    #expect(requests[0].method == "GET" && requests[0].path == ["capabilities"] && requests[0].keepsAlive)
    #expect(requests[1].query == [QueryItem("remoteSystemID", "Bob B"), QueryItem("size", "128")])
    #expect(requests[1].headers == [HeaderField("host", "[::1]:10001"), HeaderField("x", "a b")])
    #expect(requests[2].body == Array("GET / HTTP/".utf8))
    #expect(requests[3].path == ["key", "a/b"], "an encoded slash stays within its segment")
    #expect(requests[3].keepsAlive, "HTTP/1.0 with keep-alive")
    #expect(!requests[4].keepsAlive, "Connection: close among other options")
  }

  @Test func cutsBetweenBytesChangeNothing() {
    let bytes = Array(Self.pipeline.utf8)
    let whole = parse([bytes]).requests
    for cut in 0...bytes.count {
      let result = parse([Array(bytes[..<cut]), Array(bytes[cut...])])
      #expect(result.requests == whole && result.error == nil, "cut at byte \(cut)")
    }
    let single = parse(bytes.map { [$0] })
    #expect(single.requests == whole && single.error == nil, "byte by byte")
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\nHost: a\n\n", HTTPParseError.Code.malformed),
    ("GET / HTTP/1.1\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", .malformed),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("GET http://kme/ HTTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("GET / FTP/1.1\r\nHost: a\r\n\r\n", .malformed),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", .versionNotSupported),
    ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nHost: a\u{1}\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", .bodyTooLarge),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", .bodyTooLarge),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", .codingNotImplemented),
    ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", .malformed),
  ])
  func refuses(_ text: String, _ code: HTTPParseError.Code) {
    let whole = parse(text)
    #expect(whole.error?.code == code && whole.requests.isEmpty, "\(text.debugDescription)")
    let single = parse(text.utf8.map { [$0] })
    #expect(single.error?.code == code && single.requests.isEmpty, "byte by byte: \(text.debugDescription)")
  }

  @Test func limitsEveryPart() {
    let longTarget = "GET /" + String(repeating: "a", count: 2_048)
    #expect(parse(longTarget).error?.code == .targetTooLong, "before the line ends")
    #expect(parse(longTarget + " HTTP/1.1\r\nHost: a\r\n\r\n").error?.code == .targetTooLong)
    let head = "GET / HTTP/1.1\r\nHost: a\r\nX: "
    let longField = head + String(repeating: "x", count: 8_192)
    #expect(parse(longField).error?.code == .headersTooLarge, "before the field ends")
    #expect(parse(longField + "\r\n\r\n").error?.code == .headersTooLarge)
    let manyFields = "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "x: y\r\n", count: 64) + "\r\n"
    #expect(parse(manyFields).error?.code == .headersTooLarge)
    let most = "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "x: y\r\n", count: 63) + "\r\n"
    #expect(parse(most).requests.count == 1)
  }

  @Test func staysFailedAndKeepsNothing() throws {
    var parser = HTTPRequestParser()
    parser.append(Array("bad\r\n\r\n".utf8))
    #expect(throws: HTTPParseError.self) { try parser.next() }
    parser.append(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
    #expect(parser.buffer.isEmpty)
    #expect(throws: HTTPParseError.self) { try parser.next() }
  }

  /// Damages requests at random: nothing may crash, and what is kept stays within the limits.
  @Test(arguments: [UInt64(1), 2, 3, 4])
  func survivesDamage(seed: UInt64) {
    var generator = SplitMix(seed: seed)
    let original = Array(Self.pipeline.utf8)
    for _ in 0..<500 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        let index = Int.random(in: bytes.indices, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: index)
        case 2: bytes.insert(contentsOf: bytes.prefix(index), at: index)
        default: bytes.removeSubrange(index...)
        }
        if bytes.isEmpty { bytes = [0] }
      }
      var parser = HTTPRequestParser()
      var rest = bytes[...]
      var isAlive = true
      while isAlive && !rest.isEmpty {
        let count = Int.random(in: 1...200, using: &generator)
        parser.append(rest.prefix(count))
        rest = rest.dropFirst(count)
        do { while try parser.next() != nil {} } catch { isAlive = false }
        #expect(parser.buffer.count <= 65_536 + 200, "seed \(seed)")
      }
    }
  }
}

/// A small generator with a seed, so that a failing case can be run again.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
