// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Keeps one charon alive, without processes, sockets and clocks.
///
///     stopped ─ start, lock free ─▶ starting ─ ready ─▶ running ─ exited ─▶ backingOff ─ time ─▶ starting
///        │                             │ exited or too slow                    ▲
///        │                             └──── ending (killed) ──── exited ──────┤
///        └─ start, lock held ─▶ probing ─ ready ─▶ running (adopted)           │
///                                  └ too slow ─▶ ending ────── exited ─────────┘
///
/// A charon outlives the agent, so at start there may be one already: it holds the lock file, whatever it is doing. It is
/// adopted when it answers, and replaced when it does not. A running charon whose socket is silent for long is replaced
/// too; that takes tunnels down, so the time is generous. The time between restarts doubles from short to long and falls
/// back after a charon has lived for a while.
public struct CharonSupervisor: Sendable {
  public typealias Instant = ContinuousClock.Instant
  public typealias ProcessIdentifier = Int32

  public struct Limits: Sendable {
    /// For a charon that was there to answer, and for a new one to come up.
    public var readyLimit: Duration = .seconds(10)
    /// Without an answer while the process lives.
    public var silenceLimit: Duration = .seconds(30)
    public var firstRestart: Duration = .milliseconds(100)
    public var longestRestart: Duration = .seconds(30)
    /// A charon that lived so long was all right.
    public var healthyAfter: Duration = .seconds(60)
    /// Between asking a charon to end and killing it.
    public var endLimit: Duration = .seconds(5)

    public init() {}
  }

  /// What is to be done.
  public enum Effect: Sendable, Equatable {
    /// Start a charon, then call `spawned` or `spawningFailed`.
    case spawn
    /// Watch this process, then call `exited`.
    case watch(ProcessIdentifier)
    case terminate(ProcessIdentifier)
    case kill(ProcessIdentifier)
    /// The status has changed.
    case report(Status)
  }

  /// For operational state and the log.
  public enum Status: Sendable, Equatable {
    case stopped
    case starting
    case running(ProcessIdentifier, isAdopted: Bool)
    /// It lives, but its socket does not answer.
    case silent(ProcessIdentifier)
    /// It has ended, or could not be started; it is started again after that time.
    case down(reason: String, restartIn: Duration)
  }

  private enum State {
    case stopped
    case probing(ProcessIdentifier?, until: Instant)
    case spawning
    case starting(ProcessIdentifier, until: Instant)
    case running(ProcessIdentifier, since: Instant, silentUntil: Instant?)
    case ending(ProcessIdentifier, reason: String, killAt: Instant?, restarts: Bool)
    case backingOff(until: Instant)
  }

  private let limits: Limits
  private var state = State.stopped
  private var failures = 0
  /// How often a charon has been started again, for operational state.
  public private(set) var restartCount = 0

  public init(limits: Limits = Limits()) { self.limits = limits }

  /// When `timeout(now:)` is due.
  public var nextTimeout: Instant? {
    switch state {
    case .stopped, .spawning: nil
    case .probing(_, let until), .starting(_, let until), .backingOff(let until): until
    case .running(_, _, let silentUntil): silentUntil
    case .ending(_, _, let killAt, _): killAt
    }
  }

  // MARK: Inputs

  /// - Parameters:
  ///   - isLocked: another process holds the lock file, so a charon of ours lives.
  ///   - recorded: the process that the lock file names.
  public mutating func start(isLocked: Bool, recorded: ProcessIdentifier?, now: Instant) -> [Effect] {
    guard case .stopped = state else { return [] }
    guard isLocked else { return spawn() }
    state = .probing(recorded, until: now.advanced(by: limits.readyLimit))
    return (recorded.map { [.watch($0)] } ?? []) + [.report(.starting)]
  }

  public mutating func spawned(_ process: ProcessIdentifier, now: Instant) -> [Effect] {
    guard case .spawning = state else { return [.kill(process)] }
    state = .starting(process, until: now.advanced(by: limits.readyLimit))
    return [.watch(process)]
  }

  public mutating func spawningFailed(_ reason: String, now: Instant) -> [Effect] {
    guard case .spawning = state else { return [] }
    return backOff(reason, now: now)
  }

