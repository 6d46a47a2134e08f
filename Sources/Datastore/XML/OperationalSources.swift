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

  /// What has to be fetched before it can be read, of each backend that has such.
  private var refreshed: [(backend: any Backend, nodes: [SchemaNode])] = []

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
    refreshed = backends.compactMap { backend in
      let nodes = backend.refreshedPaths.compactMap { schema.node(at: $0) }
      return nodes.isEmpty ? nil : (backend, nodes)
    }
  }

  /// What has to be done before a read with that filter (nil: of everything), for it to be up to date: each can go on at
  /// the same time as the others. Empty when the read can begin at once.
  public func refreshes(for filter: SubtreeFilter?) -> [@Sendable () async -> Void] {
    refreshed.compactMap { backend, nodes in
      let touched = Set(nodes.filter { filter?.touches($0) ?? true }.map(\.path))
      return touched.isEmpty ? nil : { @Sendable in await backend.refresh(touched) }
    }
  }
}
