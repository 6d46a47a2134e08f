// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Holds back the requests for capabilities of all profiles together, so that many dead servers make no storm.
///
/// At most ``Limits/concurrent`` are in flight at once, and at most ``Limits/perSecond`` begin in a second, after a
/// burst of ``Limits/burst``. Who is due longest comes first, so everybody's turn comes.
struct Pacer: Sendable {
  struct Limits: Sendable, Hashable {
    var concurrent = 64
    var perSecond = 200
    var burst = 50
  }

  var limits: Limits
  private(set) var inFlight = 0
  private var queue = DueQueue()
  /// When the burst was last complete, moved on with each start: a leaky bucket in one number.
  private var emptyAt = MonotonicInstant(nanoseconds: 0)

  init(limits: Limits = Limits()) { self.limits = limits }

  private var gap: Duration { .seconds(1) / limits.perSecond }

  /// The number of profiles that wait for their time.
  var waitingCount: Int { queue.count }

  mutating func set(_ slot: Int, due: MonotonicInstant?) { queue.set(slot, due: due) }

  /// The next slot whose turn it is; counted as in flight until ``finished()``.
  mutating func next(now: MonotonicInstant) -> Int? {
    guard let (slot, due) = queue.first, due <= now, inFlight < limits.concurrent, earliestStart <= now else {
      return nil
    }
    queue.set(slot, due: nil)
    inFlight += 1
    emptyAt = max(emptyAt, now) + gap
    return slot
  }

  /// A request for capabilities that ``next(now:)`` allowed has ended.
  mutating func finished() { inFlight = max(0, inFlight - 1) }

  /// The moment from which the rate allows one more start: the bucket may run ahead of time by the burst.
  private var earliestStart: MonotonicInstant {
    let ahead = (gap * (limits.burst - 1)).wholeNanoseconds
    return MonotonicInstant(nanoseconds: emptyAt.nanoseconds > ahead ? emptyAt.nanoseconds - ahead : 0)
  }

  /// When ``next(now:)`` is worth a call; nil when only ``finished()`` or ``set(_:due:)`` can change anything.
  var nextTimeout: MonotonicInstant? {
    guard inFlight < limits.concurrent, let (_, due) = queue.first else { return nil }
    return max(due, earliestStart)
  }
}

extension Pacer.Limits {
  /// Bounds of at least one; a second's bursts are not larger than what a second allows.
  init(concurrent: Int, perSecond: Int) {
    self.init(
      concurrent: max(1, concurrent), perSecond: max(1, perSecond), burst: max(1, min(50, perSecond)))
  }
}
