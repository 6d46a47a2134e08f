// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import SecYControl

/// A connection to the control socket of a secyd: one request, one answer, within a time.
final class SecydConnection {
  private let descriptor: Int32
  private let buffer = MessageBuffer()
  private var number: UInt32 = 0

  /// - Throws: `unreachable`.
  init(path: String, answerLimit: Duration) throws(SecYError) {
    let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    descriptor = socket(AF_UNIX, kind, 0)
    guard descriptor >= 0 else { throw SecYError(.unreachable, "no socket: \(SecydDirectory.reason())") }
    let parts = answerLimit.components
    var limit = timeval(tv_sec: Int(parts.seconds), tv_usec: Int(parts.attoseconds / 1_000_000_000_000))
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes.prefix($0.count - 1)) }
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard connected == 0 else {
      let reason = SecydDirectory.reason()
      close(descriptor)
      throw SecYError(.unreachable, "secyd is not at \(path): \(reason)")
    }
  }

  deinit { close(descriptor) }

  /// - Parameter write: the body, which may hold keys: the buffer is wiped.
  /// - Throws: `unreachable`, after which the connection is of no more use; `refused`.
  func ask<Answer>(
    _ kind: RequestKind, write: (MessageBuffer) -> Void = { _ in },
    read: (inout MessageReader) throws(ControlError) -> Answer
  ) throws(SecYError) -> Answer {
    defer { buffer.wipe() }
    number &+= 1
    Exchange.request(kind, number: number, to: buffer)
    write(buffer)
    guard !buffer.isOverfull else { throw SecYError(.refused, "a request to secyd is too long") }
    guard send(descriptor, buffer.storage.baseAddress, buffer.count, Int32(MSG_NOSIGNAL)) == buffer.count else {
      throw SecYError(.unreachable, "secyd takes no request: \(SecydDirectory.reason())")
    }
    buffer.wipe()
    let count = recv(descriptor, buffer.storage.baseAddress, MessageBuffer.capacity, 0)
    guard count > 0 else {
      let reason = count == 0 ? "it has closed the connection" : SecydDirectory.reason()
      throw SecYError(.unreachable, "secyd gives no answer: \(reason)")
    }
    buffer.filled(count)
    do throws(ControlError) {
      var reader = try Exchange.body(buffer.bytes, number: number)
      return try read(&reader)
    } catch { throw SecYError(.refused, "secyd and this agent do not understand each other: \(error)") }
  }
}
