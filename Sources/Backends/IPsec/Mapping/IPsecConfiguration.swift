// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

// What the models of IKEv2, IPsec and tunnels say, in values of this module. `Configuration` in the names of the models'
// nodes, so that each property has one leaf. How they are made from generated types is not this file's business.

/// Everything that the mapping reads.
public struct IPsecConfiguration: Sendable, Equatable {
  public var proposals: [IKEv2Proposal] = []
  public var policies: [IKEv2Policy] = []
  public var profiles: [IKEv2Profile] = []
  public var keyrings: [Keyring] = []
  public var transformSets: [TransformSet] = []
  public var ipsecProfiles: [IPsecProfile] = []
  public var tunnels: [TunnelInterface] = []
  public var trustpoints: [Trustpoint] = []
  /// Names of SKS profiles, for references.
  public var sksProfiles: Set<String> = []
  /// `ikev2/fips-mode`.
  public var isFIPSMode = false
  /// `ikev2/global`.
  public var global = IKEv2Global()

  public init() {}
}

/// `ikev2/global`.
public struct IKEv2Global: Sendable, Equatable {
  /// Seconds, 10...3600.
  public var dpd: Int?
  /// Seconds, 2...60.
  public var dpdRetryInterval: Int?
  /// 1...6.
  public var retransmission: Int?
  public init() {}
}

/// `ikev2/proposal`.
public struct IKEv2Proposal: Sendable, Equatable {
  public enum Encryption: String, Sendable, CaseIterable {
    case aesGCM128 = "aes-gcm-128"
    case aesGCM256 = "aes-gcm-256"
    case aesCBC128 = "aes-cbc-128"
    case aesCBC192 = "aes-cbc-192"
    case aesCBC256 = "aes-cbc-256"

    static let strongestFirst: [Self] = [.aesGCM256, .aesCBC256, .aesCBC192, .aesGCM128, .aesCBC128]
  }
  /// For integrity and as a pseudorandom function.
  public enum Hash: String, Sendable, CaseIterable {
    case sha1 = "sha-1"
    case sha256 = "sha-256"
    case sha384 = "sha-384"
    case sha512 = "sha-512"

    static let strongestFirst: [Self] = [.sha512, .sha384, .sha256, .sha1]
  }
  public enum Group: Int, Sendable, CaseIterable {
    case ecp256 = 19
    case ecp384 = 20
    case ecp521 = 21

    static let strongestFirst: [Self] = [.ecp521, .ecp384, .ecp256]
  }

  public var name: String
  public var encryptions: [Encryption] = []
  public var integrities: [Hash] = []
  public var prfs: [Hash] = []
  public var groups: [Group] = []
  public init(name: String) { self.name = name }
}

/// `match/fvrf`.
public enum FrontDoorVRF: Sendable, Equatable {
  case unspecified
  case any
  case named(Set<String>)
}

/// `ikev2/policy`.
public struct IKEv2Policy: Sendable, Equatable {
  public var name: String
  public var proposals: [String] = []
  public var localAddresses: Set<IPv4Address> = []
  public var fvrf = FrontDoorVRF.unspecified
  public init(name: String) { self.name = name }
}

/// `ikev2/profile`.
public struct IKEv2Profile: Sendable, Equatable {
  public enum Authentication: Sendable, Hashable, CaseIterable {
    case preShared
    case rsaSignature
  }
  /// `identity/local`.
  public enum LocalIdentity: Sendable, Equatable {
    case address(IPv4Address)
    case fqdn(String)
  }

  public var name: String
  /// `match/identity/remote`, in order.
  public var matches: [PeerIdentity] = []
  public var fvrf = FrontDoorVRF.unspecified
  public var localIdentity: LocalIdentity?
  /// Seconds, 120...86400.
  public var lifetime: Int?
  public var keyring: String?
  public var ppkKeyring: String?
  public var trustpoints: [String] = []
  public var localAuthentication: Authentication?
  public var remoteAuthentications: Set<Authentication> = []
  public init(name: String) { self.name = name }
}

/// `keyrings/keyring`.
public struct Keyring: Sendable, Equatable {
  /// `pre-shared-key`.
  public enum PreSharedKey: Sendable, Equatable {
    case both(Sealed)
    case separate(local: Sealed, remote: Sealed?)
  }
  /// `ppk`.
  public enum PPK: Sendable, Equatable {
    case manual(id: String, key: Sealed?, isRequired: Bool)
    /// The remote system is the peer as its key management entity knows it; nil for the one that the profile names.
    case dynamic(sksProfile: String?, isRequired: Bool, remoteSystem: String? = nil, lifetime: PPKLifetime = .init())

