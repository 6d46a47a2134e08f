// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A VICI connection that is made again whenever it breaks, without the socket.
///
///     waiting ── time ──▶ connecting ── connected ──▶ greeting ── greeted ──▶ ready
///        ▲                    │ failed                   │ failed              │ broken
///        └────────────────────┴──────────────────────────┴─────────────────────┘
///
/// Greeting: a link for commands asks for the version and refuses a daemon that is not charon; a link for events
/// subscribes to them, and tells which of them this charon does not know. The time between attempts doubles up to a limit
/// that is short: the socket is local, and tunnels wait for it.
public struct VICILink: Sendable {
  public typealias Instant = VICIConnection.Instant

  /// What a link is for. VICI answers commands in order, so events get a connection of their own.
  public enum Purpose: Sendable, Equatable {
    case commands
    case events([String])
  }

  public enum Effect: Sendable, Equatable {
    /// Open the socket, then call `connected` or `connectingFailed`.
    case connect
    /// Close the socket.
    case close
    case write(VICIFrame)
    case part(VICIConnection.JobID, VICIMessage)
    case finished(VICIConnection.JobID, Result<VICIMessage, VICIError>)
    case event(String, VICIMessage)
    /// The link can be used. `version` is nil on a link for events, `unknown` names the events that charon lacks.
    case ready(version: VICIVersion?, unknown: [String])
    /// The link cannot be used, or an attempt to make it has failed.
    case down(VICIError)
  }

  /// How long to wait between attempts, and for the greeting's answers.
  public struct Settings: Sendable {
    public var firstRetry: Duration = .milliseconds(50)
    public var longestRetry: Duration = .milliseconds(1000)
    public var greetingLimit: Duration = .seconds(5)

    public init() {}
  }

  private enum State {
    case stopped
    case waiting(until: Instant)
    case connecting
    case greeting(VICIConnection, awaited: Int, unknown: [String])
    case ready(VICIConnection)
  }

  /// The greeting's jobs have names that no caller uses.
  private static let firstGreeting = VICIConnection.JobID.max - 1000

  public let purpose: Purpose
  private let settings: Settings
  private var state = State.stopped
  private var failures = 0

  public init(purpose: Purpose, settings: Settings = Settings()) {
    self.purpose = purpose
    self.settings = settings
  }

  public var isReady: Bool { if case .ready = state { true } else { false } }

  /// When `timeout(now:)` is due.
  public var nextTimeout: Instant? {
    switch state {
    case .stopped, .connecting: nil
    case .waiting(let until): until
    case .greeting(let connection, _, _), .ready(let connection): connection.nextTimeout
    }
  }

  // MARK: Inputs

  /// Begins with an attempt at once.
  public mutating func start() -> [Effect] {
    guard case .stopped = state else { return [] }
    state = .connecting
    return [.connect]
  }

  /// Ends it: jobs under way finish with an error, and no attempts are made any more.
  public mutating func stop() -> [Effect] {
    defer { state = .stopped }
    switch state {
    case .stopped, .waiting: return []
    case .connecting: return [.close]
    case .greeting(var connection, _, _), .ready(var connection):
      return finishes(in: connection.disconnected("the VICI client stops")) + [.close]
    }
  }

  public mutating func connected(now: Instant) -> [Effect] {
    guard case .connecting = state else { return [] }
    var connection = VICIConnection()
    var effects: [VICIConnection.Effect] = []
    let tasks: [VICIConnection.Task] =
      switch purpose {
      case .commands: [.command("version", VICIMessage(), stream: nil)]
      case .events(let names): names.map { .subscribe(event: $0) }
      }
    for (index, task) in tasks.enumerated() {
      let id = Self.firstGreeting + UInt64(index)
      effects += connection.submit(.init(id: id, task: task, limit: settings.greetingLimit), now: now)
    }
    state = .greeting(connection, awaited: tasks.count, unknown: [])
    return tasks.isEmpty ? becomeReady(connection, version: nil, unknown: []) : translate(effects, now: now)
  }

  public mutating func connectingFailed(_ error: VICIError, now: Instant) -> [Effect] {
    guard case .connecting = state else { return [] }
    return goDown(error, now: now)
  }

