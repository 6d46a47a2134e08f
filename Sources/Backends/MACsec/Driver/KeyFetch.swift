// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import MKA

/// Questions of the engine, put to the key service.
enum KeyFetch {
  static func fetch(
    _ kind: KeyRequest.Kind, remoteSystem: String?, bits: Int, profile: String, timeout: Duration,
    from keys: any KeyService
  ) async -> KeyAnswer {
    do throws(KeyServiceError) {
      let material: KeyMaterial
      switch kind {
      case .new:
        material = try await keys.newKey(
          NewKeyRequest(remoteSystem: remoteSystem, sizeInBits: bits, deadline: timeout),
          profile: profile)
      case .byIdentifier(let bytes):
        guard let identifier = KeyIdentifier(bytes) else { return .notFound }
        material = try await keys.key(
          KeyByIdentifierRequest(
            identifier: identifier, remoteSystem: remoteSystem, sizeInBits: bits, deadline: timeout),
          profile: profile)
      }
      return .key(identifier: material.identifier.bytes, secret: material.secret)
    } catch { return answer(to: error) }
  }

  static func answer(to error: KeyServiceError) -> KeyAnswer {
    switch error {
    case .keyNotFound: .notFound
    case .unknownProfile, .notConfigured, .notConnected, .busy, .cancelled: .unavailable(error.description)
    case .notOffered, .ambiguousRemote, .undeterminedRemote, .remoteNotServed, .invalidRequest, .refused,
      .invalidAnswer, .deliveryInDoubt, .illegalTransition:
      .failed(error.description)
    }
  }
}
