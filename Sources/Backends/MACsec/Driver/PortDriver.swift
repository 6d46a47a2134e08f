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

  enum Message: Sendable {
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
  /// The links that were told last.
  private let known = Mutex<[String: Link]>([:])
  let inbox = Mutex<[Message]>([])
  let world: PortWorld
  let keys: (any KeyService)?
  let directory: PortDirectory
  let listener: Listener
  let wakeDescriptor: Int32
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
  public func links(_ links: [String: Link]) {
    known.withLock { $0 = links }
    post(.links(links))
  }

  /// The bond that an interface's link belongs to, or its controlled port.
  func bond(of interface: String) -> Link? {
    let links = known.withLock { $0 }
    let bonds = Dictionary(links.values.lazy.filter(\.isBond).map { ($0.index, $0) }) { one, _ in one }
    guard !bonds.isEmpty else { return nil }
    return PortLinks(of: directory.linkName(of: interface), in: links, bonds: bonds).bond(remembered: nil)
  }

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

  func post(_ message: Message) {
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

extension PortDriver {
  /// Whether a port still wants to know of a profile.
  func uses(_ profile: String) -> Bool {
    table.withLock { $0.ports.contains { $0?.settings.policy.keySource?.profile == profile && $0?.active != nil } }
  }
}

extension PortSettings {
  /// What the SecY is told only when it is made.
  func needsOtherSecY(than other: PortSettings) -> Bool {
    policy.exceptions != other.policy.exceptions || (policy.cak == nil) != (other.policy.cak == nil)
      || dataPlane != other.dataPlane
  }
}
