// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// CAK mode on a port: everything that an operator may want to see. Holds no key.
public struct CAKExchangeStatus: Sendable, Hashable {
  public enum Duty: String, Sendable, Hashable {
    case takes = "taker"
    case fetches = "fetcher"
    case none
  }

  public struct Key: Sendable, Hashable {
    public var identifier: [UInt8]
    public var ckn: CKN
    public var wasTaken: Bool
    /// Since when it has been the CAK of the SAK in use; nil for one that is still to come.
    public var inUseSince: Moment?
  }

  public struct Neighbour: Sendable, Hashable {
    public var address: MACAddress
    public var system: String
    public var role: CAKPolicy.Role
  }

  public var duty: Duty
  /// In the order in which they came.
  public var keys: [Key]
  /// The key that frames are protected under, if it is one of the key service.
  public var current: Key?
  public var neighbours: [Neighbour]
  public var timeToRollover: Duration?
  /// Why there is no new key.
  public var reason: String?
  public var isStalled: Bool
  public var isFallenBack: Bool
  public var fallback: PPKFallback?
  public var counters: CAKExchange.Counters
}

extension CAKExchange {
  public func status(now: Moment) -> CAKExchangeStatus {
    func shown(_ key: Held) -> CAKExchangeStatus.Key {
      .init(identifier: key.identifier, ckn: key.ckn, wasTaken: key.wasTaken, inUseSince: key.inUseSince)
    }
    let duty: CAKExchangeStatus.Duty =
      switch duty(now) {
      case .take: .takes
      case .fetch: .fetches
      case .idle: .none
      }
    var rollover: Duration?
    if duty == .takes, let since = current?.inUseSince?.uptime, let interval = policy.refreshInterval {
      rollover = max(.zero, since + interval - now.uptime)
    }
    return CAKExchangeStatus(
      duty: duty, keys: keys.map(shown), current: current.map(shown),
      neighbours: station.neighbours.map { .init(address: $0.address, system: $0.system, role: $0.role) },
      timeToRollover: rollover, reason: reason, isStalled: age.isStalled, isFallenBack: isFallenBack,
      fallback: lastFallback, counters: counters)
  }
}
