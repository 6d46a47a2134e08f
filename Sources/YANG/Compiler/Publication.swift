// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Stage 4: drafts become schema nodes.
extension Compiler {
  func publish() -> Schema {
    let first = implementedModules.first ?? parsed.first
    let location = SourceLocation(file: first?.source.file ?? "", line: 1, column: 1)
    let anchor =
      first?.compiled
      ?? Module(
        name: "", namespace: "", prefix: "", revision: nil, isImplemented: false, yangVersion: .one,
        source: SourceText(file: "", bytes: []))
    let root = SchemaNode(kind: .root, name: "", module: anchor, location: location)
    register(root, draft: nil)
    var rpcs: [SchemaNode] = []
    var notifications: [SchemaNode] = []
    let modules = implementedModules.sorted { $0.name < $1.name }
    for module in modules {
      for draft in roots[ObjectIdentifier(module)]?.children ?? [] {
        guard let node = publish(draft, below: root, isConfig: true, inOperation: false) else { continue }
        switch node.kind {
        case .rpc: rpcs.append(node)
        case .notification: notifications.append(node)
        default: root.children.append(node)
        }
      }
    }
    link(nodes, root)
    checkNames(of: root.dataChildren + rpcs + notifications)
    let compiled = parsed.compactMap(\.compiled).sorted {
      ($0.name, $0.revision ?? "") < ($1.name, $1.revision ?? "")
    }
    let schema = Schema(modules: compiled, root: root, nodes: nodes, rpcs: rpcs, notifications: notifications)
    for type in types { type.schema = schema }
    schema.augments = publishedAugments()
    if keepsWritings { schema.writings = drafts.map { Self.writing(of: $0) } }
    return schema
  }

  private func publishedAugments() -> [Augment] {
    var published: [ObjectIdentifier: SchemaNode] = [:]
    for (node, draft) in zip(nodes, drafts) {
      if let draft { published[ObjectIdentifier(draft)] = node }
    }
    var places: [ObjectIdentifier: Int] = [:]
    for module in implementedModules.sorted(by: { $0.name < $1.name }) {
      for file in [module] + module.submodules { places[ObjectIdentifier(file)] = places.count }
    }
    let ofOthers = appliedAugments.filter {
      $0.augment.statement.parent?.keyword != .uses && $0.target.module !== $0.augment.scope.owner
    }
    let ordered = ofOthers.sorted { left, right in
      let a = places[ObjectIdentifier(left.augment.scope)] ?? 0
      let b = places[ObjectIdentifier(right.augment.scope)] ?? 0
      return a != b ? a < b : left.augment.statement.offset < right.augment.statement.offset
    }
    return ordered.compactMap { augment, target, nodes in
      guard let module = augment.scope.owner.compiled, let target = published[ObjectIdentifier(target)] else {
        return nil
      }
      return Augment(
        module: module, path: augment.text, target: target,
        nodes: nodes.compactMap { published[ObjectIdentifier($0)] })
    }
  }

  private static func writing(of draft: Draft?) -> NodeWriting {
    guard let draft else { return NodeWriting(type: nil, isLeafref: false, features: []) }
    let type = draft.type?.statement
    let path = type?.text == SchemaType.Base.leafref.rawValue ? type?.argument(of: .path) : nil
    var features: [String] = []
    // The case of a shorthand has nothing of its own.
    if draft.kind != .case || draft.source.statement.keyword == .case {
      features = draft.source.statement.all(.ifFeature).map(\.text)
    }
    features += draft.featuresOfUses
    for more in draft.augment?.statement.all(.ifFeature) ?? [] where !features.contains(more.text) {
      features.append(more.text)
    }
    return NodeWriting(type: path ?? type?.text, isLeafref: path != nil, features: features)
  }

  /// The nodes of a grouping that nothing uses, for checking only.
  func publishTentatively(_ draft: Draft, below root: SchemaNode) {
    register(root, draft: nil)
    guard let top = publish(draft, below: root, isConfig: true, inOperation: false) else { return }
    root.children = [top]
    link(nodes, root)
  }

