// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Which peer of a keyring a tunnel takes its keys from.
struct KeyringLookup {
  let keyring: Keyring

  /// The peer whose keys are used with a far end at that address, which identifies itself so.
  ///
  /// An initiator knows only the address; a responder goes by the identity first. A tunnel that does both goes by the
  /// address first. Among several, the narrowest.
  func peer(
    destination: IPv4Address, identity: PeerIdentity, onlyResponds: Bool, where fits: (Keyring.Peer) -> Bool
  ) -> Keyring.Peer? {
    let byAddress = narrowest(keyring.peers.filter { fits($0) && $0.range?.contains(destination) == true }) { peer in
      peer.range?.mask.bits.nonzeroBitCount ?? 0
    }
    let byIdentity = narrowest(keyring.peers.filter { fits($0) && $0.identity?.covers(identity) == true }) { peer in
      peer.identity?.narrowness ?? 0
    }
    return onlyResponds ? byIdentity ?? byAddress : byAddress ?? byIdentity
  }

  /// Peers whose own identity is narrower than the profile's: their keys count for them.
  func peers(within identity: PeerIdentity, where fits: (Keyring.Peer) -> Bool) -> [Keyring.Peer] {
    keyring.peers.filter { peer in
      guard fits(peer), let own = peer.identity else { return false }
      return own != identity && identity.covers(own)
    }
  }

  private func narrowest(_ peers: [Keyring.Peer], _ measure: (Keyring.Peer) -> Int) -> Keyring.Peer? {
    peers.max { (measure($0), $1.name) < (measure($1), $0.name) }
  }
}

extension PeerIdentity {
  /// Larger is narrower, within one kind of identity.
  fileprivate var narrowness: Int {
    switch self {
    case .any: 0
    case .domain(let name): 1 + name.utf8.count
    case .address(let range): 1 + range.mask.bits.nonzeroBitCount
    case .fqdn: 1000
    }
  }
}

/// Which policy's proposals a tunnel uses.
enum PolicySelection {
  /// The policy that fits the local address and VRF; a policy that names the address before one that takes any, then one
  /// that names the VRF before one that takes any, then the first by name. Nil when none fits.
  static func policy(
    _ policies: [IKEv2Policy], address: IPv4Address, fvrf: String?
  ) -> IKEv2Policy? {
    let ranked = policies.compactMap { policy -> (rank: Int, policy: IKEv2Policy)? in
      guard policy.localAddresses.isEmpty || policy.localAddresses.contains(address), policy.fvrf.fits(fvrf) else {
        return nil
      }
      let namesVRF = if case .named = policy.fvrf { 1 } else { 0 }
      return ((policy.localAddresses.isEmpty ? 0 : 2) + namesVRF, policy)
    }
    return ranked.max { ($0.rank, $1.policy.name) < ($1.rank, $0.policy.name) }?.policy
  }
}

extension FrontDoorVRF {
  /// Whether it fits the VRF of that name; nil is the default VRF, which is what an unspecified one means.
  func fits(_ vrf: String?) -> Bool {
    switch self {
    case .any: true
    case .unspecified: vrf == nil || vrf == "default"
    case .named(let names): names.contains(vrf ?? "default")
    }
  }
}
