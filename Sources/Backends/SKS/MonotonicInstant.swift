// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A moment on a clock that never goes back, in nanoseconds since a start that only differences reveal.
public struct MonotonicInstant: Sendable, Hashable, Comparable {
  public let nanoseconds: UInt64

  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }

  /// Negative durations count as zero; the far end is the latest moment there is.
  public static func + (instant: Self, duration: Duration) -> Self {
    let (sum, isOver) = instant.nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
    return Self(nanoseconds: isOver ? .max : sum)
  }

  /// The time from `start` to this moment; zero when `start` is later.
  public func since(_ start: Self) -> Duration {
    .nanoseconds(Int64(clamping: nanoseconds > start.nanoseconds ? nanoseconds - start.nanoseconds : 0))
  }
}

extension Duration {
  var wholeNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let (product, isOver) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, isOverToo) = product.addingReportingOverflow(UInt64(attoseconds / 1_000_000_000))
    return isOver || isOverToo ? .max : sum
  }

  /// Milliseconds, rounded up: a response time of zero would mean that there was none.
  var millisecondsRoundedUp: UInt64 { (wholeNanoseconds + 999_999) / 1_000_000 }
}

/// A small generator of random numbers (SplitMix64) for jitter; never for secrets. Its seed comes from outside.
struct JitterSource: Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A duration from `fraction` percent of the given one up to all of it.
  mutating func spread(_ duration: Duration, fromPercent percent: UInt64) -> Duration {
    let whole = min(duration.wholeNanoseconds, UInt64(Int64.max))
    let low = whole / 100 * percent
    return .nanoseconds(Int64(clamping: low + next() % (whole - low + 1)))
  }
}