  private func link(_ nodes: [SchemaNode], _ root: SchemaNode) {
    for node in nodes { linkData(node) }
    root.dataChildren = dataChildren(of: root)
    index(root)
    for node in nodes where node !== root && node.isInterior {
      // Keys come first, so they are found before the children are put in order.
      resolveKeys(of: node)
      node.dataChildren = dataChildren(of: node)
      index(node)
    }
  }

  private func register(_ node: SchemaNode, draft: Draft?) {
    node.id = nodes.count
    nodes.append(node)
    drafts.append(draft)
  }

  private func publish(_ draft: Draft, below parent: SchemaNode, isConfig: Bool, inOperation: Bool) -> SchemaNode? {
    guard let module = draft.module.compiled else { return nil }
    let node = SchemaNode(
      kind: draft.kind, name: draft.name, module: module, location: draft.source.statement.location)
    register(node, draft: draft)
    node.parent = parent
    let operation: Bool =
      switch draft.kind {
      case .rpc, .action, .input, .output, .notification: true
      default: inOperation
      }
    node.isConfig = operation ? true : effectiveConfig(draft, parentIsConfig: isConfig)
    node.isConfiguration = node.isConfig && !operation
    readProperties(draft, into: node)
    inheritConditions(draft, from: parent, into: node)
    for child in draft.children {
      if let published = publish(child, below: node, isConfig: node.isConfig, inOperation: operation) {
        node.children.append(published)
      }
    }
    return node
  }

  private func effectiveConfig(_ draft: Draft, parentIsConfig: Bool) -> Bool {
    guard let written = draft.config else { return parentIsConfig }
    let isConfig = written.text == "true"
    if isConfig, !parentIsConfig {
      log.error(
        written, "'\(draft.path)' cannot be configuration below state data",
        hint: "a node above it has 'config false'")
    }
    return isConfig && parentIsConfig
  }

  private func readProperties(_ draft: Draft, into node: SchemaNode) {
    node.status = draft.status.flatMap { Self.status($0.text) } ?? .current
    node.isMandatory = draft.mandatory?.text == "true"
    node.hasPresence = draft.presence != nil
    node.isOrderedByUser = draft.orderedBy?.text == "user"
    node.minElements = draft.minElements.flatMap { Int($0.text) } ?? 0
    node.maxElements = draft.maxElements.flatMap { $0.text == "unbounded" ? nil : Int($0.text) }
    node.summary = draft.summary
    node.reference = draft.reference
    node.units = draft.units?.text
    node.extensions = draft.extensions.map {
      ExtensionUse(
        module: $0.scope.module(forPrefix: $0.statement.prefix)?.name ?? $0.statement.prefix ?? "",
        name: $0.statement.name, argument: $0.statement.argument)
    }
    if let least = draft.minElements, let greatest = node.maxElements, node.minElements > greatest {
      log.error(least, "min-elements \(node.minElements) is greater than max-elements \(greatest)")
    }
    guard node.kind == .leaf || node.kind == .leafList, let use = draft.type else { return }
    let resolved = resolveType(use)
    node.type = ownCopy(resolved.type)
    node.units = node.units ?? resolved.units
  }

  /// A leafref belongs to the one leaf that has it, since its path starts there.
  private func ownCopy(_ type: SchemaType) -> SchemaType {
    guard containsLeafref(type) else { return type }
    let own = copy(type)
    own.members = type.members.map { ownCopy($0) }
    return own
  }

  func containsLeafref(_ type: SchemaType) -> Bool {
    type.base == .leafref || type.members.contains { containsLeafref($0) }
  }

  static func status(_ text: String) -> SchemaNode.Status? {
    switch text {
    case "current": .current
    case "deprecated": .deprecated
    case "obsolete": .obsolete
    default: nil
    }
  }

  /// A data node depends on the conditions of the choices and cases around it, too.
  private func inheritConditions(_ draft: Draft, from parent: SchemaNode, into node: SchemaNode) {
    var conditions = draft.whens
    if draft.kind != .case, draft.kind != .choice {
      var around = draft.parent
      while let next = around, next.kind == .case || next.kind == .choice {
        conditions += next.whens.map { Draft.Condition(expression: $0.expression, context: .parent) }
        around = next.parent
      }
    }
    conditionsByNode[node.id] = conditions
  }

