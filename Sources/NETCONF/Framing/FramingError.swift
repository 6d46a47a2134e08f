// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why a byte stream is no sequence of NETCONF messages (RFC 6242 section 4.2). After any of these the place of the
/// next message is unknown: the session must end.
public enum FramingError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A byte other than the one that the chunked framing requires at this place.
  case unexpectedByte(UInt8, expected: String)
  /// A chunk-size with a leading zero, of zero, or greater than 4294967295.
  case invalidChunkSize
  /// An end-of-chunks without a chunk before it.
  case emptyMessage

  public var description: String {
    switch self {
    case .unexpectedByte(let byte, let expected):
      "chunked framing: expected \(expected), found byte \(byte)"
    case .invalidChunkSize: "chunked framing: the chunk-size is not a number from 1 to 4294967295"
    case .emptyMessage: "chunked framing: a message without a chunk"
    }
  }
}

/// The two ways to put messages on a byte stream.
public enum Framing: Sendable, Hashable {
  /// `]]>]]>` after each message (RFC 6242 section 4.3): base:1.0, and every hello.
  case endOfMessage
  /// Chunks (RFC 6242 section 4.2): base:1.1 after the hellos.
  case chunked
}
