// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// The paths of all leafs of the schema below a node, without the node itself.
func leafPaths(_ schema: SchemaNode, below prefix: String = "") -> Set<String> {
  var paths: Set<String> = []
  for child in schema.dataChildren {
    let path = prefix.isEmpty ? child.name : "\(prefix)/\(child.name)"
    paths.formUnion(child.dataChildren.isEmpty ? [path] : leafPaths(child, below: path))
  }
  return paths
}

/// The leafs of a data tree by their paths, those of lists with the numbers of their entries.
func leafValues(_ node: InteriorNode, below prefix: String = "", numbered: Bool = false) -> [String: Value] {
  var values: [String: Value] = [:]
  for slot in node.slots {
    let schema = node.schema.dataChildren[Int(slot.position)]
    let path = prefix.isEmpty ? schema.name : "\(prefix)/\(schema.name)"
    switch slot.node {
    case .container(let inner):
      if schema.dataChildren.isEmpty { values[path] = .empty }
      values.merge(leafValues(inner, below: path, numbered: numbered)) { first, _ in first }
    case .list(let entries):
      for (place, entry) in entries.enumerated() {
        let inner = leafValues(entry, below: numbered ? "\(path)[\(place)]" : path, numbered: numbered)
        values.merge(inner) { first, _ in first }
      }
    default: if let value = slot.node.leafValue { values[path] = value }
    }
  }
  return values
}
