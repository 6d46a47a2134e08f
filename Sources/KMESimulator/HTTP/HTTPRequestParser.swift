// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Turns bytes into HTTP/1.1 requests, whatever the cuts between the bytes.
///
/// Input is `append`, output is `next`: a request, `nil` when more bytes are needed, or an error after which the
/// connection can only be answered and closed. The parser is strict, because a test server that forgives hides the
/// client's faults: lines end with CR LF, there is exactly one Host field in HTTP/1.1, no folded lines, no transfer
/// codings. Every part has a limit, so what a peer makes it keep is bounded by `Limits`.
public struct HTTPRequestParser: Sendable {
  /// What one request may take, in bytes and counts.
  public struct Limits: Equatable, Sendable {
    /// The request line without its line end, in bytes.
    public var requestLine = 2_048
    /// The request line and all header fields together, in bytes.
    public var head = 8_192
    /// The number of header fields.
    public var headerFields = 64
    /// The body, in bytes.
    public var body = 65_536

    /// The limits used for every listener.
    public init() {}
  }

  /// The bytes received and not yet consumed.
  public private(set) var buffer: [UInt8] = []
  private let limits: Limits
  private var hasBegun = false
  private var searched = 0
  private var head: Head?
  private var failure: HTTPParseError?

  /// Starts at the beginning of a connection.
  public init(limits: Limits = Limits()) {
    self.limits = limits
  }

  /// Takes bytes as they came from the connection.
  public mutating func append(_ bytes: some Sequence<UInt8>) {
    guard failure == nil else { return }
    buffer.append(contentsOf: bytes)
  }

  /// The next complete request, or `nil` when its bytes have not all come yet.
  public mutating func next() throws(HTTPParseError) -> HTTPRequest? {
    if let failure { throw failure }
    do throws(HTTPParseError) {
      return try parse()
    } catch {
      failure = error
      buffer = []
      throw error
    }
  }

  private mutating func parse() throws(HTTPParseError) -> HTTPRequest? {
    if head == nil {
      guard let end = try endOfHead() else { return nil }
      head = try Head(buffer[..<end], limits: limits)
      buffer.removeFirst(end + 4)
      searched = 0
      hasBegun = false
    }
    guard let complete = head, buffer.count >= complete.bodyLength else { return nil }
    head = nil
    var request = complete.request
    request.body = Array(buffer.prefix(complete.bodyLength))
    buffer.removeFirst(complete.bodyLength)
    return request
  }

  /// Where the empty line begins that ends the head; remembers how far it looked, so that a head sent byte by byte
  /// costs no more than one sent at once.
  private mutating func endOfHead() throws(HTTPParseError) -> Int? {
    if !hasBegun {
      // RFC 9112 section 2.2: a server ignores at least one empty line before the request line.
      guard buffer.count >= 2 else { return nil }
      if buffer[0] == .carriageReturn && buffer[1] == .lineFeed { buffer.removeFirst(2) }
      hasBegun = true
    }
    var index = searched
    while index < buffer.count {
      if buffer[index] == .lineFeed {
        guard index > 0 && buffer[index - 1] == .carriageReturn else {
          throw HTTPParseError(.malformed, "a line ends without a carriage return")
        }
        if index >= 3 && buffer[index - 2] == .lineFeed { return index - 3 }
      }
      index += 1
    }
    searched = index
    if buffer.count > limits.requestLine + 2 && !buffer.prefix(limits.requestLine + 2).contains(.lineFeed) {
      throw HTTPParseError(.targetTooLong, "the request line exceeds \(limits.requestLine) bytes")
    }
    if buffer.count > limits.head {
      throw HTTPParseError(.headersTooLarge, "the header exceeds \(limits.head) bytes")
    }
    return nil
  }
}

/// Why the bytes on a connection are no request, with the status code that says so.
public struct HTTPParseError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The kinds of failure; the raw value is the status code of the answer.
  public enum Code: Int, Sendable {
    case malformed = 400
    case bodyTooLarge = 413
    case targetTooLong = 414
    case headersTooLarge = 431
    case codingNotImplemented = 501
    case versionNotSupported = 505
  }

  /// The kind of failure.
  public let code: Code
  /// What was wrong, for the log and the body of the answer.
  public let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }
}

extension UInt8 {
  static let carriageReturn = UInt8(ascii: "\r")
  static let lineFeed = UInt8(ascii: "\n")
  static let space = UInt8(ascii: " ")
}
