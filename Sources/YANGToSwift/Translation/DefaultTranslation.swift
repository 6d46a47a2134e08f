// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Default values as source text.
extension Translator {
  /// Nil for values that have no literal: instance-identifiers and secrets.
  func literal(_ value: Value, _ type: SwiftType) -> String? {
    switch value {
    case .empty: "Presence()"
    case .boolean(let flag): String(flag)
    case .int(let number): String(number)
    case .uint(let number): String(number)
    case .decimal64(let scaled, let digits): "Decimal64(scaled: \(scaled), digits: \(digits))"
    case .string(let text): Renderer.literal(text)
    case .binary(let bytes): "[\(bytes.map { String($0) }.joined(separator: ", "))]"
    case .enumeration(let value):
      caseName(type) { kind in
        guard case .enumeration(let values) = kind else { return nil }
        return zip(values, caseNames.enumeration(values)).first { $0.0 == value }?.1
      }
    case .bits(let set): bitsLiteral(set, type)
    case .identity(let identity):
      caseName(type) { kind in
        guard case .identity(let bases, let values) = kind else { return nil }
        return zip(values, caseNames.identities(values, of: bases)).first { $0.0 == identity }?.1
      }
    case .union(let member, let inner): unionLiteral(member, inner, type)
    case .instanceIdentifier, .sealed: nil
    }
  }

  private func caseName(_ type: SwiftType, _ find: (PlannedType.Kind) -> String?) -> String? {
    guard case .planned(let planned) = type, let name = find(planned.kind) else { return nil }
    return "." + name
  }

  private func bitsLiteral(_ set: [BitValue], _ type: SwiftType) -> String? {
    guard case .planned(let planned) = type, case .bits(let values) = planned.kind else { return nil }
    let sorted = values.sorted { $0.position < $1.position }
    let named = zip(sorted, caseNames.bits(sorted))
    let names = set.compactMap { bit in named.first { $0.0.name == bit.name }?.1 }
    return names.count == set.count ? "[\(names.map { "." + $0 }.joined(separator: ", "))]" : nil
  }

  private func unionLiteral(_ member: Int, _ value: Value, _ type: SwiftType) -> String? {
    guard case .planned(let planned) = type, case .union(let plan) = planned.kind, plan.members.indices.contains(member)
    else { return nil }
    let name = caseNames.union(plan)[member]
    guard let memberType = plan.members[member].type else { return "." + name }
    return literal(value, memberType).map { ".\(name)(\($0))" }
  }
}
