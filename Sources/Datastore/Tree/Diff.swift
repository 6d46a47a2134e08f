// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// What differs between two versions of a data tree, in as few changes as say it. Finding it walks only what the
/// versions do not share.
public struct Diff: Sendable {
  /// In document order; parents before children, deletions of a list before its creations.
  public let changes: [Change]

  public init(changes: [Change]) { self.changes = changes }

  /// The differences of two trees of one schema.
  public init(from old: InteriorNode, to new: InteriorNode) {
    self.init(changes: Diff.changes(from: old, to: new))
  }

  public var isEmpty: Bool { changes.isEmpty }

  /// The differences of two trees of one schema node, in document order. A subtree that is only in one of them is one
  /// change, however big it is.
  public static func changes(from old: InteriorNode, to new: InteriorNode) -> [Change] {
    var walk = DiffWalk()
    walk.compare(old, new, at: .root)
    return walk.changes
  }
}

/// One difference between two versions of a data tree.
public struct Change: Sendable, Equatable {
  public enum Kind: UInt8, Sendable {
    /// A subtree that was not there: `new` is all of it.
    case created
    /// A subtree that is gone: `old` is all of it.
    case deleted
    /// A leaf, anydata or anyxml with another content.
    case modified
    /// An entry of a user-ordered list or leaf-list that stands elsewhere. What changed inside it follows.
    case moved
  }

  /// The node that changed. A list entry's last step has its keys, a leaf-list entry's its value. A list step without
  /// keys stands for all entries: the list was created or deleted as a whole.
  public let path: InstancePath
  public let kind: Kind
  /// What was there. A list entry is a `.container`, a leaf-list entry a `.leaf`.
  public let old: DataNode?
  public let new: DataNode?
  /// For entries of user-ordered lists and leaf-lists that were created or moved: the keys (or the value) of the entry
  /// before, empty when the entry is the first. Making all changes of the list in order gives the new order.
  public let after: [Value]?

  public init(path: InstancePath, kind: Kind, old: DataNode?, new: DataNode?, after: [Value]? = nil) {
    self.path = path
    self.kind = kind
    self.old = old
    self.new = new
    self.after = after
  }

  public static func == (left: Change, right: Change) -> Bool {
    left.path == right.path && left.kind == right.kind && left.old == right.old && left.new == right.new
      && left.after == right.after
  }
}

/// Compares two trees and writes down what differs.
struct DiffWalk {
  private(set) var changes: [Change] = []

  mutating func compare(_ old: InteriorNode, _ new: InteriorNode, at path: InstancePath) {
    if old === new { return }
    for child in ChildDifferences(old, new) {
      switch (child.old, child.new) {
      case (let before?, let after?): compare(child.schema, before, after, in: path)
      case (nil, let after?):
        changes.append(Change(path: path.appending(child.schema), kind: .created, old: nil, new: after))
      case (let before?, nil):
        changes.append(Change(path: path.appending(child.schema), kind: .deleted, old: before, new: nil))
      case (nil, nil): break
      }
    }
  }

  private mutating func compare(_ child: SchemaNode, _ old: DataNode, _ new: DataNode, in path: InstancePath) {
    switch (old, new) {
    case (.container(let old), .container(let new)): compare(old, new, at: path.appending(child))
    case (.list(let old), .list(let new)): compare(old, new, in: path)
    case (.leafList(let old), .leafList(let new)): compare(child, old, new, in: path)
    default:
      if old != new { changes.append(Change(path: path.appending(child), kind: .modified, old: old, new: new)) }
    }
  }

  // MARK: Lists

  private mutating func compare(_ old: ListEntries, _ new: ListEntries, in path: InstancePath) {
    let schema = new.schema
    if schema.keys.isEmpty {
      // Entries without keys have no identity across versions: the list is replaced.
      guard old != new else { return }
      changes.append(Change(path: path.appending(schema), kind: .deleted, old: .list(old), new: nil))
      changes.append(Change(path: path.appending(schema), kind: .created, old: nil, new: .list(new)))
      return
    }
    var pairs: [EntryPair] = []
    ListComparison.forEachDifference(old, new) { pairs.append($0) }
    if schema.isOrderedByUser { return compareOrdered(pairs, old, new, in: path) }
    for pair in pairs {
      switch (pair.old, pair.new) {
      case (let old?, let new?): compare(old, new, at: path.appending(schema, keys: new.keys))
      case (nil, let new?):
        changes.append(
          Change(path: path.appending(schema, keys: new.keys), kind: .created, old: nil, new: .container(new)))
      case (let old?, nil):
        changes.append(
          Change(path: path.appending(schema, keys: old.keys), kind: .deleted, old: .container(old), new: nil))
      case (nil, nil): break
      }
    }
  }

