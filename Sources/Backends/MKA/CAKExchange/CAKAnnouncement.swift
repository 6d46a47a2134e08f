// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What CAK mode says by LLDP, in organisationally specific elements. None of it is secret or authenticated;
/// `docs/mka-ppk.md` has the format and why that is sound.
enum CAKAnnouncement: Sendable, Hashable {
  static let version: UInt8 = 1
  /// The longest key identifier that is told.
  static let maximumKeyIdentifierLength = 256
  static let maximumSystemLength = 128

  enum Subtype {
    static let capability: UInt8 = 16
    static let offer: UInt8 = 17
    static let answer: UInt8 = 18
  }

  /// "I can do CAK mode, this is what I am configured to do in it, and my system's name at its key service."
  struct Capability: Sendable, Hashable {
    var role: CAKPolicy.Role
    var system: String
  }

  /// "The key of this identifier is the CAK, or will be as soon as both have it."
  struct Offer: Sendable, Hashable {
    /// Of the CAK, in octets: 16 or 32.
    var keyLength: UInt8
    var identifier: [UInt8]
  }

  enum Outcome: UInt8, Sendable, Hashable {
    /// It has the key.
    case held = 1
    /// Its key service does not know the identifier.
    case notFound = 2
    /// Its key service cannot be asked for now.
    case unavailable = 3
    /// The key is not what it is configured for.
    case notAcceptable = 4
  }

  /// "This became of what you offered."
  struct Answer: Sendable, Hashable {
    var outcome: Outcome
    var identifier: [UInt8]
  }

  case capability(Capability)
  case offer(Offer)
  case answer(Answer)

  var element: OrganizationallySpecificTLV {
    var writer = ByteWriter()
    writer.append(Self.version)
    let subtype: UInt8
    switch self {
    case .capability(let capability):
      subtype = Subtype.capability
      writer.append(capability.role.rawValue)
      writer.append(Array(capability.system.utf8.prefix(Self.maximumSystemLength)))
    case .offer(let offer):
      subtype = Subtype.offer
      writer.append(offer.keyLength)
      writer.append(offer.identifier)
    case .answer(let answer):
      subtype = Subtype.answer
      writer.append(answer.outcome.rawValue)
      writer.append(answer.identifier)
    }
    return OrganizationallySpecificTLV(
      organization: PPKAnnouncement.organization, subtype: subtype, data: writer.bytes)
  }

  /// Nil for elements of others, and for versions, subtypes and values to come.
  init?(_ element: OrganizationallySpecificTLV) throws(MKAError) {
    guard element.organization == PPKAnnouncement.organization else { return nil }
    var reader = ByteReader(element.data[...])
    guard reader.remaining > 0, try reader.uint8() == Self.version else { return nil }
    switch element.subtype {
    case Subtype.capability:
      guard let role = CAKPolicy.Role(rawValue: try reader.uint8()) else { return nil }
      let system = reader.rest()
      guard system.count <= Self.maximumSystemLength, let text = String(validating: system, as: UTF8.self) else {
        throw MKAError(.malformed, "the system of a capability is no text of up to \(Self.maximumSystemLength)")
      }
      self = .capability(Capability(role: role, system: text))
    case Subtype.offer:
      let length = try reader.uint8()
      guard length == 16 || length == 32 else { return nil }
      self = .offer(Offer(keyLength: length, identifier: try Self.identifier(&reader)))
    case Subtype.answer:
      guard let outcome = Outcome(rawValue: try reader.uint8()) else { return nil }
      self = .answer(Answer(outcome: outcome, identifier: try Self.identifier(&reader)))
    default: return nil
    }
  }

  private static func identifier(_ reader: inout ByteReader) throws(MKAError) -> [UInt8] {
    let identifier = Array(reader.rest())
    guard (1...maximumKeyIdentifierLength).contains(identifier.count) else {
      throw MKAError(.malformed, "a key identifier has 1 to \(maximumKeyIdentifierLength) octets")
    }
    return identifier
  }
}
