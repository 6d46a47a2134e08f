// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

extension Edit {
  /// The tree that results from making the edit on `root`, all of it or nothing (RFC 6241 section 7.2). What the edit
  /// does not touch is shared with `root`. All errors that are found are reported, each with its path.
  ///
  /// `defaultOperation` is merge, replace or none.
  public func applied(
    to root: InteriorNode, defaultOperation: EditOperation = .merge
  ) throws(DatastoreFailure) -> InteriorNode {
    var application = EditApplication()
    let result = application.apply(self.root, to: root, inherited: defaultOperation, at: .root)
    guard application.errors.isEmpty else { throw DatastoreFailure(application.errors) }
    return result ?? InteriorNode(schema: root.schema)
  }
}

/// Makes one edit, and collects what is wrong with it.
struct EditApplication {
  /// More errors than these are not of use to anyone.
  static let maximumErrors = 100
  private(set) var errors: [DatastoreError] = []

  private mutating func report(_ error: DatastoreError) {
    if errors.count < Self.maximumErrors { errors.append(error) }
  }

  // MARK: Interior nodes

  /// What becomes of a container, list entry or root; nil when it goes.
  mutating func apply(
    _ edit: EditNode, to existing: InteriorNode?, inherited: EditOperation, at path: InstancePath
  ) -> InteriorNode? {
    let schema = edit.schema
    let operation = edit.operation ?? inherited
    // A non-presence container without children is as good as none.
    let present = existing.flatMap { $0.isEmpty && schema.isNonPresenceContainer ? nil : $0 }
    var base: InteriorNode?
    switch operation {
    case .delete:
      if present == nil { report(.dataMissing(path)) }
      return nil
    case .remove: return nil
    case .create:
      guard present == nil else {
        report(.dataExists(path))
        return existing
      }
    case .replace: break
    case .merge: base = existing
    case .none:
      guard present != nil || schema.isNonPresenceContainer || schema.kind == .root else {
        report(.dataMissing(path))
        return existing
      }
      base = existing
    }
    var result: InteriorNode
    if operation == .none {
      result = base ?? InteriorNode(schema: schema)
      if let plain = edit.plain { requirePresent(plain, in: result, at: path) }
    } else if let base {
      result = edit.plain.map { base.merging($0) } ?? base
    } else {
      result = edit.plain ?? InteriorNode(schema: schema)
    }
    for group in Self.groups(of: edit.edits) { apply(group, in: &result, plain: edit.plain, operation, path) }
    return result
  }

  /// Edits of one schema node together, in the order in which each first appears.
  private static func groups(of edits: [EditNode]) -> [[EditNode]] {
    if edits.count <= 1 { return edits.isEmpty ? [] : [edits] }
    var order: [ObjectIdentifier: Int] = [:]
    var groups: [[EditNode]] = []
    for edit in edits {
      if let last = groups.last?.first, last.schema === edit.schema {
        groups[groups.count - 1].append(edit)
      } else if let index = order[ObjectIdentifier(edit.schema)] {
        groups[index].append(edit)
      } else {
        order[ObjectIdentifier(edit.schema)] = groups.count
        groups.append([edit])
      }
    }
    return groups
  }

  private mutating func apply(
    _ group: [EditNode], in node: inout InteriorNode, plain: InteriorNode?, _ inherited: EditOperation,
    _ path: InstancePath
  ) {
    guard let first = group.first else { return }
    let schema = first.schema
    let existing = node[position: schema.position]
    if group.contains(where: \.isWholeRemoval) {
      node = node.replacing(position: schema.position, with: nil)
      return
    }
    switch schema.kind {
    case .list:
      let old = existing?.entries ?? ListEntries(schema: schema)
      let plainEntries = plain?[position: schema.position]?.entries
      let new = apply(group, to: old, alongside: plainEntries, inherited, path)
      if !new.isIdentical(to: old) { node = node.choosing(schema, .list(new)) }
    case .leafList:
      var values: [Value] = []
      if case .leafList(let old)? = existing { values = old }
      var editor = LeafListEditor(schema: schema, values: values)
      for edit in group { apply(edit, to: &editor, inherited, path) }
      if editor.isChanged { node = node.choosing(schema, .leafList(editor.finished())) }
    case .leaf, .anydata, .anyxml:
      guard group.count == 1 else { return report(.repeated(path.appending(schema))) }
      if let changed = applyLeaf(first, to: existing, inherited, path) { node = node.choosing(schema, changed.content) }
    default:
      guard group.count == 1 else { return report(.repeated(path.appending(schema))) }
      let old = existing?.interior
      let new = apply(first, to: old, inherited: inherited, at: path.appending(schema))
      if let old, let new, old === new { return }
      node = node.choosing(schema, new.map { .container($0) })
    }
  }

