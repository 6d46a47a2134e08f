// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc

/// What the loop tells of a descriptor.
struct Readiness: OptionSet {
  let rawValue: UInt32
  static let readable = Readiness(rawValue: EPOLLIN.rawValue)
  static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
  /// The other end will send no more, or the connection failed.
  static let hangup = Readiness(rawValue: EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue)
}

/// One thread's epoll instance with its timers. It is used by the thread that runs it and by no other.
final class EventLoop {
  private let epoll: Int32
  private var handlers: [UInt64: (Readiness) -> Void] = [:]
  private var timers = TimerQueue()
  private var nextID: UInt64 = 1
  private var isRunning = false

  init() throws(SimulatorError) {
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw SimulatorError(.system, "cannot make an epoll instance: \(systemErrorText())") }
  }

  deinit {
    close(epoll)
  }

  /// The monotonic time.
  var now: Duration {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  /// A number that no other connection of this loop has or had.
  func makeID() -> UInt64 {
    defer { nextID += 1 }
    return nextID
  }

  /// Watches a descriptor; events name the identifier and not the descriptor, whose number may be used again.
  func watch(_ descriptor: Int32, id: UInt64, _ interest: Readiness, _ handler: @escaping (Readiness) -> Void) -> Bool {
    handlers[id] = handler
    return control(EPOLL_CTL_ADD, descriptor, id, interest)
  }

  func change(_ descriptor: Int32, id: UInt64, to interest: Readiness) {
    _ = control(EPOLL_CTL_MOD, descriptor, id, interest)
  }

  func forget(_ descriptor: Int32, id: UInt64) {
    handlers[id] = nil
    _ = control(EPOLL_CTL_DEL, descriptor, id, [])
  }

  /// Drops all handlers and timers, and with them what they hold.
  func forgetAll() {
    handlers = [:]
    timers = TimerQueue()
  }

  @discardableResult
  func schedule(after delay: Duration, _ action: @escaping () -> Void) -> TimerQueue.Token {
    timers.schedule(at: now + delay, action)
  }

  func cancel(_ token: TimerQueue.Token) {
    timers.cancel(token)
  }

  /// Serves events until `stop` is called from within.
  func run() {
    isRunning = true
    var events = [epoll_event](repeating: epoll_event(), count: 128)
    while isRunning {
      let count = epoll_wait(epoll, &events, Int32(events.count), waitingTime())
      if count < 0 && errno != EINTR { return }
      for event in events.prefix(Int(max(count, 0))) {
        handlers[event.data.u64]?(Readiness(rawValue: event.events))
      }
      let time = now
      while let action = timers.popDue(now: time) { action() }
    }
  }

  func stop() {
    isRunning = false
  }

  /// Milliseconds until the next timer, rounded up, so that the loop does not spin just before it.
  private func waitingTime() -> Int32 {
    guard let deadline = timers.nextDeadline else { return -1 }
    let components = (deadline - now).components
    guard components.seconds >= 0 && components.attoseconds >= 0 else { return 0 }
    let milliseconds = min(components.seconds, 3_600) * 1_000 + components.attoseconds / 1_000_000_000_000_000 + 1
    return Int32(milliseconds)
  }

  private func control(_ operation: Int32, _ descriptor: Int32, _ id: UInt64, _ interest: Readiness) -> Bool {
    var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: id))
    return epoll_ctl(epoll, operation, descriptor, &event) == 0
  }
}
