// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Keys fetched from the key service before they are needed, oldest first. Times are uptimes that the owner passes in.
public struct KeyBuffer: Sendable {
  /// A key that waits, and since when.
  public struct Key: Sendable {
    public var identifier: [UInt8]
    public var secret: SecretBytes
    public var remoteSystem: String?
    public var fetched: Duration

    public init(identifier: [UInt8], secret: SecretBytes, remoteSystem: String?, fetched: Duration) {
      self.identifier = identifier
      self.secret = secret
      self.remoteSystem = remoteSystem
      self.fetched = fetched
    }
  }

  private(set) var keys: [Key] = []
  /// The peer for whom keys are held; others are of no use.
  public private(set) var remoteSystem: String?
  /// A request is on its way.
  public var isFetching = false
  /// After a failure: when to try again.
  public var retryAt: Duration?
  private(set) var wasFull = false
  private(set) var isAlarming = false

  /// - Parameter remoteSystem: the peer for whom keys are held, if it is known already.
  public init(for remoteSystem: String? = nil) { self.remoteSystem = remoteSystem }

  /// How many keys wait.
  public var level: Int { keys.count }

  /// The next key for a peer, if there is one that is not too old.
  public mutating func take(for remoteSystem: String?, maximumAge: Duration, now: Duration) -> Key? {
    expect(remoteSystem)
    expire(maximumAge: maximumAge, now: now)
    return keys.isEmpty ? nil : keys.removeFirst()
  }

  /// Keys will be taken for this peer. Another one than before makes what is held useless.
  public mutating func expect(_ remoteSystem: String?) {
    guard remoteSystem != self.remoteSystem else { return }
    self.remoteSystem = remoteSystem
    keys = []
    wasFull = false
  }

  /// Takes a key that was fetched; one for another peer is let go.
  public mutating func add(_ key: Key) {
    guard key.remoteSystem == remoteSystem else { return }
    keys.append(key)
  }

  /// Lets go of keys that have waited too long.
  public mutating func expire(maximumAge: Duration, now: Duration) {
    keys.removeAll { now >= $0.fetched + maximumAge }
  }

  /// When the oldest key will have waited too long.
  public func expiry(maximumAge: Duration) -> Duration? { keys.first.map { $0.fetched + maximumAge } }

  /// Whether a key should be fetched now.
  public func wantsKey(size: Int, now: Duration) -> Bool {
    keys.count < size && !isFetching && (retryAt.map { now >= $0 } ?? true)
  }

  /// True once each time that the level falls below the alarm's, false once when it is full again; nil else.
  public mutating func alarm(size: Int, below: Int) -> Bool? {
    if keys.count >= size {
      wasFull = true
      guard isAlarming else { return nil }
      isAlarming = false
      return false
    }
    guard wasFull, !isAlarming, keys.count < below else { return nil }
    isAlarming = true
    return true
  }
}
