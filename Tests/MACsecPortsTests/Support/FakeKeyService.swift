// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets
import Synchronization

/// Two systems' key services of one network, in memory.
final class FakeKeyNetwork: Sendable {
  struct State {
    var keys: [KeyIdentifier: [UInt8]] = [:]
    /// With whom each key was taken; nil where nobody was named.
    var remoteSystems: [KeyIdentifier: String?] = [:]
    var next: UInt8 = 1
    var failure: KeyServiceError?
    /// Only of new keys.
    var newKeyFailure: KeyServiceError?
    /// How long it takes to say how it knows a system.
    var introduction = Duration.zero
    var newKeyCount = 0
    var fetchedCount = 0
  }
  let state = Mutex(State())

  func service(_ system: String) -> FakeKeyService { FakeKeyService(system: system, network: self) }
}

final class FakeKeyService: KeyService {
  let system: String
  let network: FakeKeyNetwork
  let registry = KeyClientRegistry()

  init(system: String, network: FakeKeyNetwork) {
    self.system = system
    self.network = network
  }

  func register(_ client: KeyClient, profile: String) -> KeyClientRegistration {
    registry.register(client, profile: profile)
  }

  func capabilities(profile: String, deadline: Duration) async throws(KeyServiceError) -> KeyServiceCapabilities {
    do { try await Task.sleep(for: network.state.withLock { $0.introduction }) } catch { throw .cancelled("the end") }
    return KeyServiceCapabilities(
      offersEntropy: false, offersKeys: true, algorithm: "QKD", localSystem: system, remoteSystems: ["*"])
  }

  func newKey(_ request: NewKeyRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial {
    let made: (KeyIdentifier, [UInt8])? = network.state.withLock { state in
      guard state.failure == nil, state.newKeyFailure == nil, let identifier = KeyIdentifier([state.next, 9, 9]) else {
        return nil
      }
      let key = [UInt8](repeating: state.next, count: 32)
      state.keys[identifier] = key
      state.remoteSystems[identifier] = request.remoteSystem
      state.next &+= 1
      state.newKeyCount += 1
      return (identifier, key)
    }
    guard let made else { throw network.state.withLock { $0.failure ?? $0.newKeyFailure } ?? .busy }
    return KeyMaterial(
      identifier: made.0, remoteSystem: request.remoteSystem ?? "", secret: SecretBytes(copying: made.1))
  }

  func key(_ request: KeyByIdentifierRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial {
    if let failure = network.state.withLock({ $0.failure }) { throw failure }
    let key = network.state.withLock { state in
      state.fetchedCount += 1
      return state.keys.removeValue(forKey: request.identifier)
    }
    guard let key else { throw .keyNotFound(request.identifier) }
    return KeyMaterial(
      identifier: request.identifier, remoteSystem: request.remoteSystem ?? "", secret: SecretBytes(copying: key))
  }

  func entropy(_ request: EntropyRequest, profile: String) async throws(KeyServiceError) -> SecretBytes {
    throw .notOffered("entropy")
  }
}
