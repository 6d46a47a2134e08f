// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibSSH
import Dispatch
import Glibc
import Logging

/// What an SSH connection needs from the server it belongs to.
protocol SSHConnectionOwner: AnyObject, Sendable {
  var limits: SSHLimits { get }
  var authenticator: any Authenticator { get }
  var logger: Logger { get }
  /// A thread of its own for password hashes.
  var authenticationQueue: DispatchQueue { get }
  func authenticated(_ connection: SSHConnection)
  func failedToAuthenticate(_ connection: SSHConnection)
  func ended(_ connection: SSHConnection)
  /// The session for a channel on which the netconf subsystem was asked for; nil refuses. `pump` is to be called, on
  /// the loop, when the session has something to say without having been called.
  func makeSession(for peer: PeerDescription, on loop: EventLoop, pump: @escaping () -> Void) -> (any ByteSession)?
}

/// How long and how much an SSH connection may.
public struct SSHLimits: Sendable {
  /// From accepting the connection to the end of authentication.
  public var loginGraceTime: Duration = .seconds(30)
  /// Failed attempts to log in on one connection.
  public var authenticationAttempts = 6
  /// Requests of any kind before the log-in: probes of keys, and the rest.
  public var requestsBeforeLogin = 40
  /// The answer to a wrong password is held back this long.
  public var failureDelay: Duration = .milliseconds(500)
  /// Session channels open at once on one connection.
  public var channels = 8
  /// A connection without a channel is closed after that time, and so is a channel on which nothing is asked for.
  public var idleWithoutChannel: Duration = .seconds(10)
  /// A connection whose channels were all closed by the server is closed after that time, in which a slow peer can
  /// still read what was sent.
  public var closing: Duration = .seconds(120)
  public init() {}
}

/// One SSH connection: key exchange, log-in, channels. It belongs to one event loop.
///
/// Sendable: made on its loop, and touched there only; other threads pass it along.
final class SSHConnection: EventHandler, @unchecked Sendable {
  private enum Phase {
    case login
    /// A password is being checked, or the answer is held back: nothing is read meanwhile.
    case checking(SSHRequest)
    case open
    case dead
  }

  let source: String
  let loop: EventLoop
  private(set) var user = ""
  private(set) var isAuthenticated = false
  private let owner: any SSHConnectionOwner
  private var handle: SSHSessionHandle?
  private var phase = Phase.login
  private var channels: [SSHChannel] = []
  private var registration: EventLoop.Registration?
  private var registeredDescriptor: Int32 = -1
  private var interest: EventLoop.Interest = []
  private var loginTimer: UInt64?
  private var idleTimer: UInt64?
  private var failedAttempts = 0
  private var requestCount = 0
  private var isStopping = false
  private var driveCount = 0
  /// Log-in and hello are done when the connection was driven that often.
  private static let handshakeDrives = 40

  /// Takes over a socket that does not block.
  init(
    descriptor: Int32, source: String, loop: EventLoop, bind: SSHBind, owner: any SSHConnectionOwner
  ) throws(ServerError) {
    self.source = source
    self.loop = loop
    self.owner = owner
    handle = try SSHSessionHandle(accepting: descriptor, with: bind)
  }

  /// Begins the conversation.
  func start() {
    guard let handle else { return }
    loginTimer = loop.schedule(at: loop.now + owner.limits.loginGraceTime) { [weak self] in
      self?.end("log-in took longer than \(self?.owner.limits.loginGraceTime ?? .zero)")
    }
    handle.beginKeyExchange()
    guard !handle.isOver else { return end(handle.reason) }
    do {
      registeredDescriptor = handle.descriptor
      interest = [.reading]
      registration = try loop.register(handle.descriptor, for: interest, handler: self)
      updateInterest()
    } catch {
      end("\(error)")
    }
  }

  // MARK: Events

  func ready(isBroken: Bool) {
    if case .checking = phase {
      // The answer decides what becomes of the connection; a broken socket must not wake the loop until then.
      if isBroken { unregister() }
      return
    }
    drive()
  }

