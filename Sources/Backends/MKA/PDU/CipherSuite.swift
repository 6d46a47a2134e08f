// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A cipher suite of IEEE 802.1AE, by its 64-bit identifier.
public enum CipherSuite: Sendable, Hashable, CaseIterable, CustomStringConvertible {
  case gcmAES128, gcmAES256, gcmAESXPN128, gcmAESXPN256

  /// The identifier (IEEE 802.1AE-2018 table 14-1).
  public var identifier: UInt64 {
    switch self {
    case .gcmAES128: 0x0080_C200_0100_0001
    case .gcmAES256: 0x0080_C200_0100_0002
    case .gcmAESXPN128: 0x0080_C200_0100_0003
    case .gcmAESXPN256: 0x0080_C200_0100_0004
    }
  }

  /// Nil for a suite that we do not have. The identifier of GCM-AES-128 that the edition of 2006 misprinted, and that
  /// is still in use, is taken too.
  public init?(identifier: UInt64) {
    if identifier == 0x0080_0200_0100_0001 {
      self = .gcmAES128
      return
    }
    guard let known = Self.allCases.first(where: { $0.identifier == identifier }) else { return nil }
    self = known
  }

  /// The length of its keys in octets.
  public var keyLength: Int {
    switch self {
    case .gcmAES128, .gcmAESXPN128: 16
    case .gcmAES256, .gcmAESXPN256: 32
    }
  }

  /// Whether packet numbers have 64 bits.
  public var hasExtendedPacketNumbers: Bool { self == .gcmAESXPN128 || self == .gcmAESXPN256 }

  /// The packet number at which a new SAK is due, three quarters through (IEEE 802.1X-2020 9.8).
  public var packetNumberThreshold: UInt64 { hasExtendedPacketNumbers ? 0xC000_0000_0000_0000 : 0xC000_0000 }

  public var description: String {
    switch self {
    case .gcmAES128: "GCM-AES-128"
    case .gcmAES256: "GCM-AES-256"
    case .gcmAESXPN128: "GCM-AES-XPN-128"
    case .gcmAESXPN256: "GCM-AES-XPN-256"
    }
  }
}

/// What is kept secret of a frame, coded as in the distributed SAK (IEEE 802.1X-2020 figure 11-12).
public enum ConfidentialityOffset: UInt8, Sendable, Hashable, CaseIterable {
  /// Nothing: integrity only.
  case integrityOnly = 0
  /// All of it.
  case zero = 1
  /// All but the first 30 octets of user data.
  case thirty = 2
  /// All but the first 50 octets of user data.
  case fifty = 3

  /// The octets of user data that stay in clear; nil for integrity only.
  public var octets: Int? {
    switch self {
    case .integrityOnly: nil
    case .zero: 0
    case .thirty: 30
    case .fifty: 50
    }
  }
}

/// What a port can do (IEEE 802.1X-2020 table 11-6).
public enum MACsecCapability: UInt8, Sendable, Hashable, Comparable {
  case none = 0
  case integrity = 1
  case confidentiality = 2
  case confidentialityWithOffsets = 3

  public static func < (left: MACsecCapability, right: MACsecCapability) -> Bool { left.rawValue < right.rawValue }
}
