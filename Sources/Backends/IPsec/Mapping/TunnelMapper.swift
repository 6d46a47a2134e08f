// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// One tunnel interface: from what is configured to connections and secrets of charon.
struct TunnelMapper {
  private let configuration: ConfigurationIndex
  private let tunnel: TunnelInterface
  private(set) var connections: [DesiredConnection] = []
  private(set) var secrets: [DesiredSecret] = []
  private(set) var keys: [DesiredKey] = []
  private(set) var corrections: [Correction] = []
  /// Why nothing is loaded for it: the first reason found.
  private(set) var reasonDown: String?

  /// Seconds; the published model gives no defaults.
  static let defaultIKELifetime = 86_400
  static let defaultChildLifetime = 14_400

  init(_ configuration: ConfigurationIndex, _ tunnel: TunnelInterface) {
    self.configuration = configuration
    self.tunnel = tunnel
  }

  /// Notes an error at a node of the tunnel.
  mutating func fail(_ node: String, _ reason: String) {
    fail(at: ModelPath.tunnel(tunnel.name) + node, reason)
  }

  private mutating func fail(at path: String, _ reason: String) {
    corrections.append(Correction(severity: .error, path: path, reason: reason))
    reasonDown = reasonDown ?? reason
  }

  // MARK: Steps

  /// What all connections of the tunnel share.
  private struct Ends {
    let source: IPv4Address
    let destination: IPv4Address
    let ipsec: IPsecProfile
    let ike: IKEv2Profile
    var initiates: Bool { !ipsec.isResponderOnly }
  }

  mutating func map() {
    guard !tunnel.isShutdown else {
      reasonDown = reasonDown ?? "the interface is shut down"
      return
    }
    guard reasonDown == nil, let ends = ends() else { return }
    guard let child = child(ends) else { return }
    let proposals = proposals(ends)
    for match in ends.ike.matches { addConnections(ends, match, proposals, child) }
    if ends.ike.matches.isEmpty {
      fail(at: ModelPath.profile(ends.ike.name) + "/match/identity/remote", "the profile matches no peer")
    }
    if reasonDown != nil {
      connections = []
      secrets = []
      keys = []
    }
  }

  /// Resolves source, destination and profiles.
  private mutating func ends() -> Ends? {
    if !tunnel.isInIPsecMode { fail("/mode", "the tunnel is not in mode ipsec ipv4, which is the only one there is") }
    if tunnel.source == nil { fail("/source", "the tunnel has no source") }
    if tunnel.destination == nil { fail("/destination", "the tunnel has no destination") }
    if tunnel.profile == nil { fail("/protection/ipsec/profile", "the tunnel is not protected by an IPsec profile") }
    guard tunnel.source != nil, let destination = tunnel.destination, let profileName = tunnel.profile else {
      return nil
    }
    guard let ipsec = configuration.ipsecProfiles[profileName] else {
      dangling(
        ModelPath.tunnel(tunnel.name) + "/protection/ipsec/profile", "there is no IPsec profile '\(profileName)'")
      return nil
    }
    let path = ModelPath.ipsecProfile(ipsec.name)
    guard let ikeName = ipsec.ikev2Profile else {
      fail(at: path + "/ikev2-profile", "the IPsec profile names no IKEv2 profile")
      return nil
    }
    guard let ike = configuration.profiles[ikeName] else {
      // The reference itself is among the validation's corrections.
      reasonDown = reasonDown ?? "there is no IKEv2 profile '\(ikeName)'"
      return nil
    }
    guard ike.fvrf.fits(tunnel.fvrf) else {
      fail(
        at: ModelPath.profile(ike.name) + "/match/fvrf",
        "the profile does not match VRF '\(tunnel.fvrf ?? "default")' of tunnel '\(tunnel.name)'")
      return nil
    }
    guard let source = tunnel.sourceAddress else {
      if case .interface(let name, nil) = tunnel.source {
        reasonDown = reasonDown ?? "the source interface '\(name)' has no IPv4 address"
      }
      return nil
    }
    guard source != destination else {
      fail("/destination", "source and destination are the same address")
      return nil
    }
    return Ends(source: source, destination: destination, ipsec: ipsec, ike: ike)
  }

  private mutating func dangling(_ path: String, _ reason: String) {
    corrections.append(Correction(severity: .reference, path: path, reason: reason))
    reasonDown = reasonDown ?? reason
  }

