// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Stage 3, after the augments: deviations (RFC 7950 section 7.20.3), in the order of module names, then of the text.
/// Nodes that are not supported go last, so that the order of modules does not decide what else can be deviated.
extension Compiler {
  func applyDeviations() {
    var unsupported: [(Scoped, Draft)] = []
    for module in implementedModules.sorted(by: { $0.name < $1.name }) {
      for file in [module] + module.submodules {
        for statement in file.statement.substatements where statement.keyword == .deviation {
          let deviation = Scoped(statement: statement, scope: file)
          guard let target = findNode(deviation, reports: true) else { continue }
          note(target.module, deviatedBy: module)
          for deviate in statement.substatements where deviate.keyword == .deviate {
            if deviate.text == "not-supported" {
              unsupported.append((deviation, target))
            } else {
              apply(Scoped(statement: deviate, scope: file), to: target)
            }
          }
        }
      }
    }
    for (_, target) in unsupported {
      guard let parent = target.parent else { continue }
      parent.remove(target)
      // The case that a choice's shorthand made goes with its only node.
      if parent.kind == .case, parent.children.isEmpty, parent.source.statement === target.source.statement {
        parent.parent?.remove(parent)
      }
    }
  }

  private func note(_ target: ParsedModule, deviatedBy module: ParsedModule) {
    guard let compiled = target.compiled, !compiled.deviatedBy.contains(module.name) else { return }
    compiled.deviatedBy.append(module.name)
    compiled.deviatedBy.sort()
  }

  private func apply(_ deviate: Scoped, to node: Draft) {
    var newDefaults: [Scoped] = []
    for statement in deviate.statement.substatements {
      let scoped = Scoped(statement: statement, scope: deviate.scope)
      switch deviate.text {
      case "add":
        add(scoped, to: node)
      case "replace":
        if statement.keyword == .default {
          newDefaults.append(scoped)
        } else {
          replace(scoped, in: node)
        }
      case "delete": delete(scoped, from: node)
      default: break
      }
    }
    if !newDefaults.isEmpty {
      if node.defaults.isEmpty { reportNothingToReplace(newDefaults[0].statement, node) }
      node.defaults = newDefaults
    }
  }

  private func reportNothingToReplace(_ statement: Statement, _ node: Draft) {
    log.error(
      statement, "'\(node.path)' has no '\(statement.name)' that could be replaced", hint: "use 'deviate add'")
  }

  private func add(_ scoped: Scoped, to node: Draft) {
    let statement = scoped.statement
    func claim(_ property: Statement?) {
      guard property != nil else { return }
      log.error(
        statement, "'\(node.path)' has a '\(statement.name)' already", hint: "use 'deviate replace'")
    }
    guard isAllowed(statement, on: node) else { return }
    switch statement.keyword {
    case .units:
      claim(node.units)
      node.units = statement
    case .config:
      claim(node.config)
      node.config = statement
    case .mandatory:
      claim(node.mandatory)
      node.mandatory = statement
    case .minElements:
      claim(node.minElements)
      node.minElements = statement
    case .maxElements:
      claim(node.maxElements)
      node.maxElements = statement
    case .must: node.musts.append(scoped)
    case .unique: node.uniques.append(scoped)
    case .default:
      if node.kind != .leafList { claim(node.defaults.first?.statement) }
      node.defaults.append(scoped)
    case .unknown: node.extensions.append(scoped)
    default: break
    }
  }

  private func replace(_ scoped: Scoped, in node: Draft) {
    let statement = scoped.statement
    guard isAllowed(statement, on: node) else { return }
    switch statement.keyword {
    case .type: node.type = scoped
    case .units:
      if node.units == nil { reportNothingToReplace(statement, node) }
      node.units = statement
    case .config:
      // Every node is configuration or not, written or inherited.
      node.config = statement
    case .mandatory:
      if node.mandatory == nil { reportNothingToReplace(statement, node) }
      node.mandatory = statement
    case .minElements:
      if node.minElements == nil { reportNothingToReplace(statement, node) }
      node.minElements = statement
    case .maxElements:
      if node.maxElements == nil { reportNothingToReplace(statement, node) }
      node.maxElements = statement
    default: break
    }
  }

  private func delete(_ scoped: Scoped, from node: Draft) {
    let statement = scoped.statement
    func remove(from list: inout [Scoped]) {
      if let index = list.firstIndex(where: { $0.text == statement.text }) {
        list.remove(at: index)
      } else {
        log.error(
          statement, "'\(node.path)' has no '\(statement.title)' that could be deleted",
          hint: list.isEmpty ? nil : "it has: \(list.map { "'\($0.text)'" }.joined(separator: ", "))")
      }
    }
    switch statement.keyword {
    case .units:
      if node.units?.text != statement.text {
        log.error(statement, "'\(node.path)' has no '\(statement.title)' that could be deleted")
      }
      node.units = nil
    case .must: remove(from: &node.musts)
    case .unique: remove(from: &node.uniques)
    case .default: remove(from: &node.defaults)
    default: break
    }
  }

  /// A property can only be put on a node that may have it.
  private func isAllowed(_ statement: Statement, on node: Draft) -> Bool {
    let isFit =
      switch statement.keyword {
      case .units, .type: node.kind == .leaf || node.kind == .leafList
      case .default: node.kind == .leaf || node.kind == .leafList || node.kind == .choice
      case .mandatory: [.leaf, .choice, .anydata, .anyxml].contains(node.kind)
      case .minElements, .maxElements: node.kind == .list || node.kind == .leafList
      case .unique: node.kind == .list
      case .must: ![.choice, .case, .rpc, .action].contains(node.kind)
      default: true
      }
    if !isFit {
      log.error(statement, "a \(node.kind) ('\(node.path)') cannot have '\(statement.name)'")
    }
    return isFit
  }
}
