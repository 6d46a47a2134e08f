// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Checks what concerns one list entry and its references; what concerns a tunnel is found by `TunnelMapper`.
struct Validation {
  private let index: ConfigurationIndex
  private var configuration: IPsecConfiguration { index.whole }
  private(set) var corrections: [Correction] = []

  /// Shorter preshared keys can be guessed from a recorded session.
  static let advisedKeyLength = 16
  /// RFC 8784 advises 256 bits.
  static let advisedPPKLength = 32
  /// SP 800-131A: keys of HMAC have 112 bits or more.
  static let shortestFIPSKey = 14

  init(_ index: ConfigurationIndex) {
    self.index = index
    let configuration = index.whole
    for proposal in configuration.proposals { check(proposal) }
    for policy in configuration.policies { check(policy) }
    checkOverlap(configuration.policies)
    for profile in configuration.profiles { check(profile) }
    checkOverlap(configuration.profiles)
    for keyring in configuration.keyrings { check(keyring) }
    checkPPKIDs()
    for set in configuration.transformSets { check(set) }
    for profile in configuration.ipsecProfiles { check(profile) }
  }

  private mutating func add(_ severity: Correction.Severity, _ path: String, _ reason: String) {
    corrections.append(Correction(severity: severity, path: path, reason: reason))
  }

  /// The length of the clear text, which a sealed value shows by its own.
  static func length(_ secret: Sealed) -> Int {
    secret.serialized.count - (Sealed.maximumLength - Sealer.maximumClearTextLength)
  }

  // MARK: IKEv2

  static func reasonAgainst(vrf name: String) -> String {
    "there are no tunnels in VRF '\(name)': charon has one socket for all of them, in the default VRF"
  }

  private mutating func check(_ proposal: IKEv2Proposal) {
    let path = ModelPath.proposal(proposal.name)
    if !proposal.encryptions.isEmpty, proposal.encryptions.allSatisfy(\.isCombined), !proposal.integrities.isEmpty {
      add(.warning, path + "/integrities", "AES-GCM needs no integrity algorithm: those given are not used")
    }
    if configuration.isFIPSMode, proposal.integrities.contains(.sha1) || proposal.prfs.contains(.sha1) {
      add(.warning, path, "SHA-1 is being withdrawn by FIPS")
    }
  }

  private mutating func check(_ policy: IKEv2Policy) {
    let path = ModelPath.policy(policy.name)
    for name in policy.proposals where index.proposals[name] == nil {
      add(
        .reference, path + "/proposal/ikev2-proposal-names/ikev2-proposal-name[ikev2-proposal-name='\(name)']",
        "there is no IKEv2 proposal '\(name)'")
    }
    if let name = policy.fvrf.another {
      add(.error, "\(path)/match/fvrf/vrfs/vrf[vrf-name='\(name)']", Self.reasonAgainst(vrf: name))
    }
    if policy.proposals.isEmpty { add(.warning, path, "it names no proposal: the default proposals are used") }
  }

  private mutating func checkOverlap(_ policies: [IKEv2Policy]) {
    for (index, policy) in policies.enumerated() {
      for other in policies[..<index] where other.fvrf == policy.fvrf {
        let both = policy.localAddresses.intersection(other.localAddresses)
        guard let address = both.min() else { continue }
        add(
          .warning, ModelPath.policy(policy.name) + "/match/address",
          "policy '\(other.name)' matches local address \(address) too; the first by name is used")
      }
    }
  }

  private mutating func check(_ profile: IKEv2Profile) {
    let path = ModelPath.profile(profile.name)
    for (leaf, name) in [("keyring", profile.keyring), ("keyring-ppk", profile.ppkKeyring)] {
      guard let name, index.keyrings[name] == nil else { continue }
      add(.reference, "\(path)/\(leaf)", "there is no keyring '\(name)'")
    }
    if let name = profile.fvrf.another { add(.error, path + "/match/fvrf/vrf-name", Self.reasonAgainst(vrf: name)) }
    for name in profile.trustpoints where index.trustpoints[name] == nil {
      add(
        .reference, "\(path)/pki/trustpoints/trustpoint[trustpoint-name='\(name)']", "there is no trustpoint '\(name)'")
    }
    for match in profile.matches {
      if let reason = match.fault { add(.error, "\(path)/match/identity/remote", reason) }
    }
    if case .fqdn(let name) = profile.localIdentity, !name.isPlainName {
      add(.error, "\(path)/identity/local/fqdn", "'\(name)' is no domain name")
    }
    if profile.matches.isEmpty {
      add(.warning, "\(path)/match/identity/remote", "the profile matches no peer until an identity is given")
    }
  }

  private mutating func checkOverlap(_ profiles: [IKEv2Profile]) {
    var first: [PeerIdentity: IKEv2Profile] = [:]
    for profile in profiles {
      for match in profile.matches {
        guard let other = first[match] else {
          first[match] = profile
          continue
        }
        guard other.name != profile.name else { continue }
        let isAlike =
          other.keyring == profile.keyring && other.localAuthentication == profile.localAuthentication
          && other.remoteAuthentications == profile.remoteAuthentications
        add(
          .warning, ModelPath.profile(profile.name) + "/match/identity/remote",
          "profile '\(other.name)' matches \(match) too"
            + (isAlike ? "" : ", with another keyring or authentication: a request may be taken by either"))
      }
    }
  }

