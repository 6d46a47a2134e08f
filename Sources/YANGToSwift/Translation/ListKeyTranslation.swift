// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Keys of lists: the key leaf's own type, or a struct for several.
extension Translator {
  func listKey(_ type: PlannedType, _ node: SchemaNode) -> Translated {
    // The members are the list's; types of their own nest there too.
    let scope = type.parent ?? type
    let members = type.members.flatMap { member -> [Declaration] in
      let comment = Comment(description: nil, facts: Facts.member(member))
      return [
        .property(
          PropertyDeclaration(
            comment: comment, name: ReservedNames.member(member.name), type: propertyType(member, in: scope)))
      ]
    }
    let initialiser = FunctionDeclaration(
      head: "init",
      parameters: type.members.map {
        .init(name: ReservedNames.member($0.name), type: propertyType($0, in: scope))
      },
      body: type.members.map { member in
        let name = ReservedNames.member(member.name)
        return .line("self.\(name) = \(name)")
      })
    return Translated(
      type: TypeDeclaration(
        comment: Comment(["What tells the entries of `\(node.path)` apart."]), keyword: .structure, name: type.name,
        conformances: ["Sendable", "Hashable"], members: members + [.function(initialiser)]))
  }

  /// What makes a struct an entry of a keyed list.
  func listEntry(_ type: PlannedType) -> [Declaration] {
    let keys = type.members.filter(\.node.isKey)
    let names = keys.map { ReservedNames.member($0.name) }
    let result: TypeExpression
    let own: String
    let read: String
    if keys.count == 1, let key = keys.first, let name = names.first {
      result = propertyType(key, in: type)
      own = name == "keys" ? "self.keys" : name
      read = "try keys.key(0)"
    } else {
      result = .named("ListKey")
      own = "ListKey(\(names.map { "\($0): \($0)" }.joined(separator: ", ")))"
      let reads = names.enumerated().map { "\($1): try keys.key(\($0))" }
      read = "ListKey(\(reads.joined(separator: ", ")))"
    }
    return [
      .property(PropertyDeclaration(name: "listKey", type: result, getter: [.line(own)])),
      .function(
        FunctionDeclaration(
          isStatic: true, head: "func listKey",
          parameters: [.init(label: "from", name: "keys", type: .named("KeyReader"))], error: "DatastoreError",
          result: result, body: [.line(read)])),
    ]
  }
}
