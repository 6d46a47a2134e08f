// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How a MACsec device treats all its frames; numbers are those of IEEE 802.1AE and of the kernel.
public struct MACsecSettings: Sendable, Hashable {
  /// What becomes of received frames that are not valid.
  public enum Validation: UInt8, Sendable, Hashable {
    /// Nothing is checked.
    case disabled = 0
    /// Frames in clear, and tagged ones that are not encrypted, pass though not valid.
    case check = 1
    /// Only valid frames pass.
    case strict = 2
  }

  /// Frames are sent with a SecTAG, or else in clear.
  public var protects: Bool
  /// Frames that are protected are encrypted too.
  public var encrypts: Bool
  public var validation: Validation
  public var replayProtect: Bool
  /// In packets; with extended packet numbers less than 2^30.
  public var replayWindow: UInt32

  public init(
    protects: Bool, encrypts: Bool, validation: Validation, replayProtect: Bool, replayWindow: UInt32
  ) {
    self.protects = protects
    self.encrypts = encrypts
    self.validation = validation
    self.replayProtect = replayProtect
    self.replayWindow = replayWindow
  }
}

/// A MACsec device to be made. Its MTU is what the parent leaves.
public struct NewMACsecDevice: Sendable, Hashable {
  public var name: String
  /// The index of the link that it runs on.
  public var parent: UInt32
  /// Its own secure channel.
  public var sci: UInt64
  /// The identifier of IEEE 802.1AE table 14-1. It can never be changed.
  public var cipherSuite: UInt64
  public var settings: MACsecSettings

  public init(
    name: String, parent: UInt32, sci: UInt64, cipherSuite: UInt64, settings: MACsecSettings
  ) {
    self.name = name
    self.parent = parent
    self.sci = sci
    self.cipherSuite = cipherSuite
    self.settings = settings
  }
}

/// A secure association to be installed, without its key.
public struct NewMACsecAssociation: Sendable, Hashable {
  /// What extended packet numbers need.
  public struct Extension: Sendable, Hashable {
    public var shortIdentifier: UInt32
    /// 12 bytes.
    public var salt: [UInt8]

    public init(shortIdentifier: UInt32, salt: [UInt8]) {
      self.shortIdentifier = shortIdentifier
      self.salt = salt
    }
  }

  /// 0 to 3.
  public var number: UInt8
  /// The next to be sent, or the lowest expected; from 1.
  public var packetNumber: UInt64
  public var isActive: Bool
  /// 16 bytes that name the key.
  public var keyIdentifier: [UInt8]
  /// Set exactly when the suite has extended packet numbers.
  public var extended: Extension?

  public init(
    number: UInt8, packetNumber: UInt64, isActive: Bool, keyIdentifier: [UInt8], extended: Extension?
  ) {
    self.number = number
    self.packetNumber = packetNumber
    self.isActive = isActive
    self.keyIdentifier = keyIdentifier
    self.extended = extended
  }
}

/// A MACsec device as the kernel has it.
public struct MACsecDevice: Sendable, Hashable {
  public struct Association: Sendable, Hashable {
    public var number: UInt8
    public var isActive: Bool
    public var packetNumber: UInt64
    public var keyIdentifier: [UInt8]
    /// By the kernel's numbers (``MACsecCounter/Association``).
    public var counters: MACsecCounters
  }

  public struct ReceiveChannel: Sendable, Hashable {
    public var sci: UInt64
    public var isActive: Bool
    public var counters: MACsecCounters
    public var associations: [Association]
  }

  /// Its index as a link.
  public var index: UInt32
  public var sci: UInt64
  public var cipherSuite: UInt64
  public var settings: MACsecSettings
  /// The number of the transmit association that is used if it is active.
  public var encodingAssociation: UInt8
  public var counters: MACsecCounters
  public var transmitCounters: MACsecCounters
  public var transmit: [Association]
  public var receive: [ReceiveChannel]
}

/// Counters by their attribute numbers in linux/if_macsec.h.
public struct MACsecCounters: Sendable, Hashable {
  var values: [UInt16: UInt64] = [:]

  /// 0 for what the kernel does not count.
  public subscript(_ counter: MACsecCounter) -> UInt64 { values[counter.rawValue] ?? 0 }
}

/// The number of a counter; which set of names applies depends on where it stands.
public struct MACsecCounter: RawRepresentable, Sendable, Hashable {
  public let rawValue: UInt16
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  private init(_ value: UInt16) { rawValue = value }

  /// Of a device.
  public enum Device {
    public static let outPacketsUntagged = MACsecCounter(1)
    public static let inPacketsUntagged = MACsecCounter(2)
    public static let outPacketsTooLong = MACsecCounter(3)
    public static let inPacketsNoTag = MACsecCounter(4)
    public static let inPacketsBadTag = MACsecCounter(5)
    public static let inPacketsUnknownSCI = MACsecCounter(6)
    public static let inPacketsNoSCI = MACsecCounter(7)
    public static let inPacketsOverrun = MACsecCounter(8)
  }

  /// Of the transmit channel.
  public enum Transmit {
    public static let outPacketsProtected = MACsecCounter(1)
    public static let outPacketsEncrypted = MACsecCounter(2)
    public static let outOctetsProtected = MACsecCounter(3)
    public static let outOctetsEncrypted = MACsecCounter(4)
  }

  /// Of a receive channel.
  public enum Receive {
    public static let inOctetsValidated = MACsecCounter(1)
    public static let inOctetsDecrypted = MACsecCounter(2)
    public static let inPacketsUnchecked = MACsecCounter(3)
    public static let inPacketsDelayed = MACsecCounter(4)
    public static let inPacketsOK = MACsecCounter(5)
    public static let inPacketsInvalid = MACsecCounter(6)
    public static let inPacketsLate = MACsecCounter(7)
    public static let inPacketsNotValid = MACsecCounter(8)
    public static let inPacketsNotUsingSA = MACsecCounter(9)
    public static let inPacketsUnusedSA = MACsecCounter(10)
  }

  /// Of an association. The kernel counts them in 32 bits.
  public enum Association {
    public static let inPacketsOK = MACsecCounter(1)
    public static let inPacketsInvalid = MACsecCounter(2)
    public static let inPacketsNotValid = MACsecCounter(3)
    public static let inPacketsNotUsingSA = MACsecCounter(4)
    public static let inPacketsUnusedSA = MACsecCounter(5)
    public static let outPacketsProtected = MACsecCounter(6)
    public static let outPacketsEncrypted = MACsecCounter(7)
  }
}
