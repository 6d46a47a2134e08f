// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Keys fetched from the key service before they are needed, oldest first.
struct KeyBuffer: Sendable {
  struct Key: Sendable {
    var identifier: [UInt8]
    var secret: SecretBytes
    var remoteSystem: String?
    var fetched: Duration
  }

  private(set) var keys: [Key] = []
  /// The peer for whom keys are held; others are of no use.
  private(set) var remoteSystem: String?
  /// A request is on its way.
  var isFetching = false
  /// After a failure: when to try again.
  var retryAt: Duration?
  private(set) var wasFull = false
  private(set) var isAlarming = false

  var level: Int { keys.count }

  /// The next key for a peer, if there is one that is not too old.
  mutating func take(for remoteSystem: String?, maximumAge: Duration, now: Duration) -> Key? {
    expect(remoteSystem)
    expire(maximumAge: maximumAge, now: now)
    return keys.isEmpty ? nil : keys.removeFirst()
  }

  /// Keys will be taken for this peer. Another one than before makes what is held useless.
  mutating func expect(_ remoteSystem: String?) {
    guard remoteSystem != self.remoteSystem else { return }
    self.remoteSystem = remoteSystem
    keys = []
    wasFull = false
  }

  mutating func add(_ key: Key) {
    guard key.remoteSystem == remoteSystem else { return }
    keys.append(key)
  }

  mutating func expire(maximumAge: Duration, now: Duration) { keys.removeAll { now >= $0.fetched + maximumAge } }

  mutating func clear() { self = KeyBuffer() }

  /// Whether a key should be fetched now.
  func wantsKey(size: Int, now: Duration) -> Bool {
    keys.count < size && !isFetching && (retryAt.map { now >= $0 } ?? true)
  }

  /// True once each time that the level falls below the alarm's, false once when it is full again; nil else.
  mutating func alarm(size: Int, below: Int) -> Bool? {
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
