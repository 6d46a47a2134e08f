// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// What a consumer of keys (MKA, IKEv2) sees of a service that provides them, whatever protocol lies behind.
///
/// A profile is named, because a consumer's configuration refers to it by name; it need not exist yet when a consumer
/// registers. A request waits for the service to be connected, but no longer than its deadline; after an error with
/// ``KeyServiceError/burnsKey`` the key is lost and the consumer starts again with a new one. Cancelling the calling
/// task cancels the request.
public protocol KeyService: Sendable {
  /// Counts a consumer of the profile until the registration is cancelled or released.
  func register(_ client: KeyClient, profile: String) -> KeyClientRegistration

  /// What the service can do, once it is connected.
  func capabilities(profile: String, deadline: Duration) async throws(KeyServiceError) -> KeyServiceCapabilities

  /// A new key shared with a remote system. Asked for at most once.
  func newKey(_ request: NewKeyRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial

  /// The key that a peer announced by its identifier. Delivered at most once.
  func key(_ request: KeyByIdentifierRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial

  /// Random bits from the service.
  func entropy(_ request: EntropyRequest, profile: String) async throws(KeyServiceError) -> SecretBytes
}

/// What a key service offers.
public struct KeyServiceCapabilities: Sendable, Hashable {
  public var offersEntropy: Bool
  public var offersKeys: Bool
  /// Free text that names how keys are made.
  public var algorithm: String
  /// The name of this system's side.
  public var localSystem: String
  /// The names, or shell patterns of names, of the systems that keys can be shared with.
  public var remoteSystems: [String]

  public init(
    offersEntropy: Bool, offersKeys: Bool, algorithm: String, localSystem: String, remoteSystems: [String]
  ) {
    self.offersEntropy = offersEntropy
    self.offersKeys = offersKeys
    self.algorithm = algorithm
    self.localSystem = localSystem
    self.remoteSystems = remoteSystems
  }
}

/// The sizes that requests may ask for, in bits: whole bytes from 8 to 8192.
public enum KeySize {
  public static let range = 8...8_192

  static func check(_ bits: Int?, of what: String) throws(KeyServiceError) {
    guard let bits else { return }
    guard range.contains(bits), bits % 8 == 0 else {
      throw .invalidRequest("the size of \(what) is \(range.lowerBound) to \(range.upperBound) bits in steps of 8")
    }
  }
}

/// Asks for a new key.
public struct NewKeyRequest: Sendable, Hashable {
  /// The system to share it with; nil for the one that the profile names or that is the only possible one.
  public let remoteSystem: String?
  /// Its size; nil for the service's default (256).
  public let sizeInBits: Int?
  /// How long to wait for all of it.
  public let deadline: Duration

  public init(
    remoteSystem: String? = nil, sizeInBits: Int? = nil, deadline: Duration = .seconds(30)
  ) throws(KeyServiceError) {
    try KeySize.check(sizeInBits, of: "a key")
    self.remoteSystem = remoteSystem
    self.sizeInBits = sizeInBits
    self.deadline = deadline
  }
}

/// Asks for the key of an identifier.
public struct KeyByIdentifierRequest: Sendable, Hashable {
  public let identifier: KeyIdentifier
  /// The system that announced it; nil for the one that the profile names or that is the only possible one.
  public let remoteSystem: String?
  /// The size that the consumer needs; any other is an error. Nil takes any.
  public let sizeInBits: Int?
  /// How long to wait for all of it.
  public let deadline: Duration

  public init(
    identifier: KeyIdentifier, remoteSystem: String? = nil, sizeInBits: Int? = nil,
    deadline: Duration = .seconds(30)
  ) throws(KeyServiceError) {
    try KeySize.check(sizeInBits, of: "a key")
    self.identifier = identifier
    self.remoteSystem = remoteSystem
    self.sizeInBits = sizeInBits
    self.deadline = deadline
  }
}

/// Asks for random bits.
public struct EntropyRequest: Sendable, Hashable {
  /// How many; nil for the service's default (256).
  public let sizeInBits: Int?
  /// How long to wait for them.
  public let deadline: Duration

  public init(sizeInBits: Int? = nil, deadline: Duration = .seconds(30)) throws(KeyServiceError) {
    try KeySize.check(sizeInBits, of: "entropy")
    self.sizeInBits = sizeInBits
    self.deadline = deadline
  }
}
