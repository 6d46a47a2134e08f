// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One committed change of running, as the commit log and its readers see it.
public struct CommitMetadata: Sendable, Hashable {
  /// Ascending, from 1, never used twice.
  public let id: UInt64
  public let time: Event.Time
  public let session: SessionIdentity
  public let comment: String?
  public let label: String?

  public init(id: UInt64, time: Event.Time, session: SessionIdentity, comment: String?, label: String?) {
    self.id = id
    self.time = time
    self.session = session
    self.comment = comment
    self.label = label
  }
}

/// What listeners hear after a commit took effect: enough for netconf-config-change (RFC 6470) and for RFC 8641.
public struct CommitEvent: Sendable {
  public let metadata: CommitMetadata
  public let old: InteriorNode
  public let new: InteriorNode
  /// What differs between them.
  public let diff: Diff
}
