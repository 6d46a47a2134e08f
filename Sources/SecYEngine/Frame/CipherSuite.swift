// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A cipher suite of IEEE 802.1AE-2018 clause 14. The raw value is its code between an agent and secyd.
public enum FrameCipherSuite: UInt8, Sendable, Hashable, CaseIterable {
  case gcmAES128 = 1
  case gcmAES256 = 2
  case gcmAESXPN128 = 3
  case gcmAESXPN256 = 4

  /// The length of its keys in octets.
  public var keyLength: Int {
    switch self {
    case .gcmAES128, .gcmAESXPN128: 16
    case .gcmAES256, .gcmAESXPN256: 32
    }
  }

  /// Whether packet numbers have 64 bits, of which a frame carries the lower 32.
  public var hasExtendedPacketNumbers: Bool { self == .gcmAESXPN128 || self == .gcmAESXPN256 }

  /// The last packet number that a frame may have.
  public var lastPacketNumber: UInt64 { hasExtendedPacketNumbers ? .max - 1 : UInt64(UInt32.max) }
}

/// How much of the user data is encrypted. The raw value is the code of IEEE 802.1X-2020 figure 11-12.
public enum FrameConfidentiality: UInt8, Sendable, Hashable, CaseIterable {
  /// Nothing: the frame stays readable and is protected against change.
  case integrityOnly = 0
  /// All user data.
  case whole = 1
  /// All but the first 30 octets.
  case offset30 = 2
  /// All but the first 50 octets.
  case offset50 = 3

  /// The octets of user data that stay in clear; nil for all of them.
  @inline(__always)
  var clearOctets: Int? {
    switch self {
    case .integrityOnly: nil
    case .whole: 0
    case .offset30: 30
    case .offset50: 50
    }
  }
}
