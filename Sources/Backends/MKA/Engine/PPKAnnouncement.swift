// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What PPK mode says in the announcement parameter set, in organisationally specific elements.
///
/// A peer that does not know them skips them; `docs/mka-ppk.md` has the format and why it is sound.
enum PPKAnnouncement: Sendable, Hashable {
  /// The organisation under whose identifier we define elements: a locally administered one, as no organisation of
  /// ours is registered.
  static let organization: UInt32 = 0x0A_67_64
  static let version: UInt8 = 1
  /// The longest key identifier that fits one element beside the rest.
  static let maximumKeyIdentifierLength = 256
  static let maximumSystemLength = 128

  enum Subtype {
    static let capability: UInt8 = 1
    static let distribution: UInt8 = 2
    static let refusal: UInt8 = 3
  }

  /// "I can do PPK, and this is my system's name at its key service."
  struct Capability: Sendable, Hashable {
    var system: String
  }

  /// "The SAK of this number is made with the key of this identifier."
  struct Distribution: Sendable, Hashable {
    var associationNumber: AssociationNumber
    var confidentialityOffset: ConfidentialityOffset
    var number: UInt32
    var cipherSuite: CipherSuite
    /// 32 random octets that go into the SAK.
    var nonce: [UInt8]
    /// 16 octets that the right key gives too: who got another key notices it.
    var check: [UInt8]
    var keyIdentifier: [UInt8]
  }

  enum RefusalReason: UInt8, Sendable, Hashable {
    /// The key service does not know the identifier.
    case notFound = 1
    /// The key service cannot be asked.
    case unavailable = 2
    /// PPK is not what this peer wants.
    case notAcceptable = 3
  }

  /// "I could not get the key of this SAK."
  struct Refusal: Sendable, Hashable {
    var key: SAKIdentifier
    var reason: RefusalReason
  }

  case capability(Capability)
  case distribution(Distribution)
  case refusal(Refusal)

  var element: AnnouncementTLV {
    var writer = ByteWriter()
    writer.append(Self.version)
    let subtype: UInt8
    switch self {
    case .capability(let capability):
      subtype = Subtype.capability
      writer.append(Array(capability.system.utf8.prefix(Self.maximumSystemLength)))
    case .distribution(let distribution):
      subtype = Subtype.distribution
      writer.append(
        distribution.associationNumber.rawValue << 6 | distribution.confidentialityOffset.rawValue << 4)
      writer.append(distribution.number)
      writer.append(distribution.cipherSuite.identifier)
      writer.append(distribution.nonce)
      writer.append(distribution.check)
      writer.append(distribution.keyIdentifier)
    case .refusal(let refusal):
      subtype = Subtype.refusal
      writer.append(refusal.reason.rawValue)
      writer.append(refusal.key.bytes)
    }
    return .organizationallySpecific(
      OrganizationallySpecificTLV(organization: Self.organization, subtype: subtype, data: writer.bytes))
  }

  /// Nil for elements of others, and for versions and subtypes to come.
  init?(_ element: AnnouncementTLV) throws(MKAError) {
    guard case .organizationallySpecific(let content) = element, content.organization == Self.organization else {
      return nil
    }
    var reader = ByteReader(content.data[...])
    guard reader.remaining > 0, try reader.uint8() == Self.version else { return nil }
    switch content.subtype {
    case Subtype.capability:
      let system = reader.rest()
      guard system.count <= Self.maximumSystemLength, let text = String(validating: system, as: UTF8.self) else {
        throw MKAError(.malformed, "the system of a PPK capability is no text of up to \(Self.maximumSystemLength)")
      }
      self = .capability(Capability(system: text))
    case Subtype.distribution:
      let flags = try reader.uint8()
      let number = try reader.uint32()
      let suite = CipherSuite(identifier: try reader.uint64())
      let nonce = Array(try reader.take(32))
      let check = Array(try reader.take(16))
      let identifier = Array(reader.rest())
      guard let suite, number != 0, let offset = ConfidentialityOffset(rawValue: flags >> 4 & 3) else {
        throw MKAError(.unsupported, "a PPK distribution of an unknown cipher suite")
      }
      guard identifier.count <= Self.maximumKeyIdentifierLength else {
        throw MKAError(.malformed, "a PPK identifier longer than \(Self.maximumKeyIdentifierLength) octets")
      }
      self = .distribution(
        Distribution(
          associationNumber: AssociationNumber(truncating: flags >> 6), confidentialityOffset: offset,
          number: number, cipherSuite: suite, nonce: nonce, check: check,
          keyIdentifier: identifier))
    case Subtype.refusal:
      guard let reason = RefusalReason(rawValue: try reader.uint8()) else { return nil }
      let key = SAKIdentifier(keyServer: try reader.memberIdentifier(), number: try reader.uint32())
      self = .refusal(Refusal(key: key, reason: reason))
    default: return nil
    }
  }
}
