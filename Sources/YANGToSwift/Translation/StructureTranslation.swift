// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Containers, list entries, bodies of operations and notifications: structs.
extension Translator {
  func structure(_ type: PlannedType, _ node: SchemaNode) -> Translated {
    let members = type.members.flatMap { properties($0, in: type) } + [memberwiseInitialiser(type)]
    let declaration = TypeDeclaration(
      comment: Comment(description: node.summary, facts: Facts.structure(node)), keyword: .structure, name: type.name,
      conformances: ["Sendable", "Equatable"], members: members)
    var coding: [Declaration] = [
      .property(
        PropertyDeclaration(
          isStatic: true, isConstant: true, name: "schemaPath", value: .text(Renderer.literal(node.path)))),
      .property(PropertyDeclaration(isStatic: true, isConstant: true, name: "layout", value: layout(type, node))),
    ]
    coding += treeCoding(type)
    var conformance = "TreeRepresentable"
    if node.kind == .list, !node.keys.isEmpty {
      conformance = "ListEntry"
      coding += listEntry(type)
    }
    if node.kind == .notification { conformance = "NotificationRepresentable" }
    return Translated(type: declaration, extensions: [extending(type, [conformance], coding)])
  }

  func caseStructure(_ type: PlannedType, _ node: SchemaNode) -> Translated {
    let members = type.members.flatMap { properties($0, in: type) } + [memberwiseInitialiser(type)]
    let declaration = TypeDeclaration(
      comment: Comment(description: node.summary, facts: "Case `\(node.name)`."), keyword: .structure,
      name: type.name, conformances: ["Sendable", "Equatable"], members: members)
    return Translated(type: declaration, extensions: [extending(type, ["NodeContent"], treeCoding(type))])
  }

  /// The data children by name: those of other modules with their module.
  private func layout(_ type: PlannedType, _ node: SchemaNode) -> Expression {
    let names = type.fields.map { field in
      Renderer.literal(field.module === node.module ? field.name : "\(field.module.name):\(field.name)")
    }
    return .list("NodeLayout(module: \(Renderer.literal(node.module.name)), [", names, "])")
  }
}
