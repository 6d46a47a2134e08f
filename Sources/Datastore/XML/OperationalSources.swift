// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Where operational data comes from: for each path that someone provides, how to ask for it.
public struct OperationalSources: Sendable {
  public typealias Produce = @Sendable (OperationalRequest) -> AnyIterator<InteriorNode>

  struct Source: Sendable {
    let path: String
    let produce: Produce
  }
  /// By `SchemaNode.id` of the list or container that is provided.
  let sources: [Int: Source]
  /// By `SchemaNode.id`: the positions of the children that are provided or have something provided below, ascending.
  let positions: [Int: [Int]]

  /// Paths that the schema does not have are left out; of two providers of one path the later one counts.
  public init(schema: Schema, providers: [(path: String, produce: Produce)] = []) {
    var sources: [Int: Source] = [:]
    var positions: [Int: Set<Int>] = [:]
    for provider in providers {
      guard let node = schema.node(at: provider.path), node.kind != .root else { continue }
      sources[node.id] = Source(path: provider.path, produce: provider.produce)
      var below = node
      while let parent = below.dataParent {
        positions[parent.id, default: []].insert(below.position)
        below = parent
      }
    }
    self.sources = sources
    self.positions = positions.mapValues { $0.sorted() }
  }

  /// Those of backends.
  public init(schema: Schema, backends: [any Backend]) {
    self.init(
      schema: schema,
      providers: backends.flatMap { backend in
        backend.operationalPaths.map { ($0, { @Sendable request in backend.operational(request) }) }
      })
  }
}
