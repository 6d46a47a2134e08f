// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// A secure association key with everything that its use needs.
public struct SAK: Sendable {
  public let identifier: SAKIdentifier
  public let associationNumber: AssociationNumber
  public let cipherSuite: CipherSuite
  public let confidentialityOffset: ConfidentialityOffset
  /// 16 or 32 octets, as the cipher suite asks.
  public let key: SecretBytes
  /// The short channel identifiers of the members; empty unless the suite has extended packet numbers.
  public let ssci: [SCI: UInt32]

  public init(
    identifier: SAKIdentifier, associationNumber: AssociationNumber, cipherSuite: CipherSuite,
    confidentialityOffset: ConfidentialityOffset, key: SecretBytes, members: [SCI]
  ) {
    self.identifier = identifier
    self.associationNumber = associationNumber
    self.cipherSuite = cipherSuite
    self.confidentialityOffset = confidentialityOffset
    self.key = key
    ssci = cipherSuite.hasExtendedPacketNumbers ? Self.shortIdentifiers(of: members) : [:]
  }

  /// The 96 bits of salt of an XPN suite (IEEE 802.1X-2020 9.8.2): the key server's member identifier, its first four
  /// octets mixed with the key number's halves; nil for other suites.
  public var salt: [UInt8]? {
    guard cipherSuite.hasExtendedPacketNumbers else { return nil }
    var salt = identifier.keyServer.bytes
    let number = identifier.number
    salt[0] ^= UInt8(truncatingIfNeeded: number >> 8)
    salt[1] ^= UInt8(truncatingIfNeeded: number)
    salt[2] ^= UInt8(truncatingIfNeeded: number >> 24)
    salt[3] ^= UInt8(truncatingIfNeeded: number >> 16)
    return salt
  }

  /// The members from the numerically greatest SCI down have 1, 2, and so on (IEEE 802.1AE-2018 10.7.13).
  static func shortIdentifiers(of members: [SCI]) -> [SCI: UInt32] {
    var result: [SCI: UInt32] = [:]
    for (index, sci) in Set(members).sorted(by: >).enumerated() { result[sci] = UInt32(index + 1) }
    return result
  }
}

extension SAK: CustomStringConvertible {
  public var description: String { "SAK \(identifier), AN \(associationNumber), \(cipherSuite)" }
}
