// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What can be told from the statements of a file before anything is expanded: extensions, and names that hide others.
extension Compiler {
  func checkStatements() {
    for module in parsed {
      for file in [module] + module.submodules {
        checkStatements(below: file.statement, in: file, typedefs: [], groupings: [])
        checkRevisions(of: file)
      }
    }
  }

  private func checkStatements(
    below statement: Statement, in file: ParsedModule, typedefs: [String], groupings: [String]
  ) {
    var typedefs = typedefs
    var groupings = groupings
    let isNested = statement.parent != nil
    if statement.hasTypedefs, isNested {
      for typedef in statement.substatements where typedef.keyword == .typedef {
        if typedefs.contains(typedef.text) || file.owner.typedefs[typedef.text] != nil {
          reportHidden(typedef)
        }
        typedefs.append(typedef.text)
      }
    }
    if statement.hasGroupings, isNested {
      for grouping in statement.substatements where grouping.keyword == .grouping {
        if groupings.contains(grouping.text) || file.owner.groupings[grouping.text] != nil {
          reportHidden(grouping)
        }
        groupings.append(grouping.text)
      }
    }
    for substatement in statement.substatements {
      switch substatement.keyword {
      case .unknown:
        checkExtension(substatement, in: file)
        guard Grammar.holdsData(substatement) else { continue }
        checkStatements(below: substatement, in: file, typedefs: typedefs, groupings: groupings)
      case .typedef where SchemaType.Base(rawValue: substatement.text) != nil:
        log.error(substatement, "'\(substatement.text)' is the name of a built-in type")
      default:
        if [.type, .uses, .base].contains(substatement.keyword) { checkPrefix(substatement, in: file) }
        checkStatements(below: substatement, in: file, typedefs: typedefs, groupings: groupings)
      }
    }
  }

  /// Also where nothing follows the name later on: in a deviation of a node that another one takes away.
  private func checkPrefix(_ statement: Statement, in file: ParsedModule) {
    guard let prefix = Identifier.reference(statement.text)?.prefix, file.module(forPrefix: prefix) == nil else {
      return
    }
    reportUnknownPrefix(prefix, at: statement, in: file)
  }

  /// RFC 7950 section 5.5.
  private func reportHidden(_ statement: Statement) {
    log.error(
      statement, "the \(statement.name) '\(statement.text)' is already defined around here",
      hint: "a nested definition must not hide another one (RFC 7950 section 5.5)")
  }

  private func checkExtension(_ use: Statement, in file: ParsedModule) {
    // An unknown keyword without prefix has been reported.
    guard let prefix = use.prefix, !prefix.isEmpty else { return }
    guard let module = file.module(forPrefix: prefix) else {
      reportUnknownPrefix(prefix, at: use, in: file)
      return
    }
    guard let definition = module.extensions[use.name] else {
      log.error(
        use, "there is no extension '\(use.name)' in module '\(module.name)'",
        hint: NearestName.hint(use.name, among: module.extensions.keys.sorted()))
      return
    }
    let takesArgument = definition.statement.has(.argument)
    if takesArgument, use.argument == nil {
      log.error(use, "the extension '\(prefix):\(use.name)' needs an argument")
    } else if !takesArgument, use.argument != nil {
      log.error(use, "the extension '\(prefix):\(use.name)' takes no argument")
    }
  }

  private func checkRevisions(of file: ParsedModule) {
    var seen: Set<String> = []
    var previous: String?
    for statement in file.statement.substatements where statement.keyword == .revision {
      guard let date = statement.argument else { continue }
      if !seen.insert(date).inserted {
        log.warning(statement, "the revision \(date) stands twice")
      } else if let previous, date > previous {
        log.warning(
          statement, "the revision \(date) stands behind the older \(previous)", hint: "the latest revision comes first"
        )
      }
      previous = date
    }
  }

  // MARK: Status

  /// A definition must not refer to one of the same module with a lesser status (RFC 7950 section 7.21.2).
  func checkStatus(of user: Statement, in scope: ParsedModule, refersTo definition: Scoped) {
    guard scope.owner === definition.scope.owner else { return }
    let used = status(of: definition.statement)
    // A uses is a definition of its own: what is around it says nothing about it.
    let written = user.argument(of: .status).flatMap(Self.status)
    let own = user.keyword == .uses ? written ?? .current : status(of: user)
    guard own.rawValue < used.rawValue else { return }
    let message = Self.statusMessage(own, refersTo: definition.text, used)
    // Typedefs and identities that are made of others are often left as they are when those become deprecated.
    if user.keyword == .base || user.parent?.keyword == .typedef {
      log.warning(user, message)
    } else {
      log.error(user, message)
    }
  }

  /// The same for nodes, as a leafref or the key of a list refers to them. A status that is only inherited, by either
  /// of them, is no reason to refuse.
  func checkStatus(of node: SchemaNode, refersTo other: SchemaNode, at statement: Statement) {
    guard node.status.rawValue < other.status.rawValue, node.module === other.module else { return }
    var around = node.parent
    while let next = around {
      if next.status.rawValue >= other.status.rawValue { return }
      around = next.parent
    }
    log.error(statement, Self.statusMessage(node.status, refersTo: other.path, other.status))
  }

  private static func statusMessage(
    _ own: SchemaNode.Status, refersTo name: String, _ used: SchemaNode.Status
  ) -> String {
    "a definition that is \(own) must not refer to '\(name)', which is \(used) (RFC 7950 section 7.21.2)"
  }

  /// The status of a statement: its own, or that of the nearest one around it that has any.
  private func status(of statement: Statement) -> SchemaNode.Status {
    var next: Statement? = statement
    while let here = next {
      if let written = here.argument(of: .status), let status = Self.status(written) { return status }
      next = here.parent
    }
    return .current
  }
}
