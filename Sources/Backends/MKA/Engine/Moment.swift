// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// A point in time as the engine is told it.
public struct Moment: Sendable, Hashable {
  /// Since some fixed point, never going back: all of MKA's timers count in it.
  public var uptime: Duration
  /// Since 1970-01-01 00:00 UTC: what the lifetimes of keys are written in. It may jump.
  public var wallClock: Duration

  public init(uptime: Duration, wallClock: Duration) {
    self.uptime = uptime
    self.wallClock = wallClock
  }
}

/// Where member identifiers and keys come from.
public protocol RandomSource: Sendable {
  /// Fresh bytes that nobody can foretell.
  mutating func bytes(_ count: Int) throws(MKAError) -> SecretBytes
}

/// The cryptographic library's random numbers.
public struct SystemRandomSource: RandomSource {
  public init() {}

  public mutating func bytes(_ count: Int) throws(MKAError) -> SecretBytes {
    do { return try SecretBytes.random(count: count) } catch {
      throw MKAError(.cryptography, error.message)
    }
  }
}
