// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import SecYControl
import SecYEngine

/// One thread that waits for frames, requests, the clock and signals.
///
/// Frames have no precedence over requests, nor one direction over the other: each gets a bounded share of a turn.
final class Daemon {
  /// Frames taken from the ring in one turn.
  private static let receiveShare = 256

  private let entity: SecurityEntity
  private let port: ControlledPort
  private var parent: ParentPort
  private var forwarder: Forwarder
  private let server: ControlServer
  private var identity: Identity
  private let epoll: Int32
  private let clock: Int32
  private let signals: Int32
  private var isPromiscuous = false
  /// The address of the controlled port that the parent takes frames to, beside its own.
  private var takenAddress: [UInt8]?
  private var isParentRunning = true

  init(parent: ParentPort, port: ControlledPort, entity: SecurityEntity, server: ControlServer, identity: Identity)
    throws(SecydError)
  {
    self.parent = parent
    self.port = port
    self.entity = entity
    self.server = server
    self.identity = identity
    forwarder = Forwarder(entity: entity, parent: parent, port: port)
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    clock = timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK))
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGINT)
    sigprocmask(SIG_BLOCK, &set, nil)
    signal(SIGPIPE, SIG_IGN)
    signals = signalfd(-1, &set, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK))
    guard epoll >= 0, clock >= 0, signals >= 0 else { throw .system("no descriptors for the loop") }
    var period = itimerspec(
      it_interval: timespec(tv_sec: 1, tv_nsec: 0), it_value: timespec(tv_sec: 1, tv_nsec: 0))
    guard timerfd_settime(clock, 0, &period, nil) == 0 else { throw .system("no clock") }
    for descriptor in [parent.receiver, port.descriptor, server.listener, clock, signals] { try watch(descriptor) }
  }

  deinit {
    close(epoll)
    close(clock)
    close(signals)
  }

  private func watch(_ descriptor: Int32) throws(SecydError) {
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: descriptor))
    guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
      throw .system("a descriptor cannot be watched")
    }
  }

  /// Runs until it is told to end. Throws when the parent is gone.
  func run() throws(SecydError) {
    var events = [epoll_event](repeating: epoll_event(), count: 16)
    while true {
      let count = epoll_wait(epoll, &events, Int32(events.count), -1)
      if count < 0 {
        guard errno == EINTR else { throw .system("the loop cannot wait") }
        continue
      }
      for event in events.prefix(Int(count)) {
        switch event.data.fd {
        case parent.receiver:
          // That the link went down is told as an error, once it is asked for.
          if event.events & EPOLLERR.rawValue != 0 { parent.clearError() }
          forwarder.receive(most: Self.receiveShare)
        case port.descriptor:
          guard event.events & EPOLLERR.rawValue == 0 else { throw SecydError("interface \(port.name) is gone") }
          forwarder.transmit()
        case server.listener:
          if let connection = server.accept() { try watch(connection) }
        case clock:
          var ticks: UInt64 = 0
          _ = read(clock, &ticks, 8)
          try look()
        case signals: return
        case let connection:
          if server.connections.contains(connection), serve(connection) { return }
        }
      }
    }
  }

  /// - Returns: whether to end.
  private func serve(_ connection: Int32) -> Bool {
    entity.countOverrun(parent.takeDrops())
    let isRemoved = server.serve(connection, entity: entity, identity: identity)
    followStatus()
    if isRemoved { port.remove() }
    return isRemoved
  }

  private func followStatus() { port.setCarrier(entity.status != .blocked && isParentRunning) }

  /// Follows the parent: its name, state and MTU, and whether the controlled port wants all frames.
  private func look() throws(SecydError) {
    entity.countOverrun(parent.takeDrops())
    var buffer = [CChar](repeating: 0, count: 16)
    guard if_indextoname(parent.index, &buffer) != nil else {
      throw SecydError("interface \(parent.name) is gone")
    }
    let name = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let requests = try InterfaceRequest()
    // It may go between two questions; the next look tells.
    guard let flags = try? requests.flags(name), let mtu = try? requests.mtu(name) else { return }
    isParentRunning = flags & InterfaceRequest.running != 0
    followStatus()
    if !isPromiscuous, let own = try? requests.flags(port.name), own & InterfaceRequest.promiscuous != 0 {
      isPromiscuous = true
      parent.becomePromiscuous()
    }
    if let own = try? requests.hardwareAddress(port.name), own != parent.address, own != takenAddress {
      takenAddress = own
      parent.take(own)
    }
    guard mtu != parent.mtu || name != parent.name else { return }
    let next = try ParentPort(name: name)
    // Its end alone would not do: the mapped ring keeps the socket alive for a while.
    epoll_ctl(epoll, EPOLL_CTL_DEL, parent.receiver, nil)
    parent = next
    isPromiscuous = false
    takenAddress = nil
    forwarder = Forwarder(entity: entity, parent: next, port: port)
    identity.parent = name
    try? requests.setMTU(port.name, mtu - SecurityEntity.overhead)
    try watch(next.receiver)
  }
}
