// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How long keys are waited for and used.
public struct KeyLifetimePolicy: Sendable, Hashable {
  /// The longest time between a request and its answer; beyond it the key is burned.
  public var requestTimeout: Duration
  /// The longest time between holding a key and the peer's confirmation; beyond it the key is burned.
  public var peerWindow: Duration
  /// The age at which a key expires, counted from its delivery; nil for no limit.
  public var lifetime: Duration?
  /// What happens when a key expires and no new one can be had.
  public var onExhaustion: ExhaustionAction

  /// What to do without a fresh key.
  public enum ExhaustionAction: Sendable, Hashable {
    /// Stop the traffic.
    case block
    /// Go on with what protects the traffic without this service.
    case fallBack
  }

  public init(
    requestTimeout: Duration = .seconds(30), peerWindow: Duration = .seconds(10), lifetime: Duration? = nil,
    onExhaustion: ExhaustionAction = .block
  ) {
    self.requestTimeout = requestTimeout
    self.peerWindow = peerWindow
    self.lifetime = lifetime
    self.onExhaustion = onExhaustion
  }
}

/// How many keys are kept ready.
public struct KeyBufferPolicy: Sendable, Hashable {
  /// How many keys to hold ready; 0 fetches each when it is needed.
  public let target: Int
  /// At this many, or fewer, an alarm is due.
  public let lowWater: Int

  /// The most keys kept ready.
  public static let maximumTarget = 1_000

  /// Values out of range are an error: `target` 0 to ``maximumTarget``, `lowWater` below `target` (or both 0).
  public init(target: Int, lowWater: Int) throws(KeyServiceError) {
    guard (0...Self.maximumTarget).contains(target), lowWater >= 0, lowWater < target || target == 0 && lowWater == 0
    else {
      throw .invalidRequest(
        "a key buffer holds 0 to \(Self.maximumTarget) keys and its low-water mark lies below; "
          + "asked were \(target) and \(lowWater)")
    }
    self.target = target
    self.lowWater = lowWater
  }

  /// How many keys to fetch with `level` in stock and `pending` on their way.
  public func shortage(level: Int, pending: Int) -> Int { max(0, target - level - pending) }

  /// Whether the stock is low enough for an alarm.
  public func isLow(level: Int) -> Bool { target > 0 && level <= lowWater }
}
