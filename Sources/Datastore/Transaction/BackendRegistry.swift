// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The backends of an agent in their order, and what is wrong with the paths that they name.
public struct BackendRegistry: Sendable {
  public let backends: [any Backend]
  private let schema: Schema

  public init(_ backends: [any Backend], schema: Schema) {
    self.backends = backends
    self.schema = schema
  }

  /// The backend that carries out an rpc or action, by its path.
  public func backend(forOperation path: String) -> (any Backend)? {
    backends.first { $0.operations.contains(path) }
  }

  /// Operational subtrees of implemented modules that nobody provides: the paths of topmost config-false nodes. What
  /// is checked at the start of the agent, so that a model is not offered with nothing behind it.
  public func unprovidedPaths() -> [String] {
    let provided = backends.flatMap(\.operationalPaths)
    var result: [String] = []
    func visit(_ node: SchemaNode) {
      for child in node.dataChildren {
        if child.isConfig {
          visit(child)
        } else if !provided.contains(where: { Self.isRelated($0, child.path) }) {
          result.append(child.path)
        }
      }
    }
    visit(schema.root)
    return result
  }

  /// Mistakes that keep data from being found: paths that the schema does not have, and paths that two backends
  /// provide or carry out, or of which one holds another.
  public func mistakes() -> [String] {
    var result: [String] = []
    var provided: [(path: String, name: String)] = []
    var operations: [String: String] = [:]
    for backend in backends {
      for path in backend.subscriptions + backend.operationalPaths where schema.node(at: path) == nil {
        result.append("backend \(backend.name): the modules in force have no \(path)")
      }
      for path in backend.operationalPaths {
        if let other = provided.first(where: { Self.isRelated($0.path, path) }) {
          result.append("backends \(other.name) and \(backend.name) both provide \(path)")
        }
        provided.append((path, backend.name))
      }
      for path in backend.operations {
        if let other = operations.updateValue(backend.name, forKey: path) {
          result.append("backends \(other) and \(backend.name) both carry out \(path)")
        }
      }
    }
    return result
  }

  /// Whether the paths are the same or one is below the other.
  private static func isRelated(_ left: String, _ right: String) -> Bool {
    left == right || left.hasPrefix(right + "/") || right.hasPrefix(left + "/")
  }
}
