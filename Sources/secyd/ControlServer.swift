// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import SecYControl
import SecYEngine

/// The control socket: agents ask, secyd answers.
///
/// Only processes of the same user, or of root, are heard. A connection that does not take its answers is closed.
final class ControlServer {
  static let mostConnections = 8

  let listener: Int32
  private(set) var connections: Set<Int32> = []
  private let request = MessageBuffer()
  private let answer = MessageBuffer()

  init(path: String) throws(SecydError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw SecydError("the path of the control socket is too long: \(path)")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    listener = socket(AF_UNIX, kind, 0)
    guard listener >= 0 else { throw .system("no control socket") }
    unlink(path)
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard bound == 0, chmod(path, 0o600) == 0, listen(listener, 4) == 0 else {
      let error = SecydError.system("cannot listen at \(path)")
      close(listener)
      throw error
    }
  }

  deinit {
    for connection in connections { close(connection) }
    close(listener)
  }

  /// A new connection, if there is one that may be.
  func accept() -> Int32? {
    let connection = Glibc.accept(listener, nil, nil)
    guard connection >= 0 else { return nil }
    var process: Int32 = 0
    var user: UInt32 = 0
    guard connections.count < Self.mostConnections, agentd_peer_of(connection, &process, &user) == 0,
      user == geteuid() || user == 0,
      fcntl(connection, F_SETFL, O_NONBLOCK) == 0, fcntl(connection, F_SETFD, FD_CLOEXEC) == 0
    else {
      close(connection)
      return nil
    }
    connections.insert(connection)
    return connection
  }

  /// Answers the next request.
  ///
  /// - Returns: whether the controlled port is to be removed now.
  func serve(_ connection: Int32, entity: SecurityEntity, identity: Identity) -> Bool {
    defer {
      request.wipe()
      answer.wipe()
    }
    let count = recv(connection, request.storage.baseAddress, MessageBuffer.capacity, Int32(MSG_TRUNC))
    if count < 0 && (errno == EAGAIN || errno == EINTR) { return false }
    guard count > 0, count <= MessageBuffer.capacity else {
      request.filled(MessageBuffer.capacity)
      drop(connection)
      return false
    }
    request.filled(count)
    let isRemoved = Exchange.answer(request.bytes, entity: entity, identity: identity, to: answer)
    if send(connection, answer.bytes.baseAddress, answer.count, Int32(MSG_NOSIGNAL)) != answer.count {
      drop(connection)
    }
    return isRemoved
  }

  private func drop(_ connection: Int32) {
    connections.remove(connection)
    close(connection)
  }
}
