// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Where a key is in its life.
///
///     requested ──> held ──> peerInformed ──> confirmed ──> inUse
///         │          │  └───────────────────────^            │
///         │          └──────── any ───────────────────────> expired
///         └─────────────────── any ─> burned
///
/// The side that asks for a new key informs its peer of the identifier and waits for the confirmation. The side that
/// is told an identifier fetches the key and confirms at once: it goes from `held` to `confirmed`.
/// `burned` and `expired` are final. A key whose delivery is in doubt is burned: it may exist on one side only.
public enum KeyState: UInt8, Sendable, Hashable, CaseIterable {
  /// The request is on its way to the key management entity.
  case requested
  /// This system holds the key.
  case held
  /// The peer was told the identifier.
  case peerInformed
  /// Both systems are known to hold the key.
  case confirmed
  /// Traffic, or the keys of traffic, depend on it.
  case inUse
  /// Must not be used (any more): delivery in doubt, mismatch, or given up.
  case burned
  /// Its lifetime is over.
  case expired

  /// Whether no other state can follow.
  public var isFinal: Bool { self == .burned || self == .expired }

  /// Whether a key in this state may become `next`.
  public func canBecome(_ next: KeyState) -> Bool {
    switch (self, next) {
    case (.requested, .held), (.held, .peerInformed), (.held, .confirmed), (.peerInformed, .confirmed),
      (.confirmed, .inUse):
      true
    case (.requested, .expired): false  // an unanswered request is a doubt, so it burns
    case (_, .burned), (_, .expired): !isFinal
    default: false
    }
  }
}

/// The life of one key: its state, since when, and when the policy ends it. Time is an argument.
public struct KeyLife: Sendable, Hashable {
  public private(set) var state: KeyState = .requested
  /// When the present state was entered, since a moment that the caller chose.
  public private(set) var since: Duration
  /// When the key was first held.
  public private(set) var heldSince: Duration?
  public let policy: KeyLifetimePolicy

  /// A key is requested now.
  public init(policy: KeyLifetimePolicy, now: Duration) {
    self.policy = policy
    since = now
  }

  /// Enters the next state; an illegal step is refused and changes nothing.
  public mutating func advance(to next: KeyState, now: Duration) throws(KeyServiceError) {
    guard state.canBecome(next) else { throw .illegalTransition(from: state, to: next) }
    state = next
    since = now
    if next == .held { heldSince = now }
  }

  /// When ``timeout(now:)`` will change something; nil when nothing is pending.
  public var nextTimeout: Duration? {
    switch state {
    case .requested: since + policy.requestTimeout
    case .held, .peerInformed: [since + policy.peerWindow, expiry].compactMap { $0 }.min()
    case .confirmed, .inUse: expiry
    case .burned, .expired: nil
    }
  }

  private var expiry: Duration? {
    guard let heldSince, let lifetime = policy.lifetime else { return nil }
    return heldSince + lifetime
  }

  /// Burns a key that waited too long for its delivery or its peer, and expires one whose lifetime is over.
  /// Returns whether the state changed.
  public mutating func timeout(now: Duration) -> Bool {
    guard let due = nextTimeout, now >= due else { return false }
    let isExpired = expiry.map { now >= $0 } ?? false
    state = isExpired ? .expired : .burned
    since = now
    return true
  }
}
