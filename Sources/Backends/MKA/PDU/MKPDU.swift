// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A message of MKA: its parameter sets, without the ICV (IEEE 802.1X-2020 11.11).
///
/// A set that is absent is nil. Sets are sent in the order of their types; a set that came twice counts once.
public struct MKPDU: Sendable, Hashable {
  /// The MKA versions that we speak: 802.1X-2010, -2014 and -2018/2020.
  public static let supportedVersions: ClosedRange<UInt8> = 1...3
  /// The algorithm agility parameter of IEEE Std 802.1X.
  public static let algorithmAgility: UInt32 = 0x0080_C201
  /// The length of the ICV in octets.
  public static let icvLength = 16
  /// The longest MKPDU, ICV included, that we take or send: what fits an Ethernet frame with its EAPOL header.
  public static let maximumLength = 1_496

  public var basic: BasicParameterSet
  public var livePeers: LivePeerList?
  public var potentialPeers: [PeerListEntry]?
  public var sakUse: SAKUse?
  public var distributedSAK: DistributedSAK?
  public var distributedCAK: DistributedCAK?
  /// The name of the key management domain.
  public var keyManagementDomain: [UInt8]?
  public var announcement: [AnnouncementTLV]?
  public var extendedPacketNumbers: XPNParameterSet?
  /// Whether the ICV is introduced by a parameter set of its own.
  public var hasICVIndicator: Bool
  /// Sets of types that we do not know, kept for inspection.
  public var unknown: [UnknownParameterSet]

  public init(basic: BasicParameterSet) {
    self.basic = basic
    hasICVIndicator = false
    unknown = []
  }

  /// The parameter set types (IEEE 802.1X-2020 table 11-7).
  enum SetType {
    static let livePeerList: UInt8 = 1
    static let potentialPeerList: UInt8 = 2
    static let sakUse: UInt8 = 3
    static let distributedSAK: UInt8 = 4
    static let distributedCAK: UInt8 = 5
    static let keyManagementDomain: UInt8 = 6
    static let announcement: UInt8 = 7
    static let extendedPacketNumbers: UInt8 = 8
    static let icvIndicator: UInt8 = 255
  }
}

/// The first set of each MKPDU: who sends it, and under which CAK.
public struct BasicParameterSet: Sendable, Hashable {
  public var version: UInt8
  /// Lower wins the election.
  public var keyServerPriority: UInt8
  /// The sender is, or still may become, the key server.
  public var isKeyServer: Bool
  public var desiresMACsec: Bool
  public var capability: MACsecCapability
  public var sci: SCI
  public var memberIdentifier: MemberIdentifier
  public var messageNumber: UInt32
  public var ckn: CKN

  public init(
    version: UInt8 = 3, keyServerPriority: UInt8, isKeyServer: Bool, desiresMACsec: Bool = true,
    capability: MACsecCapability, sci: SCI, memberIdentifier: MemberIdentifier, messageNumber: UInt32, ckn: CKN
  ) {
    self.version = version
    self.keyServerPriority = keyServerPriority
    self.isKeyServer = isKeyServer
    self.desiresMACsec = desiresMACsec
    self.capability = capability
    self.sci = sci
    self.memberIdentifier = memberIdentifier
    self.messageNumber = messageNumber
    self.ckn = ckn
  }
}

/// A member in a peer list, with the last message number that the list's sender had from it.
public struct PeerListEntry: Sendable, Hashable {
  public var memberIdentifier: MemberIdentifier
  public var messageNumber: UInt32

  public init(memberIdentifier: MemberIdentifier, messageNumber: UInt32) {
    self.memberIdentifier = memberIdentifier
    self.messageNumber = messageNumber
  }
}

/// The members that the sender knows to be alive.
public struct LivePeerList: Sendable, Hashable {
  public var peers: [PeerListEntry]
  /// The low 8 bits of the key server's SSCI, beside a distributed SAK of an XPN cipher suite; else 0.
  public var keyServerSSCI: UInt8

  public init(peers: [PeerListEntry], keyServerSSCI: UInt8 = 0) {
    self.peers = peers
    self.keyServerSSCI = keyServerSSCI
  }
}

