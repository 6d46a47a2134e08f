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
  /// The children of nodes by the names that they would have.
  private var siblings: [Siblings: [String: [SchemaNode]]] = [:]

  private struct Siblings: Hashable {
    let parent: SchemaNode
    let form: Spelling.Form
  }

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
      if let node = type.node {
        type.name = covered(told(node, as: .type), type)
        // Beside a top-level node that is one with its namespace, the others stand among its children.
        if let home = owner?.mergedNode, node.parent?.kind == .root,
          !nodes(named: type.name, below: home, .type).isEmpty
        {
          type.name += type.kindName
        }
      } else {
        type.name = typeName(type)
        if let owner, owner.topNodes.contains(where: { spelling.typeName(sourceName($0)) == type.name }) {
          type.name += "Type"
        }
      }
    }
    report(types.map { Named(name: $0.name, source: $0.source, location: $0.node?.location) }, place: place)
  }

  private mutating func assign(to members: [PlannedMember], in owner: PlannedType) {
    var names: [Named] = []
    for member in members {
      member.name = told(member.node, as: .member)
      names.append(Named(name: member.name, source: member.node.path, location: member.node.location))
      if !member.node.defaults.isEmpty {
        names.append(
          Named(
            name: member.name + "OrDefault", source: "the default of " + member.node.path,
            location: member.node.location))
      }
    }
    report(names, place: owner.source)
  }

  /// The name of a node among its siblings, asked for or not. Those of its own module that would be named alike are
  /// told apart by their names as they are written; that of another module's node by the module, unless it is the
  /// parent's.
  private mutating func told(_ node: SchemaNode, as form: Spelling.Form) -> String {
    let name = spelling.name(sourceName(node), form)
    let rivals = nodes(named: name, below: node.parent, form).filter { $0 !== node }
    let hasRivalAtHome = rivals.contains { $0.module === node.module }
    guard let parent = node.parent, parent.kind != .root, parent.module !== node.module,
      rivals.contains(where: { $0.module !== node.module })
    else { return hasRivalAtHome ? spelling.verbatim(sourceName(node), form) : name }
    let module = namespaceNames.sourceName(node.module)
    return hasRivalAtHome
      ? spelling.name(module, form) + "_" + spelling.verbatim(sourceName(node), form)
      : spelling.name(module + "-" + sourceName(node), form)
  }

  private mutating func nodes(named name: String, below parent: SchemaNode?, _ form: Spelling.Form) -> [SchemaNode] {
    guard let parent else { return [] }
    let key = Siblings(parent: parent, form: form)
    if let known = siblings[key] { return known[name] ?? [] }
    let grouped = Dictionary(grouping: parent.children) { spelling.name(sourceName($0), form) }
    siblings[key] = grouped
    return grouped[name] ?? []
  }

  private func typeName(_ type: PlannedType) -> String {
    if case .listKey = type.kind { return "ListKey" }
    return covered(spelling.typeName(sourceName(type)), type)
  }

  /// Keeps off the names of types that generated code needs itself.
  private func covered(_ name: String, _ type: PlannedType) -> String {
    // A name that begins with a sign would be the same for a type and for the property of that type.
    ReservedNames.isReservedType(name) || name.hasPrefix("_") ? name + type.kindName : name
  }

  private func sourceName(_ type: PlannedType) -> String { overrides[type.source] ?? type.sourceName }

  private func sourceName(_ node: SchemaNode) -> String { overrides[node.path] ?? node.name }

  /// A name that has been given, and to what.
  private struct Named {
    let name: String
    let source: String
    let location: SourceLocation?
  }

  private mutating func report(_ names: [Named], place: String) {
    var known: [String: String] = [:]
    for named in names.sorted(by: { ($0.name, $0.source) < ($1.name, $1.source) }) {
      if let first = known[named.name] {
        diagnostics.append(
          Diagnostic(
            location: named.location?.description,
            message: "\(first) and \(named.source) would both be named '\(named.name)' in \(place); "
              + "give one of them another name with 'name' in the generator configuration"))
      } else {
        known[named.name] = named.source
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
