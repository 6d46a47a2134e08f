// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Bytes of a request that exist in it only while it is sent: a key.
struct NetlinkSecret {
  /// Where they stand in the payload, which holds zeros there.
  let range: Range<Int>
  /// Lends the bytes.
  let withBytes: ((UnsafeRawBufferPointer) -> Void) -> Void

  /// Puts them into the bytes of a whole message.
  func fill(_ message: inout [UInt8]) throws(NetlinkError) {
    let start = NetlinkMessage.headerLength + range.lowerBound
    let end = NetlinkMessage.headerLength + range.upperBound
    guard end <= message.count else { throw .invalidRequest("a key outside of its request") }
    var isFilled = false
    message.withUnsafeMutableBytes { target in
      withBytes { source in
        guard source.count == range.count else { return }
        UnsafeMutableRawBufferPointer(rebasing: target[start..<end]).copyMemory(from: source)
        isFilled = true
      }
    }
    guard isFilled else { throw .invalidRequest("a key of another length than its request has room for") }
  }
}