/// Which SAKs the sender receives and transmits with (type 3). Nil keys inside mean that there is none.
public struct SAKUse: Sendable, Hashable {
  /// One of the two keys that a port may hold.
  public struct Key: Sendable, Hashable {
    public var identifier: SAKIdentifier
    public var associationNumber: AssociationNumber
    public var transmits: Bool
    public var receives: Bool
    /// The low 32 bits of the lowest packet number that a receiver should still take; 0 when none is told.
    public var lowestAcceptablePN: UInt32

    public init(
      identifier: SAKIdentifier, associationNumber: AssociationNumber, transmits: Bool, receives: Bool,
      lowestAcceptablePN: UInt32
    ) {
      self.identifier = identifier
      self.associationNumber = associationNumber
      self.transmits = transmits
      self.receives = receives
      self.lowestAcceptablePN = lowestAcceptablePN
    }
  }

  /// False for the empty form: the sender does not use MACsec.
  public var usesMACsec: Bool
  public var latest: Key?
  public var old: Key?
  /// Frames are sent without protection.
  public var plainTransmit: Bool
  /// Validation is not strict.
  public var plainReceive: Bool
  public var delayProtect: Bool

  public init(
    usesMACsec: Bool = true, latest: Key? = nil, old: Key? = nil, plainTransmit: Bool = false,
    plainReceive: Bool = false, delayProtect: Bool = false
  ) {
    self.usesMACsec = usesMACsec
    self.latest = latest
    self.old = old
    self.plainTransmit = plainTransmit
    self.plainReceive = plainReceive
    self.delayProtect = delayProtect
  }

  /// What is said of this key, in either place.
  public func key(_ identifier: SAKIdentifier) -> Key? {
    if let latest, latest.identifier == identifier { return latest }
    if let old, old.identifier == identifier { return old }
    return nil
  }
}

/// A SAK on its way from the key server (type 4).
public enum DistributedSAK: Sendable, Hashable {
  /// The key server decided that frames go without MACsec.
  case plain
  case key(Key)

  public struct Key: Sendable, Hashable {
    public var associationNumber: AssociationNumber
    public var confidentialityOffset: ConfidentialityOffset
    public var number: UInt32
    /// The identifier as sent, known to us or not.
    public var cipherSuiteIdentifier: UInt64
    /// The key, wrapped with the KEK.
    public var wrapped: [UInt8]

    public init(
      associationNumber: AssociationNumber, confidentialityOffset: ConfidentialityOffset, number: UInt32,
      cipherSuiteIdentifier: UInt64, wrapped: [UInt8]
    ) {
      self.associationNumber = associationNumber
      self.confidentialityOffset = confidentialityOffset
      self.number = number
      self.cipherSuiteIdentifier = cipherSuiteIdentifier
      self.wrapped = wrapped
    }
  }
}

/// A CAK on its way from a key server to the members of a group (type 5). Decoded, but not used with pre-shared keys.
public struct DistributedCAK: Sendable, Hashable {
  /// The key, wrapped with the KEK.
  public var wrapped: [UInt8]
  public var ckn: CKN

  public init(wrapped: [UInt8], ckn: CKN) {
    self.wrapped = wrapped
    self.ckn = ckn
  }
}

/// What extended packet numbering adds to the SAK use (type 8).
public struct XPNParameterSet: Sendable, Hashable {
  /// For how many seconds the sender asks for, or grants, suspension of MKA; 0 for none.
  public var suspensionTime: UInt8
  /// The high 32 bits of the lowest acceptable packet number of the latest key.
  public var latestLowestAcceptablePNHigh: UInt32
  /// The same of the old key.
  public var oldLowestAcceptablePNHigh: UInt32

  public init(
    suspensionTime: UInt8 = 0, latestLowestAcceptablePNHigh: UInt32 = 0, oldLowestAcceptablePNHigh: UInt32 = 0
  ) {
    self.suspensionTime = suspensionTime
    self.latestLowestAcceptablePNHigh = latestLowestAcceptablePNHigh
    self.oldLowestAcceptablePNHigh = oldLowestAcceptablePNHigh
  }
}

/// A parameter set of a type that we do not know.
public struct UnknownParameterSet: Sendable, Hashable {
  public var type: UInt8
  /// The second octet and the high four bits of the third.
  public var flags: UInt16
  public var body: [UInt8]

  public init(type: UInt8, flags: UInt16, body: [UInt8]) {
    self.type = type
    self.flags = flags
    self.body = body
  }
}
