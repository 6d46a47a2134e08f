// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CCurl
import CLinux
import Glibc
import Secrets
import Synchronization
import Threads

/// libcurl on a thread of its own: takes orders from any thread, gives results on its thread.
///
/// It decides nothing. One epoll set holds libcurl's sockets and an eventfd that wakes the thread for orders.
final class HTTPDriver: Sendable {
  /// How many requests are at libcurl at once; more wait in order.
  static let maximumTransfers = 512

  /// A request to send.
  struct Order: Sendable {
    var key: ProfileTable.RequestKey
    var request: SKIPRequest
    var hash: TLSHash
    var configuration: ProfileConfiguration
  }

  enum Command: Sendable {
    case start(Order)
    case cancel(ProfileTable.RequestKey)
    case stop
  }

  /// What the driver's thread calls.
  protocol Delegate: AnyObject, Sendable {
    /// `tls` is what was agreed on, if the connection was made.
    func driver(
      finished key: ProfileTable.RequestKey, _ result: HTTPResult, tls: TLSSession?, now: MonotonicInstant)
    /// Called at least when due; returns when it wants to be called next.
    func driver(tick now: MonotonicInstant) -> MonotonicInstant?
  }

  private let inbox = Mutex<[Command]>([])
  private let wakeDescriptor: Int32
  private let thread = Mutex<SystemThread?>(nil)

  /// Fails when the system has no descriptors left.
  init() throws(TransportFailure) {
    _ = Self.globalInitialization
    wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    guard wakeDescriptor >= 0 else {
      throw TransportFailure(stage: .refused, cause: .other, clientCode: 2, systemError: errno)
    }
  }

  private static let globalInitialization = agentd_curl_global_init()

  deinit { close(wakeDescriptor) }

  /// Starts the thread. It holds the driver and the delegate until ``stop()``.
  func run(
    delegate: any Delegate, sealer: Sealer, layer3Link: @escaping SourceBinding.Layer3Link
  ) throws(TransportFailure) {
    let loop = try DriverLoop(self, delegate, sealer, layer3Link)
    do throws(SystemThread.Failure) {
      let started = try SystemThread("sks-http") { loop.run() }
      thread.withLock { $0 = started }
    } catch {
      throw TransportFailure(stage: .refused, cause: .other, clientCode: 2, systemError: error.errorNumber)
    }
  }

  /// Takes commands, in order.
  func post(_ commands: [Command]) {
    guard !commands.isEmpty else { return }
    inbox.withLock { $0 += commands }
    wake()
  }

  /// Makes the thread look at its commands and its timers.
  func wake() {
    var one: UInt64 = 1
    _ = write(wakeDescriptor, &one, MemoryLayout<UInt64>.size)
  }

  /// Gives up what is in flight and ends the thread. Results do not come any more.
  func stop() {
    guard let running = thread.withLock({ $0.take() }) else { return }
    post([.stop])
    running.join()
  }

  fileprivate func takeCommands() -> [Command] {
    var count: UInt64 = 0
    _ = read(wakeDescriptor, &count, MemoryLayout<UInt64>.size)
    return inbox.withLock { commands in
      defer { commands = [] }
      return commands
    }
  }

  fileprivate var wakeSource: Int32 { wakeDescriptor }

  /// The present moment.
  static func now() -> MonotonicInstant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return MonotonicInstant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
  }
}

/// The thread's own state. It is made by the starter and used by the thread alone afterwards.
private final class DriverLoop {
  private let driver: HTTPDriver
  private let delegate: any HTTPDriver.Delegate
  private let sealer: Sealer
  private let layer3Link: SourceBinding.Layer3Link
  private let multi: UnsafeMutableRawPointer
  private let epoll: Int32
  private var transfers: [UnsafeMutableRawPointer: Transfer] = [:]
  private var handles: [ProfileTable.RequestKey: UnsafeMutableRawPointer] = [:]
  private var waiting = OrderQueue()
  /// When libcurl wants to be called.
  private var multiDue: MonotonicInstant?
  private var isStopping = false

  init(
    _ driver: HTTPDriver, _ delegate: any HTTPDriver.Delegate, _ sealer: Sealer,
    _ layer3Link: @escaping SourceBinding.Layer3Link
  ) throws(TransportFailure) {
    self.driver = driver
    self.delegate = delegate
    self.sealer = sealer
    self.layer3Link = layer3Link
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else {
      throw TransportFailure(stage: .refused, cause: .other, clientCode: 2, systemError: errno)
    }
    guard let multi = curl_multi_init() else {
      close(epoll)
      throw TransportFailure(stage: .refused, cause: .other, clientCode: 2)
    }
    self.multi = multi
  }

  deinit {
    for transfer in transfers.values { curl_multi_remove_handle(multi, transfer.easy) }
    transfers = [:]
    curl_multi_cleanup(multi)
    close(epoll)
  }

