// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A network interface of Linux.
public struct Link: Sendable, Hashable {
  /// IFF_ flags.
  public struct Flags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Administratively up.
    public static let up = Flags(rawValue: 0x1)
    public static let broadcast = Flags(rawValue: 0x2)
    public static let loopback = Flags(rawValue: 0x8)
    public static let pointToPoint = Flags(rawValue: 0x10)
    /// Operational.
    public static let running = Flags(rawValue: 0x40)
    public static let promiscuous = Flags(rawValue: 0x100)
    public static let multicast = Flags(rawValue: 0x1000)
    /// The physical layer sees its partner.
    public static let lowerUp = Flags(rawValue: 0x1_0000)
  }

  /// The operational state of RFC 2863.
  public enum OperationalState: UInt8, Sendable, Hashable {
    case unknown = 0
    case notPresent = 1
    case down = 2
    case lowerLayerDown = 3
    case testing = 4
    case dormant = 5
    case up = 6
  }

  /// How a bond uses its members (BOND_MODE_).
  public enum BondMode: UInt8, Sendable, Hashable {
    case roundRobin = 0
    case activeBackup = 1
    case xor = 2
    case broadcast = 3
    /// 802.3ad.
    case lacp = 4
    case transmitLoadBalancing = 5
    case adaptiveLoadBalancing = 6

    /// Members that do not tell their speed and duplex are not used.
    public var needsSpeed: Bool { rawValue >= Self.lacp.rawValue }
  }

  public var index: UInt32
  public var name: String
  public var flags: Flags
  public var operationalState: OperationalState
  /// In bytes.
  public var mtu: UInt32
  /// The hardware address: 6 bytes for Ethernet, empty for many virtual links.
  public var hardwareAddress: [UInt8]
  /// The index of the link that this one belongs to (a VRF, bridge or bond).
  public var master: UInt32?
  /// The index of the link that this one runs on (a VLAN's or MACsec's).
  public var parent: UInt32?
  /// The driver's name of a virtual link: `vrf`, `macsec`, `vlan`, `veth`…
  public var kind: String?
  /// The kind of hardware (ARPHRD_): 1 is Ethernet, 772 the loopback, 65534 none.
  public var hardwareType: UInt16 = 0
  /// The remark that goes with it (`ip link set … alias`).
  public var alias: String?
  /// The interface identifier of an XFRM interface, which its policies and SAs carry.
  public var xfrmIdentifier: UInt32?
  /// The mode of a bond.
  public var bondMode: BondMode?
  /// The group that whoever made it has put it in (`ip link … group`); 0 is the default one.
  public var group: UInt32 = 0

  /// A link as it would be told of; the kernel's are read by ``RTNetlink``.
  public init(
    index: UInt32, name: String, flags: Flags, operationalState: OperationalState, mtu: UInt32,
    hardwareAddress: [UInt8], master: UInt32? = nil, parent: UInt32? = nil, kind: String? = nil,
    hardwareType: UInt16 = 0, alias: String? = nil, xfrmIdentifier: UInt32? = nil, bondMode: BondMode? = nil,
    group: UInt32 = 0
  ) {
    self.index = index
    self.name = name
    self.flags = flags
    self.operationalState = operationalState
    self.mtu = mtu
    self.hardwareAddress = hardwareAddress
    self.master = master
    self.parent = parent
    self.kind = kind
    self.hardwareType = hardwareType
    self.alias = alias
    self.xfrmIdentifier = xfrmIdentifier
    self.bondMode = bondMode
    self.group = group
  }

  /// Whether it carries Ethernet frames.
  public var isEthernet: Bool { hardwareType == 1 }

  /// Whether it is a bond.
  public var isBond: Bool { kind == "bond" }

  /// Whether it is a VRF device.
  public var isVRF: Bool { kind == "vrf" }
}

/// An address of an interface.
public struct LinkAddress: Sendable, Hashable {
  public enum Family: Sendable, Hashable {
    case ipv4
    case ipv6
  }

  /// How far an address reaches (RT_SCOPE_).
  public enum Scope: Sendable, Hashable {
    case universe
    case site
    case link
    case host
    case other(UInt8)
  }

  public var family: Family
  /// 4 or 16 bytes in network order: this system's own address, also on a point-to-point link.
  public var bytes: [UInt8]
  public var prefixLength: UInt8
  public var scope: Scope
  /// The index of its interface.
  public var link: UInt32
  /// Not yet usable, or found to be another system's (IPv6 duplicate address detection).
  public var isTentative: Bool
  /// Found to be another system's (RFC 4862 section 5.4).
  public var isDuplicate = false
  /// Not the first IPv4 address of its subnet on that link: it goes when the first one goes.
  public var isSecondary = false
  /// Who added it (IFA_PROTO, kernel 5.18 and later); 0 when nobody said.
  public var origin: UInt8 = 0
}
