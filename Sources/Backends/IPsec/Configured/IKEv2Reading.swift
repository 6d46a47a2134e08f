// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models

// From the generated types of Cisco-IOS-XR-um-ikev2-cfg. Values that the models' types let through and that stand for
// nothing here (an address that is none) are left out; what lacks them is refused by the mapping.

typealias ConfiguredProposal = IKEv2.Proposal.IKEv2ProposalNames.IKEv2ProposalName
typealias ConfiguredPolicy = IKEv2.Policy.IKEv2PolicyNames.IKEv2PolicyName
typealias ConfiguredProfile = IKEv2.Profile.IKEv2ProfileNames.IKEv2ProfileName
typealias ConfiguredKeyring = IKEv2.Keyrings.Keyring

extension IKEv2Proposal {
  init(_ model: ConfiguredProposal) {
    self.init(name: model.ikev2ProposalName)
    // The models' lists have no order of their own: the strongest is offered first.
    encryptions = Encryption.strongestFirst.filter { model.encryptions.encryption.contains($0.rawValue) }
    integrities = Hash.strongestFirst.filter { model.integrities.integrity.contains($0.rawValue) }
    prfs = Hash.strongestFirst.filter { model.prfs.prf.contains($0.rawValue) }
    groups = Group.strongestFirst.filter { model.dhGroups.dhGroup.contains(String($0.rawValue)) }
  }
}

extension IKEv2Policy {
  init(_ model: ConfiguredPolicy) {
    self.init(name: model.ikev2PolicyName)
    proposals = model.proposal.ikev2ProposalNames.ikev2ProposalName.map(\.ikev2ProposalName)
    localAddresses = Set(model.match.address.locals.local.compactMap { IPv4Address($0.address) })
    if model.match.fvrf.any != nil {
      fvrf = .any
    } else if !model.match.fvrf.vrfs.vrf.isEmpty {
      fvrf = .named(Set(model.match.fvrf.vrfs.vrf.map(\.vrfName)))
    }
  }
}

extension IKEv2Profile {
  init(_ model: ConfiguredProfile) {
    self.init(name: model.ikev2ProfileName)
    let remote = model.match.identity.remote
    matches =
      remote.addresses.address.compactMap { IPv4Range($0.remoteAddress, $0.mask).map { .address($0) } }
      + remote.fqdn.fqdns.map { .fqdn($0.fqdnName) }
      + remote.fqdnDomain.fqdnDomains.map { .domain($0.fqdnDomainName) }
      + (remote.any == nil ? [] : [.any])
    if model.match.fvrf.any != nil {
      fvrf = .any
    } else if let name = model.match.fvrf.vrfName {
      fvrf = .named([name])
    }
    if let address = model.identity.local.address.flatMap({ IPv4Address($0) }) {
      localIdentity = .address(address)
    } else if let name = model.identity.local.fqdn {
      localIdentity = .fqdn(name)
    }
    lifetime = model.lifetime.map { Int($0) }
    keyring = model.keyring
    ppkKeyring = model.keyringPPK
    trustpoints = model.pki.trustpoints.trustpoint.map(\.trustpointName)
    if model.authentication.local.preShared != nil { localAuthentication = .preShared }
    if model.authentication.local.rsaSignature != nil { localAuthentication = .rsaSignature }
    if model.authentication.remote.preShared != nil { remoteAuthentications.insert(.preShared) }
    if model.authentication.remote.rsaSignature != nil { remoteAuthentications.insert(.rsaSignature) }
  }
}

extension IKEv2Global {
  init(_ model: IKEv2.Global) {
    self.init()
    dpd = model.dpd.map { Int($0) }
    dpdRetryInterval = model.dpdRetryInterval.map { Int($0) }
    retransmission = model.retransmission.map { Int($0) }
  }
}

extension Keyring {
  init(_ model: ConfiguredKeyring) {
    self.init(name: model.ikev2KeyringName)
    peers = model.peers.peer.map { Peer($0) }
  }
}

extension Keyring.Peer {
  init(_ model: ConfiguredKeyring.Peers.Peer) {
    self.init(name: model.peerName)
    if let address = model.address, let mask = model.mask { range = IPv4Range(address, mask) }
    preSharedKey = Keyring.PreSharedKey(model.preSharedKey)
    ppk = Keyring.PPK(model.ppk)
    if let address = model.identity.address.flatMap({ IPv4Address($0) }) {
      identity = .address(IPv4Range(address, mask: IPv4Address(bits: .max)))
    } else if let name = model.identity.fqdn {
      identity = .fqdn(name)
    } else if let name = model.identity.fqdnDomain {
      identity = .domain(name)
    }
  }
}

extension Keyring.PreSharedKey {
  /// Nil when there is none.
  init?(_ model: ConfiguredKeyring.Peers.Peer.PreSharedKey) {
    if let both = model.password ?? model.password6 {
      self = .both(both)
    } else if let local = model.local ?? model.local6 {
      self = .separate(local: local, remote: model.remote ?? model.remote6)
    } else {
      return nil
    }
  }
}

extension Keyring.PPK {
  /// Nil when there is none.
  init?(_ model: ConfiguredKeyring.Peers.Peer.PPK) {
    if let id = model.manual.id {
      self = .manual(
        id: id, key: model.manual.key?.password ?? model.manual.key?.password6,
        isRequired: model.manual.required != nil)
    } else if model.dynamic.sksProfile != nil || model.dynamic.required != nil
      || !model.dynamic.keyLifetime.saysNothing
    {
      self = .dynamic(
        sksProfile: model.dynamic.sksProfile, isRequired: model.dynamic.required != nil,
        remoteSystem: model.dynamic.remoteSystemID, lifetime: PPKLifetime(model.dynamic.keyLifetime))
    } else {
      return nil
    }
  }
}

private typealias KeyLifetimeModel = ConfiguredKeyring.Peers.Peer.PPK.Dynamic.KeyLifetime

extension KeyLifetimeModel {
  /// Nothing of it is configured.
  fileprivate var saysNothing: Bool { self == Self() }
}

extension PPKLifetime {
  fileprivate init(_ model: KeyLifetimeModel) {
    let interval = model.refreshIntervalOrDefault
    self.init(
      refreshInterval: interval == 0 ? nil : .seconds(Int64(interval)),
      maximumAge: model.maximumAge.map { .seconds(Int64($0)) })
    alarmThreshold = Int(model.alarmThresholdOrDefault)
    bufferSize = Int(model.buffer.sizeOrDefault)
    bufferMaximumAge = .seconds(Int64(model.buffer.maximumAgeOrDefault))
    bufferAlarmBelow = Int(model.buffer.alarmBelowOrDefault)
  }
}
