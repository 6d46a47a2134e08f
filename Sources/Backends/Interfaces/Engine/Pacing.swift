// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// When an interface may be tried again. Failures wait longer and longer; so does an interface that something else
/// changes back each time, which would otherwise be a fight without end.
struct Pacing: Sendable, Equatable {
  /// Milliseconds of a clock that never goes back.
  typealias Instant = UInt64

  private static let firstDelay: UInt64 = 500
  private static let longestDelay: UInt64 = 60_000
  /// So many corrections within this time are a fight.
  private static let toleratedCorrections = 10
  private static let window: UInt64 = 10_000

  private var failures = 0
  private var corrections: [Instant] = []
  /// When it is to be tried again without anything happening; nil: not at all.
  private(set) var due: Instant?
  /// Whether something changes back what the agent sets.
  var isFought: Bool { corrections.count >= Self.toleratedCorrections }

  /// Whether what happened may be looked at now; if not, it is at `due`.
  mutating func mayTry(at now: Instant) -> Bool {
    corrections.removeAll { $0 + Self.window <= now }
    guard isFought, let first = corrections.first else { return true }
    due = first + Self.window
    return false
  }

  /// An attempt ended: with steps that failed, with steps, or without any.
  mutating func ended(hasFailed: Bool, hasChanged: Bool, at now: Instant) {
    if hasChanged { corrections.append(now) }
    guard hasFailed else {
      failures = 0
      due = nil
      return
    }
    due = now + min(Self.firstDelay << UInt64(min(failures, 7)), Self.longestDelay)
    failures += 1
  }

  /// The configuration is another one: try at once.
  mutating func reset() { self = Pacing() }
}
