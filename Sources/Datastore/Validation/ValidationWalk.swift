// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Compares two trees and evaluates the constraints that the difference can have changed.
///
/// On an instance that is new, all rules are evaluated. A change below an instance that is in both trees triggers the
/// rules that read what changed, at the nearest instance that holds both (the rule's apex for that reading); there they
/// are evaluated for all their owners below, once, when the walk leaves it.
struct ValidationWalk {
  /// What is done with rules that fail.
  enum Purpose {
    case validation
    /// Only `when` conditions matter, and the instances that fail are collected.
    case conditions
  }

  private struct Frame {
    let node: XPathNode
    var triggered: [Int] = []
    /// For searched leafrefs: the hashes of values that are gone.
    var gone: [Int: Set<UInt32>] = [:]
    /// For searched rules about `unique`: entries that are new or changed in what is to be unique.
    var changed: [Int: [InteriorNode]] = [:]
  }

  private let table: ConstraintTable
  private let purpose: Purpose
  private let lookups = KeyLookups()
  private var frames: [Frame] = []
  private(set) var errors: [DatastoreError] = []
  private(set) var failingConditions: [(node: XPathNode, condition: String)] = []
  private var seen: Set<Finding> = []
  private var hasChanges = false

  private struct Finding: Hashable {
    let rule: Int
    let path: String
    let message: String
  }

  init(table: ConstraintTable, purpose: Purpose = .validation) {
    self.table = table
    self.purpose = purpose
  }

  private var isFull: Bool { errors.count >= Validator.maximumErrors }

  // MARK: Doors

  /// Checks what differs between two trees, of which the old one is valid.
  mutating func compare(_ old: InteriorNode, _ new: InteriorNode) {
    let root = XPathNode(root: new)
    visit(old, new, root)
    guard hasChanges else { return }
    for rule in table.unboundedRules where purpose == .validation || table.isCondition(rule) {
      evaluate(rule, below: root)
    }
  }

  /// Checks a whole tree, or the body of an operation below `node`.
  mutating func checkAll(_ node: XPathNode) {
    guard let interior = node.interior else { return }
    enter(interior, node)
  }

  // MARK: Differences

  private mutating func visit(_ old: InteriorNode, _ new: InteriorNode, _ node: XPathNode) {
    if old === new || isFull { return }
    frames.append(Frame(node: node))
    for child in ChildDifferences(old, new) {
      switch (child.old, child.new) {
      case (let before?, let after?): change(child.schema, before, after, in: node)
      case (nil, let after?): create(child.schema, after, in: node)
      case (let before?, nil): delete(child.schema, before, in: node)
      case (nil, nil): break
      }
    }
    guard let frame = frames.popLast() else { return }
    for rule in frame.triggered { evaluate(rule, below: frame.node) }
    for (rule, hashes) in frame.gone where !frame.triggered.contains(rule) { search(rule, hashes, below: frame.node) }
    for (rule, entries) in frame.changed { checkUnique(rule, entries, in: frame.node) }
  }

  private mutating func change(_ child: SchemaNode, _ old: DataNode, _ new: DataNode, in parent: XPathNode) {
    switch (old, new) {
    case (.container(let old), .container(let new)):
      visit(old, new, XPathNode(parent: parent, schema: child, content: .interior(new)))
    case (.list(let old), .list(let new)): change(child, old, new, in: parent)
    default:
      guard old != new else { return }
      trigger(child, comes: true, goes: true, gone: old)
      check(child, new, in: parent)
    }
  }

  private mutating func change(
    _ list: SchemaNode, _ old: ListEntries, _ new: ListEntries, in parent: XPathNode
  ) {
    guard !list.keys.isEmpty else {
      delete(list, .list(old), in: parent)
      return create(list, .list(new), in: parent)
    }
    var pairs: [EntryPair] = []
    ListComparison.forEachDifference(old, new) { pairs.append($0) }
    if list.isOrderedByUser, !ListComparison.movedEntries(pairs, old, new).isEmpty {
      trigger(list, comes: true, goes: true)
    }
    for pair in pairs {
      switch (pair.old, pair.new) {
      case (let old?, let new?):
        if purpose == .validation { noteUnique(list, old, new) }
        visit(old, new, XPathNode(parent: parent, schema: list, content: .interior(new)))
      case (nil, let new?): createEntry(new, in: parent)
      case (let old?, nil): leave(list, old)
      case (nil, nil): break
      }
    }
  }

  private mutating func create(_ child: SchemaNode, _ node: DataNode, in parent: XPathNode) {
    switch node {
    case .container(let interior):
      trigger(child, comes: true, goes: false)
      enter(interior, XPathNode(parent: parent, schema: child, content: .interior(interior)))
    case .list(let entries): for entry in entries { createEntry(entry, in: parent) }
    case .leaf, .leafList, .any:
      // A default that was in use is so no more.
      trigger(child, comes: true, goes: ImplicitNodes.isPossible(child))
      check(child, node, in: parent)
    }
  }