  func run() {
    let this = Unmanaged.passUnretained(self).toOpaque()
    _ = agentd_curl_multi_set_socket(
      multi,
      { _, socket, what, data, known in
        guard let data else { return -1 }
        Unmanaged<DriverLoop>.fromOpaque(data).takeUnretainedValue().watch(socket, what, isKnown: known != nil)
        return 0
      }, this)
    _ = agentd_curl_multi_set_timer(
      multi,
      { _, milliseconds, data in
        guard let data else { return -1 }
        let loop = Unmanaged<DriverLoop>.fromOpaque(data).takeUnretainedValue()
        loop.multiDue = milliseconds < 0 ? nil : HTTPDriver.now() + .milliseconds(milliseconds)
        return 0
      }, this)
    _ = agentd_curl_multi_set_long(multi, CURLMOPT_PIPELINING, 0)
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: driver.wakeSource))
    epoll_ctl(epoll, EPOLL_CTL_ADD, driver.wakeSource, &event)
    var events = [epoll_event](repeating: epoll_event(), count: 64)
    while !isStopping {
      // A result or a command may make the delegate due, so it is asked after them.
      let due = [delegate.driver(tick: HTTPDriver.now()), multiDue].compactMap { $0 }.min()
      let count = epoll_wait(epoll, &events, Int32(events.count), Self.milliseconds(until: due))
      for event in events.prefix(Int(max(count, 0))) {
        if event.data.fd == driver.wakeSource {
          for command in driver.takeCommands() { take(command) }
        } else {
          act(event.data.fd, event.events)
        }
      }
      if let due = multiDue, due <= HTTPDriver.now() {
        multiDue = nil
        act(CURL_SOCKET_TIMEOUT, 0)
      }
      collect()
    }
  }

  private static func milliseconds(until due: MonotonicInstant?) -> Int32 {
    guard let due else { return -1 }
    return Int32(clamping: min(due.since(HTTPDriver.now()).millisecondsRoundedUp, 60_000))
  }

  /// libcurl's wish for a socket.
  private func watch(_ socket: curl_socket_t, _ what: Int32, isKnown: Bool) {
    guard what != CURL_POLL_REMOVE else {
      epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nil)
      return
    }
    var events: UInt32 = 0
    if what & CURL_POLL_IN != 0 { events |= EPOLLIN.rawValue }
    if what & CURL_POLL_OUT != 0 { events |= EPOLLOUT.rawValue }
    var event = epoll_event(events: events, data: epoll_data_t(fd: socket))
    if !isKnown {
      curl_multi_assign(multi, socket, Unmanaged.passUnretained(self).toOpaque())
    }
    if epoll_ctl(epoll, isKnown ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event) != 0 {
      // A descriptor may have been closed and given out again unseen.
      epoll_ctl(epoll, isKnown ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event)
    }
  }

  private func act(_ socket: curl_socket_t, _ events: UInt32) {
    var flags: Int32 = 0
    if events & EPOLLIN.rawValue != 0 { flags |= CURL_CSELECT_IN }
    if events & EPOLLOUT.rawValue != 0 { flags |= CURL_CSELECT_OUT }
    if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { flags |= CURL_CSELECT_ERR }
    var running: Int32 = 0
    curl_multi_socket_action(multi, socket, flags, &running)
  }

  // MARK: Commands

  private func take(_ command: HTTPDriver.Command) {
    switch command {
    case .start(let order):
      if transfers.count < HTTPDriver.maximumTransfers { start(order) } else { waiting.append(order) }
    case .cancel(let key):
      if let easy = handles[key] { remove(easy) } else { waiting.remove(key) }
    case .stop: isStopping = true
    }
  }

  private func start(_ order: HTTPDriver.Order) {
    let transfer: Transfer
    do { transfer = try Transfer(order, sealer: sealer, layer3Link: layer3Link) } catch {
      delegate.driver(finished: order.key, .failure(error), tls: nil, now: HTTPDriver.now())
      return
    }
    transfers[transfer.easy] = transfer
    handles[order.key] = transfer.easy
    let code = curl_multi_add_handle(multi, transfer.easy)
    guard code == CURLM_OK else {
      transfers[transfer.easy] = nil
      handles[order.key] = nil
      delegate.driver(
        finished: order.key, .failure(TransportFailure(stage: .refused, cause: .other, clientCode: 2)), tls: nil,
        now: HTTPDriver.now())
      return
    }
  }

  private func remove(_ easy: UnsafeMutableRawPointer) {
    guard let transfer = transfers[easy] else { return }
    curl_multi_remove_handle(multi, easy)
    handles[transfer.key] = nil
    transfers[easy] = nil
  }

  /// Hands out what has finished, and lets what waits take its place.
  private func collect() {
    var left: Int32 = 0
    while let message = curl_multi_info_read(multi, &left) {
      guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
        let transfer = transfers[easy]
      else { continue }
      let result = transfer.result(agentd_curl_message_result(message))
      let (key, tls) = (transfer.key, transfer.tls)
      remove(easy)
      delegate.driver(finished: key, result, tls: tls, now: HTTPDriver.now())
    }
    while transfers.count < HTTPDriver.maximumTransfers, let order = waiting.next() { start(order) }
  }
}

/// Orders that wait for their turn: first in, first out, and any can be taken away.
private struct OrderQueue {
  private var orders: [ProfileTable.RequestKey: HTTPDriver.Order] = [:]
  /// In the order of their coming, with those that were taken away.
  private var keys: [ProfileTable.RequestKey] = []
  private var head = 0

  mutating func append(_ order: HTTPDriver.Order) {
    orders[order.key] = order
    keys.append(order.key)
  }

  mutating func remove(_ key: ProfileTable.RequestKey) { orders[key] = nil }

  mutating func next() -> HTTPDriver.Order? {
    while head < keys.count {
      head += 1
      guard let order = orders.removeValue(forKey: keys[head - 1]) else { continue }
      if 2 * head > keys.count {
        keys.removeFirst(head)
        head = 0
      }
      return order
    }
    keys = []
    head = 0
    return nil
  }
}
