// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// CAK mode: a key of the key service is the CAK, for peers that need know nothing but standard MKA.
public struct CAKPolicy: Sendable, Hashable {
  /// Who takes new keys. Where both ends say the same, the one with the lower MAC address does.
  public enum Role: UInt8, Sendable, Hashable {
    case automatic = 0
    /// Takes keys and offers their identifiers, also where no peer is heard by LLDP.
    case taker = 1
    /// Fetches the keys whose identifiers are offered.
    case fetcher = 2
  }

  public var role: Role
  /// The name of this system at the key service, which the peer is told.
  public var system: String
  /// The peer's name at its key service, if it is not to be learnt from the peer.
  public var remoteSystem: String?
  public var onFailure: PPKPolicy.FailureAction
  /// How long an answer of the key service is waited for.
  public var timeout: Duration
  /// How long after a failure the next attempt begins.
  public var retryInterval: Duration
  /// After how many failed attempts in a row `onFailure` applies, where no key is in use.
  public var attempts: Int
  /// Of the CAK, in octets: 16 or 32.
  public var keyLength: Int
  /// How often the taker takes a new key; nil for only when there is none.
  public var refreshInterval: Duration?
  /// How old a key in use may grow; nil for no limit.
  public var lifetime: KeyLifetime?
  /// How often LLDPDUs are sent when nothing changes.
  public var transmitInterval: Duration
  /// For how many of these intervals they are true.
  public var holdMultiplier: Int

  public init(
    role: Role = .automatic, system: String = "", remoteSystem: String? = nil,
    onFailure: PPKPolicy.FailureAction = .stall, timeout: Duration = .seconds(30),
    retryInterval: Duration = .seconds(10), attempts: Int = 3, keyLength: Int = 32, refreshInterval: Duration? = nil,
    lifetime: KeyLifetime? = nil, transmitInterval: Duration = .seconds(5), holdMultiplier: Int = 4
  ) {
    self.role = role
    self.system = system
    self.remoteSystem = remoteSystem
    self.onFailure = onFailure
    self.timeout = timeout
    self.retryInterval = retryInterval
    self.attempts = attempts
    self.keyLength = keyLength
    self.refreshInterval = refreshInterval
    self.lifetime = lifetime
    self.transmitInterval = transmitInterval
    self.holdMultiplier = holdMultiplier
  }

  /// The time to live of LLDPDUs, in seconds (IEEE 802.1AB-2016 9.2.5.22).
  var timeToLive: UInt16 {
    UInt16(clamping: (transmitInterval * holdMultiplier).components.seconds + 1)
  }
}
