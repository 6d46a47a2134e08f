// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import YANG

/// Finds what MACsec refers to by name in one whole configuration, entry by entry.
struct ConfigurationView: Sendable {
  private let chain: [SchemaNode]
  private let policy: [SchemaNode]
  private let interface: [SchemaNode]
  private let profile: [SchemaNode]

  /// Fails when the schema has not all of the lists.
  init(_ schema: Schema) throws(MACsecConfigurationError) {
    func nodes(_ path: String) throws(MACsecConfigurationError) -> [SchemaNode] {
      guard let list = schema.node(at: path) else {
        throw MACsecConfigurationError("", "the modules in force have no \(path)")
      }
      var nodes = [list]
      while let parent = nodes.last?.dataParent, parent.kind != .root { nodes.append(parent) }
      return nodes.reversed()
    }
    chain = try nodes(KeyChainModel.schemaPath)
    policy = try nodes(PolicyModel.schemaPath)
    interface = try nodes(InterfaceModel.schemaPath)
    profile = try nodes(SKSServer.Profiles.Profile.schemaPath)
  }

  private func entries(_ nodes: [SchemaNode], in root: InteriorNode) -> ListEntries? {
    var node = root
    for step in nodes.dropLast() {
      guard let next = node.container(step) else { return nil }
      node = next
    }
    return nodes.last.flatMap { node.entries($0) }
  }

  func chain(_ name: String, in root: InteriorNode) -> KeyChainModel? {
    entries(chain, in: root)?.find([.string(name)]).flatMap { try? KeyChainModel($0) }
  }

  func policy(_ name: String, in root: InteriorNode) -> PolicyModel? {
    entries(policy, in: root)?.find([.string(name)]).flatMap { try? PolicyModel($0) }
  }

  func chains(in root: InteriorNode) -> [KeyChainModel] {
    entries(chain, in: root)?.compactMap { try? KeyChainModel($0) } ?? []
  }

  func policies(in root: InteriorNode) -> [PolicyModel] {
    entries(policy, in: root)?.compactMap { try? PolicyModel($0) } ?? []
  }

  func hasProfile(_ name: String, in root: InteriorNode) -> Bool {
    entries(profile, in: root)?.find([.string(name)]) != nil
  }

  /// Where an interface's MACsec stands.
  func path(ofInterface name: String) -> InstancePath {
    place(
      "macsec/psk-keychain",
      below: InstancePath(
        interface.map { $0.kind == .list ? .init(schema: $0, keys: [.string(name)]) : .init(schema: $0) }))
  }

  /// The element by its names, as far as the model has them; `name[key]` is an entry of a list.
  func place(_ element: String, below entry: InstancePath) -> InstancePath {
    var path = entry
    for part in element.split(separator: "/") {
      let name = part.prefix { $0 != "[" }
      guard let child = path.steps.last?.schema.dataChildren(named: String(name)).first else { break }
      if part.last == "]" {
        path = path.appending(child, keys: [.string(String(part.dropFirst(name.count + 1).dropLast()))])
      } else {
        path = path.appending(child)
      }
    }
    return path
  }
}
