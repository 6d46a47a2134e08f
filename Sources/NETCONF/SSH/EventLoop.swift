// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import Synchronization
import Threads

/// What an event loop calls when a descriptor is ready.
protocol EventHandler: AnyObject {
  /// - Parameter isBroken: the descriptor has an error, or its peer has gone for good.
  func ready(isBroken: Bool)
}

/// One thread that waits for descriptors, timers and work from other threads (epoll, eventfd).
///
/// Sendable: `execute`, `start` and `stop` touch only the descriptors, which do not change, and the guarded inbox; all
/// else is touched on the loop's own thread, which every such function states as its precondition.
final class EventLoop: @unchecked Sendable {
  struct Interest: OptionSet {
    let rawValue: UInt32
    static let reading = Interest(rawValue: EPOLLIN.rawValue)
    static let writing = Interest(rawValue: EPOLLOUT.rawValue)
  }
  /// Names a registered descriptor; never used twice.
  typealias Registration = UInt64
  typealias Instant = ContinuousClock.Instant

  private struct Inbox {
    var work: [@Sendable () -> Void] = []
    var isStopped = false
  }
  private struct Timer {
    let deadline: Instant
    let id: UInt64
    let work: () -> Void
  }

  private let epollDescriptor: Int32
  private let wakeDescriptor: Int32
  private let inbox = Mutex(Inbox())
  private let name: String
  private var thread: SystemThread?
  private var handlers: [Registration: any EventHandler] = [:]
  private var nextRegistration: Registration = 1
  /// Sorted, the soonest last.
  private var timers: [Timer] = []
  private var nextTimer: UInt64 = 1
  /// The time at which the loop last woke.
  private(set) var now: Instant = .now

  /// - Throws: `ServerError.system` when the kernel gives no descriptors.
  init(name: String) throws(ServerError) {
    self.name = name
    epollDescriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epollDescriptor >= 0 else { throw .system("epoll_create1", errno) }
    wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard wakeDescriptor >= 0 else {
      let code = errno
      close(epollDescriptor)
      throw .system("eventfd", code)
    }
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: 0))
    epoll_ctl(epollDescriptor, EPOLL_CTL_ADD, wakeDescriptor, &event)
  }

  deinit {
    close(wakeDescriptor)
    close(epollDescriptor)
  }

  // MARK: From any thread

  /// Starts the thread.
  func start() throws(ServerError) {
    do throws(SystemThread.Failure) { thread = try SystemThread(name) { [self] in run() } } catch {
      throw .system("pthread_create", error.errorNumber)
    }
  }

  /// Ends the thread after the work that waits, and waits for it. Not from the loop itself.
  func stop() {
    inbox.withLock { $0.isStopped = true }
    wake()
    thread?.join()
    thread = nil
  }

  /// Has the loop do some work soon, in the order of the calls.
  func execute(_ work: @escaping @Sendable () -> Void) {
    let wasEmpty = inbox.withLock { inbox in
      inbox.work.append(work)
      return inbox.work.count == 1
    }
    if wasEmpty { wake() }
  }

  private func wake() { eventfd_write(wakeDescriptor, 1) }

  // MARK: On the loop

  /// Calls `handler` whenever `descriptor` is ready, until `unregister`.
  func register(
    _ descriptor: Int32, for interest: Interest, handler: any EventHandler
  ) throws(ServerError) -> Registration {
    let registration = nextRegistration
    var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: registration))
    guard epoll_ctl(epollDescriptor, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw .system("epoll_ctl", errno) }
    nextRegistration += 1
    handlers[registration] = handler
    return registration
  }

  func update(_ registration: Registration, _ descriptor: Int32, for interest: Interest) {
    var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: registration))
    epoll_ctl(epollDescriptor, EPOLL_CTL_MOD, descriptor, &event)
  }

  /// - Parameter descriptor: nil when it is closed already, which took it out of the kernel's set.
  func unregister(_ registration: Registration, _ descriptor: Int32?) {
    handlers[registration] = nil
    if let descriptor {
      var event = epoll_event()
      epoll_ctl(epollDescriptor, EPOLL_CTL_DEL, descriptor, &event)
    }
  }

  /// Calls `work` once, when the time has come.
  @discardableResult
  func schedule(at deadline: Instant, _ work: @escaping () -> Void) -> UInt64 {
    let timer = Timer(deadline: deadline, id: nextTimer, work: work)
    nextTimer += 1
    var low = 0
    var high = timers.count
    while low < high {
      let middle = (low + high) / 2
      if timers[middle].deadline > deadline { low = middle + 1 } else { high = middle }
    }
    timers.insert(timer, at: low)
    return timer.id
  }

  func cancel(timer id: UInt64) {
    if let index = timers.lastIndex(where: { $0.id == id }) { timers.remove(at: index) }
  }

  private func run() {
    var events = [epoll_event](repeating: epoll_event(), count: 64)
    while true {
      let count = epoll_wait(epollDescriptor, &events, Int32(events.count), timeout)
      now = .now
      for event in events.prefix(max(0, Int(count))) {
        let registration = event.data.u64
        if registration == 0 {
          var value: eventfd_t = 0
          eventfd_read(wakeDescriptor, &value)
        } else {
          let broken = event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
          handlers[registration]?.ready(isBroken: broken)
        }
      }
      let (work, isStopped) = inbox.withLock { inbox in
        defer { inbox.work = [] }
        return (inbox.work, inbox.isStopped)
      }
      for item in work { item() }
      runTimers()
      if isStopped { return }
    }
  }

  /// Milliseconds until the next timer, rounded up; -1 without one.
  private var timeout: Int32 {
    guard let next = timers.last else { return -1 }
    let (seconds, attoseconds) = (next.deadline - .now).components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    return Int32(clamping: min(seconds, 3600) * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
  }

  private func runTimers() {
    while let next = timers.last, next.deadline <= now {
      timers.removeLast()
      next.work()
    }
  }
}
