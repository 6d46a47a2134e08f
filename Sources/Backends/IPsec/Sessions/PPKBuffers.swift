// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets

/// Dynamic PPKs that are held ready for sessions that this end begins, one buffer for each profile and remote system.
///
/// A key that the far end names is never buffered. What is held is wiped when nobody wants it any more.
public actor PPKBuffers: DynamicPPKSource {
  /// Whose keys a buffer holds.
  public struct Owner: Sendable, Hashable {
    public var profile: String
    public var remoteSystem: String?

    public init(profile: String, remoteSystem: String?) {
      self.profile = profile
      self.remoteSystem = remoteSystem
    }

    /// Nil when the PPK is no dynamic one.
    init?(_ ppk: DesiredConnection.PPK) {
      guard case .dynamic(let profile, _, let remoteSystem, _) = ppk else { return nil }
      self.init(profile: profile, remoteSystem: remoteSystem)
    }
  }
  /// How many keys are held, and for how long.
  public struct Policy: Sendable, Hashable {
    public var size: Int
    public var maximumAge: Duration
    public var alarmBelow: Int
  }

  /// After a failure.
  public static let retryInterval = Duration.seconds(10)

  private struct Entry {
    var policy: Policy
    var buffer: KeyBuffer
  }
  private let source: any DynamicPPKSource
  private let retryInterval: Duration
  private let onAlarm: @Sendable (_ owner: Owner, _ level: Int, _ isLow: Bool) -> Void
  private var entries: [Owner: Entry] = [:]
  private var timer: Task<Void, Never>?
  private let started = ContinuousClock.now
  private var uptime: Duration { started.duration(to: .now) }

  /// - Parameters:
  ///   - source: where the keys come from.
  ///   - onAlarm: called in order; it must not wait.
  public init(
    _ source: any DynamicPPKSource, retryInterval: Duration = PPKBuffers.retryInterval,
    onAlarm: @escaping @Sendable (_ owner: Owner, _ level: Int, _ isLow: Bool) -> Void
  ) {
    self.source = source
    self.retryInterval = retryInterval
    self.onAlarm = onAlarm
  }

  /// The buffers that connections want which begin sessions.
  static func wanted(_ connections: [DesiredConnection]) -> [Owner: Policy] {
    var wanted: [Owner: Policy] = [:]
    for connection in connections where connection.initiates {
      guard let ppk = connection.ppk, let owner = Owner(ppk), let lifetime = ppk.lifetime, lifetime.bufferSize > 0
      else { continue }
      let policy = Policy(
        size: lifetime.bufferSize, maximumAge: lifetime.bufferMaximumAge, alarmBelow: lifetime.bufferAlarmBelow)
      wanted[owner] = wanted[owner].map { $0.joined(policy) } ?? policy
    }
    return wanted
  }

  public func prepare(for buffers: [Owner: Policy]) {
    entries = entries.filter { buffers[$0.key] != nil }
    for (owner, policy) in buffers {
      entries[owner, default: Entry(policy: policy, buffer: KeyBuffer(for: owner.remoteSystem))].policy = policy
    }
    refill()
  }

  public var bufferLevels: [Owner: Int] { entries.mapValues(\.buffer.level) }

  public func newPPK(profile: String, remoteSystem: String?) async throws -> (id: String, key: SecretBytes) {
    let owner = Owner(profile: profile, remoteSystem: remoteSystem)
    if let policy = entries[owner]?.policy,
      let key = entries[owner]?.buffer.take(for: remoteSystem, maximumAge: policy.maximumAge, now: uptime)
    {
      refill()
      return (String(decoding: key.identifier, as: UTF8.self), key.secret)
    }
    return try await source.newPPK(profile: profile, remoteSystem: remoteSystem)
  }

  public func ppk(profile: String, remoteSystem: String?, id: String) async throws -> SecretBytes {
    try await source.ppk(profile: profile, remoteSystem: remoteSystem, id: id)
  }

  // MARK: Filling

  private func refill() {
    let now = uptime
    for (owner, entry) in entries {
      var entry = entry
      entry.buffer.expire(maximumAge: entry.policy.maximumAge, now: now)
      if let isLow = entry.buffer.alarm(size: entry.policy.size, below: entry.policy.alarmBelow) {
        onAlarm(owner, entry.buffer.level, isLow)
      }
      if entry.buffer.wantsKey(size: entry.policy.size, now: now) {
        entry.buffer.isFetching = true
        entry.buffer.retryAt = nil
        Task { await fetch(owner) }
      }
      entries[owner] = entry
    }
    setTimer()
  }

  private func fetch(_ owner: Owner) async {
    let fresh = try? await source.newPPK(profile: owner.profile, remoteSystem: owner.remoteSystem)
    // It may have gone, or been made anew, meanwhile: then the key is one too many at worst.
    entries[owner]?.buffer.isFetching = false
    if let fresh {
      entries[owner]?.buffer.add(
        KeyBuffer.Key(
          identifier: Array(fresh.id.utf8), secret: fresh.key, remoteSystem: owner.remoteSystem, fetched: uptime))
    } else {
      entries[owner]?.buffer.retryAt = uptime + retryInterval
    }
    refill()
  }

  /// Until the next key is too old, or the next failure is forgotten.
  private func setTimer() {
    timer?.cancel()
    let due = entries.values.flatMap { entry in
      [entry.buffer.expiry(maximumAge: entry.policy.maximumAge), entry.buffer.isFetching ? nil : entry.buffer.retryAt]
    }.compactMap { $0 }.min()
    guard let due else {
      timer = nil
      return
    }
    timer = Task { [weak self, started] in
      guard (try? await Task.sleep(until: started.advanced(by: due), clock: .continuous)) != nil else { return }
      await self?.refill()
    }
  }
}

extension PPKBuffers.Policy {
  fileprivate func joined(_ other: Self) -> Self {
    Self(
      size: max(size, other.size), maximumAge: min(maximumAge, other.maximumAge),
      alarmBelow: max(alarmBelow, other.alarmBelow))
  }
}