    public var isRequired: Bool {
      switch self {
      case .manual(_, _, let isRequired), .dynamic(_, let isRequired, _, _): isRequired
      }
    }
  }
  /// `peers/peer`.
  public struct Peer: Sendable, Equatable {
    public var name: String
    /// `address` and `mask`.
    public var range: IPv4Range?
    public var preSharedKey: PreSharedKey?
    public var ppk: PPK?
    /// `identity`: an address, a name or a domain.
    public var identity: PeerIdentity?
    public init(name: String) { self.name = name }
  }

  public var name: String
  public var peers: [Peer] = []
  public init(name: String) { self.name = name }
}

/// `ipsec/transform-sets`.
public struct TransformSet: Sendable, Equatable {
  public enum Encryption: String, Sendable, CaseIterable {
    case aes128 = "esp-aes"
    case aes192 = "esp-192-aes"
    case aes256 = "esp-256-aes"
  }
  public enum Integrity: String, Sendable, CaseIterable {
    case sha1 = "esp-hmac-sha1"
    case sha256 = "esp-hmac-sha-256"
    case sha384 = "esp-hmac-sha-384"
    case sha512 = "esp-hmac-sha-512"
  }

  public var name: String
  public var encryption: Encryption?
  public var integrity: Integrity?
  public init(name: String) { self.name = name }
}

/// `ipsec/profiles`.
public struct IPsecProfile: Sendable, Equatable {
  public var name: String
  public var pfs: IKEv2Proposal.Group?
  /// `transform1` to `transform5`, in order.
  public var transformSets: [String] = []
  public var ikev2Profile: String?
  /// Seconds, 120...2592000.
  public var lifetime: Int?
  public var isResponderOnly = false
  public var addsReverseRoute = false
  public init(name: String) { self.name = name }
}

/// `interface tunnel-ip…` with `tunnel`.
public struct TunnelInterface: Sendable, Equatable {
  /// `tunnel/source`.
  public enum Source: Sendable, Equatable {
    case address(IPv4Address)
    /// An interface, with the address that it has now.
    case interface(String, IPv4Address?)
  }

  public var name: String
  public var source: Source?
  public var destination: IPv4Address?
  /// `tunnel/protection/ipsec/profile`.
  public var profile: String?
  public var isShutdown = false
  /// `tunnel/mode/ipsec/ipv4`. Without it the tunnel is one of GRE.
  public var isInIPsecMode = true
  /// The VRF of the outer packets; nil is the default VRF.
  public var fvrf: String?
  /// Of the XFRM interface that carries it; nil with the userspace data plane.
  public var interfaceID: UInt32?
  public init(name: String) { self.name = name }

  /// Its source interface has no address now.
  var awaitsAddress: Bool {
    if case .interface(_, nil) = source { !isShutdown } else { false }
  }

  /// The address that packets leave with, as far as it is known.
  public var sourceAddress: IPv4Address? {
    switch source {
    case .address(let address): address
    case .interface(_, let address): address
    case nil: nil
    }
  }
}

/// A trustpoint of the certificate store, as far as IKE needs it.
public struct Trustpoint: Sendable, Equatable {
  public var name: String
  /// Certificates of authorities that peers' certificates have to come from, DER or PEM.
  public var authorities: [[UInt8]] = []
  /// This device's certificate, DER or PEM.
  public var certificate: [UInt8]?
  /// Those of the authorities between it and the root, if any, in that order.
  public var intermediates: [[UInt8]] = []
  /// Its private key, PEM.
  public var key: Sealed?
  /// SHA-1 of the public key's bits, 40 lower-case hexadecimal digits: charon's name for the key.
  public var keyIdentifier: String?
  public init(name: String) { self.name = name }
}

/// The configuration by names.
struct ConfigurationIndex {
  let whole: IPsecConfiguration
  let proposals: [String: IKEv2Proposal]
  let profiles: [String: IKEv2Profile]
  let keyrings: [String: Keyring]
  let transformSets: [String: TransformSet]
  let ipsecProfiles: [String: IPsecProfile]
  let trustpoints: [String: Trustpoint]

  init(_ whole: IPsecConfiguration) {
    self.whole = whole
    proposals = Dictionary(whole.proposals.map { ($0.name, $0) }) { first, _ in first }
    profiles = Dictionary(whole.profiles.map { ($0.name, $0) }) { first, _ in first }
    keyrings = Dictionary(whole.keyrings.map { ($0.name, $0) }) { first, _ in first }
    transformSets = Dictionary(whole.transformSets.map { ($0.name, $0) }) { first, _ in first }
    ipsecProfiles = Dictionary(whole.ipsecProfiles.map { ($0.name, $0) }) { first, _ in first }
    trustpoints = Dictionary(whole.trustpoints.map { ($0.name, $0) }) { first, _ in first }
  }
}