  // MARK: The data tree

  private func linkData(_ node: SchemaNode) {
    var above = node.parent
    while let next = above, next.kind == .choice || next.kind == .case { above = next.parent }
    node.dataParent = above
  }

  private func dataChildren(of node: SchemaNode) -> [SchemaNode] {
    var result: [SchemaNode] = node.keys
    func collect(_ children: [SchemaNode]) {
      for child in children {
        switch child.kind {
        case .choice, .case: collect(child.children)
        case .action, .notification: break
        default: if !child.isKey { result.append(child) }
        }
      }
    }
    collect(node.children)
    return result
  }

  private func index(_ node: SchemaNode) {
    // A node in a choice or case has its place among the data children of the data parent.
    let isTransparent = node.kind == .choice || node.kind == .case
    node.hasChoices = node.children.contains { $0.kind == .choice }
    for (position, child) in node.dataChildren.enumerated() {
      if !isTransparent { child.position = position }
      node.childIndex[child.name, default: []].append(child)
    }
    guard node.kind != .root else { return }
    checkNames(of: node.dataChildren + node.children.filter { $0.kind == .action || $0.kind == .notification })
    if node.children.contains(where: { $0.kind == .choice || $0.kind == .case }) { checkNames(of: node.children) }
  }

  /// Siblings have different names, through all choices and cases (RFC 7950 section 6.2.1).
  private func checkNames(of siblings: [SchemaNode]) {
    guard siblings.count > 1 else { return }
    var seen: [String: [SchemaNode]] = [:]
    seen.reserveCapacity(siblings.count)
    for node in siblings {
      if let other = seen[node.name]?.first(where: { $0.module === node.module }), other !== node {
        guard let draft = drafts[node.id] else { continue }
        log.error(
          draft.source.statement, "there is already a node '\(node.name)' here",
          hint: "it is defined at \(other.location)")
      }
      seen[node.name, default: []].append(node)
    }
  }

  private func resolveKeys(of node: SchemaNode) {
    guard node.kind == .list, let draft = drafts[node.id] else { return }
    guard let key = draft.key else {
      if node.isConfig, !isTentative, !isInOperation(node) {
        log.error(draft.source.statement, "the list '\(node.name)' needs a key, since it is configuration")
      }
      return
    }
    for name in key.text.split(whereSeparator: ArgumentSyntax.isSeparator) {
      let bare = name.split(separator: ":").last.map(String.init) ?? String(name)
      guard let leaf = node.children.first(where: { $0.name == bare && $0.kind == .leaf }) else {
        log.error(
          key.statement, "the key '\(name)' is not a leaf of the list '\(node.name)'",
          hint: NearestName.hint(bare, among: node.children.filter { $0.kind == .leaf }.map(\.name)))
        continue
      }
      guard !leaf.isKey else {
        log.error(key.statement, "the key '\(name)' stands twice")
        continue
      }
      leaf.isKey = true
      node.keys.append(leaf)
      checkKey(leaf, of: node, at: key)
    }
  }

  private func checkKey(_ leaf: SchemaNode, of list: SchemaNode, at key: Scoped) {
    if leaf.isConfig != list.isConfig {
      log.error(key.statement, "the key '\(leaf.name)' must be configuration if and only if its list is")
    }
    checkStatus(of: list, refersTo: leaf, at: key.statement)
    guard let draft = drafts[leaf.id] else { return }
    if leaf.type?.base == .empty, key.scope.version == .one {
      log.error(key.statement, "the key '\(leaf.name)' cannot be of type empty in YANG 1")
    }
    if key.scope.version == .onePointOne {
      if let condition = draft.whens.first {
        log.error(condition.expression.statement, "the key '\(leaf.name)' must not depend on a 'when'")
      }
      if let condition = draft.source.statement.first(.ifFeature) {
        log.error(condition, "the key '\(leaf.name)' must not depend on an 'if-feature'")
      }
    }
  }

  func isInOperation(_ node: SchemaNode) -> Bool {
    var next: SchemaNode? = node
    while let here = next {
      switch here.kind {
      case .rpc, .action, .input, .output, .notification: return true
      default: next = here.parent
      }
    }
    return false
  }
}
