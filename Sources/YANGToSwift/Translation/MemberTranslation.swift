// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Stored properties, and how they are read from a tree and written to one.
extension Translator {
  /// The property's type, as it is declared.
  func propertyType(_ member: PlannedMember, in scope: PlannedType) -> TypeExpression {
    switch member.content {
    case .leaf(let type, let isRequired):
      let expression = expression(type, in: scope)
      return isRequired ? expression : .optional(expression)
    case .presence: return .named("Bool")
    case .leafList(let type): return .array(expression(type, in: scope))
    case .container(let type, let need):
      let expression = TypeExpression.named(references.name(type, from: scope))
      return need == .optional ? .optional(expression) : expression
    case .list(let type):
      let expression = TypeExpression.named(references.name(type, from: scope))
      return member.contentNode.keys.isEmpty ? .array(expression) : .generic("KeyedList", expression)
    case .any: return .optional(.named("AnyContent"))
    case .choice(let type, let isRequired):
      let expression = TypeExpression.named(references.name(type, from: scope))
      return isRequired ? expression : .optional(expression)
    case .caseStructure(let type): return .named(references.name(type, from: scope))
    }
  }

  /// What the property is when nothing is said, nil when something must be.
  func initialValue(_ member: PlannedMember, in scope: PlannedType) -> String? {
    if member.isRequired { return nil }
    switch member.content {
    case .leaf, .any, .choice: return "nil"
    case .presence: return "false"
    case .leafList, .list: return "[]"
    case .container(let type, let need):
      return need == .implied ? references.name(type, from: scope) + "()" : "nil"
    case .caseStructure: return nil
    }
  }

  /// The stored property, and the one that looks through to the default where there is one.
  func properties(_ member: PlannedMember, in scope: PlannedType) -> [Declaration] {
    let name = ReservedNames.member(member.name)
    let type = propertyType(member, in: scope)
    let comment = Comment(description: member.node.summary, facts: Facts.member(member))
    var declarations: [Declaration] = [
      .property(PropertyDeclaration(comment: comment, name: name, type: type))
    ]
    switch member.content {
    case .leaf(let leafType, isRequired: false):
      guard let value = member.node.defaults.first, let literal = literal(value, leafType) else { break }
      declarations.append(
        .property(
          PropertyDeclaration(
            comment: Comment(["`\(member.name)`, or its default where it is absent."]),
            name: member.name + "OrDefault", type: expression(leafType, in: scope),
            getter: [.line("\(name) ?? \(literal)")])))
    case .leafList(let leafType):
      let literals = member.node.defaults.compactMap { literal($0, leafType) }
      guard !literals.isEmpty, literals.count == member.node.defaults.count else { break }
      declarations.append(
        .property(
          PropertyDeclaration(
            comment: Comment(["`\(member.name)`, or its defaults where it has no entries."]),
            name: member.name + "OrDefault", type: type,
            getter: [.line("\(name).isEmpty ? [\(literals.joined(separator: ", "))] : \(name)")])))
    default: break
    }
    return declarations
  }

  /// The initialiser with a parameter for each property.
  func memberwiseInitialiser(_ type: PlannedType) -> Declaration {
    .function(
      FunctionDeclaration(
        head: "init",
        parameters: type.members.map { member in
          .init(
            name: ReservedNames.member(member.name), type: propertyType(member, in: type),
            defaultValue: initialValue(member, in: type))
        },
        body: type.members.map { member in
          let name = ReservedNames.member(member.name)
          return .line("self.\(name) = \(name)")
        }))
  }

  /// The expression that reads a member.
  func reading(_ member: PlannedMember, in scope: PlannedType) -> String {
    let field = member.fields.lowerBound
    switch member.content {
    case .leaf(_, let isRequired): return isRequired ? "try reader.required(\(field))" : "try reader.leaf(\(field))"
    case .presence: return "reader.has(\(field))"
    case .leafList: return "try reader.leafList(\(field))"
    case .container(let type, let need):
      switch need {
      case .optional: return "try reader.container(\(field))"
      case .implied: return "try reader.container(\(field)) ?? \(references.name(type, from: scope))()"
      case .required: return "try reader.requiredContainer(\(field))"
      }
    case .list: return member.contentNode.keys.isEmpty ? "try reader.entries(\(field))" : "try reader.list(\(field))"
    case .any: return "reader.any(\(field))"
    case .choice(let type, let isRequired):
      let read = "\(references.name(type, from: scope))(from: reader)"
      return isRequired ? "try reader.required(choice: \(Renderer.literal(member.node.name)), \(read))" : "try \(read)"
    case .caseStructure(let type): return "try \(references.name(type, from: scope))(from: reader)"
    }
  }

  /// The statement that writes a member's value, which `value` stands for.
  func writing(_ member: PlannedMember, _ value: String) -> String {
    let field = member.fields.lowerBound
    switch member.content {
    case .leaf: return "writer.leaf(\(field), \(value))"
    case .presence: return "writer.presence(\(field), \(value))"
    case .leafList: return "writer.leafList(\(field), \(value))"
    case .container: return "writer.container(\(field), \(value))"
    case .list: return "writer.list(\(field), \(value))"
    case .any: return "writer.any(\(field), \(value))"
    case .choice(_, let isRequired): return "\(value)\(isRequired ? "" : "?").write(to: &writer)"
    case .caseStructure: return "\(value).write(to: &writer)"
    }
  }

  /// `init(from:)` and `write(to:)` of a structure or case structure.
  func treeCoding(_ type: PlannedType) -> [Declaration] {
    let names = type.members.map { member in
      // The parameters of the two functions would hide properties of their names.
      let name = ReservedNames.member(member.name)
      return ["reader", "writer"].contains(name) ? "self." + name : name
    }
    return [
      .function(
        FunctionDeclaration(
          head: "init", parameters: [.init(label: "from", name: "reader", type: .named("NodeReader"))],
          error: "DatastoreError",
          body: zip(names, type.members).map { .line("\($0) = \(reading($1, in: type))") })),
      .function(
        FunctionDeclaration(
          head: "func write",
          parameters: [.init(label: "to", name: "writer", type: .named("NodeWriter"), isInout: true)],
          body: zip(names, type.members).map { .line(writing($1, $0)) })),
    ]
  }
}