  /// What becomes of a leaf or anydata; nil when it stays.
  private mutating func applyLeaf(
    _ edit: EditNode, to existing: DataNode?, _ inherited: EditOperation, _ path: InstancePath
  ) -> (content: DataNode?, Void)? {
    switch edit.operation ?? inherited {
    case .delete:
      if existing == nil { report(.dataMissing(path.appending(edit.schema))) }
      return (nil, ())
    case .remove: return (nil, ())
    case .create:
      guard existing == nil else {
        report(.dataExists(path.appending(edit.schema)))
        return nil
      }
      return (edit.content, ())
    case .merge, .replace:
      if let existing, let content = edit.content, existing.isUnchanged(from: content) { return nil }
      return (edit.content, ())
    case .none:
      if existing == nil { report(.dataMissing(path.appending(edit.schema))) }
      return nil
    }
  }

  private mutating func apply(
    _ edit: EditNode, to editor: inout LeafListEditor, _ inherited: EditOperation, _ path: InstancePath
  ) {
    guard let value = edit.content?.leafValue else { return }
    let isThere = editor.contains(value)
    let instance = path.appending(edit.schema, keys: [value])
    switch edit.operation ?? inherited {
    case .delete:
      if !isThere { return report(.dataMissing(instance)) }
      editor.remove(value)
    case .remove: editor.remove(value)
    case .none:
      if !isThere { report(.dataMissing(instance)) }
    case .create where isThere: report(.dataExists(instance))
    case .create, .merge, .replace:
      if let insertion = edit.insertion {
        if !editor.place(value, insertion) { report(.missingNeighbour(instance, attribute: "value")) }
      } else if !isThere {
        editor.append(value)
      }
    }
  }

  // MARK: Lists

  private mutating func apply(
    _ group: [EditNode], to entries: ListEntries, alongside plain: ListEntries?, _ inherited: EditOperation,
    _ path: InstancePath
  ) -> ListEntries {
    let schema = entries.schema
    if let plain {
      for edit in group {
        if plain.find(edit.keys) != nil { report(.repeated(path.appending(schema, keys: edit.keys))) }
      }
    }
    if !schema.isSorted { return applyInOrder(group, to: entries, inherited, path) }
    var edits = group.compactMap { edit in edit.plain.map { (entry: KeyedEntry($0), edit: edit) } }
    if !zip(edits, edits.dropFirst()).allSatisfy({ KeyedEntry.order($0.entry, $1.entry) < 0 }) {
      let faults = errors.count
      edits.sort { KeyedEntry.order($0.entry, $1.entry) < 0 }
      for (left, right) in zip(edits, edits.dropFirst()) where KeyedEntry.order(left.entry, right.entry) == 0 {
        report(.repeated(path.appending(schema, keys: right.edit.keys)))
      }
      guard errors.count == faults else { return entries }
    }
    guard case .sorted(let root) = entries.storage else {
      let new = edits.compactMap { apply($0.edit, to: nil, inherited, path) }
      return TreeNode.make(sorted: new).map { ListEntries(.sorted($0)) } ?? entries
    }
    let rest = root.applying(
      edits, probe: { $0.entry }, resolve: { old, edit in self.apply(edit.edit, to: old, inherited, path) })
    return rest.map { ListEntries(.sorted($0)) } ?? ListEntries(schema: schema)
  }

  private mutating func apply(
    _ edit: EditNode, to old: KeyedEntry?, _ inherited: EditOperation, _ path: InstancePath
  ) -> KeyedEntry? {
    let instance = path.appending(edit.schema, keys: edit.keys)
    return apply(edit, to: old?.entry, inherited: inherited, at: instance).map(KeyedEntry.init)
  }

  /// From this many edits of one list on, its order is made anew as a whole.
  private static let manyEdits = 32

  /// Entries whose order is data, one after the other.
  private mutating func applyInOrder(
    _ group: [EditNode], to entries: ListEntries, _ inherited: EditOperation, _ path: InstancePath
  ) -> ListEntries {
    if group.count >= Self.manyEdits { return applyManyInOrder(group, to: entries, inherited, path) }
    var entries = entries
    var seen = Set<[SameValue]>()
    for edit in group {
      guard let instance = checkedOnce(edit, &seen, path) else { continue }
      let old = entries.find(edit.keys)
      guard let new = apply(edit, to: old, inherited: inherited, at: instance) else {
        entries = entries.removing(edit.keys)
        continue
      }
      if Self.isRefused(edit, inherited, isThere: old != nil) { continue }
      if let insertion = edit.insertion {
        if let placed = entries.placing(new, insertion) {
          entries = placed
        } else {
          report(.missingNeighbour(instance, attribute: "key"))
        }
      } else if old.map({ $0 !== new }) ?? true {
        entries = entries.setting(new)
      }
    }
    return entries
  }

