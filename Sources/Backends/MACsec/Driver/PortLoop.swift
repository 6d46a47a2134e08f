// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import MKA
import Netlink

/// The thread's own part.
final class PortLoop {
  let driver: PortDriver
  let epoll: Int32
  var queue = DueQueue()
  var links: [String: Link] = [:]
  /// Those of them that are bonds, by their indexes.
  var bonds: [UInt32: Link] = [:]
  /// Of a descriptor: its port.
  var watched: [Int32: Int] = [:]
  var isStopped = false
  /// When the guards of all parent links are to be looked at, after filters of the system were taken away. Not more
  /// often than once in this interval: what this agent changes itself is told too.
  private var filterCheck: Duration?
  private var nextFilterCheck = Duration.zero
  private static let filterCheckInterval = Duration.seconds(1)

  init(_ driver: PortDriver) throws(MKAError) {
    self.driver = driver
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw MKAError(.system, "cannot make an epoll instance: \(errorText())") }
    var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: driver.wakeDescriptor))
    epoll_ctl(epoll, EPOLL_CTL_ADD, driver.wakeDescriptor, &event)
    if let watch = driver.world.environment.filterWatch {
      event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: watch.descriptor))
      epoll_ctl(epoll, EPOLL_CTL_ADD, watch.descriptor, &event)
    }
  }

  deinit { close(epoll) }

  func run() {
    var events = [epoll_event](repeating: epoll_event(), count: 256)
    while !isStopped {
      let count = epoll_wait(epoll, &events, Int32(events.count), timeout())
      for event in events.prefix(max(0, Int(count))) {
        if event.data.fd == driver.wakeDescriptor {
          var value: eventfd_t = 0
          eventfd_read(driver.wakeDescriptor, &value)
        } else if let watch = driver.world.environment.filterWatch, event.data.fd == watch.descriptor {
          if watch.takeRemovals() { filterCheck = nextFilterCheck }
        } else if let slot = watched[event.data.fd] {
          perform(slot) { port, world, now, outputs in port.receive(world, now: now, &outputs) }
        }
      }
      for message in driver.inbox.withLock({ inbox in
        defer { inbox = [] }
        return inbox
      }) { take(message) }
      let now = SystemClock.now().uptime
      if let due = filterCheck, now >= due {
        filterCheck = nil
        nextFilterCheck = now + Self.filterCheckInterval
        performAll { port, world, now, outputs in port.checkGuard(world, now: now, &outputs) }
      }
      // What becomes due in the meantime waits for the next round, after the descriptors.
      while let slot = queue.take(now: now) {
        perform(slot) { port, world, now, outputs in port.run(world, now: now, &outputs) }
      }
    }
  }

  /// Milliseconds until something is due.
  private func timeout() -> Int32 {
    guard let due = [queue.nextDue(), filterCheck].compactMap({ $0 }).min() else { return -1 }
    let wait = due - SystemClock.now().uptime
    guard wait > .zero else { return 0 }
    let (seconds, attoseconds) = wait.components
    return Int32(clamping: seconds * 1_000 + attoseconds / 1_000_000_000_000_000 + 1)
  }

  /// Gives a port an input, then deals with what it wants and when it wants to be called again.
  func perform(_ slot: Int, _ body: (inout Port, PortWorld, Moment, inout [Port.Output]) -> Void) {
    let now = SystemClock.now()
    var outputs: [Port.Output] = []
    let world = driver.world
    let result: (name: String, due: Duration?)? = driver.table.withLock { table in
      guard table.ports.indices.contains(slot), var port = table.ports[slot] else { return nil }
      // Taken out for the time being, so that it is not copied when it changes.
      table.ports[slot] = nil
      body(&port, world, now, &outputs)
      let due = port.due(now: now)
      table.ports[slot] = port
      return (port.name, due)
    }
    guard let result else { return queue.set(slot, due: nil) }
    queue.set(slot, due: result.due)
    for output in outputs { deal(with: output, of: result.name, slot: slot) }
  }

  func performAll(_ body: (inout Port, PortWorld, Moment, inout [Port.Output]) -> Void) {
    for slot in driver.table.withLock({ $0.slots.values.sorted() }) { perform(slot, body) }
  }
}
