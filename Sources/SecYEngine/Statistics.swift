// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// All counts of a SecY at one moment, named as in IEEE 802.1AE-2018 10.7.
public struct SecYCounts: Sendable, Equatable {
  /// Of the SecY as a whole.
  public struct Interface: Sendable, Equatable {
    /// Received without a SecTAG and delivered.
    public var inPktsUntagged: UInt64 = 0
    /// Received without a SecTAG and discarded.
    public var inPktsNoTag: UInt64 = 0
    public var inPktsBadTag: UInt64 = 0
    /// Of a channel that is not known, delivered.
    public var inPktsUnknownSCI: UInt64 = 0
    /// Of a channel that is not known, discarded.
    public var inPktsNoSCI: UInt64 = 0
    /// Lost since they came faster than they could be taken.
    public var inPktsOverrun: UInt64 = 0
    /// Octets of user data of frames proved authentic that were not encrypted, and that were.
    public var inOctetsValidated: UInt64 = 0
    public var inOctetsDecrypted: UInt64 = 0
    public var outPktsUntagged: UInt64 = 0
    public var outPktsTooLong: UInt64 = 0
    public var outOctetsProtected: UInt64 = 0
    public var outOctetsEncrypted: UInt64 = 0
    /// Authentic, but the controlled port was blocked.
    public var inPktsBlocked: UInt64 = 0
    /// Not sent: the controlled port was blocked, or no association could transmit.
    public var outPktsBlocked: UInt64 = 0

    public init() {}
  }

  public struct TransmitAssociation: Sendable, Equatable {
    public var associationNumber: UInt8
    public var outPktsProtected: UInt64 = 0
    public var outPktsEncrypted: UInt64 = 0
    public var nextPN: UInt64 = 1
    public var key: KeyName
    /// Whether frames are sent with it now.
    public var isEnabled = false

    public init(associationNumber: UInt8, key: KeyName) {
      self.associationNumber = associationNumber
      self.key = key
    }
  }

  public struct TransmitChannel: Sendable, Equatable {
    public var sci: UInt64
    public var outPktsProtected: UInt64 = 0
    public var outPktsEncrypted: UInt64 = 0
    public var outOctetsProtected: UInt64 = 0
    public var outOctetsEncrypted: UInt64 = 0
    public var outPktsTooLong: UInt64 = 0
    public var associations: [TransmitAssociation] = []

    public init(sci: UInt64) { self.sci = sci }
  }

  public struct ReceiveAssociation: Sendable, Equatable {
    public var associationNumber: UInt8
    public var inPktsOK: UInt64 = 0
    public var inPktsInvalid: UInt64 = 0
    public var inPktsNotValid: UInt64 = 0
    public var inPktsNotUsingSA: UInt64 = 0
    public var inPktsUnusedSA: UInt64 = 0
    public var nextPN: UInt64 = 1
    public var lowestPN: UInt64 = 1
    /// Nil while no key is installed under this number.
    public var key: KeyName?

    public init(associationNumber: UInt8) { self.associationNumber = associationNumber }
  }

  public struct ReceiveChannel: Sendable, Equatable {
    public var sci: UInt64
    /// Neither checked nor known to be wrong, delivered.
    public var inPktsUnchecked: UInt64 = 0
    /// Delivered although late, for want of replay protection.
    public var inPktsDelayed: UInt64 = 0
    /// Discarded: its packet number is below what is acceptable.
    public var inPktsLate: UInt64 = 0
    public var inPktsOK: UInt64 = 0
    /// Not authentic, delivered.
    public var inPktsInvalid: UInt64 = 0
    /// Not authentic, discarded.
    public var inPktsNotValid: UInt64 = 0
    /// No key under its association number: discarded, and delivered.
    public var inPktsNotUsingSA: UInt64 = 0
    public var inPktsUnusedSA: UInt64 = 0
    /// Without a SecTAG from the address of this channel, and delivered.
    public var inPktsUntaggedHit: UInt64 = 0
    public var inOctetsValidated: UInt64 = 0
    public var inOctetsDecrypted: UInt64 = 0
    public var associations: [ReceiveAssociation] = []

    public init(sci: UInt64) { self.sci = sci }
  }

  public var interface = Interface()
  public var transmit: TransmitChannel
  public var receive: [ReceiveChannel] = []

  public init(transmit: TransmitChannel) { self.transmit = transmit }
}
