// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Puts message content on a byte stream in one of the framings of RFC 6242.
///
/// Content may be given in pieces of any size. With end-of-message framing the content must not contain `]]>]]>`, which
/// is so for XML whose text and attribute values have every `>` escaped.
public struct FrameEncoder: Sendable {
  public var framing: Framing

  public init(framing: Framing = .endOfMessage) { self.framing = framing }

  /// Appends a piece of content, as one chunk where the framing has chunks. An empty piece appends nothing.
  public func append(_ content: some Collection<UInt8>, to output: inout [UInt8]) {
    guard !content.isEmpty else { return }
    if framing == .chunked { Self.appendHeader(chunkSize: content.count, to: &output) }
    output.append(contentsOf: content)
  }

  /// Ends the message.
  public func appendEnd(to output: inout [UInt8]) {
    switch framing {
    case .endOfMessage: output.append(contentsOf: Self.endOfMessage)
    case .chunked: output.append(contentsOf: Self.endOfChunks)
    }
  }

  private static let endOfMessage = Array("]]>]]>".utf8)
  private static let endOfChunks = Array("\n##\n".utf8)

  private static func appendHeader(chunkSize: Int, to output: inout [UInt8]) {
    precondition(chunkSize >= 1 && chunkSize <= 4_294_967_295, "a chunk-size is 1 to 4294967295")
    output.append(UInt8(ascii: "\n"))
    output.append(UInt8(ascii: "#"))
    var divisor = 1
    while chunkSize / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      output.append(UInt8(ascii: "0") + UInt8(chunkSize / divisor % 10))
      divisor /= 10
    }
    output.append(UInt8(ascii: "\n"))
  }
}
