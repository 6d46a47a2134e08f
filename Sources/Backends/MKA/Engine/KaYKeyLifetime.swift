// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How far the key in use is in its lifetime.
struct KeyAgeState: Sendable {
  var hasAlarmed = false
  var isExhausted = false
  /// The port is blocked for it, until another key comes.
  var isStalled = false
}

/// The lifetime of keys of the key service.
///
/// Both ends count for themselves, from when they began to protect frames with the key. At the alarm's age the operator
/// is warned. At the maximum age either the SAK is given up and the port blocked, whatever the security policy says of
/// frames in clear, until a new key comes; or, where the policy allows it, the key server goes on with a SAK of the CAK
/// alone. A port that is not the key server gives the key server a life time for that, then blocks too.
extension KaY {
  var isPPKInUse: Bool { inUse.map { ppk.madeKeys.contains($0.identifier) } ?? false }

  /// How long the key in use has been so.
  func keyAge(now: Moment) -> Duration? { inUseSince.map { now.uptime - $0.uptime } }

  /// The policy's lifetime, where it concerns the key in use.
  private var limit: KeyLifetime? {
    guard let lifetime = policy.keyLifetime, ppkPolicy != nil, isPPKInUse else { return nil }
    return lifetime
  }

  var keyAgeTimeout: Duration? {
    guard let limit, let since = inUseSince?.uptime else { return nil }
    if !keyAge.hasAlarmed { return since + limit.alarmAge }
    return keyAge.isExhausted ? since + limit.maximumAge + timers.life : since + limit.maximumAge
  }

  mutating func enforceKeyLifetime(_ now: Moment) {
    guard let limit, let age = keyAge(now: now), let ckn = inUse?.ckn else { return }
    if age >= limit.alarmAge, !keyAge.hasAlarmed {
      keyAge.hasAlarmed = true
      emit(.keyAgeAlarm(age), ckn: ckn)
    }
    guard age >= limit.maximumAge else { return }
    let fallsBack = ppkPolicy?.onFailure == .fallBack
    if !keyAge.isExhausted {
      keyAge.isExhausted = true
      rekeyWanted = true
      emit(.keyExhausted(stalls: !fallsBack), ckn: ckn)
    }
    if !fallsBack || age >= limit.maximumAge + timers.life { stall(now) }
  }

  private mutating func stall(_ now: Moment) {
    controlledPort.discardAll()
    noteUse(now)
    keyAge = KeyAgeState(hasAlarmed: true, isExhausted: true, isStalled: true)
  }
}
