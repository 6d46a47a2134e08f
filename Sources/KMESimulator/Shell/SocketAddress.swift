// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// An IPv4 or IPv6 address and port in the form that the socket calls take.
struct SocketAddress: Equatable, Sendable {
  private var bytes: [UInt8]

  /// Parses an address literal; names are not resolved.
  init?(host: String, port: UInt16) {
    var v4 = sockaddr_in()
    var v6 = sockaddr_in6()
    if inet_pton(AF_INET, host, &v4.sin_addr) == 1 {
      v4.sin_family = sa_family_t(AF_INET)
      v4.sin_port = port.bigEndian
      bytes = withUnsafeBytes(of: &v4) { Array($0) }
    } else if inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 {
      v6.sin6_family = sa_family_t(AF_INET6)
      v6.sin6_port = port.bigEndian
      bytes = withUnsafeBytes(of: &v6) { Array($0) }
    } else {
      return nil
    }
  }

  /// A Unix socket's path; `nil` when it is too long.
  init?(path: String) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { target in
      guard path.utf8.count < target.count else { return false }
      target.copyBytes(from: path.utf8)
      return true
    }
    guard fits else { return nil }
    bytes = withUnsafeBytes(of: &address) { Array($0) }
  }

  init?(_ endpoint: Endpoint) {
    switch endpoint {
    case .tcp(let host, let port): self.init(host: host, port: port)
    case .unix(let path): self.init(path: path)
    }
  }

  var family: Int32 {
    bytes.withUnsafeBytes { Int32($0.loadUnaligned(as: sa_family_t.self)) }
  }

  /// Lends the address to a socket call.
  func withPointer<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    bytes.withUnsafeBytes { buffer in
      // An array of bytes is aligned for its allocation, which is at least 16 bytes.
      body(buffer.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, socklen_t(buffer.count))
    }
  }

  /// The port that a bound TCP socket got.
  static func port(of descriptor: Int32) -> UInt16? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard result == 0 else { return nil }
    return withUnsafeBytes(of: &storage) { buffer in
      // sin_port and sin6_port have the same place in their structures.
      UInt16(bigEndian: buffer.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    }
  }
}

/// The text of the last error of the C library.
func systemErrorText(_ code: Int32 = errno) -> String {
  String(cString: strerror(code))
}
