// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One element of the announcement parameter set (IEEE 802.1X-2020 11.12).
public enum AnnouncementTLV: Sendable, Hashable {
  case accessInformation([UInt8])
  case cipherSuites([CipherSuiteAnnouncement])
  case keyManagementDomain([UInt8])
  case networkIdentity([UInt8])
  /// A set of an organisation, not looked into.
  case organizationallySpecificSet([UInt8])
  case organizationallySpecific(OrganizationallySpecificTLV)
  /// Of another type, kept as it came.
  case other(type: UInt8, value: [UInt8])

  enum TLVType {
    static let accessInformation: UInt8 = 111
    static let cipherSuites: UInt8 = 112
    static let keyManagementDomain: UInt8 = 113
    static let networkIdentity: UInt8 = 114
    static let organizationallySpecificSet: UInt8 = 126
    static let organizationallySpecific: UInt8 = 127
  }

  /// The longest value that the 9-bit length can tell.
  static let maximumValueLength = 511

  var type: UInt8 {
    switch self {
    case .accessInformation: TLVType.accessInformation
    case .cipherSuites: TLVType.cipherSuites
    case .keyManagementDomain: TLVType.keyManagementDomain
    case .networkIdentity: TLVType.networkIdentity
    case .organizationallySpecificSet: TLVType.organizationallySpecificSet
    case .organizationallySpecific: TLVType.organizationallySpecific
    case .other(let type, _): type & 0x7F
    }
  }

  var value: [UInt8] {
    switch self {
    case .accessInformation(let value), .keyManagementDomain(let value), .networkIdentity(let value),
      .organizationallySpecificSet(let value), .other(_, let value):
      return value
    case .cipherSuites(let suites):
      var writer = ByteWriter()
      for suite in suites {
        writer.append(UInt16(suite.capability.rawValue))
        writer.append(suite.identifier)
      }
      return writer.bytes
    case .organizationallySpecific(let content):
      var writer = ByteWriter()
      writer.append(UInt8(truncatingIfNeeded: content.organization >> 16))
      writer.append(UInt16(truncatingIfNeeded: content.organization))
      writer.append(content.subtype)
      return writer.bytes + content.data
    }
  }

  static func decode(type: UInt8, value: ArraySlice<UInt8>) throws(MKAError) -> AnnouncementTLV {
    switch type {
    case TLVType.accessInformation: return .accessInformation(Array(value))
    case TLVType.keyManagementDomain: return .keyManagementDomain(Array(value))
    case TLVType.networkIdentity: return .networkIdentity(Array(value))
    case TLVType.organizationallySpecificSet: return .organizationallySpecificSet(Array(value))
    case TLVType.cipherSuites:
      guard value.count % CipherSuiteAnnouncement.length == 0 else {
        throw MKAError(.malformed, "the announced cipher suites are no whole number of entries")
      }
      var reader = ByteReader(value)
      var suites: [CipherSuiteAnnouncement] = []
      while reader.remaining > 0 {
        let capability = try reader.uint16()
        suites.append(
          CipherSuiteAnnouncement(
            capability: MACsecCapability(rawValue: UInt8(capability & 3)) ?? .none,
            identifier: try reader.uint64()))
      }
      return .cipherSuites(suites)
    case TLVType.organizationallySpecific:
      var reader = ByteReader(value)
      guard reader.remaining >= 4 else {
        throw MKAError(.malformed, "an organisationally specific element is shorter than its organisation and subtype")
      }
      let organization = UInt32(try reader.uint8()) << 16 | UInt32(try reader.uint16())
      let subtype = try reader.uint8()
      return .organizationallySpecific(
        OrganizationallySpecificTLV(organization: organization, subtype: subtype, data: Array(reader.rest())))
    default: return .other(type: type, value: Array(value))
    }
  }
}

/// A cipher suite that the sender has, and how much of MACsec with it.
public struct CipherSuiteAnnouncement: Sendable, Hashable {
  static let length = 10

  public var capability: MACsecCapability
  /// The identifier as sent, known to us or not.
  public var identifier: UInt64

  public init(capability: MACsecCapability, identifier: UInt64) {
    self.capability = capability
    self.identifier = identifier
  }
}

/// An element that an organisation defined.
public struct OrganizationallySpecificTLV: Sendable, Hashable {
  /// The 24 bits of the organisation's identifier.
  public var organization: UInt32
  public var subtype: UInt8
  public var data: [UInt8]

  public init(organization: UInt32, subtype: UInt8, data: [UInt8]) {
    self.organization = organization & 0xFF_FFFF
    self.subtype = subtype
    self.data = data
  }
}
