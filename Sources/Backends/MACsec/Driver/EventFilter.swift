// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA

/// Decides what of a port's events is told, so that nobody is flooded: a bucket of events that refills with time, and
/// new SAKs as the policy says.
struct EventFilter: Sendable {
  /// How many events may come at once.
  static let burst = 40
  /// Events of ICVs, which any station on the link can bring about, leave so many for others.
  static let reserve = 20
  /// How long one takes to be allowed again.
  static let interval = Duration.seconds(1)

  enum Verdict: Sendable, Hashable {
    case tell
    /// For subscribers, but not in the log.
    case tellWithoutLog
    case drop
  }

  private var tokens = EventFilter.burst
  private var refilled = Duration.zero
  private(set) var droppedCount: UInt64 = 0
  private(set) var rekeyCount = 0
  private(set) var summaryDue: Duration?

  mutating func judge(_ event: EngineEvent, logging: PortPolicy.RekeyLogging, now: Duration) -> Verdict {
    refill(now)
    guard tokens > (event.isOfICV ? Self.reserve : 0) else {
      droppedCount += 1
      return .drop
    }
    tokens -= 1
    guard case .sakRekey = event.kind else { return .tell }
    switch logging {
    case .each: return .tell
    case .none: return .tellWithoutLog
    case .summary(let interval):
      rekeyCount += 1
      summaryDue = summaryDue ?? now + interval
      return .tellWithoutLog
    }
  }

  private mutating func refill(_ now: Duration) {
    guard tokens < Self.burst else {
      refilled = now
      return
    }
    let count = Int((now - refilled) / Self.interval)
    guard count > 0 else { return }
    tokens = min(Self.burst, tokens + count)
    refilled = tokens == Self.burst ? now : refilled + Self.interval * count
  }

  /// How many SAKs there were in the interval that is over; nil while it is not.
  mutating func takeSummary(now: Duration) -> Int? {
    guard let due = summaryDue, now >= due else { return nil }
    defer {
      summaryDue = nil
      rekeyCount = 0
    }
    return rekeyCount
  }
}
