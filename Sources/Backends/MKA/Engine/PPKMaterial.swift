// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// A key of the key service, on its way into a SAK.
///
/// The SAK is the XOR of two keys of the same context: one derived from the CAK, one from the key service's key. Each
/// alone is a pseudo-random key to whoever knows only the other, so neither the CAK nor the key service suffices.
struct PPKMaterial: Sendable {
  let keyIdentifier: [UInt8]
  /// 32 octets.
  let secret: SecretBytes

  static let nonceLength = 32

  init(keyIdentifier: [UInt8], secret: SecretBytes) throws(MKAError) {
    guard Self.canAnnounce(keyIdentifier) else {
      throw MKAError(.invalidKey, "the key service gave no usable key identifier")
    }
    guard secret.count * 8 == KeyRequest.sizeInBits else {
      throw MKAError(.invalidKey, "the key service gave a key of \(secret.count * 8) bits instead of 256")
    }
    self.keyIdentifier = keyIdentifier
    self.secret = secret
  }

  /// Whether a key's identifier fits into an announcement.
  static func canAnnounce(_ keyIdentifier: [UInt8]) -> Bool {
    !keyIdentifier.isEmpty && keyIdentifier.count <= PPKAnnouncement.maximumKeyIdentifierLength
  }

  /// As key server: a SAK with a fresh nonce, and what to announce.
  func makeSAK(
    cak: CAK, identifier: SAKIdentifier, association: AssociationNumber, offset: ConfidentialityOffset,
    suite: CipherSuite, members: [MemberIdentifier], random: inout any RandomSource
  ) throws(MKAError) -> (secret: SecretBytes, announcement: PPKAnnouncement.Distribution) {
    var announcement = PPKAnnouncement.Distribution(
      associationNumber: association, confidentialityOffset: offset, number: identifier.number, cipherSuite: suite,
      nonce: try random.bytes(Self.nonceLength).withUnsafeBytes { Array($0) }, check: [],
      keyIdentifier: keyIdentifier)
    announcement.check = try check(cak: cak, announcement, members: members)
    return (try sak(cak: cak, announcement, members: members), announcement)
  }

  /// As the peer: the SAK of an announcement. Fails when our key is not the one that it was made with.
  func sak(
    cak: CAK, verifying announcement: PPKAnnouncement.Distribution, members: [MemberIdentifier]
  ) throws(MKAError) -> SecretBytes {
    guard try check(cak: cak, announcement, members: members) == announcement.check else {
      throw MKAError(.integrity, "the key service's key is not the one that the key server used")
    }
    return try sak(cak: cak, announcement, members: members)
  }

  private func sak(
    cak: CAK, _ announcement: PPKAnnouncement.Distribution, members: [MemberIdentifier]
  ) throws(MKAError) -> SecretBytes {
    try combine(
      cak: cak, label: "PPK SAK", context: Self.context(announcement, members: members),
      bits: announcement.cipherSuite.keyLength * 8)
  }

  private func check(
    cak: CAK, _ announcement: PPKAnnouncement.Distribution, members: [MemberIdentifier]
  ) throws(MKAError) -> [UInt8] {
    try combine(
      cak: cak, label: "PPK check", context: Self.context(announcement, members: members), bits: 128
    ).withUnsafeBytes { Array($0) }
  }

  private func combine(cak: CAK, label: String, context: [UInt8], bits: Int) throws(MKAError) -> SecretBytes {
    let first = try KeyDerivation.derive(from: cak.secret, label: label, context: context, bits: bits)
    let second = try KeyDerivation.derive(from: secret, label: label, context: context, bits: bits)
    return SecretBytes(capacity: bits / 8) { target in
      first.withUnsafeBytes { first in
        second.withUnsafeBytes { second in
          for index in 0..<target.count { target[index] = first[index] ^ second[index] }
        }
      }
      return target.count
    }
  }

  /// Everything that both ends know of the SAK.
  private static func context(_ announcement: PPKAnnouncement.Distribution, members: [MemberIdentifier]) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(announcement.nonce)
    for member in members.sorted() { writer.append(member) }
    writer.append(announcement.number)
    writer.append(announcement.associationNumber.rawValue)
    writer.append(announcement.confidentialityOffset.rawValue)
    writer.append(announcement.cipherSuite.identifier)
    writer.append(announcement.keyIdentifier)
    return writer.bytes
  }
}
