// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Decides which Swift types there will be, how they nest and what they hold. Names come after.
struct Planner {
  /// Namespaces with everything in them, sorted by module name.
  struct Plan {
    var namespaces: [PlannedType]
  }

  private let schema: Schema
  private let selection: Selection
  private let namespaces: Namespaces
  private let leafTypes: LeafTypes

  init(schema: Schema, selection: Selection, namespaceNames: NamespaceNames) {
    self.schema = schema
    self.selection = selection
    let namespaces = Namespaces(schema: schema, roots: Set(selection.roots), names: namespaceNames)
    self.namespaces = namespaces
    leafTypes = LeafTypes(shared: SharedTypes(schema: schema) { namespaces.namespace(of: $0) })
  }

  func plan() -> Plan {
    for root in selection.roots where selection.includes(root) {
      if let merged = namespaces.merged(root) {
        fill(merged, of: root)
      } else {
        planRoot(root)
      }
    }
    return Plan(namespaces: namespaces.all)
  }

  private func planRoot(_ root: SchemaNode) {
    let owner = namespaces.place(above: root)
    switch root.kind {
    case .leaf, .leafList, .anydata, .anyxml:
      // A leaf alone becomes no type, but its type may.
      _ = leafTypes.type(of: root, in: owner)
    case .choice: _ = planChoice(root, in: owner, fields: &owner.fields)
    case .rpc, .action: planOperation(root, in: owner)
    default: _ = planStructure(root, in: owner)
    }
  }

  private func planStructure(_ node: SchemaNode, in owner: PlannedType) -> PlannedType {
    let type = PlannedType(
      .structure(node), sourceName: node.name, module: node.module, node: node, source: node.path, comment: node.summary
    )
    owner.add(type)
    fill(type, of: node)
    return type
  }

  private func fill(_ type: PlannedType, of node: SchemaNode) {
    let keys = node.keys.filter(selection.includes)
    let others = node.children.filter { !$0.isKey && selection.includes($0) }
    for child in keys + others {
      switch child.kind {
      case .action, .rpc: planOperation(child, in: type)
      case .notification: _ = planStructure(child, in: type)
      default: type.members.append(planMember(child, in: type, fields: &type.fields))
      }
    }
    if node.kind == .list, keys.count > 1 {
      let key = PlannedType(
        .listKey(node), sourceName: "ListKey", module: node.module, source: node.path + " (key)")
      key.members = type.members.filter(\.node.isKey)
      type.add(key)
    }
  }

  private func planOperation(_ node: SchemaNode, in owner: PlannedType) {
    let type = PlannedType(
      .operation(node), sourceName: node.name, module: node.module, node: node, source: node.path, comment: node.summary
    )
    owner.add(type)
    for body in node.children where body.kind == .input || body.kind == .output {
      _ = planStructure(body, in: type)
    }
  }

  /// The property of a data node or choice. `fields` is the list of data nodes of the enclosing structure.
  private func planMember(_ node: SchemaNode, in owner: PlannedType, fields: inout [SchemaNode]) -> PlannedMember {
    let first = fields.count
    let content: PlannedMember.Content
    switch node.kind {
    case .choice:
      let choice = planChoice(node, in: owner, fields: &fields)
      content = .choice(choice, isRequired: node.isMandatory && node.whens.isEmpty)
    case .container:
      fields.append(node)
      let type = planStructure(node, in: owner)
      content = .container(type, Self.need(node, type))
    case .list:
      fields.append(node)
      content = .list(planStructure(node, in: owner))
    case .leafList:
      fields.append(node)
      content = .leafList(leafTypes.type(of: node, in: owner) ?? .named("String"))
    case .leaf:
      fields.append(node)
      let isRequired = node.isKey || (node.isMandatory && node.whens.isEmpty && node.defaults.isEmpty)
      if let type = node.type, LeafTypes.resolved(type).base == .empty, !node.isKey {
        content = .presence
      } else {
        content = .leaf(leafTypes.type(of: node, in: owner) ?? .named("String"), isRequired: isRequired)
      }
    default:
      fields.append(node)
      content = .any
    }
    return PlannedMember(node: node, content: content, fields: first..<fields.count)
  }

  private func planChoice(_ node: SchemaNode, in owner: PlannedType, fields: inout [SchemaNode]) -> PlannedType {
    let type = PlannedType(
      .choice(node), sourceName: node.name, module: node.module, node: node,
      source: "\(node.path) (choice)", comment: node.summary)
    owner.add(type)
    for branch in node.children where selection.includes(branch) {
      if let member = planCase(branch, in: type, fields: &fields) { type.members.append(member) }
    }
    return type
  }

  /// A case: with one data node its payload is that node's type, with more it is a struct; without any it cannot be
  /// told from absence, and is left out.
  private func planCase(_ branch: SchemaNode, in choice: PlannedType, fields: inout [SchemaNode]) -> PlannedMember? {
    let nodes = (branch.kind == .case ? branch.children : [branch]).filter(selection.includes)
    guard let only = nodes.first else { return nil }
    if nodes.count == 1, only.kind != .choice {
      let member = planMember(only, in: choice, fields: &fields)
      return PlannedMember(node: branch, contentNode: only, content: member.content, fields: member.fields)
    }
    let first = fields.count
    let type = PlannedType(
      .caseStructure(branch), sourceName: branch.name, module: branch.module, node: branch,
      source: "\(branch.path) (case)", comment: branch.summary)
    choice.add(type)
    for node in nodes { type.members.append(planMember(node, in: type, fields: &fields)) }
    return PlannedMember(node: branch, content: .caseStructure(type), fields: first..<fields.count)
  }

  private static func need(_ node: SchemaNode, _ type: PlannedType) -> PlannedMember.Need {
    if node.hasPresence { return .optional }
    if !type.members.contains(where: \.isRequired) { return .implied }
    return node.whens.isEmpty ? .required : .optional
  }
}

extension PlannedMember {
  /// True when a value of the enclosing type cannot be made without this member.
  var isRequired: Bool {
    switch content {
    case .leaf(_, let isRequired), .choice(_, let isRequired): isRequired
    case .container(_, let need): need == .required
    case .presence, .leafList, .list, .any, .caseStructure: false
    }
  }
}
