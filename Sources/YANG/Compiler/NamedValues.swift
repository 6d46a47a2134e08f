// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The names of enumerations and bits, assigned and restricted (RFC 7950 sections 9.6 and 9.7).
extension Compiler {
  func restrictEnums(_ type: SchemaType, _ base: SchemaType, _ use: Scoped) {
    let isFirst = base.enums.isEmpty
    var known: [String: Int64] = [:]
    for value in base.enums { known[value.name] = Int64(value.value) }
    let named = collect(.enum, number: .value, of: use, base: isFirst ? nil : known, limit: Int64(Int32.max))
    type.enums = named.map { EnumValue(value: Int32(truncatingIfNeeded: $0.number), name: $0.name) }
  }

  func restrictBits(_ type: SchemaType, _ base: SchemaType, _ use: Scoped) {
    let isFirst = base.bits.isEmpty
    var known: [String: Int64] = [:]
    for bit in base.bits { known[bit.name] = Int64(bit.position) }
    let named = collect(.bit, number: .position, of: use, base: isFirst ? nil : known, limit: Int64(UInt32.max))
    type.bits = named.map { BitValue(position: UInt32(truncatingIfNeeded: $0.number), name: $0.name) }
      .sorted { $0.position < $1.position }
  }

  /// Names with their numbers. A number that is not written is one more than the highest before it; in a restricted
  /// type it is that of the base. A name whose `if-feature` does not hold takes its number but is left out.
  private func collect(
    _ keyword: Keyword, number: Keyword, of use: Scoped, base: [String: Int64]?, limit: Int64
  ) -> [(name: String, number: Int64)] {
    var result: [(name: String, number: Int64)] = []
    var names: Set<String> = []
    var numbers: [Int64: String] = [:]
    var highest: Int64?
    for statement in use.statement.substatements where statement.keyword == keyword {
      let name = statement.text
      // Reported with the grammar.
      if keyword == .bit, !Identifier.isValid(name) { continue }
      guard names.insert(name).inserted else {
        log.error(statement, "the \(keyword.rawValue) '\(name)' is defined twice in this type")
        continue
      }
      let written = statement.argument(of: number).flatMap { Int64($0) }
      let value: Int64
      if let base {
        guard let original = base[name] else {
          log.error(
            statement, "the base type has no \(keyword.rawValue) '\(name)'",
            hint: NearestName.hint(name, among: base.keys.sorted()))
          continue
        }
        if let written, written != original {
          log.error(
            statement, "the \(number.rawValue) of '\(name)' is \(original) in the base type and cannot be changed")
        }
        value = original
      } else {
        value = written ?? highest.map { $0 + 1 } ?? 0
      }
      guard value <= limit else {
        log.error(
          statement, "there is no \(number.rawValue) left for '\(name)': the one before it is the greatest possible",
          hint: "write the \(number.rawValue)")
        continue
      }
      if let other = numbers[value] {
        log.error(statement, "'\(name)' has the same \(number.rawValue) as '\(other)': \(value)")
        continue
      }
      numbers[value] = name
      highest = max(highest ?? value, value)
      if isEnabled(statement, in: use.scope) { result.append((name, value)) }
    }
    return result
  }
}
