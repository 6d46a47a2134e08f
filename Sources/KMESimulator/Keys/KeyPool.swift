// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How many keys a KME can make now: what its quantum link has produced and nobody has used.
///
/// A pool without a size never runs dry. Otherwise it starts full and fills again at a steady rate.
struct KeyPool: Equatable {
  /// The most keys that it holds; `nil` for a pool that never runs dry.
  let size: Int?
  private let keysPerSecond: Int
  /// Whole keys times a billion, so that slow rates do not get lost in rounding.
  private var level: Int
  private var updated: Duration?

  private static let unit = 1_000_000_000

  init(size: Int?, keysPerSecond: Int) {
    self.size = size
    self.keysPerSecond = keysPerSecond
    level = (size ?? 0) * Self.unit
  }

  /// How many keys can be taken now.
  mutating func available(now: Duration) -> Int? {
    guard let size else { return nil }
    let passed = now - (updated ?? now)
    updated = now
    let gained = passed / .nanoseconds(1) * Double(keysPerSecond)
    level = Int(min(Double(level) + gained, Double(size * Self.unit)))
    return level / Self.unit
  }

  /// Takes keys; false, and nothing taken, when there are not so many.
  mutating func take(_ count: Int, now: Duration) -> Bool {
    guard let available = available(now: now) else { return true }
    guard available >= count else { return false }
    level -= count * Self.unit
    return true
  }
}
