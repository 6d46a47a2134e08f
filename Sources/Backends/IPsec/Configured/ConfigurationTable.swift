// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import YANG

/// The committed configuration, entry by entry in this module's values: a commit decodes what it changed and no more.
struct ConfigurationTable: Sendable {
  /// A tunnel as configured; its source interface has no address yet.
  struct Tunnel: Sendable, Equatable {
    var model: TunnelModel
    var isShutdown: Bool
  }

  private var proposals: [String: IKEv2Proposal] = [:]
  private var policies: [String: IKEv2Policy] = [:]
  private var profiles: [String: IKEv2Profile] = [:]
  private var keyrings: [String: Keyring] = [:]
  private var transformSets: [String: TransformSet] = [:]
  private var ipsecProfiles: [String: IPsecProfile] = [:]
  private var trustpoints: [String: Trustpoint] = [:]
  private var sksProfiles: Set<String> = []
  private(set) var tunnels: [String: Tunnel] = [:]
  private var isFIPSMode = false
  private var global = IKEv2Global()
  private(set) var referenceCheck = IPsecMapping.ReferenceCheck.refuse

  // MARK: Paths

  private static let ikev2 = IKEv2.schemaPath
  private static let fipsMode = ikev2 + "/fips-mode"
  private static let globalPath = ikev2 + "/global"
  private static let referenceCheckPath = ikev2 + "/agentd-ipsec:reference-check"
  private static let sksProfile = "/Cisco-IOS-XR-um-sks-server-cfg:sks-server/profiles/profile"
  private static let interface = "/Cisco-IOS-XR-um-interface-cfg:interfaces/interface"
  /// The leafs of a tunnel that are carried out; what else there is, somebody has to refuse.
  private static let tunnelPaths =
    [
      "/source/interface-name", "/source/ipv4-address", "/destination/ipv4-address", "/mode/ipsec/ipv4",
      "/protection/ipsec/profile",
    ].map { TunnelModel.schemaPath + $0 } + [interface + "/shutdown"]

  /// What the backend subscribes to.
  static let subscriptions =
    [
      ConfiguredProposal.schemaPath, ConfiguredPolicy.schemaPath, ConfiguredProfile.schemaPath,
      ConfiguredKeyring.schemaPath,
      TransformSetModel.schemaPath, IPsecProfileModel.schemaPath, TrustpointModel.schemaPath, sksProfile, fipsMode,
      globalPath, referenceCheckPath,
    ] + tunnelPaths

  // MARK: Changes

  /// Takes what a commit changes.
  ///
  /// - Throws: when the agent runs with other modules than it was built with.
  mutating func take(_ changes: ChangeSet) throws(DatastoreError) {
    try Self.take(changes, ConfiguredProposal.self, into: &proposals) { IKEv2Proposal($0) }
    try Self.take(changes, ConfiguredPolicy.self, into: &policies) { IKEv2Policy($0) }
    try Self.take(changes, ConfiguredProfile.self, into: &profiles) { IKEv2Profile($0) }
    try Self.take(changes, ConfiguredKeyring.self, into: &keyrings) { Keyring($0) }
    try Self.take(changes, TransformSetModel.self, into: &transformSets) { TransformSet($0) }
    try Self.take(changes, IPsecProfileModel.self, into: &ipsecProfiles) { IPsecProfile($0) }
    try Self.take(changes, TrustpointModel.self, into: &trustpoints) { Trustpoint($0) }
    for change in changes.changes[Self.sksProfile] ?? [] {
      guard let name = change.path.lastKey else { continue }
      if change.new == nil { sksProfiles.remove(name) } else { sksProfiles.insert(name) }
    }
    if let change = changes.changes[Self.fipsMode]?.last { isFIPSMode = change.new != nil }
    if let change = changes.changes[Self.globalPath]?.last {
      let model = try change.new?.interior.map { (node) throws(DatastoreError) in try IKEv2.Global(node) }
      global = model.map { IKEv2Global($0) } ?? IKEv2Global()
    }
    if let change = changes.changes[Self.referenceCheckPath]?.last {
      let value = change.new?.leafValue.flatMap { IKEv2.ReferenceCheck(yang: $0) } ?? .refuse
      referenceCheck = value == .warn ? .warn : .refuse
    }
    try takeTunnels(changes)
  }

