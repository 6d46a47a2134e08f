// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models

// Policies, proposals and profiles are operational data too: the configuration as it counts, with what is taken where
// the configuration says nothing.

typealias PolicyModel = IKEv2Node.Policies.Policy
typealias ProposalModel = IKEv2Node.Proposals.Proposal
typealias ProfileModel = IKEv2Node.Profiles.Profile

/// The name of what is used where nothing else fits; a configured one of that name hides it.
private let defaultName = "default"

extension ConfiguredFacts {
  var policyModels: [PolicyModel] {
    let models = configuration.policies.map(PolicyModel.init)
    guard !configuration.policies.contains(where: { $0.name == defaultName }) else { return models }
    return [
      PolicyModel(
        name: defaultName, policyName: defaultName, totalLocalAddr: 0, totalProposal: 1, totalFvrf: 0,
        proposal: [defaultName])
    ] + models
  }

  var proposalModels: [ProposalModel] {
    let models = configuration.proposals.map(ProposalModel.init)
    guard !configuration.proposals.contains(where: { $0.name == defaultName }) else { return models }
    return [ProposalModel(IKEv2Proposal(name: defaultName))] + models
  }

  var profileModels: [ProfileModel] { configuration.profiles.map { ProfileModel($0, configuration.global) } }
}

extension PolicyModel {
  init(_ policy: IKEv2Policy) {
    let addresses = policy.localAddresses.sorted().map(\.description)
    let fvrfs = policy.fvrf.texts
    self.init(
      name: policy.name, policyName: policy.name, totalLocalAddr: UInt32(clamping: addresses.count),
      totalProposal: UInt32(clamping: policy.proposals.count), totalFvrf: UInt32(clamping: fvrfs.count),
      addr: addresses, proposal: policy.proposals, fvrf: fvrfs)
  }
}

extension ProposalModel {
  /// With the algorithms that are offered where a list is empty.
  init(_ proposal: IKEv2Proposal) {
    let encryptions = proposal.encryptions.isEmpty ? ProposalText.defaultEncryptions : proposal.encryptions
    let hashes = proposal.integrities.isEmpty ? ProposalText.defaultHashes : proposal.integrities
    let prfs = proposal.prfs.isEmpty ? hashes : proposal.prfs
    let groups = proposal.groups.isEmpty ? ProposalText.defaultGroups : proposal.groups
    self.init(
      name: proposal.name, proposalName: proposal.name, totalEncAlg: UInt32(clamping: encryptions.count),
      totalHashAlg: UInt32(clamping: hashes.count), totalPRFAlg: UInt32(clamping: prfs.count),
      totalGroupAlg: UInt32(clamping: groups.count), status: "Complete", encryptionAlg: encryptions.map(\.text),
      hashAlg: hashes.map(\.text), prfAlg: prfs.map(\.text), groupAlg: groups.map { "Group \($0.rawValue)" })
  }
}

extension ProfileModel {
  init(_ profile: IKEv2Profile, _ global: IKEv2Global) {
    let local = profile.localAuthentication ?? .preShared
    let remotes = profile.remoteAuthentications.isEmpty ? [local] : profile.remoteAuthentications
    self.init(
      name: profile.name, localID: LocalID(profile.localIdentity), profileName: profile.name,
      keyringName: profile.keyring,
      fvrfName: profile.fvrf.texts.isEmpty ? nil : profile.fvrf.texts.joined(separator: ","),
      matchAny: profile.matches.contains(.any),
      lifetimeInSec: UInt32(clamping: profile.lifetime ?? TunnelMapper.defaultIKELifetime),
      dpdIntervalInSec: global.dpd.map { UInt32(clamping: $0) },
      dpdRetryInSec: global.dpd == nil ? nil : global.dpdRetryInterval.map { UInt32(clamping: $0) },
      localAuth: local.model, keyringPPK: profile.ppkKeyring, trustpoint: profile.trustpoints,
      remoteAuth: IKEv2Profile.Authentication.allCases.filter { remotes.contains($0) }.map(\.model),
      remoteID: profile.matches.compactMap { RemoteID($0) })
  }
}

extension ProfileModel.LocalID {
  fileprivate init(_ identity: IKEv2Profile.LocalIdentity?) {
    switch identity {
    case .address(let address):
      self.init(
        ipv4: IPv4(address: address.description, mask: "255.255.255.255"), identificationType: .idIPv4Addr)
    case .fqdn(let name): self.init(fqdn: FQDN(id: name, domain: false), identificationType: .idFQDN)
    case nil: self.init(identificationType: .idNone)
    }
  }
}

extension ProfileModel.RemoteID {
  /// Nil for any identity, which has a leaf of its own.
  fileprivate init?(_ identity: PeerIdentity) {
    switch identity {
    case .address(let range):
      self.init(
        ipv4: IPv4(address: range.address.description, mask: range.mask.description), identificationType: .idIPv4Addr)
    case .fqdn(let name): self.init(fqdn: FQDN(id: name, domain: false), identificationType: .idFQDN)
    case .domain(let name): self.init(fqdn: FQDN(id: name, domain: true), identificationType: .idFQDN)
    case .any: return nil
    }
  }
}

extension FrontDoorVRF {
  fileprivate var texts: [String] {
    switch self {
    case .unspecified: []
    case .any: ["any"]
    case .named(let names): names.sorted()
    }
  }
}

extension IKEv2Profile.Authentication {
  fileprivate var model: IKEv2Oper.IKEv2AuthenticationMethod {
    switch self {
    case .preShared: .ikev2EdmAuthPreShared
    case .rsaSignature: .ikev2EdmAuthRSASig
    }
  }
}

extension IKEv2Proposal.Encryption {
  fileprivate var text: String {
    switch self {
    case .aesGCM128: "AES-GCM-128"
    case .aesGCM256: "AES-GCM-256"
    case .aesCBC128: "AES-CBC-128"
    case .aesCBC192: "AES-CBC-192"
    case .aesCBC256: "AES-CBC-256"
    }
  }
}

extension IKEv2Proposal.Hash {
  fileprivate var text: String {
    switch self {
    case .sha1: "SHA1"
    case .sha256: "SHA256"
    case .sha384: "SHA384"
    case .sha512: "SHA512"
    }
  }
}