  private mutating func createEntry(_ entry: InteriorNode, in parent: XPathNode) {
    if purpose == .validation { noteUnique(entry.schema, nil, entry) }
    trigger(entry.schema, comes: true, goes: false)
    enter(entry, XPathNode(parent: parent, schema: entry.schema, content: .interior(entry)))
  }

  private mutating func delete(_ child: SchemaNode, _ node: DataNode, in parent: XPathNode) {
    switch node {
    case .container(let interior): leave(child, interior)
    case .list(let entries): for entry in entries { leave(child, entry) }
    case .leaf, .leafList, .any: trigger(child, comes: false, goes: true, gone: node)
    }
    // What is implicit in its place has its rules too.
    guard purpose == .validation, let interior = parent.interior,
      table.facts[parent.schema.id].implicitChildren.contains(child)
    else { return }
    enterImplicit(child, interior, parent)
  }

  // MARK: Whole subtrees

  /// Whether anything at or below the node is read by rules of instances that are in both trees.
  private func escapes(_ facts: ConstraintTable.NodeFacts) -> Bool {
    (purpose == .validation ? facts.leastApexDepth : facts.leastConditionApexDepth) < frames.count
  }

  /// Whether a new subtree needs to be looked into.
  private func matters(_ facts: ConstraintTable.NodeFacts) -> Bool {
    (purpose == .validation ? facts.hasRulesBelow : facts.hasConditionsBelow) || escapes(facts)
  }

  /// A subtree that is new: all its rules hold or fail, and it can matter to others.
  private mutating func enter(_ interior: InteriorNode, _ node: XPathNode) {
    let schema = interior.schema
    let facts = table.facts[schema.id]
    guard matters(facts), !isFull else { return }
    for rule in facts.rules { evaluate(rule, at: node) }
    for slot in interior.slots {
      let child = schema.dataChildren[Int(slot.position)]
      let childFacts = table.facts[child.id]
      guard matters(childFacts) else { continue }
      let childEscapes = escapes(childFacts)
      if childEscapes {
        trigger(child, comes: true, goes: ImplicitNodes.isPossible(child) && child.kind != .container)
      }
      switch slot.node {
      case .container(let inner): enter(inner, XPathNode(parent: node, schema: child, content: .interior(inner)))
      case .list(let entries):
        for entry in entries { enter(entry, XPathNode(parent: node, schema: child, content: .interior(entry))) }
      case .leaf, .leafList, .any: check(child, slot.node, in: node)
      }
    }
    guard purpose == .validation else { return }
    for child in facts.implicitChildren where interior[position: child.position] == nil {
      enterImplicit(child, interior, node)
    }
  }

  /// The rules on a node that exists without being in the tree (RFC 7950 section 7.5.3: they hold for each node of the
  /// accessible tree).
  private mutating func enterImplicit(_ child: SchemaNode, _ interior: InteriorNode, _ parent: XPathNode) {
    guard table.library.implicit.exists(child, in: parent, interior) else { return }
    switch child.kind {
    case .container:
      let empty = InteriorNode(schema: child)
      enter(empty, XPathNode(parent: parent, schema: child, content: .interior(empty)))
    case .leafList: check(child, .leafList(child.defaults), in: parent)
    default: if let value = child.defaults.first { check(child, .leaf(value), in: parent) }
    }
  }

  /// A subtree that is gone can matter to others.
  private mutating func leave(_ schema: SchemaNode, _ interior: InteriorNode) {
    trigger(schema, comes: false, goes: true)
    guard escapes(table.facts[schema.id]) else { return }
    for slot in interior.slots {
      let child = schema.dataChildren[Int(slot.position)]
      guard escapes(table.facts[child.id]) else { continue }
      switch slot.node {
      case .container(let inner): leave(child, inner)
      case .list(let entries): for entry in entries { leave(child, entry) }
      case .leaf, .leafList, .any: trigger(child, comes: false, goes: true, gone: slot.node)
      }
    }
  }

  // MARK: Rules

  /// Notes the rules that read a node that came, went or changed. `gone` is what was there.
  private mutating func trigger(_ node: SchemaNode, comes: Bool, goes: Bool, gone: DataNode? = nil) {
    hasChanges = true
    for reader in table.facts[node.id].readers {
      guard goes || !reader.onRemovalOnly, purpose == .validation || table.isCondition(reader.rule),
        reader.apexDepth < frames.count,
        frames[reader.apexDepth].node.schema === reader.apex
      else { continue }
      let rule = table.rules[reader.rule]
      if rule.isSearched {
        // Entries that are to be unique are noted where lists are compared; references look for what they refer to.
        guard let target = rule.target, node === target else { continue }
        if let gone {
          for value in gone.leafValues {
            frames[reader.apexDepth].gone[reader.rule, default: []].insert(value.summaryHash)
          }
          continue
        }
      }
      if !frames[reader.apexDepth].triggered.contains(reader.rule) {
        frames[reader.apexDepth].triggered.append(reader.rule)
      }
    }
  }

