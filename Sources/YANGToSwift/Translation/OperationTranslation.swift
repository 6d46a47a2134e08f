// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Rpcs and actions: a name around the structs of input and output.
extension Translator {
  func operation(_ type: PlannedType, _ node: SchemaNode) -> Translated {
    var members: [Declaration] = []
    for (name, kind) in [("Input", SchemaNode.Kind.input), ("Output", .output)]
    where !node.children.contains(where: { $0.kind == kind }) {
      members.append(.typeAlias(name, .named("NoContent")))
    }
    let facts = "\(node.kind == .action ? "Action" : "RPC") `\(node.path)`."
    return Translated(
      type: TypeDeclaration(
        comment: Comment(description: node.summary, facts: facts), keyword: .enumeration, name: type.name,
        members: members),
      extensions: [
        extending(
          type, ["OperationRepresentable"],
          [
            .property(
              PropertyDeclaration(
                isStatic: true, isConstant: true, name: "schemaPath", value: .text(Renderer.literal(node.path))))
          ])
      ])
  }
}