  // MARK: Keyrings

  private mutating func check(_ keyring: Keyring) {
    var seen: [PeerIdentity: String] = [:]
    for peer in keyring.peers {
      let path = ModelPath.peer(keyring.name, peer.name)
      if let range = peer.range, range.prefixLength == nil {
        add(.error, path + "/mask", "the mask \(range.mask) is not contiguous")
      }
      if let identity = peer.identity {
        if let reason = identity.fault { add(.error, path + "/identity", reason) }
        if let other = seen[identity] {
          add(.error, path + "/identity", "peer '\(other)' of this keyring has the identity \(identity) too")
        }
        seen[identity] = peer.name
      }
      check(peer, path)
    }
  }

  private mutating func check(_ peer: Keyring.Peer, _ path: String) {
    switch peer.preSharedKey {
    case .both(let key): checkLength(key, "preshared key", Self.advisedKeyLength, path + "/pre-shared-key")
    case .separate(let local, let remote):
      checkLength(local, "local preshared key", Self.advisedKeyLength, path + "/pre-shared-key/local")
      if let remote {
        checkLength(remote, "remote preshared key", Self.advisedKeyLength, path + "/pre-shared-key/remote")
      } else {
        add(.error, path + "/pre-shared-key/local", "a local preshared key needs a remote one beside it")
      }
    case nil where peer.ppk == nil: add(.warning, path, "the peer has neither a preshared key nor a PPK")
    case nil: break
    }
    switch peer.ppk {
    case .manual(let id, let key, _):
      if let reason = PPKIdentifier.fault(ofManual: id) { add(.error, path + "/ppk/manual/id", reason) }
      if let key {
        checkLength(key, "PPK", Self.advisedPPKLength, path + "/ppk/manual/key")
      } else {
        add(.error, path + "/ppk/manual/key", "the manual PPK '\(id)' has no password")
      }
    case .dynamic(nil, _, _, _): add(.error, path + "/ppk/dynamic", "a dynamic PPK needs an sks-profile")
    case .dynamic(let name?, _, _, _) where !configuration.sksProfiles.contains(name):
      add(.reference, path + "/ppk/dynamic/sks-profile", "there is no SKS profile '\(name)'")
    case .dynamic, nil: break
    }
  }

  private mutating func checkLength(_ secret: Sealed, _ what: String, _ advised: Int, _ path: String) {
    let length = Self.length(secret)
    if length == 0 {
      add(.error, path, "the \(what) is empty")
    } else if configuration.isFIPSMode, length < Self.shortestFIPSKey {
      add(.error, path, "in FIPS mode the \(what) must have \(Self.shortestFIPSKey) bytes or more")
    } else if length < advised {
      add(.warning, path, "the \(what) is short: \(advised) bytes or more are advised")
    }
  }

  /// charon finds a PPK by its ID alone, without regard to case: one ID, one key.
  private mutating func checkPPKIDs() {
    var first: [String: (key: Sealed, peer: String)] = [:]
    for keyring in configuration.keyrings {
      for peer in keyring.peers {
        guard case .manual(let id, let key?, _) = peer.ppk else { continue }
        guard let other = first[id.folded] else {
          first[id.folded] = (key, "\(keyring.name)/\(peer.name)")
          continue
        }
        guard other.key != key else { continue }
        add(
          .error, ModelPath.peer(keyring.name, peer.name) + "/ppk/manual/id",
          "the PPK ID '\(id)' stands for another key at keyring peer '\(other.peer)' (case does not count)")
      }
    }
  }

  // MARK: IPsec

  private mutating func check(_ set: TransformSet) {
    guard set.encryption == nil || set.integrity == nil else { return }
    add(
      .error, ModelPath.transformSet(set.name) + "/transform",
      set.encryption == nil
        ? "a transform set needs an encryption algorithm: integrity alone protects no content"
        : "AES-CBC needs an integrity algorithm beside it (RFC 8221, section 4)")
  }

  private mutating func check(_ profile: IPsecProfile) {
    let path = ModelPath.ipsecProfile(profile.name)
    for (position, name) in profile.transformSets.enumerated()
    where index.transformSets[name] == nil {
      add(.reference, "\(path)/transform-set/transform\(position + 1)", "there is no transform set '\(name)'")
    }
    if let name = profile.ikev2Profile, index.profiles[name] == nil {
      add(.reference, "\(path)/ikev2-profile", "there is no IKEv2 profile '\(name)'")
    }
  }
}

extension PeerIdentity {
  /// Why it cannot be used.
  fileprivate var fault: String? {
    switch self {
    case .address(let range): range.prefixLength == nil ? "the mask \(range.mask) is not contiguous" : nil
    case .fqdn(let name), .domain(let name):
      name.isPlainName && !name.hasPrefix(".") ? nil : "'\(name)' is no domain name"
    case .any: nil
    }
  }
}

extension FrontDoorVRF {
  /// A VRF besides the default one that it names, the first by name.
  fileprivate var another: String? {
    if case .named(let names) = self { names.filter { $0 != "default" }.min() } else { nil }
  }
}
