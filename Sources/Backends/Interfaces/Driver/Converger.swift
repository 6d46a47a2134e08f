// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Netlink
import Synchronization
import Threads

/// Keeps interfaces as they are configured: a thread that looks at an interface when its configuration changes, when
/// the kernel tells of one of its links, and again later when something was refused.
final class Converger: Sendable {
  /// How far an interface is.
  struct Status: Sendable, Equatable {
    enum Stage: Sendable { case applied, pending, failed }
    var stage = Stage.pending
    var problems: [String] = []
  }

  private struct State {
    var desired: [String: DesiredInterface] = [:]
    /// To be looked at.
    var touched: Set<String> = []
    var statuses: [String: Status] = [:]
    /// By the names of links: the interfaces that use them.
    var users: [String: Set<String>] = [:]
    var isStopped = false
    var isStarted = false
  }
  private let state = Mutex(State())
  fileprivate let ports: PortDirectory
  private let watcher: LinkWatcher
  private let subscription = Mutex<LinkWatcher.Subscription?>(nil)
  private let thread = Mutex<SystemThread?>(nil)
  private let wakeReader: Int32
  private let wakeWriter: Int32

  init(ports: PortDirectory, watcher: LinkWatcher) throws(NetlinkError) {
    self.ports = ports
    self.watcher = watcher
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw .system(call: "socketpair", errorNumber: errno)
    }
    (wakeReader, wakeWriter) = (ends[0], ends[1])
  }

  deinit {
    close(wakeReader)
    close(wakeWriter)
  }

  // MARK: From any thread

  /// Takes what is asked of interfaces; nil for those that are not configured any more.
  func configure(_ changes: [String: DesiredInterface?]) {
    state.withLock { state in
      for (name, desired) in changes {
        state.desired[name] = desired
        state.touched.insert(name)
      }
    }
    wake()
  }

  /// Looks at interfaces whose links are others now.
  func touch(_ names: Set<String>) {
    let isConcerned = state.withLock { state in
      let configured = names.filter { state.desired[$0] != nil }
      state.touched.formUnion(configured)
      return !configured.isEmpty
    }
    if isConcerned { wake() }
  }

  func status(of name: String) -> Status? {
    state.withLock { $0.desired[name] == nil ? nil : $0.statuses[name] ?? .init() }
  }

  /// The names of all interfaces that are configured.
  var configured: [String] { state.withLock { Array($0.desired.keys) } }

  func isConfigured(_ name: String) -> Bool { state.withLock { $0.desired[name] != nil } }

  /// The configured interface that is this link, if any.
  func interfaces(using link: String) -> Set<String> { state.withLock { $0.users[link] ?? [] } }

  /// Starts the thread, in the network namespace of the caller. Does nothing when it runs.
  func start() {
    let isFirst = state.withLock { state in
      defer { state.isStarted = true }
      return !state.isStarted
    }
    guard isFirst else { return }
    let events = watcher.subscribe { [weak self] in self?.take($0) }
    subscription.withLock { $0 = events }
    ports.onChange { [weak self] in self?.touch($0) }
    let loop = ConvergerLoop(self)
    let started = try? SystemThread("interfaces") { loop.run() }
    thread.withLock { $0 = started }
  }

  /// Ends the thread. Links stay as they are.
  func stop() {
    if let events = subscription.withLock({ $0.take() }) { watcher.cancel(events) }
    guard let running = thread.withLock({ $0.take() }) else { return }
    state.withLock { $0.isStopped = true }
    wake()
    running.join()
  }

  /// On the watcher's thread.
  private func take(_ events: [LinkEvent]) {
    var names: Set<String> = []
    let table = watcher.table
    for event in events {
      switch event {
      case .appeared(let link), .vanished(let link): names.insert(link.name)
      case .changed(let old, let new): names.formUnion([old.name, new.name])
      case .addressAdded(let address), .addressRemoved(let address):
        if let link = table.links[address.link] { names.insert(link.name) }
      }
    }
    let isConcerned = state.withLock { state in
      let concerned = names.flatMap { state.users[$0] ?? [] }
      state.touched.formUnion(concerned)
      return !concerned.isEmpty
    }
    if isConcerned { wake() }
  }

  private func wake() {
    var byte: UInt8 = 1
    _ = write(wakeWriter, &byte, 1)
  }

  // MARK: For the thread

  fileprivate struct Work {
    var isStopped = false
    var interfaces: [(name: String, desired: DesiredInterface?)] = []
  }

  /// Waits until there is something to do, at most so many milliseconds.
  fileprivate func wait(atMost limit: Int32) {
    var descriptor = pollfd(fd: wakeReader, events: Int16(POLLIN), revents: 0)
    poll(&descriptor, 1, limit)
    var bytes = [UInt8](repeating: 0, count: 64)
    while read(wakeReader, &bytes, bytes.count) > 0 {}
  }

  fileprivate func takeWork(due: [String]) -> Work {
    state.withLock { state in
      state.touched.formUnion(due)
      defer { state.touched = [] }
      return Work(
        isStopped: state.isStopped, interfaces: state.touched.sorted().map { ($0, state.desired[$0]) })
    }
  }

  fileprivate func report(_ status: Status?, of name: String, links: Set<String>, formerly former: Set<String>) {
    state.withLock { state in
      state.statuses[name] = status
      for link in former.subtracting(links) {
        state.users[link]?.remove(name)
        if state.users[link]?.isEmpty == true { state.users[link] = nil }
      }
      for link in links { state.users[link, default: []].insert(name) }
    }
  }
}