  /// As `applyInOrder`, at a cost that does not grow faster than the list and the edits.
  private mutating func applyManyInOrder(
    _ group: [EditNode], to entries: ListEntries, _ inherited: EditOperation, _ path: InstancePath
  ) -> ListEntries {
    var order = LinkedOrder<[SameValue], InteriorNode>()
    for entry in entries { order.set(entry.keys.map(SameValue.init), entry) }
    var seen = Set<[SameValue]>()
    for edit in group {
      guard let instance = checkedOnce(edit, &seen, path) else { continue }
      let key = edit.keys.map(SameValue.init)
      let old = order[key]
      guard let new = apply(edit, to: old, inherited: inherited, at: instance) else {
        order.remove(key)
        continue
      }
      if Self.isRefused(edit, inherited, isThere: old != nil) { continue }
      if let insertion = edit.insertion {
        let destination = insertion.linked({ $0.map(SameValue.init) }) ?? .last
        if !order.place(key, new, destination) { report(.missingNeighbour(instance, attribute: "key")) }
      } else {
        order.set(key, new)
      }
    }
    return ListEntries.make(schema: entries.schema, entries: order.ordered).list
  }

  /// Whether an entry is refused as a whole, and so has no place to go to. One that only has something wrong in it has:
  /// then what is wrong with its place is reported too.
  private static func isRefused(_ edit: EditNode, _ inherited: EditOperation, isThere: Bool) -> Bool {
    switch edit.operation ?? inherited {
    case .create: isThere
    case .none: !isThere
    default: false
    }
  }

  /// The path of an entry that was not in the edit before; nil, and reported, when it was.
  private mutating func checkedOnce(
    _ edit: EditNode, _ seen: inout Set<[SameValue]>, _ path: InstancePath
  ) -> InstancePath? {
    let keys = edit.keys
    let instance = path.appending(edit.schema, keys: keys)
    if keys.isEmpty || seen.insert(keys.map(SameValue.init)).inserted { return instance }
    report(.repeated(instance))
    return nil
  }

  // MARK: The operation none

  /// Under "none", data says only where it is: all of it has to be there already.
  private mutating func requirePresent(_ plain: InteriorNode, in node: InteriorNode, at path: InstancePath) {
    for slot in plain.slots {
      let child = plain.schema.dataChildren[Int(slot.position)]
      guard !child.isKey else { continue }
      let existing = node[position: child.position]
      switch slot.node {
      case .leaf, .any:
        if existing == nil { report(.dataMissing(path.appending(child))) }
      case .leafList(let values):
        let editor = LeafListEditor(schema: child, values: node.leafList(child))
        for value in values where !editor.contains(value) {
          report(.dataMissing(path.appending(child, keys: [value])))
        }
      case .container(let below):
        guard let container = existing?.interior ?? (child.hasPresence ? nil : InteriorNode(schema: child)) else {
          report(.dataMissing(path.appending(child)))
          continue
        }
        requirePresent(below, in: container, at: path.appending(child))
      case .list(let entries):
        for entry in entries {
          let instance = path.appending(child, keys: entry.keys)
          guard let old = existing?.entries?.find(entry.keys) else {
            report(.dataMissing(instance))
            continue
          }
          requirePresent(entry, in: old, at: instance)
        }
      }
    }
  }
}

extension DatastoreError {
  static func dataMissing(_ path: InstancePath) -> DatastoreError {
    DatastoreError(.dataMissing, path: path, message: "there is no \(path)")
  }

  static func dataExists(_ path: InstancePath) -> DatastoreError {
    DatastoreError(.dataExists, path: path, message: "there is already \(path)")
  }

  static func repeated(_ path: InstancePath) -> DatastoreError {
    DatastoreError(
      .badElement, path: path, message: "\(path) is given more than once",
      info: [("bad-element", path.steps.last?.schema.name ?? "")])
  }

  /// RFC 7950 section 15.7.
  static func missingNeighbour(_ path: InstancePath, attribute: String) -> DatastoreError {
    DatastoreError(
      .badAttribute, appTag: "missing-instance", path: path,
      message: "there is nothing to put \(path) beside where the attribute \(attribute) points",
      info: [("bad-attribute", attribute), ("bad-element", path.steps.last?.schema.name ?? "")])
  }
}