  /// VICI answers, from that process.
  public mutating func ready(_ process: ProcessIdentifier, now: Instant) -> [Effect] {
    switch state {
    case .probing(let recorded, _):
      state = .running(process, since: now, silentUntil: nil)
      return (recorded == process ? [] : [.watch(process)]) + [.report(.running(process, isAdopted: true))]
    case .starting(process, _):
      state = .running(process, since: now, silentUntil: nil)
      return [.report(.running(process, isAdopted: false))]
    case .running(process, let since, .some):
      state = .running(process, since: since, silentUntil: nil)
      return [.report(.running(process, isAdopted: false))]
    default:
      // Of a charon that is being ended, or of one that is not ours: the socket will break, or ours will take it over.
      return []
    }
  }

  /// VICI has stopped answering.
  public mutating func unreachable(now: Instant) -> [Effect] {
    guard case .running(let process, let since, nil) = state else { return [] }
    state = .running(process, since: since, silentUntil: now.advanced(by: limits.silenceLimit))
    return [.report(.silent(process))]
  }

  /// A watched process has ended.
  public mutating func exited(_ process: ProcessIdentifier, _ reason: String, now: Instant) -> [Effect] {
    switch state {
    case .probing(process, _), .starting(process, _): return backOff(reason, now: now)
    case .running(process, let since, _):
      if since.duration(to: now) >= limits.healthyAfter { failures = 0 }
      return backOff(reason, now: now)
    case .ending(process, let why, _, restarts: true): return backOff(why, now: now)
    case .ending(process, _, _, restarts: false):
      state = .stopped
      return [.report(.stopped)]
    default: return []
    }
  }

  public mutating func timeout(now: Instant) -> [Effect] {
    guard let due = nextTimeout, now >= due else { return [] }
    switch state {
    case .stopped, .spawning: return []
    case .backingOff:
      restartCount += 1
      return spawn()
    case .probing(.some(let process), _): return kill(process, "the charon that was there does not answer")
    case .probing(nil, _):
      // The lock is held by an unknown process. Starting another would fight over the IKE ports: wait for its end.
      state = .probing(nil, until: now.advanced(by: limits.readyLimit))
      return [.report(.down(reason: "an unknown process holds charon's lock file", restartIn: limits.readyLimit))]
    case .starting(let process, _): return kill(process, "charon did not answer within \(limits.readyLimit)")
    case .running(let process, _, _): return kill(process, "charon has not answered for \(limits.silenceLimit)")
    case .ending(let process, let reason, _, let restarts):
      state = .ending(process, reason: reason, killAt: nil, restarts: restarts)
      return [.kill(process)]
    }
  }

  /// The lock file has been seen free while an unknown process was waited for.
  public mutating func lockReleased(now: Instant) -> [Effect] {
    guard case .probing(nil, _) = state else { return [] }
    return spawn()
  }

  /// Ends the supervision. The charon lives on, to be adopted later.
  public mutating func leave() -> [Effect] {
    state = .stopped
    return [.report(.stopped)]
  }

  /// Ends the supervision and the charon, with its tunnels.
  public mutating func stop(now: Instant) -> [Effect] {
    switch state {
    case .stopped: return []
    case .spawning, .backingOff, .probing(nil, _): return leave()
    case .probing(.some(let process), _), .starting(let process, _), .running(let process, _, _):
      let killAt = now.advanced(by: limits.endLimit)
      state = .ending(process, reason: "stopped", killAt: killAt, restarts: false)
      return [.terminate(process)]
    case .ending(let process, let reason, let killAt, _):
      state = .ending(process, reason: reason, killAt: killAt, restarts: false)
      return []
    }
  }

  // MARK: Transitions

  private mutating func spawn() -> [Effect] {
    state = .spawning
    return [.report(.starting), .spawn]
  }

  private mutating func kill(_ process: ProcessIdentifier, _ reason: String) -> [Effect] {
    state = .ending(process, reason: reason, killAt: nil, restarts: true)
    return [.kill(process)]
  }

  private mutating func backOff(_ reason: String, now: Instant) -> [Effect] {
    let wait = min(limits.firstRestart * (1 << min(failures, 16)), limits.longestRestart)
    failures += 1
    state = .backingOff(until: now.advanced(by: wait))
    return [.report(.down(reason: reason, restartIn: wait))]
  }
}
