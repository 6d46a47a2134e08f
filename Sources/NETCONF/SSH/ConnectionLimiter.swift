// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Accounts for connections by their source, so that nobody who has not logged in can hold more than a share of the
/// server, and guessing passwords is slow. A value: time is passed in, and the caller guards it.
public struct ConnectionLimiter: Sendable {
  public struct Limits: Sendable {
    /// Connections that have not logged in, in all and from one address.
    public var unauthenticated = 256
    public var unauthenticatedPerSource = 64
    /// Connections in all.
    public var connections = 512
    /// After that many failed log-ins within `failureWindow` an address is refused until the window has passed.
    public var failuresPerSource = 30
    public var failureWindow: Duration = .seconds(60)
    /// Addresses whose failures are remembered; beyond it, the oldest are forgotten.
    public var rememberedSources = 4096
    public init() {}
  }
  public enum Refusal: String, Sendable {
    case tooManyConnections = "too many connections"
    case tooManyUnauthenticated = "too many connections that have not logged in"
    case tooManyFromSource = "too many connections from this address that have not logged in"
    case tooManyFailures = "too many failed log-ins from this address"
  }
  public typealias Instant = ContinuousClock.Instant

  private struct Failures {
    var count: Int
    var since: Instant
  }

  public let limits: Limits
  public private(set) var connectionCount = 0
  public private(set) var unauthenticatedCount = 0
  private var unauthenticatedBySource: [String: Int] = [:]
  private var failures: [String: Failures] = [:]

  public init(limits: Limits = Limits()) { self.limits = limits }

  /// Asks for a connection from an address; nil admits it.
  public mutating func admit(_ source: String, now: Instant) -> Refusal? {
    if connectionCount >= limits.connections { return .tooManyConnections }
    if unauthenticatedCount >= limits.unauthenticated { return .tooManyUnauthenticated }
    if unauthenticatedBySource[source, default: 0] >= limits.unauthenticatedPerSource { return .tooManyFromSource }
    if let failed = failures[source] {
      if now - failed.since > limits.failureWindow {
        failures[source] = nil
      } else if failed.count >= limits.failuresPerSource {
        return .tooManyFailures
      }
    }
    connectionCount += 1
    unauthenticatedCount += 1
    unauthenticatedBySource[source, default: 0] += 1
    return nil
  }

  /// An admitted connection has logged in.
  public mutating func authenticated(_ source: String) { leaveUnauthenticated(source) }

  /// An admitted connection failed to log in once.
  public mutating func failed(_ source: String, now: Instant) {
    var entry = failures[source] ?? Failures(count: 0, since: now)
    if now - entry.since > limits.failureWindow { entry = Failures(count: 0, since: now) }
    entry.count += 1
    if failures[source] == nil, failures.count >= limits.rememberedSources,
      let oldest = failures.min(by: { $0.value.since < $1.value.since })
    {
      failures[oldest.key] = nil
    }
    failures[source] = entry
  }

  /// An admitted connection has ended.
  public mutating func ended(_ source: String, wasAuthenticated: Bool) {
    connectionCount -= 1
    if !wasAuthenticated { leaveUnauthenticated(source) }
  }

  private mutating func leaveUnauthenticated(_ source: String) {
    unauthenticatedCount -= 1
    let left = unauthenticatedBySource[source, default: 1] - 1
    unauthenticatedBySource[source] = left > 0 ? left : nil
  }
}