  /// The rules on a leaf, leaf-list or anydata.
  private mutating func check(_ child: SchemaNode, _ node: DataNode, in parent: XPathNode) {
    let rules = table.facts[child.id].rules
    guard !rules.isEmpty else { return }
    let instances: [XPathNode] =
      switch node {
      case .leaf(let value): [XPathNode(parent: parent, schema: child, content: .leaf(value))]
      case .any(let content): [XPathNode(parent: parent, schema: child, content: .any(content))]
      case .leafList(let values):
        values.enumerated().map { XPathNode(parent: parent, schema: child, content: .leaf($1), place: $0) }
      case .container, .list: []
      }
    for instance in instances {
      for rule in rules { evaluate(rule, at: instance) }
    }
  }

  /// Evaluates a rule for the references below an instance whose values hash so.
  private mutating func search(_ rule: Int, _ hashes: Set<UInt32>, below node: XPathNode) {
    let owner = table.rules[rule].owner
    guard hashes.count <= Self.maximumSearches, let chain = Self.chain(from: node.schema, to: owner) else {
      return evaluate(rule, below: node)
    }
    var found: [XPathNode] = []
    for hash in hashes { ValueSearch(leaf: owner, hash: hash).visit(node, chain[...]) { found.append($0) } }
    for reference in found { evaluate(rule, at: reference) }
  }

  /// More values than these are not looked for one by one.
  private static let maximumSearches = 64

  /// The schema nodes from below one to another; nil when that is not below it.
  private static func chain(from top: SchemaNode, to bottom: SchemaNode) -> [SchemaNode]? {
    var chain: [SchemaNode] = []
    var next = bottom
    while next !== top {
      chain.append(next)
      guard let above = next.dataParent else { return nil }
      next = above
    }
    return chain.reversed()
  }

  // MARK: unique

  /// Notes an entry for the rules about `unique` that its change can matter to.
  private mutating func noteUnique(_ list: SchemaNode, _ old: InteriorNode?, _ new: InteriorNode) {
    let rules = table.facts[list.id].uniques
    guard !rules.isEmpty, !frames.isEmpty else { return }
    for number in rules {
      guard case .unique(_, let leafs) = table.rules[number].kind, let values = UniqueValues(new, leafs) else {
        continue
      }
      if let old, UniqueValues(old, leafs) == values { continue }
      frames[frames.count - 1].changed[number, default: []].append(new)
    }
  }

  private mutating func checkUnique(_ number: Int, _ changed: [InteriorNode], in node: XPathNode) {
    guard case .unique(let list, let leafs) = table.rules[number].kind, let entries = node.interior?.entries(list)
    else {
      return
    }
    guard changed.count <= Self.maximumSearches else { return evaluate(number, at: node) }
    let isRepeated = changed.contains { entry in
      guard let values = UniqueValues(entry, leafs) else { return false }
      return values.isElsewhere(in: entries, than: entry, leafs)
    }
    // Who is equal to whom is told by the rule itself.
    if isRepeated { evaluate(number, at: node) }
  }

  /// Evaluates a rule for all its owners below an instance.
  private mutating func evaluate(_ rule: Int, below node: XPathNode) {
    guard let chain = Self.chain(from: node.schema, to: table.rules[rule].owner) else { return }
    evaluate(rule, along: chain[...], from: node)
  }

  private mutating func evaluate(_ rule: Int, along chain: ArraySlice<SchemaNode>, from node: XPathNode) {
    guard !isFull else { return }
    guard let child = chain.first else { return evaluate(rule, at: node) }
    guard let interior = node.interior else { return }
    var instances: [XPathNode] = []
    let environment = XPathEnvironment(current: node, implicit: table.library.implicit)
    _ = XPathAxes.instances(of: child, in: node, interior, environment) {
      instances.append($0)
      return false
    }
    for instance in instances { evaluate(rule, along: chain.dropFirst(), from: instance) }
  }

  private mutating func evaluate(_ number: Int, at node: XPathNode) {
    guard !isFull else { return }
    let rule = table.rules[number]
    if purpose == .conditions {
      guard case .when = rule.kind, let failing = table.library.implicit.failingWhen(node) else { return }
      if seen.insert(Finding(rule: number, path: node.path.description, message: "")).inserted {
        failingConditions.append((node, failing.source))
      }
      return
    }
    let found = RuleEvaluation(table: table, node: node, lookups: lookups).violations(of: rule)
    for error in found where !isFull {
      let finding = Finding(rule: number, path: error.path?.description ?? "", message: error.message)
      if seen.insert(finding).inserted { errors.append(error) }
    }
  }
}