  /// Moves everything that can be moved now.
  private func drive() {
    guard let handle else { return }
    if driveCount < Self.handshakeDrives {
      driveCount += 1
      // The client's next small packet waits for the acknowledgement of the last one (Nagle), which we would delay.
      acknowledgeAtOnce(handle.descriptor)
    }
    for _ in 0..<64 {
      let before = handle.bytesReceived
      let request = handle.nextRequest()
      if handle.isOver { return end(handle.reason) }
      if let request {
        serve(request)
        if case .checking = phase { return updateInterest() }
        if self.handle == nil { return }
        continue
      }
      pumpChannels()
      if self.handle == nil || handle.bytesReceived == before { break }
    }
    guard self.handle != nil else { return }
    if handle.isOver { return end(handle.reason) }
    updateInterest()
  }

  private func acknowledgeAtOnce(_ descriptor: Int32) {
    var on: Int32 = 1
    setsockopt(descriptor, ProtocolNumber.tcp, TCP_QUICKACK, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// A session has something to say.
  func wake() {
    guard let handle, case .open = phase else { return }
    let before = handle.bytesReceived
    pumpChannels()
    // A write may have read, and then requests may wait that no readiness will announce.
    if handle.bytesReceived != before { return drive() }
    if handle.isOver { return end(handle.reason) }
    updateInterest()
  }

  /// Called about once a second.
  func tick() {
    guard let handle, case .open = phase else { return }
    for channel in channels {
      channel.tick(handle)
      // A channel on which nothing is asked for is as good as none.
      let isUnused = channel.session == nil && !channel.isClosedByUs
      if isUnused, loop.now - channel.openedAt > owner.limits.idleWithoutChannel { channel.finish(status: 1) }
    }
    wake()
  }

  private func pumpChannels() {
    guard let handle, !channels.isEmpty else { return }
    var hasClosed = false
    var hasMore = false
    for channel in channels {
      if channel.pump(handle) { hasMore = true }
      if channel.hasViolation { return end("the peer sent more than its window allows") }
      if channel.mustEndConnection { return end("a session was ended whose peer does not read") }
      if channel.isClosedByPeer { hasClosed = true }
    }
    if hasMore { loop.execute { [self] in wake() } }
    if hasClosed {
      for channel in channels where channel.isClosedByPeer { channel.release() }
      channels.removeAll { $0.channel == nil }
      if channels.isEmpty, isStopping { return end("the server stops") }
      if channels.isEmpty { expectChannel(within: owner.limits.idleWithoutChannel) }
    }
    // A peer that does not close what we have closed is not waited for.
    if idleTimer == nil, channels.allSatisfy({ $0.isClosedByUs }) {
      expectChannel(within: channels.isEmpty ? owner.limits.idleWithoutChannel : owner.limits.closing)
    }
  }

  /// Ends the connection when no channel is opened within the time.
  private func expectChannel(within time: Duration) {
    if let idleTimer { loop.cancel(timer: idleTimer) }
    idleTimer = loop.schedule(at: loop.now + time) { [weak self] in self?.end("no channel was open for \(time)") }
  }

  private func updateInterest() {
    guard let handle, let registration else { return }
    var wanted: EventLoop.Interest = []
    if case .checking = phase {} else { wanted.insert(.reading) }
    if handle.hasUnsentOutput { wanted.insert(.writing) }
    guard wanted != interest else { return }
    interest = wanted
    loop.update(registration, handle.descriptor, for: wanted)
  }

  private func unregister() {
    guard let registration else { return }
    let isOpen = (handle?.descriptor ?? -1) == registeredDescriptor
    loop.unregister(registration, isOpen ? registeredDescriptor : nil)
    self.registration = nil
  }

  // MARK: Requests

  private func serve(_ request: SSHRequest) {
    if !isAuthenticated {
      requestCount += 1
      if requestCount > owner.limits.requestsBeforeLogin { return end("too many requests before the log-in") }
    }
    switch request.kind {
    case .service(let name): name == "ssh-userauth" ? request.acceptService() : request.refuse()
    case .authentication(let user, let method):
      isAuthenticated ? request.refuse() : authenticate(user, method, request)
    case .openSession: open(request)
    case .channel(let channel, let kind): serve(channel, kind, request)
    case .other: request.refuse()
    }
  }

  private func authenticate(_ user: String, _ method: SSHRequest.Method, _ request: SSHRequest) {
    switch method {
    case .none, .other: request.refuse()
    case .publicKey(let key, let isProbe, let isProven):
      guard let key, isProbe || isProven, owner.authenticator.isAuthorized(user: user, key: key) else {
        return fail(user, "publickey", request)
      }
      if isProbe { request.acceptKeyProbe() } else { succeed(user, "publickey", request) }
    case .password(let bytes):
      phase = .checking(request)
      let password = WipedBytes(bytes)
      let authenticator = owner.authenticator
      owner.authenticationQueue.async { [self] in
        let isRight = password.withBytes { authenticator.isAuthorized(user: user, password: $0) }
        loop.execute { [self] in checked(user, isRight) }
      }
    }
  }

  private func checked(_ user: String, _ isRight: Bool) {
    guard case .checking(let request) = phase else { return }
    if isRight {
      phase = .login
      succeed(user, "password", request)
      return resume()
    }
    loop.schedule(at: loop.now + owner.limits.failureDelay) { [weak self] in
      guard let self, case .checking(let request) = self.phase else { return }
      self.phase = .login
      self.fail(user, "password", request)
      self.resume()
    }
  }

  private func resume() {
    guard handle != nil else { return }
    if registration == nil { return end("the peer has gone") }
    drive()
  }

  private func succeed(_ user: String, _ method: String, _ request: SSHRequest) {
    if let loginTimer { loop.cancel(timer: loginTimer) }
    loginTimer = nil
    self.user = user
    isAuthenticated = true
    phase = .open
    owner.authenticated(self)
    owner.logger.info("logged in", metadata: ["user": "\(user)", "source": "\(source)", "method": "\(method)"])
    request.acceptAuthentication()
    expectChannel(within: owner.limits.idleWithoutChannel)
  }

  private func fail(_ user: String, _ method: String, _ request: SSHRequest) {
    failedAttempts += 1
    owner.failedToAuthenticate(self)
    owner.logger.notice(
      "log-in refused",
      metadata: ["user": "\(user.prefix(64))", "source": "\(source)", "method": "\(method)"])
    request.refuse()
    if failedAttempts >= owner.limits.authenticationAttempts { end("too many failed log-ins") }
  }

  private func open(_ request: SSHRequest) {
    guard isAuthenticated, !isStopping, channels.count < owner.limits.channels,
      let channel = request.acceptChannel()
    else { return request.refuse() }
    if let idleTimer { loop.cancel(timer: idleTimer) }
    idleTimer = nil
    channels.append(SSHChannel(channel, now: loop.now))
  }

  private func serve(_ pointer: ssh_channel, _ kind: SSHRequest.ChannelRequest, _ request: SSHRequest) {
    guard let channel = channels.first(where: { $0.channel == pointer }), channel.session == nil,
      !channel.isClosedByUs
    else { return request.refuse() }
    switch kind {
    case .subsystem("netconf"):
      let peer = PeerDescription(user: user, host: source, transport: "netconf-ssh")
      let session = owner.makeSession(for: peer, on: loop) { [weak self] in self?.wake() }
      guard let session else { return request.refuse() }
      channel.session = session
      request.acceptChannelRequest()
    case .shell, .exec:
      request.acceptChannelRequest()
      channel.refuse("This is a NETCONF server: ask for the subsystem netconf (ssh -s … netconf).")
    case .subsystem, .other: request.refuse()
    }
  }

  // MARK: The end

  /// Ends every session in order; the connection ends when they have.
  func stop() {
    isStopping = true
    if channels.isEmpty { return end("the server stops") }
    for channel in channels { channel.session?.stop() }
    wake()
  }

  /// Ends the connection at once. Not from inside a callback of libssh.
  func end(_ reason: String) {
    guard let handle else { return }
    for timer in [loginTimer, idleTimer].compactMap({ $0 }) { loop.cancel(timer: timer) }
    unregister()
    owner.logger.debug(
      "connection ended", metadata: ["user": "\(user)", "source": "\(source)", "reason": "\(reason)"])
    phase = .dead
    self.handle = nil
    if !handle.isOver { handle.disconnect(reason: reason) }
    for channel in channels { channel.forget() }
    channels = []
    owner.ended(self)
  }
}

/// A copy of secret bytes that is wiped when it goes away.
///
/// Sendable: the bytes never change after it is made.
final class WipedBytes: @unchecked Sendable {
  private let bytes: UnsafeMutableRawBufferPointer

  init(_ source: UnsafeRawBufferPointer) {
    bytes = .allocate(byteCount: source.count, alignment: 1)
    bytes.copyMemory(from: source)
  }

  deinit {
    if let base = bytes.baseAddress { explicit_bzero(base, bytes.count) }
    bytes.deallocate()
  }

  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result { body(UnsafeRawBufferPointer(bytes)) }
}
