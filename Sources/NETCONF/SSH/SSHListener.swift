// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// An address to listen on.
public struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
  /// A numeric IPv4 or IPv6 address; `0.0.0.0` and `::` are all of a family.
  public let host: String
  /// 0 lets the system choose.
  public let port: UInt16

  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The protocol numbers of IANA that are levels of socket options. Whether Swift sees the C library's names for them
/// depends on what else is imported.
enum ProtocolNumber {
  static let tcp: Int32 = 6
  static let ipv6: Int32 = 41
}

/// One listening TCP socket. Belongs to one event loop once it is started.
final class SSHListener: EventHandler {
  let address: ListenAddress
  /// The port that the system gave.
  let port: UInt16
  private let descriptor: Int32
  private let loop: EventLoop
  private let accept: (_ descriptor: Int32, _ source: String) -> Void
  private var registration: EventLoop.Registration?

  /// Begins to listen; connections wait until `start`.
  init(
    _ address: ListenAddress, loop: EventLoop, accept: @escaping (_ descriptor: Int32, _ source: String) -> Void
  ) throws(ServerError) {
    self.address = address
    self.loop = loop
    self.accept = accept
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(address.host, String(address.port), &hints, &list)
    guard code == 0, let list else {
      throw .address("\(address)", reason: "not a numeric address (\(String(cString: gai_strerror(code))))")
    }
    defer { freeaddrinfo(list) }
    descriptor = socket(list.pointee.ai_family, list.pointee.ai_socktype, 0)
    guard descriptor >= 0 else { throw .address("\(address)", reason: ServerError.text(errno)) }
    Self.makeOurs(descriptor)
    Self.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
    if list.pointee.ai_family == AF_INET6 { Self.set(descriptor, ProtocolNumber.ipv6, IPV6_V6ONLY, 1) }
    guard bind(descriptor, list.pointee.ai_addr, list.pointee.ai_addrlen) == 0, listen(descriptor, 128) == 0 else {
      let reason = ServerError.text(errno)
      close(descriptor)
      throw .address("\(address)", reason: reason)
    }
    port = Self.localPort(descriptor)
  }

  deinit { close(descriptor) }

  /// Begins to accept. On the loop.
  func start() {
    guard registration == nil else { return }
    registration = try? loop.register(descriptor, for: .reading, handler: self)
    if registration == nil { startLater() }
  }

  /// Accepts no more. On the loop.
  func stop() {
    guard let registration else { return }
    loop.unregister(registration, descriptor)
    self.registration = nil
  }

  func ready(isBroken: Bool) {
    for _ in 0..<32 {
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let connection = withUnsafeMutablePointer(to: &storage) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Glibc.accept(descriptor, $0, &length)
        }
      }
      guard connection >= 0 else {
        if errno == EINTR || errno == ECONNABORTED { continue }
        if errno != EAGAIN {
          // Out of descriptors or memory: trying again at once would only spin.
          stop()
          startLater()
        }
        return
      }
      Self.makeOurs(connection)
      Self.set(connection, ProtocolNumber.tcp, TCP_NODELAY, 1)
      Self.set(connection, SOL_SOCKET, SO_KEEPALIVE, 1)
      Self.set(connection, ProtocolNumber.tcp, TCP_KEEPIDLE, 60)
      Self.set(connection, ProtocolNumber.tcp, TCP_KEEPINTVL, 15)
      Self.set(connection, ProtocolNumber.tcp, TCP_KEEPCNT, 4)
      accept(connection, Self.numericHost(&storage, length))
    }
  }

  private func startLater() {
    loop.schedule(at: loop.now + .milliseconds(200)) { [weak self] in self?.start() }
  }

  /// Not waited for, and not inherited by programs that are started.
  private static func makeOurs(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
  }

  private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  private static func localPort(_ descriptor: Int32) -> UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let code = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard code == 0 else { return 0 }
    // The port stands at the same place in both families' addresses.
    return withUnsafeBytes(of: &storage) { UInt16($0[2]) << 8 | UInt16($0[3]) }
  }

  private static func numericHost(_ storage: inout sockaddr_storage, _ length: socklen_t) -> String {
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let code = withUnsafePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getnameinfo($0, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
      }
    }
    guard code == 0 else { return "unknown" }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
