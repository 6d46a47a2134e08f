// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The keys that one KME holds for its clients until they are fetched.
///
/// A key goes in when the KME of the remote system made it, and comes out once: `take` erases it. The store is
/// bounded in number and in time. A key can be laid in before it becomes available, which is how a slow
/// synchronisation of the QKD network looks to a client.
struct KeyStore {
  /// A key that waits for its one delivery.
  struct Entry {
    var remoteSystemID: String
    var key: [UInt8]
    var availableFrom: Duration
    var expires: Duration
  }

  /// How many keys fit.
  let capacity: Int
  private var entries: [String: Entry] = [:]
  /// How many keys went out of date before they were fetched.
  private(set) var expiredCount = 0

  init(capacity: Int) {
    self.capacity = capacity
  }

  /// How many keys are held, fetched ones not included.
  var count: Int { entries.count }
  /// The identifiers of the held keys, sorted.
  var identifiers: [String] { entries.keys.sorted() }

  /// Lays keys in, all or none; false when the store is full or an identifier is taken.
  mutating func deposit(_ new: [(id: String, entry: Entry)], now: Duration) -> Bool {
    if entries.count + new.count > capacity { removeExpired(now: now) }
    guard entries.count + new.count <= capacity, new.allSatisfy({ entries[$0.id] == nil }) else { return false }
    for (id, entry) in new { entries[id] = entry }
    return true
  }

  /// For whom a key is held that can be fetched now.
  func remoteSystemID(of identifier: String, now: Duration) -> String? {
    guard let entry = entries[identifier], entry.availableFrom <= now, entry.expires > now else { return nil }
    return entry.remoteSystemID
  }

  /// Takes a key out. Identifiers are compared byte by byte: another letter case is another key.
  mutating func take(_ identifier: String, remoteSystemID: String, now: Duration) -> [UInt8]? {
    guard let entry = entries[identifier], entry.remoteSystemID == remoteSystemID, entry.availableFrom <= now else {
      return nil
    }
    if entry.expires <= now {
      expire(identifier)
      return nil
    }
    erase(identifier)
    return entry.key
  }

  /// Lets a key go out of date at once, if it is there.
  mutating func expire(_ identifier: String) {
    if erase(identifier) { expiredCount += 1 }
  }

  /// Erases every key.
  mutating func removeAll() {
    for identifier in Array(entries.keys) { erase(identifier) }
  }

  /// Starts to count anew.
  mutating func resetExpiredCount() {
    expiredCount = 0
  }

  /// Erases what is out of date.
  mutating func removeExpired(now: Duration) {
    for (identifier, entry) in entries where entry.expires <= now { expire(identifier) }
  }

  @discardableResult
  private mutating func erase(_ identifier: String) -> Bool {
    guard var entry = entries.removeValue(forKey: identifier) else { return false }
    wipe(&entry.key)
    return true
  }
}
