// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import Synchronization
import Threads

/// The Unix socket at which charon's plugin asks for PPKs.
///
/// One thread accepts, reads and closes; questions are answered by tasks, which write at once what fits into any socket.
/// A client has `questionLimit` to ask, and is closed after `answerLimit` whatever becomes of its question: the plugin
/// has given up by then. Only processes of root or of our own user are listened to.
final class PPKSocketServer: Sendable {
  static let mostConnections = 64
  static let questionLimit = Duration.seconds(2)
  static let answerLimit = Duration.seconds(10)

  private let listener: Int32
  private let wake: Int32
  private let path: String
  private let isStopping = Atomic<Bool>(false)
  private let answer: @Sendable (PPKQuestion) async -> PPKAnswer

  /// Binds the socket, mode 0600, in the place of one that an earlier agent left.
  ///
  /// - Throws: `system`.
  init(path: String, answer: @escaping @Sendable (PPKQuestion) async -> PPKAnswer) throws(VICIError) {
    self.path = path
    self.answer = answer
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, !bytes.contains(0), bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw VICIError(.system, "'\(path)' cannot be the path of a Unix socket")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let kinds = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    listener = socket(AF_UNIX, kinds, 0)
    wake = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    guard listener >= 0, wake >= 0 else { throw VICIError(.system, "no socket: \(systemReason())") }
    unlink(path)
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0, chmod(path, 0o600) == 0, listen(listener, Int32(Self.mostConnections)) == 0 else {
      throw VICIError(.system, "cannot listen at \(path): \(systemReason())")
    }
  }

  deinit {
    close(listener)
    close(wake)
  }

  /// Begins to serve, until `stop()`.
  ///
  /// - Throws: `system`.
  func start() throws(VICIError) {
    do throws(SystemThread.Failure) { _ = try SystemThread("agentd-ppk") { [self] in serve() } } catch {
      throw VICIError(.system, "no thread for charon's questions: \(systemReason(error.errorNumber))")
    }
  }

  /// Ends serving, soon after; answers under way are lost.
  func stop() {
    guard !isStopping.exchange(true, ordering: .acquiringAndReleasing) else { return }
    unlink(path)
    var one: UInt64 = 1
    _ = write(wake, &one, 8)
  }

  // MARK: The thread

  private struct Client {
    let connection: Connection
    var bytes: [UInt8] = []
    var isAnswered = false
    var until: ContinuousClock.Instant
  }

  /// A client's socket, closed with its last holder: the thread, or the task that answers.
  private final class Connection: Sendable {
    let descriptor: Int32
    init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }
  }

  private func serve() {
    var clients: [Client] = []
    while !isStopping.load(ordering: .acquiring) {
      let isFull = clients.count >= Self.mostConnections
      var polled = [
        pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
        pollfd(fd: listener, events: isFull ? 0 : Int16(POLLIN), revents: 0),
      ]
      // Of one that has asked only its end is of interest, which is always told.
      polled += clients.map {
        pollfd(fd: $0.connection.descriptor, events: $0.isAnswered ? 0 : Int16(POLLIN), revents: 0)
      }
      poll(&polled, nfds_t(polled.count), clients.isEmpty ? -1 : 500)
      let now = ContinuousClock.now
      for index in clients.indices where polled[index + 2].revents != 0 {
        if clients[index].isAnswered || !read(&clients[index], now) { clients[index].until = now }
      }
      clients.removeAll { $0.until <= now }
      if polled[1].revents != 0, let connection = accept() {
        clients.append(Client(connection: connection, until: now.advanced(by: Self.questionLimit)))
      }
    }
  }

  private func accept() -> Connection? {
    let descriptor = Glibc.accept(listener, nil, nil)
    guard descriptor >= 0 else { return nil }
    let connection = Connection(descriptor)
    var process: Int32 = 0
    var user: UInt32 = 0
    guard agentd_peer_of(descriptor, &process, &user) == 0, user == 0 || user == geteuid(),
      fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
    else { return nil }
    return connection
  }

  /// False when nothing more is to be had of the client.
  private func read(_ client: inout Client, _ now: ContinuousClock.Instant) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 2048)
    let count = recv(client.connection.descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) }
    client.bytes += buffer.prefix(count)
    switch PPKQuestion.decode(client.bytes) {
    case .incomplete: return true
    case .malformed: return false
    case .question(let question):
      client.isAnswered = true
      client.until = now.advanced(by: Self.answerLimit)
      let connection = client.connection
      Task { [answer] in
        // A new connection's buffer takes a whole answer; a client that has gone has no use for it.
        await answer(question).encoded().withUnsafeBytes {
          _ = send(connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        shutdown(connection.descriptor, Int32(SHUT_RDWR))
      }
      return true
    }
  }
}
