// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// Finds the messages in a byte stream (RFC 6242), piece by piece as the bytes arrive: nothing is copied or kept but a
/// position, so a message of any size costs no memory here.
///
/// Input: buffers of any cut. Output: pieces of message content, in order, and the end of each message. The framing may
/// be switched between two messages (after the hello). After an error the decoder is spent.
public struct FrameDecoder: Sendable {
  public enum Event {
    /// Content of the current message; valid until the input buffer goes away.
    case content(UnsafeRawBufferPointer)
    case endOfMessage
  }

  /// The framing of the messages to come. Set it between messages only.
  public var framing: Framing {
    didSet { state = framing == .chunked ? .lineFeed(afterChunk: false) : .delimiter(matched: 0) }
  }
  private var state: State

  private enum State {
    /// In a message delimited by `]]>]]>`; that many bytes of the delimiter were seen.
    case delimiter(matched: Int)
    case lineFeed(afterChunk: Bool)
    case hash(afterChunk: Bool)
    case firstDigit(afterChunk: Bool)
    case digits(UInt64)
    case content(remaining: UInt64)
    case endLineFeed
  }

  public init(framing: Framing = .endOfMessage) {
    self.framing = framing
    state = framing == .chunked ? .lineFeed(afterChunk: false) : .delimiter(matched: 0)
  }

  /// The next event in `input` from `position` on, which moves behind what was used. Nil when the buffer is used up.
  public mutating func next(
    in input: UnsafeRawBufferPointer, at position: inout Int
  ) throws(FramingError) -> Event? {
    if case .delimiter(let matched) = state { return nextDelimited(input, &position, matched) }
    return try nextChunked(input, &position)
  }

  // MARK: Chunked framing

  private mutating func nextChunked(
    _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) throws(FramingError) -> Event? {
    while position < input.count {
      if case .content(let remaining) = state {
        let count = Int(min(remaining, UInt64(input.count - position)))
        let piece = UnsafeRawBufferPointer(rebasing: input[position..<position + count])
        position += count
        state =
          remaining == UInt64(count) ? .lineFeed(afterChunk: true) : .content(remaining: remaining - UInt64(count))
        return .content(piece)
      }
      let byte = input[position]
      position += 1
      if try header(byte) { return .endOfMessage }
    }
    return nil
  }

  /// Takes a byte of a chunk header; true when it ends the message.
  private mutating func header(_ byte: UInt8) throws(FramingError) -> Bool {
    switch state {
    case .lineFeed(let afterChunk):
      guard byte == UInt8(ascii: "\n") else { throw .unexpectedByte(byte, expected: "a line feed") }
      state = .hash(afterChunk: afterChunk)
    case .hash(let afterChunk):
      guard byte == UInt8(ascii: "#") else { throw .unexpectedByte(byte, expected: "#") }
      state = .firstDigit(afterChunk: afterChunk)
    case .firstDigit(let afterChunk):
      if byte == UInt8(ascii: "#") {
        guard afterChunk else { throw .emptyMessage }
        state = .endLineFeed
      } else {
        guard byte >= UInt8(ascii: "1"), byte <= UInt8(ascii: "9") else { throw .invalidChunkSize }
        state = .digits(UInt64(byte - UInt8(ascii: "0")))
      }
    case .digits(let value):
      if byte == UInt8(ascii: "\n") {
        state = .content(remaining: value)
      } else {
        guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { throw .invalidChunkSize }
        let value = value * 10 + UInt64(byte - UInt8(ascii: "0"))
        guard value <= 4_294_967_295 else { throw .invalidChunkSize }
        state = .digits(value)
      }
    case .endLineFeed:
      guard byte == UInt8(ascii: "\n") else { throw .unexpectedByte(byte, expected: "a line feed") }
      state = .lineFeed(afterChunk: false)
      return true
    case .delimiter, .content: break
    }
    return false
  }

  // MARK: End-of-message framing

  static let delimiter: StaticString = "]]>]]>"
  /// For each count of matched delimiter bytes: how many remain matched when the next byte does not fit (the failure
  /// function of Knuth, Morris and Pratt).
  private static let fallback: [6 of Int] = [0, 0, 1, 0, 1, 2]

  private mutating func nextDelimited(
    _ input: UnsafeRawBufferPointer, _ position: inout Int, _ initial: Int
  ) -> Event? {
    let start = position
    var matched = initial
    // Of the matched bytes, `initial` came in earlier buffers: should they turn out to be content, they are given from
    // the constant.
    while position < input.count {
      if matched == 0, let base = input.baseAddress {
        guard let found = memchr(base + position, 0x5D, input.count - position) else {
          position = input.count
          break
        }
        position = UnsafeRawPointer(found) - base
      }
      let expected: UInt8 = matched % 3 == 2 ? UInt8(ascii: ">") : UInt8(ascii: "]")
      if input[position] == expected {
        matched += 1
        position += 1
        if matched == 6 { return ended(input, start, &position, carried: initial) }
      } else if matched == 0 {
        position += 1
      } else if initial > 0, position - start + initial == matched {
        // Nothing but the beginning of a delimiter so far, and it goes back to an earlier buffer: some of that is
        // content.
        let carried = max(0, Self.fallback[matched] - (position - start))
        state = .delimiter(matched: carried)
        position = start
        return .content(UnsafeRawBufferPointer(start: Self.delimiter.utf8Start, count: initial - carried))
      } else {
        matched = Self.fallback[matched]
      }
    }
    state = .delimiter(matched: matched)
    let held = min(matched, position - start)
    return content(input, start, end: position - held)
  }

  /// The delimiter is complete: gives what is before it, and the end with the next call.
  private mutating func ended(
    _ input: UnsafeRawBufferPointer, _ start: Int, _ position: inout Int, carried: Int
  ) -> Event? {
    let end = position - (6 - carried)
    if end > start {
      // The delimiter is read again by the next call, which finds nothing before it.
      position = end
      state = .delimiter(matched: carried)
      return content(input, start, end: end)
    }
    state = .delimiter(matched: 0)
    return .endOfMessage
  }

  private func content(_ input: UnsafeRawBufferPointer, _ start: Int, end: Int) -> Event? {
    end > start ? .content(UnsafeRawBufferPointer(rebasing: input[start..<end])) : nil
  }
}
