// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Unions: enums with a case for each member type.
extension Translator {
  func union(_ type: PlannedType, _ plan: PlannedType.UnionPlan) -> Translated {
    let names = caseNames.union(plan)
    let cases = zip(names, plan.members).map { name, member in
      Declaration.enumCase(
        EnumCaseDeclaration(name: name, payload: member.type.map { expression($0, in: type) }))
    }
    var reads: [Statement.Choice] = []
    var writes: [Statement.Choice] = []
    for (index, (name, member)) in zip(names, plan.members).enumerated() {
      if member.type == nil {
        reads.append(.init(pattern: "case \(index)", body: [.line(".\(name)")]))
        writes.append(.init(pattern: "case .\(name)", body: [.line("(\(index), Presence())")]))
      } else {
        reads.append(.init(pattern: "case \(index)", body: [.line("payload(value, Self.\(name))")]))
        writes.append(.init(pattern: "case .\(name)(let value)", body: [.line("(\(index), value)")]))
      }
    }
    reads.append(.init(pattern: "default", body: [.line("nil")]))
    let read = FunctionDeclaration(
      isStatic: true, head: "func make",
      parameters: [.init(name: "member", type: .named("Int")), .init(name: "value", type: .named("Value"))],
      result: .optional(.named("Self")), body: [.select("member", reads)])
    let write = PropertyDeclaration(
      name: "memberValue", type: .named("(member: Int, value: any LeafRepresentable)"),
      getter: [.select("self", writes)])
    return Translated(
      type: TypeDeclaration(
        comment: Comment(["Values of \(Facts.quoted(type.source)), one case for each member type."]),
        keyword: .enumeration, name: type.name, conformances: ["Sendable", "Hashable"], members: cases),
      extensions: [extending(type, ["UnionRepresentable"], [.function(read), .property(write)])])
  }
}
