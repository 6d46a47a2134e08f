// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Pre-shared keys with their lifetimes.
public struct KeyChain: Sendable {
  /// The most keys of a chain.
  public static let maximumKeyCount = 256

  public struct Key: Sendable {
    public var ckn: CKN
    public var cak: CAK
    /// When it may be used first, since 1970.
    public var start: Duration
    /// When it may no longer be used; nil for never ending.
    public var end: Duration?
    /// Its participant looks for peers, but it does not become the active key.
    public var isHeldBack = false

    public init(ckn: CKN, cak: CAK, start: Duration = .zero, end: Duration? = nil) {
      self.ckn = ckn
      self.cak = cak
      self.start = start
      self.end = end
    }

    func isActive(at wallClock: Duration) -> Bool {
      !isHeldBack && start <= wallClock && (end.map { wallClock < $0 } ?? true)
    }

    func isSame(as other: Key) -> Bool { ckn == other.ckn && cak.isEqual(to: other.cak) }
  }

  public var name: String
  public let keys: [Key]

  /// Fails with more than ``maximumKeyCount`` keys.
  public init(name: String, keys: [Key]) throws(MKAError) {
    guard keys.count <= Self.maximumKeyCount else {
      throw MKAError(.tooMany, "a key chain for MACsec has at most \(Self.maximumKeyCount) keys")
    }
    self.name = name
    self.keys = keys
  }

  /// The latest active key: of those in their lifetime the one that started last; of equals the one with the lower
  /// name.
  public func active(at wallClock: Duration) -> Key? {
    keys.filter { $0.isActive(at: wallClock) }
      .max { $0.start != $1.start ? $0.start < $1.start : $1.ckn.bytes.lexicographicallyPrecedes($0.ckn.bytes) }
  }

  /// The key that will be the latest active one within `lead`, if it is not yet.
  public func upcoming(at wallClock: Duration, lead: Duration) -> Key? {
    keys.filter {
      !$0.isHeldBack && $0.start > wallClock && $0.start <= wallClock + lead && ($0.end.map { $0 > wallClock } ?? true)
    }
    .min { $0.start < $1.start }
  }

  /// The keys that are not to become active for now, but to find their peers.
  var heldBack: [Key] { keys.filter(\.isHeldBack) }

  /// The next time at which `active` or `upcoming` can change.
  func nextChange(after wallClock: Duration, lead: Duration) -> Duration? {
    var next: Duration?
    for key in keys {
      for time in [key.start, key.start - lead, key.end ?? .zero] where time > wallClock {
        next = next.map { min($0, time) } ?? time
      }
    }
    return next
  }
}
