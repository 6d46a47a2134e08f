// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets

/// Dynamic PPKs from a key service, which knows key management entities by their profiles.
public struct KeyServicePPKSource: DynamicPPKSource {
  /// RFC 8784, section 5: a PPK has at least 256 bits of entropy.
  static let sizeInBits = 256
  /// Below the time that a far end waits for the answer to its IKE_AUTH before it gives up.
  static let deadline = Duration.seconds(20)

  private let service: any KeyService

  public init(_ service: any KeyService) { self.service = service }

  public func newPPK(profile: String, remoteSystem: String?) async throws -> (id: String, key: SecretBytes) {
    let request = try NewKeyRequest(
      remoteSystem: remoteSystem, sizeInBits: Self.sizeInBits, deadline: Self.deadline)
    let key = try await service.newKey(request, profile: profile)
    return (key.identifier.description, key.secret)
  }

  public func ppk(profile: String, remoteSystem: String?, id: String) async throws -> SecretBytes {
    guard let identifier = KeyIdentifier(id) else {
      throw KeyServiceError.invalidRequest("the far end names a PPK of \(id.utf8.count) bytes")
    }
    let request = try KeyByIdentifierRequest(
      identifier: identifier, remoteSystem: remoteSystem, sizeInBits: Self.sizeInBits, deadline: Self.deadline)
    return try await service.key(request, profile: profile).secret
  }
}

/// The registrations of keyring peers with the key service: who would take keys, by profile.
struct KeyClients {
  private var registrations: [String: KeyClientRegistration] = [:]

  /// Makes them those of the configuration.
  ///
  /// - Parameter clients: profiles by keyring and peer.
  mutating func become(_ clients: [String: String], with service: any KeyService) {
    for (name, registration) in registrations where clients[name] != registration.profile {
      registration.cancel()
      registrations[name] = nil
    }
    for (name, profile) in clients where registrations[name] == nil {
      registrations[name] = service.register(KeyClient(kind: .keyringPeer, name: name), profile: profile)
    }
  }
}
