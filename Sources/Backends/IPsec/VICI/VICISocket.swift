// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// A connected, non-blocking Unix stream socket with the bytes that still have to go out. Owned by one thread.
final class VICISocket {
  /// What a read brought.
  enum Input {
    case bytes([UInt8])
    case nothingNow
    case closed(String)
  }

  let descriptor: Int32
  /// The process that listens at the far end, as the kernel recorded it.
  let peer: Int32
  private var outgoing: [VICIFrame] = []
  private var sent = 0

  /// Connects to the socket at `path`.
  ///
  /// - Throws: `disconnected` when nobody listens there, `incompatible` when it is another user than root or ours.
  init(path: String) throws(VICIError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, !bytes.contains(0), bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw VICIError(.disconnected, "'\(path)' cannot be the path of a Unix socket")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let descriptor = socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw VICIError(.system, "no socket: \(systemReason())") }
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else {
      let error = VICIError(.disconnected, "cannot connect to \(path): \(systemReason())")
      close(descriptor)
      throw error
    }
    var process: Int32 = 0
    var user: UInt32 = 0
    guard agentd_peer_of(descriptor, &process, &user) == 0 else {
      let error = VICIError(.system, "the peer of \(path) is unknown: \(systemReason())")
      close(descriptor)
      throw error
    }
    guard user == 0 || user == geteuid() else {
      close(descriptor)
      throw VICIError(.incompatible, "user \(user) listens on \(path), neither root nor user \(geteuid())")
    }
    self.descriptor = descriptor
    self.peer = process
  }

  deinit { close(descriptor) }

  /// Whether bytes wait until the socket takes more.
  var wantsToWrite: Bool { !outgoing.isEmpty }

  /// Sends the packet, now or when the socket takes it.
  ///
  /// - Returns: a reason when the connection is broken.
  func write(_ frame: VICIFrame) -> String? {
    outgoing.append(frame)
    return flush()
  }

  /// Sends what waits, as far as the socket takes it.
  ///
  /// - Returns: a reason when the connection is broken.
  func flush() -> String? {
    while !outgoing.isEmpty {
      let first = sent
      let bytes = outgoing[0].bytes
      let count = bytes.withUnsafeBytes { buffer in
        send(descriptor, buffer.baseAddress.map { $0 + first }, buffer.count - first, Int32(MSG_NOSIGNAL))
      }
      if count < 0 {
        if errno == EINTR { continue }
        return errno == EAGAIN ? nil : systemReason()
      }
      sent += count
      guard sent == bytes.count else { continue }
      outgoing.removeFirst()
      sent = 0
    }
    return nil
  }

  /// Reads what has come, at most 64 KiB.
  func read() -> Input {
    var result = Input.nothingNow
    var count = 0
    repeat {
      let bytes = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, used in
        count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
        used = max(count, 0)
      }
      if count > 0 { result = .bytes(bytes) }
    } while count < 0 && errno == EINTR
    if count == 0 { return .closed("charon has closed its VICI socket") }
    if count < 0 && errno != EAGAIN { return .closed("reading from charon's VICI socket: \(systemReason())") }
    return result
  }
}

/// The text of `errno`.
func systemReason(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
