// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Gives every planned type and member its Swift name, by the rules of docs/yang-to-swift.md.
///
/// A name depends on the YANG name, on the acronyms and, where two nodes of different modules meet in one place, on
/// the modules; never on the order of processing. Names that are still equal after that are reported.
struct Namer {
  private let spelling: Spelling
  private let namespaceNames: NamespaceNames
  /// Words to spell instead of a YANG name, by schema path.
  private let overrides: [String: String]
  private(set) var diagnostics: [Diagnostic] = []

  init(spelling: Spelling, namespaceNames: NamespaceNames, overrides: [String: String]) {
    self.spelling = spelling
    self.namespaceNames = namespaceNames
    self.overrides = overrides
  }

  mutating func name(_ plan: Planner.Plan) {
    assign(to: plan.namespaces, in: nil, place: "the generated modules")
    for namespace in plan.namespaces { nameContents(of: namespace) }
  }

  private mutating func nameContents(of type: PlannedType) {
    assign(to: type.children, in: type, place: type.source)
    if case .listKey = type.kind {
      // Its members are the list's, named there.
    } else {
      assign(to: type.members, in: type)
    }
    for child in type.children { nameContents(of: child) }
  }

  private mutating func assign(to types: [PlannedType], in owner: PlannedType?, place: String) {
    for type in types {
      type.name = typeName(type)
      if let node = type.node, isContested(node, spelling.typeName) {
        type.name = spelling.typeName(namespaceNames.sourceName(type.module) + "-" + sourceName(type))
      }
    }
    report(types.map { ($0.name, $0.source) }, place: place)
  }

  private mutating func assign(to members: [PlannedMember], in owner: PlannedType) {
    var names: [(name: String, source: String)] = []
    for member in members {
      let node = member.node
      let isContested = isContested(node, spelling.memberName)
      member.name = spelling.memberName(
        isContested ? namespaceNames.sourceName(node.module) + "-" + sourceName(node) : sourceName(node))
      names.append((member.name, node.path))
      if !node.defaults.isEmpty { names.append((member.name + "OrDefault", "the default of " + node.path)) }
    }
    report(names, place: owner.source)
  }

  /// True for a node that another module put where there is one of the same name already, asked for or not.
  private func isContested(_ node: SchemaNode, _ spell: (String) -> String) -> Bool {
    guard let parent = node.parent, parent.kind != .root, node.module !== parent.module else { return false }
    let name = spell(sourceName(node))
    return parent.children.contains { $0 !== node && spell(sourceName($0)) == name }
  }

  private func typeName(_ type: PlannedType) -> String {
    if case .listKey = type.kind { return "ListKey" }
    let name = spelling.typeName(sourceName(type))
    return ReservedNames.isReservedType(name) ? name + type.kindName : name
  }

  private func sourceName(_ type: PlannedType) -> String { overrides[type.source] ?? type.sourceName }

  private func sourceName(_ node: SchemaNode) -> String { overrides[node.path] ?? node.name }

  private mutating func report(_ names: [(name: String, source: String)], place: String) {
    var known: [String: String] = [:]
    for (name, source) in names.sorted(by: { ($0.name, $0.source) < ($1.name, $1.source) }) {
      if let first = known[name] {
        diagnostics.append(
          Diagnostic(
            location: nil,
            message: "\(first) and \(source) would both be named '\(name)' in \(place); "
              + "give one of them another name with 'name' in the generator configuration"))
      } else {
        known[name] = source
      }
    }
  }
}

extension PlannedType {
  /// The word that is put after a name that is reserved.
  var kindName: String {
    switch kind {
    case .namespace: "Module"
    case .structure(let node), .passage(let node), .operation(let node):
      switch node.kind {
      case .container: "Container"
      case .list: "List"
      case .notification: "Notification"
      case .rpc: "RPC"
      case .action: "Action"
      default: "Body"
      }
    case .choice: "Choice"
    case .caseStructure: "Case"
    case .listKey: "Key"
    case .enumeration, .bits, .union: "Leaf"
    case .identity: "Identity"
    }
  }
}
