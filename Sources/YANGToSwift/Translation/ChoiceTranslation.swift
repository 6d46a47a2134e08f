// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Choices: enums with a case for each case, whose payload is what stands in it.
extension Translator {
  func choice(_ type: PlannedType, _ node: SchemaNode) -> Translated {
    let cases = type.members.map { member in
      Declaration.enumCase(
        EnumCaseDeclaration(
          comment: Comment(description: member.node.summary, facts: Facts.choiceCase(member)),
          name: ReservedNames.member(member.name), payload: payload(member, in: type)))
    }
    let declaration = TypeDeclaration(
      comment: Comment(description: node.summary, facts: Facts.choice(node)), keyword: .enumeration, name: type.name,
      conformances: ["Sendable", "Equatable"], members: cases)

    var branches: [Statement.Branch] = type.members.map { member in
      let name = ReservedNames.member(member.name)
      let isPlain = payload(member, in: type) == nil
      return .init(
        condition: "reader.has(\(member.fields.lowerBound)..<\(member.fields.upperBound))",
        body: [.line(isPlain ? "self = .\(name)" : "self = .\(name)(\(required(member, in: type)))")])
    }
    branches.append(.init(condition: nil, body: [.line("return nil")]))
    let choices: [Statement.Choice] = type.members.map { member in
      let name = ReservedNames.member(member.name)
      if payload(member, in: type) == nil {
        return .init(pattern: "case .\(name)", body: [.line(writing(member, "true"))])
      }
      return .init(pattern: "case .\(name)(let value)", body: [.line(writing(member, "value"))])
    }
    let read = FunctionDeclaration(
      head: "init?", parameters: [.init(label: "from", name: "reader", type: .named("NodeReader"))],
      error: "DatastoreError", body: branches.count == 1 ? [.line("return nil")] : [.branches(branches)])
    let write = FunctionDeclaration(
      head: "func write", parameters: [.init(label: "to", name: "writer", type: .named("NodeWriter"), isInout: true)],
      body: choices.isEmpty ? [] : [.select("self", choices)])
    return Translated(
      type: declaration,
      extensions: [extending(type, ["ChoiceRepresentable"], [.function(read), .function(write)])])
  }

  /// A case's payload: never optional, since the case is chosen by what is present. A leaf of type empty has none.
  private func payload(_ member: PlannedMember, in scope: PlannedType) -> TypeExpression? {
    if case .presence = member.content { return nil }
    if case .optional(let inner) = propertyType(member, in: scope) { return inner }
    return propertyType(member, in: scope)
  }

  private func required(_ member: PlannedMember, in scope: PlannedType) -> String {
    let field = member.fields.lowerBound
    switch member.content {
    case .leaf: return "try reader.required(\(field))"
    case .container: return "try reader.requiredContainer(\(field))"
    case .any: return "try reader.requiredAny(\(field))"
    default: return reading(member, in: scope)
    }
  }
}