  private mutating func compareOrdered(
    _ pairs: [EntryPair], _ old: ListEntries, _ new: ListEntries, in path: InstancePath
  ) {
    let schema = new.schema
    for pair in pairs where pair.new == nil {
      guard let old = pair.old else { continue }
      changes.append(
        Change(path: path.appending(schema, keys: old.keys), kind: .deleted, old: .container(old), new: nil))
    }
    // In the new order, so that the entry before is always in its place already.
    let moved = ListComparison.movedEntries(pairs, old, new)
    var present = pairs.compactMap { pair in pair.new.flatMap { new.place(of: $0.keys) }.map { ($0, pair) } }
    // An entry may have to be moved although it is the same object at the same label: its neighbours went round it.
    for place in moved.subtracting(present.map(\.0)) {
      guard let entry = new.entry(at: place) else { continue }
      present.append((place, EntryPair(old: old.find(entry.keys), new: entry)))
    }
    present.sort { $0.0 < $1.0 }
    for (place, pair) in present {
      guard let entry = pair.new else { continue }
      let entryPath = path.appending(schema, keys: entry.keys)
      let after = place > 0 ? new.entry(at: place - 1)?.keys ?? [] : []
      if let before = pair.old {
        if moved.contains(place) {
          changes.append(
            Change(path: entryPath, kind: .moved, old: .container(before), new: .container(entry), after: after))
        }
        compare(before, entry, at: entryPath)
      } else {
        changes.append(Change(path: entryPath, kind: .created, old: nil, new: .container(entry), after: after))
      }
    }
  }

  // MARK: Leaf-lists

  private mutating func compare(_ schema: SchemaNode, _ old: [Value], _ new: [Value], in path: InstancePath) {
    if old.count == new.count, zip(old, new).allSatisfy({ $0.isSame(as: $1) }) { return }
    let (gone, added) = Self.difference(old, new)
    for value in gone {
      changes.append(
        Change(path: path.appending(schema, keys: [value]), kind: .deleted, old: .leaf(value), new: nil))
    }
    guard schema.isOrderedByUser else {
      for value in added {
        changes.append(
          Change(path: path.appending(schema, keys: [value]), kind: .created, old: nil, new: .leaf(value)))
      }
      return
    }
    let order = Dictionary(old.enumerated().map { (SameValue($1), $0) }, uniquingKeysWith: { first, _ in first })
    let oldPlaces = new.map { order[SameValue($0)] }
    let staying = longestAscending(oldPlaces)
    for (place, value) in new.enumerated() where !staying.contains(place) {
      let after = place > 0 ? [new[place - 1]] : []
      let isNew = oldPlaces[place] == nil
      changes.append(
        Change(
          path: path.appending(schema, keys: [value]), kind: isNew ? .created : .moved,
          old: isNew ? nil : .leaf(value), new: .leaf(value), after: after))
    }
  }

  /// The values only in the first, and those only in the second, each in its order.
  private static func difference(_ old: [Value], _ new: [Value]) -> (gone: [Value], added: [Value]) {
    let (before, after) = (Set(old.map(SameValue.init)), Set(new.map(SameValue.init)))
    return (
      old.filter { !after.contains(SameValue($0)) }, new.filter { !before.contains(SameValue($0)) }
    )
  }
}

/// A value in a set, equal as `Value.isSame` says.
struct SameValue: Hashable {
  let value: Value
  init(_ value: Value) { self.value = value }
  static func == (left: SameValue, right: SameValue) -> Bool { left.value.isSame(as: right.value) }
  func hash(into hasher: inout Hasher) { hasher.combine(value) }
}
