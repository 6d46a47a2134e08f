// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import Synchronization
import Threads

/// One or more KMEs behind real sockets, for labs and tests.
///
/// The sockets are bound when the simulator is made, so ports are known before it runs; `run` serves them on the
/// calling thread, `start` on one of its own, until `stop`. Faults and statistics can be reached from any thread, and
/// over the control interface if the configuration has one. What has been stopped is not started again: make a new one.
public final class Simulator: Sendable {
  /// A listener of an instance.
  struct Door: Sendable {
    let socket: ListeningSocket
    let instance: Int
    let listener: ListenerConfiguration
    let context: TLSContext?
  }

  let doors: [Door]
  let controlSocket: ListeningSocket?
  let hubSocket: ListeningSocket?
  let joins: Endpoint?
  let state: Mutex<Simulation>
  /// An event descriptor that ends the loop when it is written.
  let wake: Int32
  private let thread = Mutex<SystemThread?>(nil)
  private let configuration: Configuration

  /// Checks the configuration, loads keys and certificates, and binds every socket.
  public init(_ configuration: Configuration) throws(SimulatorError) {
    try configuration.validate()
    self.configuration = configuration
    var doors: [Door] = []
    for (index, instance) in configuration.instances.enumerated() {
      for listener in instance.listeners {
        let context = listener.security == .plain ? nil : try TLSContext(listener)
        let socket = try ListeningSocket(listener.address)
        doors.append(Door(socket: socket, instance: index, listener: listener, context: context))
      }
    }
    self.doors = doors
    controlSocket = if let endpoint = configuration.control { try ListeningSocket(endpoint) } else { nil }
    switch configuration.network {
    case .listen(let endpoint):
      hubSocket = try ListeningSocket(endpoint)
      joins = nil
    case .join(let endpoint):
      hubSocket = nil
      joins = endpoint
    case nil:
      hubSocket = nil
      joins = nil
    }
    state = Mutex(Simulation(configuration))
    wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard wake >= 0 else { throw SimulatorError(.system, "cannot make an event descriptor: \(systemErrorText())") }
  }

  deinit {
    close(wake)
  }

  /// Where an instance listens, in the order of its listeners, with the ports that the system chose.
  public func endpoints(of instance: String) -> [Endpoint] {
    doors.filter { configuration.instances[$0.instance].name == instance }.map(\.socket.endpoint)
  }

  /// Where the control interface listens.
  public var control: Endpoint? { controlSocket?.endpoint }

  /// One line of JSON for each listener, as `kmesim` prints them when it is ready.
  public var readyLines: [String] {
    doors.map { line("instance", configuration.instances[$0.instance].name, $0.socket.endpoint, $0.listener) }
      + (controlSocket.map { [line("control", "kmesim", $0.endpoint, nil)] } ?? [])
  }

  /// Serves on the calling thread until `stop` is called from another.
  public func run() throws(SimulatorError) {
    blockBrokenPipes()
    try Service(self).run()
  }

  /// Serves on a thread of its own.
  public func start() throws(SimulatorError) {
    do throws(SystemThread.Failure) {
      // Making the loop fails only when the process has no descriptors left; then nothing is served.
      let started = try SystemThread("kmesim") { [self] in try? run() }
      thread.withLock { $0 = started }
    } catch {
      throw SimulatorError(.system, "cannot start a thread: \(systemErrorText(error.errorNumber))")
    }
  }

  /// Ends `run` or `start`; after `start` it returns when the thread has ended. It can be called more than once.
  public func stop() {
    eventfd_write(wake, 1)
    thread.withLock { $0.take() }?.join()
  }

  /// The statistics of every instance by name.
  public var statistics: [String: Statistics] { state.withLock { $0.statistics() } }

  /// The recent requests, oldest first.
  public var requests: [LoggedRequest] { state.withLock { $0.log } }

  /// Puts a fault in force and returns the number to remove it by.
  @discardableResult
  public func add(_ fault: Fault) throws(SimulatorError) -> Int {
    try state.withLock { (state) throws(SimulatorError) in try state.add(fault) }
  }

  /// Removes one fault; false when it is not in force any more.
  @discardableResult
  public func removeFault(_ id: Int) -> Bool { state.withLock { $0.faults.remove(id) } }

  /// Removes every fault.
  public func removeFaults() { state.withLock { $0.faults.removeAll() } }

  /// Sets the statistics to zero and forgets the logged requests.
  public func resetStatistics() { state.withLock { $0.resetStatistics() } }

  private func line(_ kind: String, _ name: String, _ endpoint: Endpoint, _ listener: ListenerConfiguration?) -> String
  {
    var text = JSONText()
    text.object { text in
      text.member(kind, name)
      switch endpoint {
      case .tcp(let host, let port):
        text.member("address", host)
        text.member("port", Int(port))
      case .unix(let path): text.member("path", path)
      }
      switch listener?.security {
      case .psk: text.member("security", "psk")
      case .certificate: text.member("security", "certificate")
      case .plain: text.member("security", "plain")
      case nil: break
      }
    }
    return String(decoding: text.bytes, as: UTF8.self)
  }

  /// OpenSSL writes with `write`, which raises SIGPIPE on a closed connection in the writing thread; blocked there, it
  /// is an error code only, and the process's own handling of signals stays as it is.
  private func blockBrokenPipes() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
  }
}
