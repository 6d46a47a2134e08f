// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Models
import Secrets
import Testing
import YANG

@testable import IPsec

/// The product's own modules, compiled as the agent does.
let productSchema: Schema = {
  let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../yang")
  let features = FeatureSelection(only: ["Cisco-IOS-XR-um-if-tunnel-cfg": ["is_tunnel_ip_ipsec_supported"]])
  do { return try Schema.compile(directory: folder.standardizedFileURL.path, features: features).schema } catch {
    fatalError("\(error)")
  }
}()

/// A whole configuration in the models' types, as far as the backend looks at it.
struct ModelFixture {
  var ikev2 = IKEv2()
  var keyrings = IKEv2.Keyrings()
  var ipsec = Models.IPsec()
  var trustpoints = Crypto.CA.Trustpoint.Trustpoints()
  var sksServer = SKSServer()
  /// By their names: the tunnel, and whether it is shut down.
  var tunnels: [String: (model: TunnelModel, isShutdown: Bool)] = [:]
  let sealer: Sealer

  init(sealer: Sealer) { self.sealer = sealer }

  func seal(_ clear: String) throws -> Sealed { try sealer.parse(written: "!" + clear, encoding: .type7) }

  /// All that a tunnel needs, as the published guides have it.
  mutating func addTunnel(_ number: Int = 1, source: String = "10.10.10.3", destination: String = "10.10.10.1") throws {
    var peer = ConfiguredKeyring.Peers.Peer(peerName: "init", address: destination, mask: "255.255.255.255")
    peer.preSharedKey.password = try seal("a long preshared key \(number)")
    var keyring = ConfiguredKeyring(ikev2KeyringName: "k\(number)")
    keyring.peers.peer.set(peer)
    keyrings.keyring.set(keyring)
    var profile = ConfiguredProfile(ikev2ProfileName: "p\(number)")
    profile.match.identity.remote.addresses.address.set(.init(remoteAddress: destination, mask: "255.255.255.255"))
    profile.keyring = keyring.ikev2KeyringName
    ikev2.profile.ikev2ProfileNames.ikev2ProfileName.set(profile)
    var set = TransformSetModel(transformSetName: "ts\(number)")
    set.transform = .init(espHMACSHA256: .init(), esp256AES: .init())
    ipsec.transformSets.transformSet.set(set)
    var ipsecProfile = IPsecProfileModel(profileName: "ip\(number)")
    ipsecProfile.set.transformSet.transform1 = set.transformSetName
    ipsecProfile.set.ikev2Profile = profile.ikev2ProfileName
    ipsec.profiles.profile.set(ipsecProfile)
    var tunnel = TunnelModel()
    tunnel.source.ipv4Address = source
    tunnel.destination.ipv4Address = destination
    tunnel.mode.ipsec.ipv4 = .init()
    tunnel.protection.ipsec.profile = ipsecProfile.profileName
    tunnels["tunnel-ip\(number)"] = (tunnel, false)
  }

  /// The configuration as a data tree.
  var root: InteriorNode {
    get throws {
      var tree = InteriorNode(schema: productSchema.root)
      for node in [
        try ikev2.interiorNode(schema: productSchema), try keyrings.interiorNode(schema: productSchema),
        try ipsec.interiorNode(schema: productSchema), try trustpoints.interiorNode(schema: productSchema),
        try sksServer.interiorNode(schema: productSchema), try interfaces,
      ] where !node.isEmpty {
        var node = node
        while let parent = node.schema.dataParent, parent.kind != .root {
          node = InteriorNode(schema: parent, slots: [InteriorNode.Slot(node.schema, .container(node))])
        }
        tree = tree.replacing(node.schema, with: .container(node))
      }
      return tree
    }
  }

  private var interfaces: InteriorNode {
    get throws {
      let list = try #require(productSchema.node(at: Interface.Interfaces.Interface.schemaPath))
      let parent = try #require(list.dataParent)
      guard !tunnels.isEmpty else { return InteriorNode(schema: parent) }
      let entries = tunnels.sorted { $0.key < $1.key }.map { name, tunnel in
        var entry = Interface.Interfaces.Interface(interfaceName: name)
        entry.tunnel = tunnel.model
        entry.shutdown = tunnel.isShutdown ? .init() : nil
        return entry.interiorNode(list)
      }
      var whole = ListEntries(schema: list)
      for entry in entries { whole = whole.setting(entry) }
      return InteriorNode(schema: parent, slots: [InteriorNode.Slot(list, .list(whole))])
    }
  }

  func changes(from old: InteriorNode? = nil) throws -> ChangeSet {
    ChangeSet(
      subscriptions: ConfigurationTable.subscriptions, from: old ?? InteriorNode(schema: productSchema.root),
      to: try root, schema: productSchema)
  }
}