  /// The child: everything through the tunnel, with the transform sets in order.
  private mutating func child(_ ends: Ends) -> VICIMessage? {
    let path = ModelPath.ipsecProfile(ends.ipsec.name)
    guard !ends.ipsec.transformSets.isEmpty else {
      fail(at: path + "/transform-set", "the IPsec profile names no transform set")
      return nil
    }
    var proposals: [String] = []
    for name in ends.ipsec.transformSets {
      guard let set = configuration.transformSets[name] else {
        reasonDown = reasonDown ?? "there is no transform set '\(name)'"
        return nil
      }
      guard let text = ProposalText.esp(set, pfs: ends.ipsec.pfs) else {
        reasonDown = reasonDown ?? "transform set '\(name)' has not both encryption and integrity"
        return nil
      }
      proposals.append(text)
    }
    let lifetime = ends.ipsec.lifetime ?? Self.defaultChildLifetime
    let isStatic = ends.initiates && !usesDynamicPPK(ends)
    var child = VICIMessage()
    child.add("mode", "tunnel")
    child.add("local_ts", ["0.0.0.0/0"])
    child.add("remote_ts", ["0.0.0.0/0"])
    child.add("esp_proposals", proposals)
    child.add("rekey_time", lifetime - lifetime / 10)
    child.add("life_time", lifetime)
    child.add("start_action", "none")
    // charon brings a lost tunnel back by itself, also while the agent is away; with a dynamic PPK it would take the old
    // key again, and a responder waits to be asked.
    child.add("dpd_action", isStatic ? "start" : "none")
    child.add("close_action", isStatic ? "start" : "none")
    if let id = tunnel.interfaceID {
      child.add("if_id_in", Int(id))
      child.add("if_id_out", Int(id))
    }
    return child
  }

  private func usesDynamicPPK(_ ends: Ends) -> Bool {
    let keyring = ends.ike.ppkKeyring.flatMap { configuration.keyrings[$0] }
    return keyring?.peers.contains { if case .dynamic = $0.ppk { true } else { false } } ?? false
  }

  private mutating func proposals(_ ends: Ends) -> [String] {
    let policy = PolicySelection.policy(configuration.whole.policies, address: ends.source, fvrf: tunnel.fvrf)
    var texts: [String] = []
    for name in policy?.proposals ?? [] {
      if let proposal = configuration.proposals[name] {
        texts += ProposalText.ike(proposal)
      } else {
        reasonDown = reasonDown ?? "there is no IKEv2 proposal '\(name)'"
      }
    }
    return texts.isEmpty ? ProposalText.ike(IKEv2Proposal(name: "")) : texts
  }

  // MARK: Connections

  /// One identity of the profile: a connection for each way in which the far end may authenticate.
  private mutating func addConnections(
    _ ends: Ends, _ match: PeerIdentity, _ proposals: [String], _ child: VICIMessage
  ) {
    let localAuthentication = ends.ike.localAuthentication ?? .preShared
    let remotes = ends.ike.remoteAuthentications.isEmpty ? [localAuthentication] : ends.ike.remoteAuthentications
    var remoteIdentity = match
    if localAuthentication == .preShared || remotes.contains(.preShared) {
      guard let narrowed = addPreSharedKeys(ends, match) else { return }
      remoteIdentity = narrowed
    }
    guard let ppk = addPPK(ends, match) else { return }
    for authentication in IKEv2Profile.Authentication.allCases where remotes.contains(authentication) {
      guard let local = localSection(ends, localAuthentication),
        let remote = remoteSection(ends, authentication, remoteIdentity)
      else { return }
      var settings = VICIMessage()
      settings.add("version", 2)
      settings.add("local_addrs", [ends.source.description])
      settings.add("remote_addrs", [ends.destination.description])
      settings.add("proposals", proposals)
      settings.add("mobike", false)
      settings.add("unique", "no")
      // For ever, but not with a key that is used up.
      settings.add("keyingtries", ppk.isDynamic ? 1 : 0)
      let lifetime = ends.ike.lifetime ?? Self.defaultIKELifetime
      settings.add("reauth_time", 0)
      settings.add("rekey_time", lifetime - lifetime / 10)
      settings.add("over_time", lifetime / 10)
      if let delay = configuration.whole.global.dpd { settings.add("dpd_delay", delay) }
      if localAuthentication == .rsaSignature { settings.add("send_cert", "always") }
      settings.add("local", local)
      settings.add("remote", remote)
      do throws(VICIError) {
        connections.append(
          try DesiredConnection(
            tunnel: tunnel.name, number: connections.count + 1, initiates: ends.initiates, ppk: ppk.use,
            addsReverseRoute: ends.ipsec.addsReverseRoute, settings: settings, child: child))
      } catch { fail("", "the tunnel cannot be told to charon: \(error)") }
    }
  }

