// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Whom a profile or keyring peer means. Names are compared without regard to the case of ASCII letters.
public enum PeerIdentity: Sendable, Hashable {
  /// Peers that identify themselves by an address of the range.
  case address(IPv4Range)
  /// The peer of that name.
  case fqdn(String)
  /// Peers whose names are below that domain: never the domain's own name.
  case domain(String)
  case any

  public static func == (left: PeerIdentity, right: PeerIdentity) -> Bool {
    switch (left, right) {
    case (.address(let left), .address(let right)): left.network == right.network && left.mask == right.mask
    case (.fqdn(let left), .fqdn(let right)), (.domain(let left), .domain(let right)): left.folded == right.folded
    case (.any, .any): true
    default: false
    }
  }

  public func hash(into hasher: inout Hasher) {
    switch self {
    case .address(let range): hasher.combine([range.network.bits, range.mask.bits])
    case .fqdn(let name): hasher.combine("f" + name.folded)
    case .domain(let name): hasher.combine("d" + name.folded)
    case .any: hasher.combine("")
    }
  }

  /// Whether every peer that the other means is meant by this one too.
  public func covers(_ other: PeerIdentity) -> Bool {
    switch (self, other) {
    case (.any, _): true
    case (.address(let range), .address(let other)): range.contains(other)
    case (.fqdn(let name), .fqdn(let other)): name.folded == other.folded
    case (.domain(let domain), .fqdn(let name)): name.isBelow(domain)
    case (.domain(let domain), .domain(let other)): other.folded == domain.folded || other.isBelow(domain)
    default: false
    }
  }

  /// Whether it means one name or address alone.
  var isExact: Bool {
    switch self {
    case .address(let range): range.prefixLength == 32
    case .fqdn: true
    case .domain, .any: false
    }
  }

  /// How charon writes it, as an identity to expect or the owner of a key.
  public var pattern: String {
    switch self {
    case .address(let range):
      switch range.prefixLength {
      case 32: range.address.description
      case .some(let length) where length > 0: "\(range.network)/\(length)"
      // All addresses: charon takes 0.0.0.0/0 as that, but 0.0.0.0 as any identity of whatever kind.
      default: "0.0.0.0/0"
      }
    case .fqdn(let name): "fqdn:\(name)"
    case .domain(let name): "fqdn:*.\(name)"
    case .any: "%any"
    }
  }
}

extension PeerIdentity: CustomStringConvertible {
  public var description: String {
    switch self {
    case .address(let range): "address \(range)"
    case .fqdn(let name): "fqdn \(name)"
    case .domain(let name): "domain \(name)"
    case .any: "any"
    }
  }
}

extension String {
  /// ASCII letters in lower case.
  var folded: String { String(decoding: utf8.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self) }

  /// Whether this name has at least one label in front of the domain.
  func isBelow(_ domain: String) -> Bool {
    let name = Array(folded.utf8)
    let end = Array(("." + domain).folded.utf8)
    return name.count > end.count && name.suffix(end.count).elementsEqual(end)
  }

  /// Whether charon takes the text as a name in the wire sense: printable ASCII without spaces, and no wildcard in front.
  var isPlainName: Bool {
    !isEmpty && utf8.count <= 240 && utf8.allSatisfy { (0x21...0x7e).contains($0) } && !contains("*")
  }
}
