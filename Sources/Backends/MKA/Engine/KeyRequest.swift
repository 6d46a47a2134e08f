// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// How the members of a CA get at a SAK.
public enum KeyDistribution: Sendable, Hashable {
  /// The key server hands it out, wrapped with a key of the CAK.
  case sak
  /// The key server hands out the identifier of a key of the key service, which goes into the SAK.
  case ppk(PPKPolicy)

  /// Whether keys come about in the same way, whatever this system is called and how patient it is.
  func isSame(as other: KeyDistribution) -> Bool {
    switch (self, other) {
    case (.sak, .sak): true
    case (.ppk(let one), .ppk(let another)):
      one.remoteSystem == another.remoteSystem && one.onFailure == another.onFailure
    default: false
    }
  }
}

/// PPK mode.
public struct PPKPolicy: Sendable, Hashable {
  /// What happens while no key can be had.
  public enum FailureAction: Sendable, Hashable {
    /// Nothing new: the SAK in use goes on, and a port without one stays as it is.
    case stall
    /// A SAK of the CAK alone, told to the operator.
    case fallBack
  }

  /// The name of this system at the key service, which the peer is told.
  public var system: String
  /// The peer's name at its key service, if it is not to be learnt from the peer.
  public var remoteSystem: String?
  public var onFailure: FailureAction
  /// How long an answer of the key service is waited for.
  public var timeout: Duration
  /// How long after a failure the next attempt begins.
  public var retryInterval: Duration
  /// After how many failed attempts in a row `onFailure` applies.
  public var attempts: Int

  public init(
    system: String, remoteSystem: String? = nil, onFailure: FailureAction = .stall, timeout: Duration = .seconds(30),
    retryInterval: Duration = .seconds(10), attempts: Int = 3
  ) {
    self.system = system
    self.remoteSystem = remoteSystem
    self.onFailure = onFailure
    self.timeout = timeout
    self.retryInterval = retryInterval
    self.attempts = attempts
  }
}

/// A question to the key service. Answered once, with ``KaY/complete(_:with:now:)``.
public struct KeyRequest: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// A new key shared with the remote system.
    case new
    /// The key of this identifier.
    case byIdentifier([UInt8])
  }

  /// Names the request in its answer.
  public var transaction: UInt64
  public var kind: Kind
  /// The peer's name at its key service; nil when it told none.
  public var remoteSystem: String?
  /// The size of the key.
  public var bits = sizeInBits
  public var timeout: Duration

  /// The size of keys in PPK mode.
  public static let sizeInBits = 256
}

/// The answer to a ``KeyRequest``.
public enum KeyAnswer: Sendable {
  case key(identifier: [UInt8], secret: SecretBytes)
  /// The key service does not know the identifier.
  case notFound
  /// It refused or failed.
  case failed(String)
  /// It cannot be reached.
  case unavailable(String)
}
