// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The names of what a leaf's type lists, escaped for source text.
struct CaseNames {
  let spelling: Spelling

  /// Enums that would be named alike are told apart by their values.
  func enumeration(_ values: [EnumValue]) -> [String] {
    spelling.caseNames(values.map(\.name)) { index in
      let value = values[index].value
      return value < 0 ? "minus\(value.magnitude)" : String(value)
    }.map(ReservedNames.member)
  }

  /// Bits that would be named alike are told apart by their positions.
  func bits(_ values: [BitValue]) -> [String] {
    spelling.caseNames(values.map(\.name)) { String(values[$0].position) }.map(ReservedNames.member)
  }

  /// Identities that would be named alike are told apart by their modules; those of the base's own module keep the
  /// plain name.
  func identities(_ values: [Identity], of bases: [Identity]) -> [String] {
    let plain = values.map { spelling.memberName($0.name) }
    let told = spelling.caseNames(values.map(\.name)) { spelling.memberName(values[$0].module.name) }
    return values.indices.map { index in
      let isHome = bases.contains { $0.module === values[index].module }
      return ReservedNames.member(isHome ? plain[index] : told[index])
    }
  }

  func union(_ plan: PlannedType.UnionPlan) -> [String] {
    spelling.caseNames(plan.members.map(\.sourceName)) { String($0 + 1) }.map(ReservedNames.member)
  }
}
