// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Holds a tree of statements against the grammar and reports everything that does not fit.
struct GrammarCheck {
  let version: YANGVersion
  /// The prefixes that stand for ietf-yang-metadata.
  let metadataPrefixes: Set<String>
  var log = DiagnosticLog()

  static func check(_ root: Statement) -> [YANGDiagnostic] {
    guard root.keyword == .module || root.keyword == .submodule else {
      let problem = YANGDiagnostic(
        .error, at: root, "a file holds a module or a submodule, not '\(root.title)'")
      return [problem]
    }
    let version = root.argument(of: .yangVersion).flatMap(YANGVersion.init) ?? .one
    let metadata = root.all(.import).filter { $0.argument == "ietf-yang-metadata" }
    var check = GrammarCheck(
      version: version, metadataPrefixes: Set(metadata.compactMap { $0.argument(of: .prefix) }))
    check.visit(root)
    check.checkSections(root)
    return check.log.all
  }

  private mutating func visit(_ statement: Statement) {
    guard let rule = Grammar.rules[statement.keyword] else {
      // What stands inside an extension statement is the extension's own matter, but some are known.
      if Grammar.holdsData(statement) {
        checkSubstatements(statement, Grammar.structure)
        statement.substatements.forEach { visit($0) }
      } else if statement.name == "annotation", let prefix = statement.prefix, metadataPrefixes.contains(prefix) {
        checkSubstatements(statement, Grammar.annotation)
        statement.substatements.forEach { visit($0) }
      } else {
        statement.substatements.forEach { visitUnknown($0) }
      }
      return
    }
    checkArgument(statement, rule)
    checkSubstatements(statement, rule)
    for substatement in statement.substatements { visit(substatement) }
  }

  /// Inside an extension's statement the language's own keep at least their shape.
  private mutating func visitUnknown(_ statement: Statement) {
    if statement.argument == nil, let rule = Grammar.rules[statement.keyword] { checkArgument(statement, rule) }
    statement.substatements.forEach { visitUnknown($0) }
  }

  private mutating func checkArgument(_ statement: Statement, _ rule: GrammarRule) {
    if case .none = rule.argument {
      if statement.argument != nil { log.error(statement, "'\(statement.name)' takes no argument") }
      return
    }
    guard let argument = statement.argument else {
      log.error(statement, "'\(statement.name)' needs an argument")
      return
    }
    if let problem = rule.argument.problem(with: argument, of: statement) {
      log.error(statement, problem.message, hint: problem.hint)
    } else if version == .one, statement.keyword == .ifFeature, Identifier.reference(argument) == nil {
      log.error(statement, "a feature expression needs YANG 1.1", hint: "add 'yang-version 1.1;' to the module")
    } else if case .identifier = rule.argument, version == .one, argument.prefix(3).lowercased() == "xml" {
      log.error(statement, "an identifier must not start with 'xml' in YANG 1 (RFC 6020 section 6.2)")
    }
  }

  private mutating func checkSubstatements(_ statement: Statement, _ rule: GrammarRule) {
    var first: [Keyword: Statement] = [:]
    for substatement in statement.substatements where substatement.keyword != .unknown {
      let keyword = substatement.keyword
      guard let allowed = rule.substatements[keyword] else {
        log.error(substatement, "'\(keyword.rawValue)' is not allowed in '\(statement.name)'")
        continue
      }
      if allowed.isNew, version == .one {
        log.error(
          substatement, "'\(keyword.rawValue)' in '\(statement.name)' needs YANG 1.1",
          hint: "add 'yang-version 1.1;' to the module")
      }
      if let earlier = first[keyword], !allowed.mayRepeat || (allowed.repeatIsNew && version == .one) {
        log.error(
          substatement, "'\(keyword.rawValue)' may stand only once in '\(statement.name)'",
          hint: "it already stands in line \(earlier.line)")
      }
      first[keyword] = first[keyword] ?? substatement
    }
    for (keyword, allowed) in rule.substatements where allowed.isRequired && first[keyword] == nil {
      log.error(statement, "'\(statement.name)' needs a '\(keyword.rawValue)' statement")
    }
    if statement.keyword == .input || statement.keyword == .output,
      !statement.substatements.contains(where: { Grammar.dataDefinitions.contains($0.keyword) })
    {
      log.error(
        statement, "'\(statement.name)' needs at least one data definition",
        hint: "leave it out when there is none (RFC 7950 section 14, \(statement.name)-stmt)")
    }
    if statement.keyword == .deviate, statement.text == "replace" {
      for another in statement.all(.default).dropFirst() {
        log.error(another, "'default' may stand only once in 'deviate replace'")
      }
    }
    if statement.keyword == .deviate, let allowed = Grammar.deviateSubstatements[statement.text] {
      for substatement in statement.substatements
      where substatement.keyword != .unknown && !allowed.contains(substatement.keyword) {
        log.error(substatement, "'\(substatement.name)' is not allowed in 'deviate \(statement.text)'")
      }
    }
  }

  private mutating func checkSections(_ root: Statement) {
    var reached = 0
    for statement in root.substatements {
      guard let section = Grammar.section(of: statement.keyword) else { continue }
      if section < reached {
        log.error(
          statement, "'\(statement.name)' stands too late in the \(root.name)",
          hint: "it belongs before the \(Grammar.sectionNames[reached]) statements")
      }
      reached = max(reached, section)
    }
  }
}
