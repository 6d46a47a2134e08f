// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import MKA
import Models
import Netlink
import Secrets
import YANG

/// What stands against a change of the configuration: all of it, each with its place.
struct ConfigurationCheck {
  let view: ConfigurationView
  let sealer: Sealer
  /// What a data plane can do, by choice; nil where there is none at all.
  let capability: (DataPlaneChoice) -> SecYCapability?
  /// The bond that an interface's link belongs to, or its controlled port.
  let bond: (_ interface: String) -> Link?

  /// - Parameter bindings: of all interfaces with MACsec, as they will be.
  func refusals(_ changes: ChangeSet, bindings: [String: PortBinding]) -> [Refusal] {
    var refusals = interfaceRefusals(changes) + deviceRefusals(changes)
    var changedPolicies: Set<String> = []
    for change in changes.changes[PolicyModel.schemaPath] ?? [] {
      changedPolicies.insert(change.path.lastKey)
      guard let model = change.new?.interior.flatMap({ try? PolicyModel($0) }) else { continue }
      let (policy, errors) = PolicyMapping.map(model)
      refusals += errors.map { Refusal(path: view.place($0.element, below: change.path), reason: $0.reason) }
      if let source = policy.keySource, !allowsDangling(changes.newRoot),
        !view.hasProfile(source.profile, in: changes.newRoot)
      {
        refusals.append(
          Refusal(
            path: view.place("ppk/sks-profile", below: change.path), reason: "there is no SKS profile \(source.profile)"
          ))
      }
    }
    var changedChains: Set<String> = []
    for change in changes.changes[KeyChainModel.schemaPath] ?? [] {
      changedChains.insert(change.path.lastKey)
      guard let model = change.new?.interior.flatMap({ try? KeyChainModel($0) }) else { continue }
      refusals += KeyChainMapping(sealer: sealer).map(model).errors.map {
        Refusal(path: view.place($0.element, below: change.path), reason: $0.reason)
      }
    }
    let changedPorts = Set(changes.bindings.map(\.name))
    let isDeviceChanged = changes.changes[DeviceModel.schemaPath] != nil
    var policies = PolicyCache(view: view, root: changes.newRoot)
    for (name, binding) in bindings.sorted(by: { $0.key < $1.key }) {
      let isTouched =
        changedPorts.contains(name) || changedChains.contains(binding.primary) || isDeviceChanged
        || binding.fallback.map(changedChains.contains) ?? false
        || binding.policy.map(changedPolicies.contains) ?? false
      if isTouched { refusals += portRefusals(name, binding, root: changes.newRoot, policies: &policies) }
    }
    refusals += profileRefusals(changes, bindings: bindings)
    return refusals
  }

  func allowsDangling(_ root: InteriorNode) -> Bool {
    (try? AgentdSystem.AgentSettings.read(from: root))?.referenceCheckOrDefault == .warn
  }

  // MARK: Ports

  private func portRefusals(
    _ name: String, _ binding: PortBinding, root: InteriorNode, policies: inout PolicyCache
  ) -> [Refusal] {
    var refusals: [Refusal] = []
    let path = view.path(ofInterface: name)
    func refuse(_ element: String, _ reason: String) {
      refusals.append(Refusal(path: view.place(element, below: path), reason: reason))
    }
    let allowsDangling = allowsDangling(root)
    let primary = view.chain(binding.primary, in: root)
    if primary == nil, !allowsDangling { refuse("keychain-name", "there is no key chain \(binding.primary)") }
    if let primary, primary.macsec == nil {
      refuse("keychain-name", "the key chain \(binding.primary) is not for MACsec")
    }
    if let fallback = binding.fallback {
      let chain = view.chain(fallback, in: root)
      if chain == nil, !allowsDangling { refuse("fallback-psk-keychain", "there is no key chain \(fallback)") }
      if let chain { fallbackErrors(chain, primary: primary).forEach { refuse("fallback-psk-keychain", $0) } }
    }
    let policy = binding.policy.flatMap { policies[$0] }
    if let name = binding.policy, policy == nil, !allowsDangling {
      refuse("policy", "there is no MACsec policy \(name)")
    }
    if policy?.cak != nil, binding.fallback != nil {
      refuse(
        "fallback-psk-keychain",
        "in mode cak keys of the key service come first, and what is fallen back to is the key chain \(binding.primary)"
      )
    }
    let device = (try? DeviceModel.read(from: root)) ?? DeviceModel()
    let choice = DataPlaneChoice(device.dataPlaneOrDefault)
    if let reason = dataPlaneError(policy ?? PortPolicy(), choice) {
      refuse(binding.policy == nil ? "" : "policy", reason)
    } else if choice == .kernel,
      let reason = BondMembership.kernelRefusal(bond(name), policy?.exceptions ?? ClearExceptions())
    {
      refuse(binding.policy == nil ? "" : "policy", reason)
    }
    return refusals
  }

