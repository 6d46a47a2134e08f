// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One end of a conversation over a byte channel, as a transport sees it: bytes are offered to it and pulled from it,
/// each at the pace of the other side. A transport calls it from one thread.
protocol ByteSession: AnyObject {
  /// Takes bytes from the peer.
  /// - Returns: how many it took: fewer than given when it has enough to do; the rest is offered again later.
  func receive(_ bytes: UnsafeRawBufferPointer) -> Int
  /// The peer will send no more.
  func inputEnded()
  /// Appends the next output, about `limit` bytes at most; nothing when there is none now.
  func produce(into output: inout [UInt8], limit: Int)
  /// True when it wants more input now.
  var wantsInput: Bool { get }
  /// True when everything was produced and the channel is to be closed.
  var isFinished: Bool { get }
  /// True when the channel is to be closed at once, even though output waits that the peer does not read.
  var isAborted: Bool { get }
  /// The channel is gone, whatever the session thinks.
  func channelClosed()
  /// Called about once a second.
  /// - Parameter isStalled: output waits that was produced and that the peer does not take.
  func tick(isStalled: Bool)
  /// The server stops: end in order.
  func stop()
}

/// What a transport tells about the other end.
struct PeerDescription: Sendable {
  /// The user who logged in.
  let user: String
  /// The numeric address, without a port.
  let host: String
  /// The identity of ietf-netconf-monitoring that names the transport, such as `netconf-ssh`.
  let transport: String
}
