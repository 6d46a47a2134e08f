// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The schema nodes that are asked for.
struct Selection {
  /// Roots of wanted subtrees, none below another, in schema order by module name.
  var roots: [SchemaNode]
  /// Roots of subtrees that are left out.
  var exclusions: Set<SchemaNode>

  /// True when the node is not left out. (Whether it is below a root is known from the walk that reached it.)
  func includes(_ node: SchemaNode) -> Bool { !exclusions.contains(node) }
}

/// Finds what a configuration asks for in a schema, and reports every line of it that asks for nothing.
struct Selector {
  private let lookup: PathLookup
  private(set) var diagnostics: [Diagnostic] = []

  init(schema: Schema) { lookup = PathLookup(schema: schema) }

  mutating func select(_ configuration: Configuration) -> Selection {
    var wanted: [SchemaNode] = []
    var places: [SchemaNode: String] = [:]
    for want in configuration.wants {
      do {
        switch want {
        case .module(let name):
          let module = try lookup.module(named: name)
          wanted += lookup.topNodes.filter { $0.module === module }
        case .subtree(let path):
          let node = try lookup.node(at: path)
          wanted.append(node)
          places[node] = configuration.locations[path]
        }
      } catch {
        let subject = configuration.locations[want.subject]
        report("\(want.subject) is wanted, but \(error.message)", at: subject)
      }
    }
    let all = Set(wanted)
    let exclusions = exclusions(configuration, of: all)
    for node in wanted {
      guard let above = Self.lineage(node).first(where: exclusions.contains) else { continue }
      report("\(node.path) is wanted, but \(above.path) is to be left out", at: places[node])
    }
    checkNames(configuration)
    var seen: Set<SchemaNode> = []
    let roots = wanted.filter { node in
      !Self.lineage(node).dropFirst().contains(where: all.contains) && seen.insert(node).inserted
    }
    return Selection(
      roots: roots.sorted { ($0.module.name, $0.path, $0.id) < ($1.module.name, $1.path, $1.id) },
      exclusions: exclusions)
  }

  private mutating func exclusions(_ configuration: Configuration, of wanted: Set<SchemaNode>) -> Set<SchemaNode> {
    var exclusions: Set<SchemaNode> = []
    for path in configuration.exclusions {
      do {
        let node = try lookup.node(at: path)
        if node.isKey {
          report("\(path) is to be left out, but is a key of its list", at: configuration.locations[path])
        } else if !Self.lineage(node).contains(where: wanted.contains) {
          report("\(path) is to be left out, but nothing wanted has it", at: configuration.locations[path])
        } else {
          exclusions.insert(node)
        }
      } catch {
        report("\(path) is to be left out, but \(error.message)", at: configuration.locations[path])
      }
    }
    return exclusions
  }

  /// A name that is given to nothing is a slip, or belongs to a node that is no more.
  private mutating func checkNames(_ configuration: Configuration) {
    for subject in configuration.names.keys.sorted() {
      do {
        if subject.hasPrefix("/") {
          if !lookup.isBranch(subject) { _ = try lookup.node(at: subject) }
        } else {
          _ = try lookup.module(named: subject)
        }
      } catch {
        report("\(subject) is to have another name, but \(error.message)", at: configuration.locations[subject])
      }
    }
  }

  /// The node and those above it.
  private static func lineage(_ node: SchemaNode) -> [SchemaNode] { [node] + (node.parent.map(lineage) ?? []) }

  private mutating func report(_ message: String, at location: String?) {
    diagnostics.append(Diagnostic(location: location, message: message))
  }
}