  private mutating func localSection(_ ends: Ends, _ authentication: IKEv2Profile.Authentication) -> VICIMessage? {
    var section = VICIMessage()
    section.add("auth", authentication == .preShared ? "psk" : "pubkey")
    section.add("id", localIdentity(ends))
    guard authentication == .rsaSignature else { return section }
    for trustpoint in trustpoints(ends) {
      guard let certificate = trustpoint.certificate, let key = trustpoint.key, let id = trustpoint.keyIdentifier else {
        continue
      }
      // charon signs with the first one and builds the chain that it sends from the others.
      section.elements.append(.list(name: "certs", [certificate] + trustpoint.intermediates))
      if !keys.contains(where: { $0.identifier == id }) { keys.append(DesiredKey(identifier: id, key: key)) }
      return section
    }
    fail(
      at: ModelPath.profile(ends.ike.name) + "/pki/trustpoints",
      "rsa-signature needs a trustpoint with a certificate and its private key")
    return nil
  }

  private func localIdentity(_ ends: Ends) -> String {
    switch ends.ike.localIdentity {
    case .address(let address): address.description
    case .fqdn(let name): "fqdn:\(name)"
    case nil: ends.source.description
    }
  }

  private mutating func remoteSection(
    _ ends: Ends, _ authentication: IKEv2Profile.Authentication, _ identity: PeerIdentity
  ) -> VICIMessage? {
    var section = VICIMessage()
    section.add("auth", authentication == .preShared ? "psk" : "rsa")
    section.add("id", identity.pattern)
    guard authentication == .rsaSignature else { return section }
    let authorities = trustpoints(ends).flatMap(\.authorities)
    guard !authorities.isEmpty else {
      fail(
        at: ModelPath.profile(ends.ike.name) + "/pki/trustpoints",
        "rsa-signature of the far end needs a trustpoint with the certificate of an authority")
      return nil
    }
    section.elements.append(.list(name: "cacerts", authorities))
    return section
  }

  private func trustpoints(_ ends: Ends) -> [Trustpoint] {
    ends.ike.trustpoints.compactMap { configuration.trustpoints[$0] }
  }

  // MARK: Keys

  /// The preshared keys for one identity of the profile.
  ///
  /// A key is owned by identities of far ends only: charon accepts from a peer any key that belongs to either side of the
  /// session, so a key owned by our own identity would be good for every peer.
  ///
  /// - Returns: the identity to expect, which is the keyring peer's own where the profile takes any.
  private mutating func addPreSharedKeys(_ ends: Ends, _ match: PeerIdentity) -> PeerIdentity? {
    guard let keyring = keyring(ends.ike.keyring, ends, "keyring", "the preshared key") else { return nil }
    let lookup = KeyringLookup(keyring: keyring)
    let hasKey: (Keyring.Peer) -> Bool = { $0.preSharedKey != nil }
    let peer = lookup.peer(
      destination: ends.destination, identity: match, onlyResponds: !ends.initiates, where: hasKey)
    let within = lookup.peers(within: match, where: hasKey)
    guard peer != nil || !within.isEmpty else {
      fail(
        at: ModelPath.profile(ends.ike.name) + "/keyring",
        "keyring '\(keyring.name)' has no preshared key for \(ends.destination), the destination of '\(tunnel.name)', "
          + "nor for the identity '\(match)'")
      return nil
    }
    var identity = match
    if let peer {
      if match == .any, let own = peer.identity { identity = own }
      if ends.initiates { identity = narrowed(identity, peer, ends) }
      if identity == .any {
        corrections.append(
          Correction(
            severity: .warning, path: ModelPath.peer(keyring.name, peer.name),
            reason: "the profile '\(ends.ike.name)' takes any identity and the peer has none: "
              + "its preshared key is accepted from every peer of this device"))
      }
      add(keyring, peer, owner: identity)
      // Of several identities, the first is the one that negotiations begin with.
      if ends.initiates, connections.isEmpty, !identity.isExact { addOwnKey(keyring, peer, ends) }
    }
    for other in within where other.name != peer?.name {
      if let own = other.identity { add(keyring, other, owner: own) }
    }
    return identity
  }

  /// Whom a tunnel that initiates expects. charon looks for its key before the far end has said who it is: then the
  /// name must be known. It is the keyring peer's own, or, where the profile takes a range of addresses, the destination.
  private func narrowed(_ identity: PeerIdentity, _ peer: Keyring.Peer, _ ends: Ends) -> PeerIdentity {
    guard !identity.isExact else { return identity }
    if let own = peer.identity, own.isExact, identity.covers(own) { return own }
    let destination = PeerIdentity.address(IPv4Range(ends.destination, mask: IPv4Address(bits: .max)))
    if case .address = identity, identity.covers(destination) { return destination }
    return identity
  }