  private static func take<Model: ListEntry, Entry>(
    _ changes: ChangeSet, _ type: Model.Type, into entries: inout [String: Entry], _ make: (Model) -> Entry
  ) throws(DatastoreError) {
    for change in changes.changes[Model.schemaPath] ?? [] {
      guard let name = change.path.lastKey else { continue }
      entries[name] = try change.new?.interior.map { (node) throws(DatastoreError) in make(try Model(node)) }
    }
  }

  private mutating func takeTunnels(_ changes: ChangeSet) throws(DatastoreError) {
    var touched: [String: InstancePath] = [:]
    for path in Self.tunnelPaths {
      for change in changes.changes[path] ?? [] {
        guard let place = change.path.steps.firstIndex(where: { $0.schema.path == Self.interface }),
          let name = change.path.steps[place].keys.first?.text
        else { continue }
        touched[name] = InstancePath(Array(change.path.steps[...place]))
      }
    }
    for (name, path) in touched {
      let entry = changes.newRoot.node(at: path)?.interior
      guard let entry, let tunnel = entry.container("tunnel") else {
        tunnels[name] = nil
        continue
      }
      tunnels[name] = Tunnel(model: try TunnelModel(tunnel), isShutdown: entry.container("shutdown") != nil)
    }
  }

  // MARK: The whole

  /// The interfaces that tunnels take their source address of.
  var sourceInterfaces: Set<String> { Set(tunnels.values.compactMap(\.model.source.interfaceName)) }

  /// Peers of keyrings with a dynamic PPK, as `keyring/peer`, and the profile of each.
  var keyClients: [String: String] {
    var clients: [String: String] = [:]
    for keyring in keyrings.values {
      for peer in keyring.peers {
        if case .dynamic(let profile?, _, _, _) = peer.ppk { clients["\(keyring.name)/\(peer.name)"] = profile }
      }
    }
    return clients
  }

  /// Everything in the order of names, in which tunnels and peers are looked for.
  ///
  /// - Parameter address: the IPv4 address that an interface has now.
  func configuration(address: (String) -> IPv4Address?) -> IPsecConfiguration {
    func sorted<Entry>(_ entries: [String: Entry]) -> [Entry] {
      entries.sorted { $0.key < $1.key }.map(\.value)
    }
    var whole = IPsecConfiguration()
    whole.proposals = sorted(proposals)
    whole.policies = sorted(policies)
    whole.profiles = sorted(profiles)
    whole.keyrings = sorted(keyrings)
    whole.transformSets = sorted(transformSets)
    whole.ipsecProfiles = sorted(ipsecProfiles)
    whole.trustpoints = sorted(trustpoints)
    whole.sksProfiles = sksProfiles
    whole.isFIPSMode = isFIPSMode
    whole.global = global
    whole.tunnels = tunnels.sorted { Self.isBefore($0.key, $1.key) }.map { name, tunnel in
      TunnelInterface(name: name, tunnel.model, isShutdown: tunnel.isShutdown, address: address)
    }
    return whole
  }

  /// tunnel-ip2 before tunnel-ip10.
  private static func isBefore(_ left: String, _ right: String) -> Bool {
    let (a, b) = (TunnelInterface.interfaceID(left), TunnelInterface.interfaceID(right))
    if let a, let b, a != b { return a < b }
    return left < right
  }
}

extension Value {
  fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
}

extension InstancePath {
  /// The key of the entry that the path ends at.
  fileprivate var lastKey: String? { steps.last?.keys.first?.text }
}
