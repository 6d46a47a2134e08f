// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLinux
import Glibc
import Synchronization
import Threads

/// charon over its VICI socket: commands with answers, and events, over connections that are made again when they break.
///
/// Two connections: one for commands, one for events. Both live on one thread of this client; `VICILink` decides, the
/// thread carries out. Commands fail with `disconnected` while there is no connection: whoever keeps charon converged
/// starts again at the next `.ready`. Time limits are those of a connection with a local daemon: a command that waits for
/// the network (`initiate`) has to be sent with charon's own `timeout`.
///
/// Sendable: `inbox` is guarded, the descriptors do not change between init and deinit, and the rest is touched by the
/// thread alone, which holds a reference and so ends before deinit.
public final class VICIClient: @unchecked Sendable {
  /// What the client tells of itself.
  public enum Notice: Sendable, Equatable {
    /// Commands can be sent, to this process.
    case ready(VICIVersion, processIdentifier: Int32)
    /// Events come from now on, except those named, which this charon does not have. What happened before was not seen.
    case listening(unknown: [String])
    case event(String, VICIMessage)
    /// Commands fail, or events are lost, until the next `ready` or `listening`.
    case down(VICILink.Purpose, VICIError)
  }

  public typealias Answer = Result<VICIMessage, VICIError>

  private struct Request {
    let task: VICIConnection.Task
    let limit: Duration
    let part: @Sendable (VICIMessage) -> Bool
    let done: @Sendable (Answer) -> Void
  }
  private struct Inbox {
    var requests: [Request] = []
    var isStopped = false
    var isRunning = false
  }

  public let path: String
  private let wake: Int32
  private let inbox = Mutex(Inbox())
  private let onNotice: @Sendable (Notice) -> Void
  private let events: [String]
  private let settings: VICILink.Settings

  /// - Parameters:
  ///   - path: of charon's socket.
  ///   - events: to subscribe to; without any there is no second connection.
  ///   - onNotice: called on the client's thread, in order; it must not wait.
  /// - Throws: `system`.
  public init(
    path: String, events: [String], settings: VICILink.Settings = .init(),
    onNotice: @escaping @Sendable (Notice) -> Void
  ) throws(VICIError) {
    self.path = path
    self.events = events
    self.settings = settings
    self.onNotice = onNotice
    wake = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    guard wake >= 0 else { throw VICIError(.system, "eventfd: \(systemReason())") }
  }

  deinit { close(wake) }

  /// Starts the thread, which connects at once.
  ///
  /// - Throws: `system`.
  public func start() throws(VICIError) {
    let mayStart = inbox.withLock { inbox in
      guard !inbox.isRunning, !inbox.isStopped else { return false }
      inbox.isRunning = true
      return true
    }
    guard mayStart else { return }
    do throws(SystemThread.Failure) { _ = try SystemThread("vici") { [self] in run() } } catch {
      inbox.withLock { $0.isRunning = false }
      throw VICIError(.system, "no thread for the VICI client: \(systemReason(error.errorNumber))")
    }
  }

  /// Ends the connections and the thread; commands that wait fail. charon is not touched. Not to be started again.
  public func stop() {
    inbox.withLock { $0.isStopped = true }
    wakeUp()
  }

  // MARK: Commands

  /// Sends a command and waits for its answer.
  ///
  /// - Throws: `refused` with charon's words when it says `success=no`; `disconnected`, `timedOut`, `unknown`, ….
  @discardableResult
  public func call(
    _ command: String, _ message: VICIMessage = VICIMessage(), limit: Duration = .seconds(10)
  ) async throws(VICIError) -> VICIMessage {
    let answer: Answer = await withCheckedContinuation { continuation in
      submit(
        Request(
          task: .command(command, message, stream: nil), limit: limit, part: { _ in true },
          done: { continuation.resume(returning: $0) }))
    }
    return try answer.get()
  }

  /// Sends a streamed command and hands over its parts in order.
  ///
  /// - Parameters:
  ///   - maximumParts: more than these are an error, `tooLong`.
  ///   - maximumBytes: and so is more than this in wire format, over all parts.
  public func list(
    _ command: String, _ message: VICIMessage = VICIMessage(), event: String, limit: Duration = .seconds(10),
    maximumParts: Int = 100_000, maximumBytes: Int = 256 << 20
  ) async throws(VICIError) -> [VICIMessage] {
    let parts = Mutex<[VICIMessage]>([])
    let collected = Collected()
    let answer: Answer = await withCheckedContinuation { continuation in
      submit(
        Request(
          task: .command(command, message, stream: event), limit: limit,
          part: { collected.append($0, atMost: maximumParts, bytes: maximumBytes) },
          done: { answer in
            collected.state.withLock { state in
              parts.withLock { $0 = state.parts }
              state.parts = []
            }
            continuation.resume(returning: answer)
          }))
    }
    _ = try answer.get()
    guard !collected.state.withLock({ $0.isTooLong }) else {
      throw VICIError(
        .tooLong, "charon answers '\(command)' with more than \(maximumParts) parts or \(maximumBytes) bytes")
    }
    return parts.withLock { $0 }
  }

  /// Gathers the parts of one streamed command. When there are too many, all are let go, and those to come.
  private final class Collected: Sendable {
    struct State {
      var parts: [VICIMessage] = []
      var bytes = 0
      var isTooLong = false
    }
    let state = Mutex(State())

