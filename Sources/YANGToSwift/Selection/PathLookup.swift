// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Finds schema nodes by the paths of a generator configuration, and says of a wrong path what would be right.
///
/// Paths are of `SchemaNode.path`'s form, `/module:a/b/other-module:c`: choices and cases are looked through; rpcs,
/// actions with their `input` and `output`, and notifications count as nodes.
struct PathLookup {
  struct Problem: Error {
    let message: String
  }

  let schema: Schema
  /// What a path may begin with: top-level data nodes, rpcs and notifications.
  let topNodes: [SchemaNode]

  init(schema: Schema) {
    self.schema = schema
    topNodes = schema.root.children + schema.rpcs + schema.notifications
  }

  func module(named name: String) throws(Problem) -> Module {
    if let module = schema.module(named: name) { return module }
    throw Problem(
      message: "there is no module \(name)" + Self.hint(NearestName.of(name, among: schema.modules.map(\.name))))
  }

  func node(at path: String) throws(Problem) -> SchemaNode {
    let steps = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    guard path.hasPrefix("/"), let first = steps.first, first.contains(":"), !steps.contains("") else {
      throw Problem(message: "a path has the form /MODULE:NAME/NAME…, with a module where it changes")
    }
    var module: Module?
    var found: SchemaNode?
    for step in steps {
      let parts = step.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      if parts.count == 2 { module = try self.module(named: parts[0]) }
      let name = parts.last ?? ""
      let children = Self.dataNodes(found?.children ?? topNodes)
      guard let next = children.first(where: { $0.name == name && $0.module === module }) else {
        let place = found.map { "\($0.path) has no child" } ?? "\(module?.name ?? "") has no top-level node"
        throw Problem(message: "\(place) \(name)" + Self.hint(nearest(name, module, among: children, last: steps.last)))
      }
      found = next
    }
    guard let found else { throw Problem(message: "a path has the form /MODULE:NAME/NAME…") }
    return found
  }

  /// True for the path of a choice or case, which `node(at:)` looks through: `/module:a/choice`.
  func isBranch(_ path: String) -> Bool { schema.nodes.contains { !Self.isData($0) && $0.path == path } }

  /// The path of what was probably meant: a sibling of another module with the very name, a sibling with nearly that
  /// name, or the topmost node of the module that has the name which the wrong path ends with.
  private func nearest(_ name: String, _ module: Module?, among siblings: [SchemaNode], last: Substring?) -> String? {
    if let namesake = siblings.first(where: { $0.name == name }) { return namesake.path }
    let home = siblings.filter { $0.module === module }
    for candidates in [home, siblings] {
      guard let near = NearestName.of(name, among: candidates.map(\.name)) else { continue }
      return candidates.first { $0.name == near }?.path
    }
    guard let wanted = last?.split(separator: ":").last else { return nil }
    return schema.nodes.filter { $0.name == wanted && $0.module === module && Self.isData($0) }.map(\.path)
      .min { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
  }

  /// Nodes as paths name them: those of choices and cases in place of these.
  private static func dataNodes(_ nodes: [SchemaNode]) -> [SchemaNode] {
    nodes.flatMap { isData($0) ? [$0] : dataNodes($0.children) }
  }

  private static func isData(_ node: SchemaNode) -> Bool { node.kind != .choice && node.kind != .case }

  private static func hint(_ nearest: String?) -> String { nearest.map { "; did you mean \($0)?" } ?? "" }
}
