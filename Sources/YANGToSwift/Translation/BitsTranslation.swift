// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Bits: option sets. The raw value's bits count the defined bits in order of position, since YANG's positions may be
/// far apart.
extension Translator {
  /// More bits than this have no raw value type.
  static let mostBits = 128

  func bits(_ type: PlannedType, _ values: [BitValue]) -> Translated {
    let values = values.sorted { $0.position < $1.position }
    let rawType = values.count <= 64 ? "UInt64" : "UInt128"
    var members: [Declaration] = [
      .property(PropertyDeclaration(isConstant: true, name: "rawValue", type: .named(rawType))),
      .function(
        FunctionDeclaration(
          head: "init", parameters: [.init(name: "rawValue", type: .named(rawType))],
          body: [.line("self.rawValue = rawValue")])),
    ]
    for (index, name) in caseNames.bits(values).enumerated() {
      members.append(
        .property(
          PropertyDeclaration(
            isStatic: true, isConstant: true, name: name, value: .text("Self(rawValue: 1 << \(index))"))))
    }
    members.append(
      .property(
        PropertyDeclaration(
          comment: Comment(["YANG's names, by number of the raw value's bit."]), isStatic: true, isConstant: true,
          name: "bitNames", value: .list("[", values.map { Renderer.literal($0.name) }, "]"))))
    return Translated(
      type: TypeDeclaration(
        comment: Comment(["Bits of \(Facts.quoted(type.source))."]), keyword: .structure, name: type.name,
        conformances: ["BitsRepresentable"], members: members))
  }
}
