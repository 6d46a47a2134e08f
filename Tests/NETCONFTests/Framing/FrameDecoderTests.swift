// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import NETCONF
import Testing

@Suite struct FrameDecoderTests {
  /// Decodes a stream given in pieces; the messages that ended, and what was open at the end.
  private func decode(_ pieces: [[UInt8]], _ framing: Framing) throws -> (messages: [[UInt8]], open: [UInt8]) {
    var decoder = FrameDecoder(framing: framing)
    var messages: [[UInt8]] = []
    var open: [UInt8] = []
    for piece in pieces {
      try piece.withUnsafeBytes { buffer in
        var position = 0
        while let event = try decoder.next(in: buffer, at: &position) {
          switch event {
          case .content(let bytes): open.append(contentsOf: bytes)
          case .endOfMessage:
            messages.append(open)
            open = []
          }
        }
        #expect(position == buffer.count, "the decoder left input unused")
      }
    }
    return (messages, open)
  }

  private func decode(_ text: String, _ framing: Framing) throws -> (messages: [[UInt8]], open: [UInt8]) {
    try decode([Array(text.utf8)], framing)
  }

  @Test func delimitedMessages() throws {
    let result = try decode("<a/>]]>]]><b>]]</b>]]>]]>tail", .endOfMessage)
    #expect(result.messages == [Array("<a/>".utf8), Array("<b>]]</b>".utf8)])
    #expect(result.open == Array("tail".utf8))
  }

  @Test func delimiterCutAnywhereAmongLookalikes() throws {
    // Every arrangement of the delimiter's two bytes and one other up to nine bytes, cut at each place.
    let alphabet: [UInt8] = Array("]>x".utf8)
    for length in 0...9 {
      var digits = [Int](repeating: 0, count: length)
      while true {
        let content = digits.map { alphabet[$0] }
        let stream = content + Array("]]>]]>".utf8)
        let whole = try decode([stream], .endOfMessage)
        let expected = reference(stream)
        #expect(
          whole.messages == expected.messages && whole.open == expected.open,
          "\(String(decoding: stream, as: UTF8.self))")
        let cut = length == 0 ? 0 : (length * 7 + digits[0]) % stream.count
        for cuts in [[cut], [cut, min(stream.count, cut + 1)], Array(1..<stream.count)] {
          let pieces = split(stream, at: cuts)
          let result = try decode(pieces, .endOfMessage)
          #expect(
            result.messages == whole.messages && result.open == whole.open,
            "\(String(decoding: stream, as: UTF8.self)) cut at \(cuts)")
        }
        var place = 0
        while place < length, digits[place] == 2 {
          digits[place] = 0
          place += 1
        }
        if place >= length { break }
        digits[place] += 1
      }
    }
  }

  /// What a decoder that sees everything at once finds.
  private func reference(_ stream: [UInt8]) -> (messages: [[UInt8]], open: [UInt8]) {
    let delimiter = Array("]]>]]>".utf8)
    var messages: [[UInt8]] = []
    var open: [UInt8] = []
    var at = 0
    while at < stream.count {
      if stream[at...].starts(with: delimiter) {
        messages.append(open)
        open = []
        at += 6
      } else {
        open.append(stream[at])
        at += 1
      }
    }
    // A beginning of a delimiter at the end is not decided yet.
    for length in stride(from: 5, through: 1, by: -1)
    where open.count >= length && open.suffix(length).elementsEqual(delimiter.prefix(length)) {
      open.removeLast(length)
      break
    }
    return (messages, open)
  }

  private func split(_ bytes: [UInt8], at cuts: [Int]) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var start = 0
    for cut in cuts + [bytes.count] where cut >= start {
      pieces.append(Array(bytes[start..<cut]))
      start = cut
    }
    return pieces
  }

  @Test func chunkedMessagesCutAnywhere() throws {
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: .min ... .max, using: &generator)
    var random = SplitMix(state: seed)
    for _ in 0..<300 {
      var stream: [UInt8] = []
      var expected: [[UInt8]] = []
      let encoder = FrameEncoder(framing: .chunked)
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        var message: [UInt8] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          let piece = (0..<Int.random(in: 1...120, using: &random)).map { _ in
            Array("\n#1]>".utf8).randomElement(using: &random)!
          }
          message += piece
          encoder.append(piece, to: &stream)
        }
        encoder.appendEnd(to: &stream)
        expected.append(message)
      }
      let cuts = (0..<Int.random(in: 0...12, using: &random)).map { _ in
        Int.random(in: 0...stream.count, using: &random)
      }.sorted()
      let result = try decode(split(stream, at: cuts), .chunked)
      #expect(result.messages == expected && result.open.isEmpty, "seed \(seed)")
    }
  }

  @Test(arguments: [
    "<rpc/>", "\n<", "\n#0\n", "\n#01\nx", "\n#4294967296\nx", "\n#99999999999999999999\nx", "\n#-1\n", "\n# 1\n",
    "\n#1 \n", "\n##\n",
    "\n#\n", "\n#1\nab", "\n#1\na\n#", "\r\n#1\na", "\n#1\na\n##\n##\n", "\n#1\na\n##x", "\n#+5\nhello",
    "\n#0x5\nhello", "]]>]]>",
  ])
  func malformedChunksAreErrors(_ text: String) {
    // Those that are only unfinished become errors with the byte that follows.
    #expect(throws: FramingError.self, "\(text)") { try decode(text + "!", .chunked) }
  }

  @Test func greatestChunkSizeIsAccepted() throws {
    let result = try decode("\n#4294967295\nabc", .chunked)
    #expect(result.messages.isEmpty)
    #expect(result.open == Array("abc".utf8))
  }

  @Test func framingChangesBetweenMessages() throws {
    var decoder = FrameDecoder()
    let stream = Array("<hello/>]]>]]>\n#6\n<rpc/>\n##\n".utf8)
    var found: [String] = []
    var open: [UInt8] = []
    try stream.withUnsafeBytes { buffer in
      var position = 0
      while let event = try decoder.next(in: buffer, at: &position) {
        switch event {
        case .content(let bytes): open.append(contentsOf: bytes)
        case .endOfMessage:
          found.append(String(decoding: open, as: UTF8.self))
          open = []
          decoder.framing = .chunked
        }
      }
    }
    #expect(found == ["<hello/>", "<rpc/>"])
  }
}

/// A small generator that can be seeded, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
