// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What submodules of YANG 1 may refer to: their own definitions and those of submodules that they include
/// (RFC 6020 sections 5.1 and 7.1.6). YANG 1.1 opened the whole module to them.
///
/// Many published modules do not keep to that, and what they mean is clear: so it is an error only in a submodule that
/// was itself given to be checked, otherwise a warning.
extension Compiler {
  func checkSubmoduleVisibility() {
    for module in parsed {
      for file in module.submodules where file.version == .one {
        let visible = visibleFiles(of: file, in: module)
        checkReferences(of: file.statement, in: file, visible)
      }
    }
  }

  /// The submodule and those that it includes; not what these include.
  private func visibleFiles(of file: ParsedModule, in module: ParsedModule) -> Set<ObjectIdentifier> {
    let included = Set(file.statement.all(.include).map(\.text))
    return Set(([file] + module.submodules.filter { included.contains($0.name) }).map { ObjectIdentifier($0) })
  }

  private func checkReferences(
    of statement: Statement, in file: ParsedModule, _ visible: Set<ObjectIdentifier>
  ) {
    for user in statement.substatements {
      if let definition = definition(of: user, in: file), !visible.contains(ObjectIdentifier(definition.scope)) {
        let message =
          "the submodule '\(file.name)' cannot see '\(definition.text)', which is defined in '\(definition.scope.name)'"
        let hint = definition.scope.isSubmodule ? "an 'include' of it is missing" : "YANG 1.1 would allow it"
        if givenSubmodules.contains(ObjectIdentifier(file)) {
          log.error(user, message, hint: hint)
        } else {
          log.warning(user, message, hint: hint)
        }
      }
      checkReferences(of: user, in: file, visible)
    }
  }

  /// The definition at the top of the submodule's own module that a statement names.
  private func definition(of user: Statement, in file: ParsedModule) -> Scoped? {
    let module = file.owner
    if user.keyword == .unknown {
      return user.prefix == file.prefix ? module.extensions[user.name] : nil
    }
    guard [.type, .uses, .base, .ifFeature, .augment].contains(user.keyword) else { return nil }
    let first = user.text.split(separator: "/").first.map(String.init) ?? ""
    guard let (prefix, name) = Identifier.reference(first), prefix == nil || prefix == file.prefix else { return nil }
    switch user.keyword {
    case .type: return module.typedefs[name]
    case .uses: return module.groupings[name]
    case .base: return module.identities[name]
    case .ifFeature: return module.features[name]
    default: return user.parent === file.statement ? topNode(name, of: module) : nil
    }
  }

  private func topNode(_ name: String, of module: ParsedModule) -> Scoped? {
    for file in [module] + module.submodules {
      for statement in file.statement.substatements
      where Grammar.dataDefinitions.contains(statement.keyword) && statement.keyword != .uses && statement.text == name
      {
        return Scoped(statement: statement, scope: file)
      }
    }
    return nil
  }
}
