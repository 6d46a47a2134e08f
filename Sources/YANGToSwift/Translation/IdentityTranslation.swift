// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Identityrefs: structs around the identity's name, with a constant for each identity that the modules know. A value
/// that came from a module unknown here is kept.
extension Translator {
  func identity(_ type: PlannedType, _ values: [Identity], of bases: [Identity]) -> Translated {
    var members: [Declaration] = [
      .property(
        PropertyDeclaration(
          comment: Comment(["The identity's name with its module's, `module:name`."]), isConstant: true,
          name: "identity", type: .named("String"))),
      .function(
        FunctionDeclaration(
          head: "init", parameters: [.init(name: "identity", type: .named("String"))],
          body: [.line("self.identity = identity")])),
    ]
    for (name, value) in zip(caseNames.identities(values, of: bases), values) {
      let literal = Renderer.literal("\(value.module.name):\(value.name)")
      members.append(
        .property(
          PropertyDeclaration(
            isStatic: true, isConstant: true, name: name, value: .text("Self(identity: \(literal))"))))
    }
    return Translated(
      type: TypeDeclaration(
        comment: Comment(["Identities derived from \(Facts.quoted(type.source))."]), keyword: .structure,
        name: type.name, conformances: ["IdentityRepresentable"], members: members))
  }
}
