// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Synchronization

/// A consumer of a profile, as an operator knows it.
public struct KeyClient: Sendable, Hashable {
  /// What kind of consumer.
  public enum Kind: Sendable, Hashable {
    /// A MACsec policy.
    case macsecPolicy
    /// A peer of an IKEv2 keyring.
    case keyringPeer
  }

  public let kind: Kind
  public let name: String

  public init(kind: Kind, name: String) {
    self.kind = kind
    self.name = name
  }
}

/// Holds a consumer's place in its profile's count until it is cancelled or the last reference goes.
public final class KeyClientRegistration: Sendable {
  public let client: KeyClient
  public let profile: String
  private let registry: KeyClientRegistry
  private let isActive = Atomic<Bool>(true)

  fileprivate init(client: KeyClient, profile: String, registry: KeyClientRegistry) {
    self.client = client
    self.profile = profile
    self.registry = registry
  }

  deinit { cancel() }

  /// Gives the place back; more than once does no harm.
  public func cancel() {
    guard isActive.exchange(false, ordering: .acquiringAndReleasing) else { return }
    registry.remove(client, profile: profile)
  }
}

/// Counts the consumers of every profile, by name, whether or not the profile exists.
public final class KeyClientRegistry: Sendable {
  // A client may register twice, for example while one of its own generations replaces another.
  private let clients = Mutex<[String: [KeyClient: Int]]>([:])

  public init() {}

  public func register(_ client: KeyClient, profile: String) -> KeyClientRegistration {
    clients.withLock { $0[profile, default: [:]][client, default: 0] += 1 }
    return KeyClientRegistration(client: client, profile: profile, registry: self)
  }

  fileprivate func remove(_ client: KeyClient, profile: String) {
    clients.withLock { all in
      guard var mine = all[profile], let count = mine[client] else { return }
      mine[client] = count > 1 ? count - 1 : nil
      all[profile] = mine.isEmpty ? nil : mine
    }
  }

  /// How many different consumers the profile has.
  public func count(profile: String) -> Int { clients.withLock { $0[profile]?.count ?? 0 } }

  /// Who they are, in no particular order.
  public func clients(profile: String) -> [KeyClient] { clients.withLock { $0[profile].map { Array($0.keys) } ?? [] } }
}