/// The thread's own state: what was given to which link.
private final class ConvergerLoop {
  private struct Held {
    var links: [String: LinkMemory] = [:]
    var link = ""
    var routedLink: String?
    var desired: DesiredInterface?
    var pacing = Pacing()
  }

  private let converger: Converger
  private let driver = LinkDriver()
  private var held: [String: Held] = [:]
  /// Whether what an earlier agent left behind has been looked for.
  private var hasSwept = false

  init(_ converger: Converger) { self.converger = converger }

  func run() {
    while true {
      let now = Self.now()
      let next = held.values.compactMap(\.pacing.due).min()
      converger.wait(atMost: next.map { Int32(clamping: $0 > now ? $0 - now : 0) } ?? -1)
      let then = Self.now()
      let work = converger.takeWork(
        due: held.filter { $0.value.pacing.due.map { $0 <= then } ?? false }.map(\.key))
      if work.isStopped { return }
      for (name, desired) in work.interfaces { converge(name, desired) }
      if !hasSwept {
        hasSwept = true
        driver.removeOrphans { [converger] in !converger.interfaces(using: $0).isEmpty }
      }
    }
  }

  private static func now() -> Pacing.Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
  }

  private func converge(_ name: String, _ desired: DesiredInterface?) {
    var held = self.held[name] ?? Held()
    if held.desired != desired {
      held.pacing.reset()
      held.desired = desired
    }
    guard held.pacing.mayTry(at: Self.now()) else {
      self.held[name] = held
      return converger.report(
        .init(stage: .failed, problems: ["something else changes the link back each time"]), of: name,
        links: Set(held.links.keys), formerly: [])
    }
    let former = Set(held.links.keys)
    var status = Converger.Status(stage: .applied)
    var hasChanged = false
    let wish = desired.map {
      InterfaceWish(
        $0, link: converger.ports.linkName(of: name), carrier: converger.ports.carrier(of: name),
        isSettled: converger.ports.isSettled(name))
    }
    let wanted = wish.map { Set($0.wishes.keys) } ?? []
    release(former.subtracting(wanted), &held)
    if let wish {
      held.link = wish.link
      if wish.link == name, DesiredInterface.isLoopback(name), let problem = driver.makeLoopback(name) {
        status.problems.append(problem)
      }
      for (link, wish) in wish.wishes.sorted(by: { $0.key < $1.key }) {
        let outcome = driver.converge(link, to: wish, memory: held.links[link] ?? LinkMemory())
        held.links[link] = outcome.memory
        hasChanged = hasChanged || outcome.hasChanged
        status.problems += outcome.problems
        if !outcome.isPresent, status.stage == .applied { status.stage = .pending }
        if !outcome.isPresent { status.problems.append("there is no link \(link)") }
      }
      if let pending = wish.pending {
        if status.stage == .applied { status.stage = .pending }
        status.problems.append(pending)
      }
      let outcome = route(name, wish, &held)
      hasChanged = hasChanged || outcome.hasChanged
      status.problems += outcome.problems
      let absent = status.problems.filter { $0.hasPrefix("there is no link") || $0 == wish.pending }.count
      if status.problems.count > absent { status.stage = .failed }
    }
    held.pacing.ended(hasFailed: status.stage == .failed, hasChanged: hasChanged, at: Self.now())
    self.held[name] = desired == nil ? nil : held
    converger.report(
      desired == nil ? nil : status, of: name, links: desired == nil ? [] : wanted, formerly: former)
  }

  /// Takes back what links got that the interface does not use any more.
  private func release(_ links: Set<String>, _ held: inout Held) {
    for link in links.sorted() {
      guard let memory = held.links.removeValue(forKey: link) else { continue }
      _ = driver.converge(link, to: LinkWish(addresses: .init()), memory: memory)
      if held.routedLink == link {
        _ = driver.converge(routes: [], on: link)
        held.routedLink = nil
      }
      if DesiredInterface.isLoopback(link) { driver.removeLoopback(link) }
    }
  }

  private func route(_ name: String, _ wish: InterfaceWish, _ held: inout Held) -> LinkDriver.Outcome {
    let link = wish.layer3Link ?? wish.link
    let routes = converger.ports.routes(of: name)
    guard !routes.isEmpty || held.routedLink == link else { return .init(memory: LinkMemory()) }
    held.routedLink = routes.isEmpty ? nil : link
    return driver.converge(routes: routes, on: link)
  }
}