  /// The key that a tunnel signs with which initiates towards a name that it does not know: owned by its own identity,
  /// for want of another, and so good for whoever meets it under that identity.
  private mutating func addOwnKey(_ keyring: Keyring, _ peer: Keyring.Peer, _ ends: Ends) {
    let key: Sealed? =
      switch peer.preSharedKey {
      case .both(let key), .separate(let key, _): key
      case nil: nil
      }
    guard let key else { return }
    let own = localIdentity(ends)
    secrets.append(
      DesiredSecret(
        kind: .ike, label: "\(keyring.name)/\(peer.name)/own", group: "own \(own)", owners: [own], content: .sealed(key)
      ))
    corrections.append(
      Correction(
        severity: .warning, path: ModelPath.peer(keyring.name, peer.name),
        reason: "the tunnel '\(tunnel.name)' begins without knowing the far end's name: its preshared key is accepted "
          + "from every peer that reaches this device as \(own); give the peer its fqdn as identity"))
  }

  private mutating func add(_ keyring: Keyring, _ peer: Keyring.Peer, owner: PeerIdentity) {
    let label = "\(keyring.name)/\(peer.name)"
    let owners = [owner.pattern]
    switch peer.preSharedKey {
    case .both(let key):
      secrets.append(DesiredSecret(kind: .ike, label: label, owners: owners, content: .sealed(key)))
    case .separate(let local, let remote?):
      // Both verify the far end's signature; the one loaded last makes ours.
      let group = "\(label) \(owner.pattern)"
      secrets.append(
        DesiredSecret(kind: .ike, label: label + "/remote", group: group, owners: owners, content: .sealed(remote)))
      secrets.append(
        DesiredSecret(kind: .ike, label: label + "/local", group: group, owners: owners, content: .sealed(local)))
    case .separate, nil: break
    }
  }

  private struct PPKUse {
    let use: DesiredConnection.PPK?
    var isDynamic: Bool { if case .dynamic = use { true } else { false } }
  }

  /// How a PPK is used with one identity of the profile; nil after a failure.
  private mutating func addPPK(_ ends: Ends, _ match: PeerIdentity) -> PPKUse? {
    guard ends.ike.ppkKeyring != nil else { return PPKUse(use: nil) }
    guard let keyring = keyring(ends.ike.ppkKeyring, ends, "keyring-ppk", "the PPK") else { return nil }
    let peer = KeyringLookup(keyring: keyring).peer(
      destination: ends.destination, identity: match, onlyResponds: !ends.initiates, where: { $0.ppk != nil })
    guard let peer, let ppk = peer.ppk else {
      fail(
        at: ModelPath.profile(ends.ike.name) + "/keyring-ppk",
        "keyring '\(keyring.name)' has no PPK for \(ends.destination), the destination of '\(tunnel.name)', "
          + "nor for the identity '\(match)'")
      return nil
    }
    switch ppk {
    case .manual(let id, let key?, let isRequired):
      secrets.append(
        DesiredSecret(
          kind: .ppk, label: "\(keyring.name)/\(peer.name)", owners: PPKIdentifier.owners(id), content: .sealed(key)))
      return PPKUse(use: .manual(id: id, isRequired: isRequired))
    case .dynamic(let profile?, let isRequired, let remoteSystem, let lifetime):
      guard configuration.whole.sksProfiles.contains(profile) else {
        reasonDown = reasonDown ?? "there is no SKS profile '\(profile)'"
        return nil
      }
      // A responder offers PPKs only when charon has one, before any ID is known.
      secrets.append(
        DesiredSecret(kind: .ppk, label: "placeholder", owners: ["keyid:agentd placeholder"], content: .random))
      return PPKUse(
        use: .dynamic(sksProfile: profile, isRequired: isRequired, remoteSystem: remoteSystem, lifetime: lifetime))
    case .manual, .dynamic:
      reasonDown = reasonDown ?? "the PPK of keyring peer '\(peer.name)' is incomplete"
      return nil
    }
  }

  private mutating func keyring(_ name: String?, _ ends: Ends, _ leaf: String, _ what: String) -> Keyring? {
    guard let name else {
      fail(at: "\(ModelPath.profile(ends.ike.name))/\(leaf)", "the profile names no keyring for \(what)")
      return nil
    }
    guard let keyring = configuration.keyrings[name] else {
      reasonDown = reasonDown ?? "there is no keyring '\(name)'"
      return nil
    }
    return keyring
  }
}
