// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// A bound and listening stream socket; closed, and its path removed, when the last reference goes.
final class ListeningSocket: Sendable {
  let descriptor: Int32
  /// Where it listens, with the port that the system chose if any was asked for.
  let endpoint: Endpoint

  init(_ wanted: Endpoint) throws(SimulatorError) {
    guard let address = SocketAddress(wanted) else {
      throw SimulatorError(.configuration, "'\(wanted)' is no address to listen on")
    }
    let descriptor = socket(
      address.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw SimulatorError(.system, "cannot make a socket: \(systemErrorText())") }
    do throws(SimulatorError) {
      var on: Int32 = 1
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
      try Self.bind(descriptor, address, wanted)
      guard listen(descriptor, 512) == 0 else {
        throw SimulatorError(.system, "cannot listen on \(wanted): \(systemErrorText())")
      }
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    if case .tcp(let host, _) = wanted, let port = SocketAddress.port(of: descriptor) {
      endpoint = .tcp(host: host, port: port)
    } else {
      endpoint = wanted
    }
  }

  deinit {
    close(descriptor)
    if case .unix(let path) = endpoint { unlink(path) }
  }

  private static func bind(
    _ descriptor: Int32, _ address: SocketAddress, _ endpoint: Endpoint
  ) throws(SimulatorError) {
    func attempt() -> Bool { address.withPointer { Glibc.bind(descriptor, $0, $1) } == 0 }
    guard case .unix(let path) = endpoint else {
      guard attempt() else { throw SimulatorError(.system, "cannot listen on \(endpoint): \(systemErrorText())") }
      return
    }
    if !attempt() {
      // A socket that a dead process left behind refuses connections; one in use does not, and is left alone.
      guard errno == EADDRINUSE, isAbandoned(address), unlink(path) == 0, attempt() else {
        throw SimulatorError(.system, "cannot listen on \(endpoint): \(systemErrorText())")
      }
    }
    guard chmod(path, 0o600) == 0 else {
      throw SimulatorError(.system, "cannot set the mode of \(path): \(systemErrorText())")
    }
  }

  private static func isAbandoned(_ address: SocketAddress) -> Bool {
    let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard probe >= 0 else { return false }
    defer { close(probe) }
    return address.withPointer { connect(probe, $0, $1) } != 0 && errno == ECONNREFUSED
  }
}
