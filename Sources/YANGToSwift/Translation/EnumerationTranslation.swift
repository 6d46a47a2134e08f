// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Enumerations: enums whose raw values are YANG's names.
extension Translator {
  func enumeration(_ type: PlannedType, _ values: [EnumValue]) -> Translated {
    let cases = zip(caseNames.enumeration(values), values).map { name, value in
      Declaration.enumCase(EnumCaseDeclaration(name: name, rawValue: value.name))
    }
    return Translated(
      type: TypeDeclaration(
        comment: Comment(["Values of \(Facts.quoted(type.source))."]), keyword: .enumeration, name: type.name,
        conformances: ["String", "EnumerationRepresentable"], members: cases))
  }
}
