// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import Interfaces
import KeyService
import MKA
import Netlink
import Synchronization
import Threads

/// All ports with MACsec, on one thread: frames, timers, links and answers of the key service come to it.
///
///     apply ──settings──┐                        ┌── SecY (kernel, secyd)
///     LinkWatcher ──────┤    ┌──────────────┐    ├── EAPOL sockets
///     key service ──────┼──> │ inbox, epoll │ ──>├── key service
///     EAPOL sockets ────┘    └──────────────┘    └── log, notifications
///
/// Whoever has something for a port puts it into the inbox and goes on; nobody waits for a SecY but this thread, and a
/// reader of state for as long as the thread deals with one input of one port.
public final class PortDriver: Sendable {
  /// What concerns others, told on the driver's thread: must not block.
  struct Listener: Sendable {
    var event: @Sendable (_ interface: String, EngineEvent, _ isLogged: Bool) -> Void
    var note: @Sendable (_ interface: String, PortNote) -> Void
  }

  fileprivate enum Message: Sendable {
    case configure([(name: String, settings: PortSettings?)])
    case links([String: Link])
    case answer(KeyAnswer, transaction: UInt64, generation: UInt64, port: String)
    case prefetched(KeyAnswer, remoteSystem: String?, generation: UInt64, port: String)
    case system(String, profile: String)
    case names
    case openUnconfigured
    case stop
  }

  /// Ports keep their slots, which name them in queues.
  struct Table: Sendable {
    var ports: [Port?] = []
    var slots: [String: Int] = [:]

    func port(_ name: String) -> Port? { slots[name].flatMap { ports[$0] } }
  }

  let table = Mutex(Table())
  fileprivate let inbox = Mutex<[Message]>([])
  fileprivate let world: PortWorld
  fileprivate let keys: (any KeyService)?
  fileprivate let directory: PortDirectory
  fileprivate let listener: Listener
  fileprivate let wakeDescriptor: Int32
  private let thread = Mutex<SystemThread?>(nil)

  /// Starts the thread. Fails when the system gives none, or no descriptors.
  init(
    world: PortWorld, keys: (any KeyService)?, directory: PortDirectory, listener: Listener
  ) throws(MKAError) {
    self.world = world
    self.keys = keys
    self.directory = directory
    self.listener = listener
    wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    guard wakeDescriptor >= 0 else { throw MKAError(.system, "cannot make an eventfd: \(errorText())") }
    let loop = try PortLoop(self)
    do throws(SystemThread.Failure) {
      let started = try SystemThread("macsec") { loop.run() }
      thread.withLock { $0 = started }
    } catch {
      throw MKAError(.system, "cannot start a thread: \(String(cString: strerror(error.errorNumber)))")
    }
  }

  deinit { close(wakeDescriptor) }

  /// Adds, changes and (with nil) removes ports. Returns at once.
  func configure(_ changes: [(name: String, settings: PortSettings?)]) { post(.configure(changes)) }

  /// All links that there are, by name.
  public func links(_ links: [String: Link]) { post(.links(links)) }

  /// The mapping of interfaces to links has changed.
  func namesChanged() { post(.names) }

  /// Takes the filters of an earlier process off links that have no port. To be called after the first configuration.
  func openUnconfigured() { post(.openUnconfigured) }

  /// Ends the thread and leaves all ports and their SecYs as they are, for the next process.
  public func stop() {
    guard let running = thread.withLock({ $0.take() }) else { return }
    post(.stop)
    running.join()
  }

  /// Looks at a port; nil when there is none of that name.
  func read<Result: Sendable>(_ name: String, _ body: (Port) -> Result) -> Result? {
    table.withLock { table in table.port(name).map(body) }
  }

  /// The names of all ports, in order.
  var names: [String] { table.withLock { $0.slots.keys.sorted() } }

  fileprivate func post(_ message: Message) {
    let isFirst = inbox.withLock { inbox in
      inbox.append(message)
      return inbox.count == 1
    }
    if isFirst { eventfd_write(wakeDescriptor, 1) }
  }
}