  private func fallbackErrors(_ fallback: KeyChainModel, primary: KeyChainModel?) -> [String] {
    let name = fallback.keyChainName
    if name == primary?.keyChainName { return ["the fallback key chain has to be another one than the primary"] }
    guard let keys = fallback.macsec?.keys.key else { return ["the key chain \(name) is not for MACsec"] }
    if keys.isEmpty { return ["the fallback key chain \(name) has no key"] }
    var errors: [String] = []
    if keys.contains(where: { $0.lifetime.infinite == nil }) {
      errors.append("the keys of a fallback key chain need an infinite lifetime, those of \(name) have not")
    }
    let others = Set((primary?.macsec?.keys.key ?? []).map { $0.ckn.lowercased() })
    if let key = keys.first(where: { others.contains($0.ckn.lowercased()) }) {
      errors.append("the primary and the fallback key chain both have the key name \(key.ckn)")
    }
    return errors
  }

  private func dataPlaneError(_ policy: PortPolicy, _ choice: DataPlaneChoice) -> String? {
    guard let capability = capability(choice) else {
      return "this system has no data plane for MACsec: neither the kernel's nor secyd"
    }
    guard capability.cipherSuites.contains(policy.mka.cipherSuite) else {
      return "the data plane cannot do the cipher suite \(policy.mka.cipherSuite) of policy \(policy.name)"
    }
    guard capability.confidentialityOffsets.contains(policy.mka.confidentialityOffset) else {
      return "the data plane cannot do the confidentiality offset of policy \(policy.name)"
    }
    guard policy.exceptions.vlanTags <= capability.maximumVLANTagsInClear else {
      return "the data plane cannot leave the VLAN tags in clear that policy \(policy.name) asks for"
    }
    return nil
  }

  // MARK: Elsewhere

  /// A profile of the key service that goes while a policy in use needs it.
  private func profileRefusals(_ changes: ChangeSet, bindings: [String: PortBinding]) -> [Refusal] {
    let gone = (changes.changes[SKSServer.Profiles.Profile.schemaPath] ?? []).filter { $0.new == nil }
    guard !gone.isEmpty, !allowsDangling(changes.newRoot) else { return [] }
    let changed = Set((changes.changes[PolicyModel.schemaPath] ?? []).map(\.path.lastKey))
    let policies = view.policies(in: changes.newRoot).filter { !changed.contains($0.policyName) }
    return gone.flatMap { profile in
      policies.filter { $0.ppk?.sksProfile == profile.path.lastKey }.map {
        Refusal(path: profile.path, reason: "the MACsec policy \($0.policyName) uses this profile")
      }
    }
  }

  private func interfaceRefusals(_ changes: ChangeSet) -> [Refusal] {
    var refusals: [Refusal] = []
    for change in changes.changes[InterfaceModel.Eap.schemaPath] ?? [] where change.new != nil {
      refusals.append(
        Refusal(path: change.path, reason: "keys from an EAP authentication are not carried out: use a key chain"))
    }
    for change in changes.changes[InterfaceModel.MACsecService.schemaPath] ?? [] {
      guard let model = change.new?.interior.flatMap({ try? InterfaceModel.MACsecService($0) }), model != .init() else {
        continue
      }
      refusals.append(
        Refusal(path: change.path, reason: "MACsec as a service needs a pair of router ports, which Linux has not"))
    }
    for change in changes.changes[InterfaceMACsecModel.schemaPath] ?? [] {
      guard let model = change.new?.interior.flatMap({ try? InterfaceMACsecModel($0) }), PortBinding(model) == nil,
        model != .init()
      else { continue }
      refusals.append(
        Refusal(
          path: view.place("psk-keychain", below: change.path),
          reason: "a policy or fallback key chain does nothing without a keychain-name"))
    }
    return refusals
  }

  private func deviceRefusals(_ changes: ChangeSet) -> [Refusal] {
    (changes.changes[DeviceModel.schemaPath] ?? []).compactMap { change in
      guard let model = change.new?.interior.flatMap({ try? DeviceModel($0) }), model.fips != nil else { return nil }
      return Refusal(
        path: view.place("fips", below: change.path),
        reason: "the cryptographic library is no module validated by FIPS 140: the agent cannot vouch for it")
    }
  }
}

/// Policies as they are mapped, each once.
struct PolicyCache {
  let view: ConfigurationView
  let root: InteriorNode
  private var known: [String: PortPolicy?] = [:]

  init(view: ConfigurationView, root: InteriorNode) {
    self.view = view
    self.root = root
  }

  subscript(name: String) -> PortPolicy? {
    mutating get {
      if let policy = known[name] { return policy }
      let policy = view.policy(name, in: root).map { PolicyMapping.map($0).policy }
      known[name] = .some(policy)
      return policy
    }
  }
}

extension DataPlaneChoice {
  init(_ model: DeviceModel.DataPlane) {
    switch model {
    case .automatic: self = .automatic
    case .kernel: self = .kernel
    case .userspace: self = .userspace
    }
  }
}

extension Value {
  var text: String? { if case .string(let text) = self { text } else { nil } }
}

extension InstancePath {
  /// The key of the entry that the path ends at.
  var lastKey: String { steps.last?.keys.first?.text ?? "" }
  /// The key of the innermost list entry on the way.
  var interfaceName: String { steps.last { !$0.keys.isEmpty }?.keys.first?.text ?? "" }
}
