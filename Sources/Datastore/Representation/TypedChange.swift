// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// One changed instance at a subscribed path, as the generated type.
public struct TypedChange<Element: TreeRepresentable>: Sendable {
  public enum Content: Sendable, Equatable {
    case created(Element)
    case changed(from: Element, to: Element)
    case deleted(Element)
  }

  public let path: InstancePath
  public let content: Content

  public var old: Element? {
    switch content {
    case .created: nil
    case .changed(let old, _), .deleted(let old): old
    }
  }

  public var new: Element? {
    switch content {
    case .created(let new), .changed(_, let new): new
    case .deleted: nil
    }
  }
}

extension TypedChange where Element: ListEntry {
  public var key: Element.ListKey {
    switch content {
    case .created(let entry), .changed(_, let entry), .deleted(let entry): entry.listKey
    }
  }
}

extension InstanceChange {
  /// Reads both sides; nil when there is neither.
  public func typed<T: TreeRepresentable>(_ type: T.Type) throws(DatastoreError) -> TypedChange<T>? {
    let before = try Self.read(type, old)
    let after = try Self.read(type, new)
    switch (before, after) {
    case (let before?, let after?): return TypedChange(path: path, content: .changed(from: before, to: after))
    case (nil, let after?): return TypedChange(path: path, content: .created(after))
    case (let before?, nil): return TypedChange(path: path, content: .deleted(before))
    case (nil, nil): return nil
    }
  }

  private static func read<T: TreeRepresentable>(_ type: T.Type, _ node: DataNode?) throws(DatastoreError) -> T? {
    guard case .container(let node)? = node else { return nil }
    return try T(node)
  }
}

extension ChangeSet {
  /// The changes at the type's path, each decoded; only what changed is looked at. The backend must have subscribed
  /// to the path.
  public func typed<T: TreeRepresentable>(_ type: T.Type) throws(DatastoreError) -> [TypedChange<T>] {
    var result: [TypedChange<T>] = []
    for change in changes[T.schemaPath] ?? [] {
      if let typed = try change.typed(type) { result.append(typed) }
    }
    return result
  }
}

extension OperationalRequest {
  /// The key that the reader asks for; nil when it is all entries.
  public func key<T: ListEntry>(of type: T.Type) throws(DatastoreError) -> T.ListKey? {
    guard let keys else { return nil }
    return try T.listKey(from: KeyReader(keys, of: schema))
  }
}
