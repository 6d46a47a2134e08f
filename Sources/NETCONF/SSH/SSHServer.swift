// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Dispatch
import Glibc
import Logging
import Synchronization

/// The SSH transport of NETCONF (RFC 6242): listeners, event loops and the connections on them.
///
/// Connections are dealt out to the loops in turn, and each stays with its loop: what a connection does delays only
/// those on the same loop, and nothing that takes long is done there.
///
/// Sendable: the listeners and each loop's connections are touched on their loop only; the limiter is guarded; the rest
/// does not change after `init`.
final class SSHServer: SSHConnectionOwner, @unchecked Sendable {
  typealias SessionFactory =
    @Sendable (
      _ peer: PeerDescription, _ loop: EventLoop, _ pump: @escaping () -> Void
    ) -> (any ByteSession)?

  /// What belongs to one loop.
  ///
  /// Sendable: `connections` is touched on the loop only, the rest does not change.
  private final class Share: @unchecked Sendable {
    let loop: EventLoop
    let bind: SSHBind
    var connections: [ObjectIdentifier: SSHConnection] = [:]
    init(loop: EventLoop, bind: SSHBind) {
      self.loop = loop
      self.bind = bind
    }
  }

  let limits: SSHLimits
  let authenticator: any Authenticator
  let logger: Logger
  let authenticationQueue = DispatchQueue(label: "netconf.authentication")
  private let limiter: Mutex<ConnectionLimiter>
  private let makeSession: SessionFactory
  private let shares: [Share]
  private var listeners: [SSHListener] = []
  private var nextShare = 0
  private var isStopping = false

  init(
    addresses: [ListenAddress], hostKeys: HostKeys, limits: SSHLimits, connectionLimits: ConnectionLimiter.Limits,
    loopCount: Int, authenticator: any Authenticator, logger: Logger, makeSession: @escaping SessionFactory
  ) throws(ServerError) {
    self.limits = limits
    self.authenticator = authenticator
    self.logger = logger
    self.makeSession = makeSession
    limiter = Mutex(ConnectionLimiter(limits: connectionLimits))
    var shares: [Share] = []
    for index in 0..<max(1, loopCount) {
      let loop = try EventLoop(name: "netconf-\(index)")
      shares.append(Share(loop: loop, bind: try SSHBind(hostKeys: hostKeys)))
    }
    self.shares = shares
    for address in addresses {
      let listener = try SSHListener(address, loop: shares[0].loop) { [unowned self] descriptor, source in
        accept(descriptor, source)
      }
      listeners.append(listener)
    }
  }

  var loops: [EventLoop] { shares.map(\.loop) }
  /// The addresses that are listened on, with the ports that the system gave.
  var addresses: [ListenAddress] { listeners.map { ListenAddress(host: $0.address.host, port: $0.port) } }

  /// Begins to accept connections.
  func start() throws(ServerError) {
    for share in shares {
      try share.loop.start()
      share.loop.execute { [weak self] in self?.tick(share) }
    }
    shares[0].loop.execute { [self] in for listener in listeners { listener.start() } }
  }

  /// Accepts no more, lets the sessions end in order for a while, then ends what is left. Waits for all of it; not
  /// from a loop.
  func stop(grace: Duration) {
    shares[0].loop.execute { [self] in for listener in listeners { listener.stop() } }
    let done = DispatchGroup()
    for share in shares {
      done.enter()
      share.loop.execute { [self] in
        for connection in share.connections.values { connection.stop() }
        finish(share, at: share.loop.now + grace) { done.leave() }
      }
    }
    done.wait()
    for share in shares { share.loop.stop() }
  }

  /// Waits, on the loop, until its connections have ended or the time has come, and then ends them.
  private func finish(_ share: Share, at deadline: EventLoop.Instant, _ done: @escaping () -> Void) {
    if share.connections.isEmpty || share.loop.now >= deadline {
      for connection in Array(share.connections.values) { connection.end("the server stops") }
      return done()
    }
    share.loop.schedule(at: share.loop.now + .milliseconds(20)) { [self] in finish(share, at: deadline, done) }
  }

  // MARK: Connections

  private func accept(_ descriptor: Int32, _ source: String) {
    let now = shares[0].loop.now
    if let refusal = limiter.withLock({ $0.admit(source, now: now) }) {
      logger.notice("connection refused", metadata: ["source": "\(source)", "reason": "\(refusal.rawValue)"])
      close(descriptor)
      return
    }
    let share = shares[nextShare % shares.count]
    nextShare += 1
    share.loop.execute { [self] in
      do {
        let connection = try SSHConnection(
          descriptor: descriptor, source: source, loop: share.loop, bind: share.bind, owner: self)
        share.connections[ObjectIdentifier(connection)] = connection
        connection.start()
      } catch {
        logger.error("connection failed", metadata: ["source": "\(source)", "reason": "\(error)"])
        limiter.withLock { $0.ended(source, wasAuthenticated: false) }
      }
    }
  }

  func authenticated(_ connection: SSHConnection) { limiter.withLock { $0.authenticated(connection.source) } }

  func failedToAuthenticate(_ connection: SSHConnection) {
    let now = connection.loop.now
    limiter.withLock { $0.failed(connection.source, now: now) }
  }

  func ended(_ connection: SSHConnection) {
    limiter.withLock { $0.ended(connection.source, wasAuthenticated: connection.isAuthenticated) }
    guard let share = shares.first(where: { $0.loop === connection.loop }) else { return }
    share.connections[ObjectIdentifier(connection)] = nil
  }

  func makeSession(for peer: PeerDescription, on loop: EventLoop, pump: @escaping () -> Void) -> (any ByteSession)? {
    makeSession(peer, loop, pump)
  }

  // MARK: Time

  /// Has every connection look at its time once a second.
  private func tick(_ share: Share) {
    for connection in Array(share.connections.values) { connection.tick() }
    share.loop.schedule(at: share.loop.now + .seconds(1)) { [weak self] in self?.tick(share) }
  }
}
