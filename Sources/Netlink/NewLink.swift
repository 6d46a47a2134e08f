// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A virtual link to be made.
public struct NewLink: Sendable, Hashable {
  /// What it is.
  public enum Kind: Sendable, Hashable {
    /// An XFRM interface: packets routed to it get the policies and SAs that carry this identifier, which is not 0.
    /// `underlying` is the index of the link that its packets leave by; nil leaves that to routing.
    case xfrm(identifier: UInt32, underlying: UInt32?)
    /// A link that drops what it is given; for addresses that belong to no port.
    case dummy
    /// A pair of links of which each receives what the other is given.
    case veth(peer: String)
  }

  public var name: String
  public var kind: Kind
  /// In bytes; nil for the driver's default.
  public var mtu: UInt32?
  /// The group to put it in; nil for the default one.
  public var group: UInt32?

  public init(name: String, kind: Kind, mtu: UInt32? = nil, group: UInt32? = nil) {
    self.name = name
    self.kind = kind
    self.mtu = mtu
    self.group = group
  }
}

/// What of a link is to change; what is nil stays as it is.
public struct LinkSettings: Sendable, Hashable {
  /// The longest remark in bytes (IFALIASZ without its end).
  public static let maximumAliasLength = 255

  public var isUp: Bool?
  /// In bytes.
  public var mtu: UInt32?
  /// The remark; empty takes it away.
  public var alias: String?
  /// The index of the link that it is to belong to (a VRF, bridge or bond); 0 takes it out of the one that has it. A
  /// bond takes links only that are down, and sets them up.
  public var master: UInt32?

  public init(isUp: Bool? = nil, mtu: UInt32? = nil, alias: String? = nil, master: UInt32? = nil) {
    self.isUp = isUp
    self.mtu = mtu
    self.alias = alias
    self.master = master
  }
}
