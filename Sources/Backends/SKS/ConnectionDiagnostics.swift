// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Glibc

/// What is known of a profile's connection beyond the published model.
public struct ConnectionDiagnostics: Sendable, Hashable {
  /// Since when the capabilities have been known; nil while they are not.
  public internal(set) var connectedSince: MonotonicInstant?
  /// When the capabilities were last received.
  public internal(set) var capabilitiesReceived: MonotonicInstant?
  /// When the capabilities are due next; set when the state is read.
  public internal(set) var nextAttempt: MonotonicInstant?
  /// Requests for the capabilities that have failed in a row.
  public internal(set) var consecutiveFailures: UInt32 = 0
  public internal(set) var lastErrorTime: MonotonicInstant?
  /// Of the last connection that was made.
  public internal(set) var tls: TLSSession?
  var lastErrorOutcome = LastTransaction.Outcome.none

  /// Why the last request that failed did; nil if none has.
  public var lastError: String? {
    lastErrorTime == nil ? nil : LastTransaction(number: 0, type: .unknown, outcome: lastErrorOutcome).statusText
  }

  /// Notes how a request ended.
  mutating func record(_ outcome: LastTransaction.Outcome, now: MonotonicInstant) {
    switch outcome {
    case .none, .cancelled, .answered(status: 200): break
    case .answered, .invalid, .failed: (lastErrorOutcome, lastErrorTime) = (outcome, now)
    }
  }
}

/// Tells the time of day of monotonic moments, as the clocks stand to each other now.
struct DayClock: Sendable {
  private let now = HTTPDriver.now()
  private let time = Event.Time.now

  func dateAndTime(_ instant: MonotonicInstant) -> String {
    let offset = Int64(clamping: instant.nanoseconds) - Int64(clamping: now.nanoseconds)
    let (whole, rest) = (Int64(time.nanoseconds) + offset).quotientAndRemainder(dividingBy: 1_000_000_000)
    let borrow: Int64 = rest < 0 ? 1 : 0
    return Event.Time(
      seconds: time.seconds + whole - borrow, nanoseconds: Int32(rest + borrow * 1_000_000_000)
    ).dateAndTime
  }
}
