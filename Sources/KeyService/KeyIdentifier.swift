// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// The name of a key that two systems share, as its key management entity gave it.
///
/// It is opaque and compared byte by byte: letter case counts, nothing is normalized, no length is assumed.
public struct KeyIdentifier: Sendable, Hashable, CustomStringConvertible {
  /// The longest identifier taken from anyone, in bytes.
  public static let maximumLength = 512

  /// The bytes as received.
  public let bytes: [UInt8]

  /// Nil when empty or longer than ``maximumLength``.
  public init?(_ bytes: some Collection<UInt8>) {
    guard !bytes.isEmpty, bytes.count <= Self.maximumLength else { return nil }
    self.bytes = Array(bytes)
  }

  /// The UTF-8 bytes of a text; nil when empty or too long.
  public init?(_ text: String) { self.init(text.utf8) }

  /// The identifier as text; bytes that are no UTF-8 show as replacement characters.
  public var description: String { String(decoding: bytes, as: UTF8.self) }
}

/// A key as delivered to this system: its identifier and its bytes, which are wiped when the last holder lets go.
public struct KeyMaterial: Sendable {
  public let identifier: KeyIdentifier
  /// The system that holds, or can fetch, the same key.
  public let remoteSystem: String
  /// The key itself.
  public let secret: SecretBytes

  public init(identifier: KeyIdentifier, remoteSystem: String, secret: SecretBytes) {
    self.identifier = identifier
    self.remoteSystem = remoteSystem
    self.secret = secret
  }

  /// The length of the key in bits.
  public var sizeInBits: Int { secret.count * 8 }
}

extension KeyMaterial: CustomStringConvertible {
  public var description: String { "key \(identifier), \(sizeInBits) bits, shared with \(remoteSystem)" }
}
