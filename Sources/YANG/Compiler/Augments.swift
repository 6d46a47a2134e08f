// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Stage 3: augments of other modules' nodes (RFC 7950 section 7.17).
extension Compiler {
  private struct Pending {
    let augment: Scoped
    let module: ParsedModule
  }

  func applyAugments() {
    var pending: [Pending] = []
    for module in implementedModules {
      for file in [module] + module.submodules {
        for statement in file.statement.substatements where statement.keyword == .augment {
          guard isEnabled(statement, in: file) else { continue }
          pending.append(Pending(augment: Scoped(statement: statement, scope: file), module: module))
        }
      }
    }
    // An augment may add to what another one brings: go round as long as that finds targets.
    while !pending.isEmpty {
      var waiting: [Pending] = []
      for next in pending {
        if let target = findNode(next.augment, reports: false) {
          extend(target, by: next.augment, for: next.module)
        } else {
          waiting.append(next)
        }
      }
      if waiting.count == pending.count {
        for next in waiting { _ = findNode(next.augment, reports: true) }
        return
      }
      pending = waiting
    }
  }

  /// The node at an absolute schema node identifier.
  func findNode(_ path: Scoped, reports: Bool) -> Draft? {
    var node: Draft?
    for step in path.text.split(separator: "/") {
      guard let (prefix, name) = Identifier.reference(String(step)) else { return nil }
      guard let module = implementedModule(forPrefix: prefix, in: path.scope) else {
        if reports { reportUnknownPrefix(prefix ?? "", at: path.statement, in: path.scope) }
        return nil
      }
      guard let parent = node ?? roots[ObjectIdentifier(module)] else {
        if reports { log.error(path.statement, "module '\(module.name)' is not implemented, it has no nodes") }
        return nil
      }
      guard let next = parent.child(name, in: module) else {
        if reports {
          log.error(
            path.statement,
            "'\(path.text)' leads nowhere: there is no node '\(name)' of module '\(module.name)' in "
              + "'\(parent.path.isEmpty ? "/" : parent.path)'",
            hint: NearestName.hint(name, among: parent.children.map(\.name)))
        }
        return nil
      }
      node = next
    }
    return node
  }
}
