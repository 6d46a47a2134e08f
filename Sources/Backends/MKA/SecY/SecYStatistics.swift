// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The counters of a SecY (IEEE 802.1AE-2018 10.7.9, 10.7.18, and Cisco-IOS-XR-crypto-macsec-secy-oper).
public struct SecYStatistics: Sendable, Hashable {
  /// The interface as a whole.
  public struct Interface: Sendable, Hashable {
    public var inPacketsUntagged: UInt64 = 0
    public var inPacketsNoTag: UInt64 = 0
    public var inPacketsBadTag: UInt64 = 0
    public var inPacketsUnknownSCI: UInt64 = 0
    public var inPacketsNoSCI: UInt64 = 0
    public var inPacketsOverrun: UInt64 = 0
    public var inOctetsValidated: UInt64 = 0
    public var inOctetsDecrypted: UInt64 = 0
    public var outPacketsUntagged: UInt64 = 0
    public var outPacketsTooLong: UInt64 = 0
    public var outOctetsProtected: UInt64 = 0
    public var outOctetsEncrypted: UInt64 = 0

    public init() {}
  }

  /// The transmit secure channel.
  public struct TransmitChannel: Sendable, Hashable {
    public var sci: SCI
    public var outPacketsProtected: UInt64 = 0
    public var outPacketsEncrypted: UInt64 = 0
    public var outOctetsProtected: UInt64 = 0
    public var outOctetsEncrypted: UInt64 = 0
    public var outPacketsTooLong: UInt64 = 0
    public var associations: [TransmitAssociation] = []

    public init(sci: SCI) { self.sci = sci }
  }

  public struct TransmitAssociation: Sendable, Hashable {
    public var number: AssociationNumber
    public var outPacketsProtected: UInt64 = 0
    public var outPacketsEncrypted: UInt64 = 0
    public var nextPN: UInt64 = 0

    public init(number: AssociationNumber) { self.number = number }
  }

  /// A receive secure channel.
  public struct ReceiveChannel: Sendable, Hashable {
    public var sci: SCI
    public var inPacketsUnchecked: UInt64 = 0
    public var inPacketsDelayed: UInt64 = 0
    public var inPacketsLate: UInt64 = 0
    public var inPacketsOK: UInt64 = 0
    public var inPacketsInvalid: UInt64 = 0
    public var inPacketsNotValid: UInt64 = 0
    public var inPacketsNotUsingSA: UInt64 = 0
    public var inPacketsUnusedSA: UInt64 = 0
    public var inPacketsUntaggedHit: UInt64 = 0
    public var inOctetsValidated: UInt64 = 0
    public var inOctetsDecrypted: UInt64 = 0
    public var associations: [ReceiveAssociation] = []

    public init(sci: SCI) { self.sci = sci }
  }

  public struct ReceiveAssociation: Sendable, Hashable {
    public var number: AssociationNumber
    public var inPacketsOK: UInt64 = 0
    public var inPacketsInvalid: UInt64 = 0
    public var inPacketsNotValid: UInt64 = 0
    public var inPacketsNotUsingSA: UInt64 = 0
    public var inPacketsUnusedSA: UInt64 = 0
    public var nextPN: UInt64 = 0

    public init(number: AssociationNumber) { self.number = number }
  }

  public var interface = Interface()
  public var transmit: TransmitChannel
  /// By SCI.
  public var receive: [ReceiveChannel] = []

  public init(transmit: TransmitChannel) { self.transmit = transmit }
}
