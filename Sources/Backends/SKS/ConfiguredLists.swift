// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import YANG

/// The places in the data tree where the backend looks things up.
struct ConfiguredLists: Sendable {
  private let profile: [SchemaNode]
  private let trustpoint: [SchemaNode]
  private let mapping: [SchemaNode]

  /// Fails when the schema has not all of the lists.
  init(_ schema: Schema) throws(SKSConfigurationError) {
    func chain(_ path: String) throws(SKSConfigurationError) -> [SchemaNode] {
      guard let list = schema.node(at: path) else {
        throw SKSConfigurationError(element: "sks-server", "the modules in force have no \(path)")
      }
      var nodes = [list]
      while let parent = nodes.last?.dataParent, parent.kind != .root { nodes.append(parent) }
      return nodes.reversed()
    }
    profile = try chain(ProfileModel.schemaPath)
    trustpoint = try chain(TrustpointModel.schemaPath)
    mapping = try chain(InterfaceMappingModel.schemaPath)
  }

  private func entries(_ chain: [SchemaNode], in root: InteriorNode) -> ListEntries? {
    var node = root
    for step in chain.dropLast() {
      guard let next = node.container(step) else { return nil }
      node = next
    }
    return chain.last.flatMap { node.entries($0) }
  }

  /// All profiles, in the order of their names.
  func profiles(in root: InteriorNode) -> ListEntries? { entries(profile, in: root) }

  func profile(_ name: String, in root: InteriorNode) -> InteriorNode? {
    profiles(in: root)?.find([.string(name)])
  }

  func trustpoint(_ name: String, in root: InteriorNode) -> InteriorNode? {
    entries(trustpoint, in: root)?.find([.string(name)])
  }

  func mapping(_ name: String, in root: InteriorNode) -> InteriorNode? {
    entries(mapping, in: root)?.find([.string(name)])
  }

  /// Where a profile stands.
  func path(ofProfile name: String) -> InstancePath {
    InstancePath(
      profile.map { $0.kind == .list ? .init(schema: $0, keys: [.string(name)]) : .init(schema: $0) })
  }

  /// The element of a profile by its names, as far as the model has them.
  func place(_ element: String, below profile: InstancePath) -> InstancePath {
    var path = profile
    for name in element.split(separator: "/") {
      guard let child = path.steps.last?.schema.dataChildren(named: String(name)).first else { break }
      path = path.appending(child)
    }
    return path
  }
}
