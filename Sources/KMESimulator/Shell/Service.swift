// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import Synchronization

/// Runs a simulator's sockets on one thread: accepts, hands requests to the simulation, carries out its effects.
final class Service {
  /// How many connections are served at once; more are closed when they come.
  static let connectionLimit = 4_096

  private let simulator: Simulator
  private let loop: EventLoop
  private var connections: [UInt64: ServerConnection] = [:]
  private var links: [UInt64: LinkConnection] = [:]
  private var sharingTimer: TimerQueue.Token?

  init(_ simulator: Simulator) throws(SimulatorError) {
    self.simulator = simulator
    loop = try EventLoop()
  }

  /// Serves until the simulator's wake descriptor is written.
  func run() {
    _ = loop.watch(simulator.wake, id: loop.makeID(), .readable) { [loop] _ in loop.stop() }
    for door in simulator.doors {
      listen(door.socket) { [weak self] in self?.open($0, door) }
    }
    if let control = simulator.controlSocket {
      listen(control) { [weak self] in self?.openControl($0) }
    }
    if let hub = simulator.hubSocket {
      listen(hub) { [weak self] in self?.openLink($0) }
    }
    if let endpoint = simulator.joins { join(endpoint) }
    loop.run()
    for connection in connections.values { connection.close() }
    for link in links.values { link.close() }
    loop.forgetAll()
  }

  // MARK: Accepting

  private func listen(_ socket: ListeningSocket, _ open: @escaping (Int32) -> Void) {
    let id = loop.makeID()
    _ = loop.watch(socket.descriptor, id: id, .readable) { [weak self] _ in self?.accept(socket, id, open) }
  }

  private func accept(_ socket: ListeningSocket, _ id: UInt64, _ open: (Int32) -> Void) {
    for _ in 0..<64 {
      let descriptor = Glibc.accept(socket.descriptor, nil, nil)
      if descriptor >= 0 {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        if connections.count < Self.connectionLimit { open(descriptor) } else { close(descriptor) }
        continue
      }
      if errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM {
        // The waiting connection would wake the loop again at once: look away for a moment.
        loop.change(socket.descriptor, id: id, to: [])
        loop.schedule(after: .milliseconds(100)) { [loop] in loop.change(socket.descriptor, id: id, to: .readable) }
      }
      return
    }
  }

  private func open(_ descriptor: Int32, _ door: Simulator.Door) {
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    let strike = simulator.state.withLock { $0.accept(instance: door.instance) }
    guard let transport = Transport(descriptor, door.context) else { return }
    switch strike {
    case .refuse: return
    case .reset:
      transport.prepareReset()
      return
    default: break
    }
    let connection = adopt(transport, idleLimit: .seconds(door.listener.idleSeconds))
    if strike == .silentHandshake {
      connection.holdSilently()
      return
    }
    connection.onHandshake = { [weak self] _, completed in
      guard door.context != nil else { return }
      self?.simulator.state.withLock { $0.countHandshake(instance: door.instance, completed: completed) }
    }
    connection.onRequest = { [weak self] connection, request in
      self?.perform(door, connection, keepsAlive: request.keepsAlive) { $0.handle(request, $1) }
    }
    connection.onMalformed = { [weak self] connection, error in
      self?.perform(door, connection, keepsAlive: false) { $0.handle(error, $1) }
    }
    connection.start()
  }

  private func perform(
    _ door: Simulator.Door, _ connection: ServerConnection, keepsAlive: Bool,
    _ step: (inout Simulation, Simulation.Context) -> [Simulation.Effect]
  ) {
    let context = Simulation.Context(
      instance: door.instance, connection: connection.id, client: connection.client,
      keepsAlive: keepsAlive && door.listener.keepsAlive, now: loop.now)
    carryOut(simulator.state.withLock { step(&$0, context) })
  }

  private func openControl(_ descriptor: Int32) {
    guard let transport = Transport(descriptor, nil) else { return }
    let connection = adopt(transport, idleLimit: .seconds(60))
    connection.onRequest = { [weak self] connection, request in
      guard let self else { return }
      let response = simulator.state.withLock { $0.control(request) }
      connection.send(AnswerPlan(response, keepsAlive: request.keepsAlive))
    }
    connection.onMalformed = { connection, error in
      connection.send(AnswerPlan(.failure(error.code.rawValue, error.description), keepsAlive: false))
    }
    connection.start()
  }

  private func adopt(_ transport: Transport, idleLimit: Duration) -> ServerConnection {
    let connection = ServerConnection(id: loop.makeID(), loop: loop, transport: transport, idleLimit: idleLimit)
    connections[connection.id] = connection
    connection.onClose = { [weak self] in self?.connections[$0.id] = nil }
    return connection
  }

  // MARK: Effects

  private func carryOut(_ effects: [Simulation.Effect]) {
    for effect in effects {
      switch effect {
      case .answer(let connection, let plan): connections[connection]?.send(plan)
      case .send(let message, let link): links[link]?.send(message)
      }
    }
    armSharingTimer()
  }

  private func armSharingTimer() {
    guard sharingTimer == nil, let deadline = simulator.state.withLock({ $0.sharing.nextTimeout }) else { return }
    sharingTimer = loop.schedule(after: deadline - loop.now) { [weak self] in
      guard let self else { return }
      sharingTimer = nil
      let now = loop.now
      carryOut(simulator.state.withLock { $0.handleTimeout(now: now) })
    }
  }

  // MARK: Other processes of the network

  @discardableResult
  private func openLink(_ descriptor: Int32, onClose: @escaping () -> Void = {}) -> LinkConnection {
    let link = LinkConnection(id: loop.makeID(), loop: loop, descriptor: descriptor)
    links[link.id] = link
    link.onMessage = { [weak self] link, message in
      guard let self else { return }
      let now = loop.now
      carryOut(simulator.state.withLock { $0.receive(message, link: link.id, now: now) })
    }
    link.onClose = { [weak self] link in
      self?.links[link.id] = nil
      self?.simulator.state.withLock { $0.forget(link: link.id) }
      onClose()
    }
    link.start()
    link.send(simulator.state.withLock { $0.greeting })
    return link
  }

  /// Connects to the hub, now and whenever the connection is lost.
  private func join(_ endpoint: Endpoint) {
    let retry = { [weak self] in
      guard let self else { return }
      loop.schedule(after: .milliseconds(250)) { [weak self] in self?.join(endpoint) }
    }
    guard let address = SocketAddress(endpoint) else { return }
    let descriptor = socket(
      address.family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else {
      _ = retry()
      return
    }
    guard address.withPointer({ connect(descriptor, $0, $1) }) == 0 else {
      close(descriptor)
      _ = retry()
      return
    }
    let link = openLink(descriptor) { _ = retry() }
    simulator.state.withLock { $0.sharing.hub = link.id }
  }
}