/// What is told of a port beside the events of the engine.
enum PortNote: Sendable, Hashable {
  case rekeySummary(Int)
  case bufferLow(level: Int)
  case bufferRestored
  case restarted(isResumed: Bool, reason: String?)
}

/// The system's words for errno.
func errorText() -> String { String(cString: strerror(errno)) }

/// The thread's own part.
private final class PortLoop {
  private let driver: PortDriver
  private let epoll: Int32
  private var queue = DueQueue()
  private var links: [String: Link] = [:]
  /// Of a descriptor: its port.
  private var watched: [Int32: Int] = [:]
  private var isStopped = false
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
  private func perform(_ slot: Int, _ body: (inout Port, PortWorld, Moment, inout [Port.Output]) -> Void) {
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

  private func performAll(_ body: (inout Port, PortWorld, Moment, inout [Port.Output]) -> Void) {
    for slot in driver.table.withLock({ $0.slots.values.sorted() }) { perform(slot, body) }
  }

  // MARK: Inbox

  private func take(_ message: PortDriver.Message) {
    switch message {
    case .configure(let changes): for change in changes { configure(change.name, change.settings) }
    case .links(let links):
      self.links = links
      updateLinks()
    case .names: updateLinks()
    case .answer(let answer, let transaction, let generation, let port):
      guard let slot = slot(port) else { return }
      perform(slot) { port, world, now, outputs in
        port.complete(transaction, with: answer, generation: generation, world, now: now, &outputs)
      }
    case .prefetched(let answer, let remoteSystem, let generation, let port):
      guard let slot = slot(port) else { return }
      perform(slot) { port, _, now, outputs in
        port.take(prefetched: answer, remoteSystem: remoteSystem, generation: generation, now: now, &outputs)
      }
    case .system(let system, let profile):
      performAll { port, world, now, outputs in
        if port.settings.policy.keySource?.profile == profile {
          port.learn(system: system, world, now: now, &outputs)
        }
      }
    case .openUnconfigured: openUnconfigured()
    case .stop: isStopped = true
    }
  }

  private func openUnconfigured() {
    let configured = driver.table.withLock { table in
      Set(table.ports.compactMap { port in port.flatMap { $0.settings.isShutDown ? nil : $0.linkName } })
    }
    let environment = driver.world.environment
    for link in environment.filteredLinks() where !configured.contains(link) {
      // What cannot be taken away is told by the link's own counters, and tried again at the next start.
      try? environment.guardParent(link, .open)
    }
  }

  private func slot(_ name: String) -> Int? { driver.table.withLock { $0.slots[name] } }

  private func configure(_ name: String, _ settings: PortSettings?) {
    let linkName = driver.directory.linkName(of: name)
    let link = links[linkName]
    guard let settings else {
      guard let slot = slot(name) else { return }
      perform(slot) { port, world, now, outputs in
        port.takeDown(world, now: now, &outputs)
        port.openParent(world)
        outputs.append(.carry(.own))
      }
      driver.table.withLock { table in
        table.ports[slot] = nil
        table.slots[name] = nil
      }
      queue.set(slot, due: nil)
      driver.world.store?.remove(port: name)
      return
    }
    let slot = driver.table.withLock { table -> Int in
      if let slot = table.slots[name] { return slot }
      let slot = table.ports.firstIndex { $0 == nil } ?? table.ports.count
      if slot == table.ports.count { table.ports.append(nil) }
      table.ports[slot] = Port(name: name, settings: settings, linkName: linkName)
      table.slots[name] = slot
      return slot
    }
    perform(slot) { port, world, now, outputs in
      let needsNewSecY = port.settings.needsOtherSecY(than: settings)
      port.settings = settings
      port.link = link
      port.linkName = linkName
      if needsNewSecY { port.takeDown(world, now: now, &outputs) }
      port.retryAt = nil
      port.converge(world, now: now, &outputs)
    }
  }

  private func updateLinks() {
    let ports = driver.table.withLock { table in
      table.slots.compactMap { name, slot in
        table.ports[slot].map { (name: name, slot: slot, link: $0.link, linkName: $0.linkName) }
      }
    }
    for port in ports {
      let linkName = driver.directory.linkName(of: port.name)
      let link = links[linkName]
      guard link != port.link || linkName != port.linkName else { continue }
      perform(port.slot) { port, world, now, outputs in
        if port.link?.index != link?.index { port.retryAt = nil }
        port.link = link
        port.linkName = linkName
        port.converge(world, now: now, &outputs)
      }
    }
  }

  // MARK: Outputs

  private func deal(with output: Port.Output, of name: String, slot: Int) {
    switch output {
    case .event(let event, let isLogged): driver.listener.event(name, event, isLogged)
    case .rekeySummary(let count): driver.listener.note(name, .rekeySummary(count))
    case .bufferLow(let level): driver.listener.note(name, .bufferLow(level: level))
    case .bufferRestored: driver.listener.note(name, .bufferRestored)
    case .restarted(let isResumed, let reason):
      driver.listener.note(name, .restarted(isResumed: isResumed, reason: reason))
    case .watch(let socket):
      watched[socket.descriptor] = slot
      var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: socket.descriptor))
      epoll_ctl(epoll, EPOLL_CTL_ADD, socket.descriptor, &event)
    case .unwatch(let socket):
      watched[socket.descriptor] = nil
      var event = epoll_event()
      epoll_ctl(epoll, EPOLL_CTL_DEL, socket.descriptor, &event)
    case .carry(.link(let link)): driver.directory.carry(name, on: .link(link))
    case .carry(.awaited): driver.directory.carry(name, on: .awaited)
    case .carry(.own): driver.directory.carry(name, on: nil)
    case .ask(let request, let question): ask(request, question, port: name)
    case .prefetch(let remoteSystem, let question):
      fetch(question, kind: .new, remoteSystem: remoteSystem) { [weak driver] answer in
        driver?.post(
          .prefetched(answer, remoteSystem: remoteSystem, generation: question.generation, port: name))
      }
    case .askSystem(let profile): askSystem(profile)
    }
  }

  private func ask(_ request: KeyRequest, _ question: Port.KeyQuestion, port: String) {
    fetch(question, kind: request.kind, remoteSystem: request.remoteSystem) { [weak driver] answer in
      driver?.post(
        .answer(answer, transaction: request.transaction, generation: question.generation, port: port))
    }
  }

  private func fetch(
    _ question: Port.KeyQuestion, kind: KeyRequest.Kind, remoteSystem: String?,
    answer: @escaping @Sendable (KeyAnswer) -> Void
  ) {
    guard let keys = driver.keys else { return answer(.unavailable("this agent has no key service")) }
    Task {
      answer(
        await KeyFetch.fetch(
          kind, remoteSystem: remoteSystem, profile: question.profile, timeout: question.timeout, from: keys))
    }
  }

  /// Asks how the key service knows this system, again and again until it says so.
  private func askSystem(_ profile: String) {
    guard let keys = driver.keys else { return }
    Task { [weak driver] in
      for attempt in 0..<10_000 {
        guard let driver, driver.uses(profile) else { return }
        if let known = try? await keys.capabilities(profile: profile, deadline: .seconds(30)),
          !known.localSystem.isEmpty
        {
          driver.post(.system(known.localSystem, profile: profile))
          return
        }
        try? await Task.sleep(for: .seconds(min(30, 1 << min(attempt, 5))))
      }
    }
  }
}

extension PortDriver {
  /// Whether a port still wants to know of a profile.
  fileprivate func uses(_ profile: String) -> Bool {
    table.withLock { $0.ports.contains { $0?.settings.policy.keySource?.profile == profile && $0?.active != nil } }
  }
}

extension PortSettings {
  /// What the SecY is told only when it is made.
  func needsOtherSecY(than other: PortSettings) -> Bool {
    policy.exceptions != other.policy.exceptions || dataPlane != other.dataPlane
  }
}