  public mutating func receive(_ bytes: some Sequence<UInt8>, now: Instant) -> [Effect] {
    update(now: now) { connection in connection.receive(bytes, now: now) }
  }

  /// The far end has closed the socket, or it has an error.
  public mutating func closed(_ reason: String, now: Instant) -> [Effect] {
    update(now: now) { connection in connection.disconnected(reason) }
  }

  public mutating func timeout(now: Instant) -> [Effect] {
    if case .waiting(let until) = state {
      guard now >= until else { return [] }
      state = .connecting
      return [.connect]
    }
    return update(now: now) { connection in connection.timeout(now: now) }
  }

  /// Takes a job; it fails at once when the link is not ready, since what is asked may have lost its sense later.
  public mutating func submit(_ job: VICIConnection.Job, now: Instant) -> [Effect] {
    guard case .ready = state else {
      return [.finished(job.id, .failure(VICIError(.disconnected, "charon's VICI socket is not connected")))]
    }
    return update(now: now) { connection in connection.submit(job, now: now) }
  }

  // MARK: Transitions

  private mutating func update(
    now: Instant, _ body: (inout VICIConnection) -> [VICIConnection.Effect]
  ) -> [Effect] {
    switch state {
    case .stopped, .waiting, .connecting: return []
    case .greeting(var connection, let awaited, let unknown):
      // The state lets go of the connection while it is changed, so that its buffers are not copied.
      state = .connecting
      let effects = body(&connection)
      state = .greeting(connection, awaited: awaited, unknown: unknown)
      return translate(effects, now: now)
    case .ready(var connection):
      state = .connecting
      let effects = body(&connection)
      state = .ready(connection)
      return translate(effects, now: now)
    }
  }

  private mutating func translate(_ effects: [VICIConnection.Effect], now: Instant) -> [Effect] {
    var result: [Effect] = []
    for effect in effects {
      switch effect {
      case .write(let frame): result.append(.write(frame))
      case .part(let id, let message): result.append(.part(id, message))
      case .event(let name, let message): result.append(.event(name, message))
      case .finished(let id, let outcome) where id >= Self.firstGreeting:
        result += greeted(id, outcome, now: now)
      case .finished(let id, let outcome): result.append(.finished(id, outcome))
      case .failed(let error):
        // A greeting that was refused has taken the link down already.
        if case .waiting = state { break }
        result += [.close] + goDown(error, now: now)
      }
    }
    return result
  }

  private mutating func greeted(
    _ id: VICIConnection.JobID, _ outcome: Result<VICIMessage, VICIError>, now: Instant
  ) -> [Effect] {
    guard case .greeting(let connection, let awaited, var unknown) = state else { return [] }
    switch (purpose, outcome) {
    case (.commands, .success(let answer)):
      do throws(VICIError) {
        return becomeReady(connection, version: try VICIVersion(answer), unknown: [])
      } catch { return [.close] + goDown(error, now: now) }
    case (.commands, .failure(let error)) where error.code == .unknown || error.code == .refused:
      return [.close] + goDown(VICIError(.incompatible, error.description), now: now)
    case (.events(let names), .failure(let error)) where error.code == .unknown:
      unknown.append(names[Int(id - Self.firstGreeting)])
    case (.events, .success): break
    case (_, .failure): return []  // `.failed` follows.
    }
    if awaited == 1 { return becomeReady(connection, version: nil, unknown: unknown) }
    state = .greeting(connection, awaited: awaited - 1, unknown: unknown)
    return []
  }

  private mutating func becomeReady(
    _ connection: VICIConnection, version: VICIVersion?, unknown: [String]
  ) -> [Effect] {
    state = .ready(connection)
    failures = 0
    return [.ready(version: version, unknown: unknown)]
  }

  private mutating func goDown(_ error: VICIError, now: Instant) -> [Effect] {
    let doubled = settings.firstRetry * (1 << min(failures, 10))
    failures += 1
    state = .waiting(until: now.advanced(by: min(doubled, settings.longestRetry)))
    return [.down(error)]
  }

  private func finishes(in effects: [VICIConnection.Effect]) -> [Effect] {
    effects.compactMap { effect in
      if case .finished(let id, let outcome) = effect, id < Self.firstGreeting { .finished(id, outcome) } else { nil }
    }
  }
}