    func append(_ part: VICIMessage, atMost limit: Int, bytes: Int) -> Bool {
      state.withLock { state in
        guard !state.isTooLong else { return false }
        state.bytes += part.encodedCount
        state.isTooLong = state.parts.count >= limit || state.bytes > bytes
        if state.isTooLong { state.parts = [] } else { state.parts.append(part) }
        return !state.isTooLong
      }
    }
  }

  private func submit(_ request: Request) {
    let refusal: VICIError? = inbox.withLock { inbox in
      guard !inbox.isStopped else { return VICIError(.disconnected, "the VICI client has been stopped") }
      guard inbox.requests.count < VICIConnection.maximumWaiting else {
        return VICIError(.overloaded, "\(VICIConnection.maximumWaiting) VICI commands wait already")
      }
      inbox.requests.append(request)
      return nil
    }
    if let refusal { request.done(.failure(refusal)) } else { wakeUp() }
  }

  private func wakeUp() {
    var one: UInt64 = 1
    _ = write(wake, &one, 8)
  }

  // MARK: The thread

  /// A link with its socket.
  private struct Line {
    var link: VICILink
    var socket: VICISocket?
    init(_ purpose: VICILink.Purpose, _ settings: VICILink.Settings) {
      link = VICILink(purpose: purpose, settings: settings)
    }
  }

  private func run() {
    var commands = Line(.commands, settings)
    var listener = Line(.events(events), settings)
    var under: [VICIConnection.JobID: Request] = [:]
    var nextID: VICIConnection.JobID = 1
    carryOut(commands.link.start(), on: &commands, &under)
    if !events.isEmpty { carryOut(listener.link.start(), on: &listener, &under) }
    while true {
      let (requests, isStopped) = inbox.withLock { inbox in
        defer { inbox.requests = [] }
        return (inbox.requests, inbox.isStopped)
      }
      for request in requests {
        under[nextID] = request
        let job = VICIConnection.Job(id: nextID, task: request.task, limit: request.limit)
        nextID += 1
        carryOut(commands.link.submit(job, now: .now), on: &commands, &under)
      }
      if isStopped { break }
      waitForInput(&commands, &listener, &under)
    }
    carryOut(commands.link.stop(), on: &commands, &under)
    carryOut(listener.link.stop(), on: &listener, &under)
    for request in under.values { request.done(.failure(VICIError(.disconnected, "the VICI client stops"))) }
  }

  private func waitForInput(
    _ commands: inout Line, _ listener: inout Line, _ under: inout [VICIConnection.JobID: Request]
  ) {
    var waits = [
      pollfd(fd: wake, events: Int16(POLLIN), revents: 0), Self.interest(commands), Self.interest(listener),
    ]
    let due = [commands.link.nextTimeout, listener.link.nextTimeout].compactMap { $0 }.min()
    _ = poll(&waits, 3, due.map { Self.milliseconds(until: $0) } ?? -1)
    if waits[0].revents != 0 {
      var count: UInt64 = 0
      _ = read(wake, &count, 8)
    }
    serve(&commands, waits[1].revents, &under)
    serve(&listener, waits[2].revents, &under)
  }

  /// Rounded up, so that the loop does not spin in the last millisecond.
  private static func milliseconds(until deadline: ContinuousClock.Instant) -> Int32 {
    let parts = ContinuousClock.now.duration(to: deadline).components
    let count = parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000 + 1
    return Int32(min(max(count, 0), 60_000))
  }

  private static func interest(_ line: Line) -> pollfd {
    guard let socket = line.socket else { return pollfd(fd: -1, events: 0, revents: 0) }
    let writes = socket.wantsToWrite ? POLLOUT : 0
    return pollfd(fd: socket.descriptor, events: Int16(POLLIN | writes), revents: 0)
  }

  private func serve(_ line: inout Line, _ ready: Int16, _ under: inout [VICIConnection.JobID: Request]) {
    if ready & Int16(POLLOUT) != 0, let reason = line.socket?.flush() {
      carryOut(line.link.closed(reason, now: .now), on: &line, &under)
    }
    if ready & Int16(POLLIN | POLLHUP | POLLERR) != 0, let input = line.socket?.read() {
      switch input {
      case .bytes(let bytes): carryOut(line.link.receive(bytes, now: .now), on: &line, &under)
      case .closed(let reason): carryOut(line.link.closed(reason, now: .now), on: &line, &under)
      case .nothingNow: break
      }
    }
    if let due = line.link.nextTimeout, due <= .now {
      carryOut(line.link.timeout(now: .now), on: &line, &under)
    }
  }

  private func carryOut(
    _ effects: [VICILink.Effect], on line: inout Line, _ under: inout [VICIConnection.JobID: Request]
  ) {
    for effect in effects {
      switch effect {
      case .connect:
        do throws(VICIError) {
          line.socket = try VICISocket(path: path)
          carryOut(line.link.connected(now: .now), on: &line, &under)
        } catch { carryOut(line.link.connectingFailed(error, now: .now), on: &line, &under) }
      case .close: line.socket = nil
      case .write(let frame):
        if let reason = line.socket?.write(frame) {
          carryOut(line.link.closed(reason, now: .now), on: &line, &under)
        }
      case .part(let id, let message): _ = under[id]?.part(message)
      case .finished(let id, let answer): under.removeValue(forKey: id)?.done(answer)
      case .event(let name, let message): onNotice(.event(name, message))
      case .ready(let version, let unknown):
        if let version {
          onNotice(.ready(version, processIdentifier: line.socket?.peer ?? 0))
        } else {
          onNotice(.listening(unknown: unknown))
        }
      case .down(let error): onNotice(.down(line.link.purpose, error))
      }
    }
  }
}
