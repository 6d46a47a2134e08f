// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import YANG

/// The running configuration as the commit log holds it.
struct RecoveredConfiguration {
  let root: InteriorNode
  let lastCommit: CommitMetadata?
  /// Whether it was made, and so validated, under the modules in force.
  let isValidated: Bool
  /// What was damaged, or does not fit the modules in force.
  let report: [String]

  private static let maximumReport = 100

  /// - Throws: when the log cannot be read. A commit that cannot be decoded although its checksum is right throws too:
  ///   it must not be passed over silently, and it is not lost.
  init(
    log: CommitLog, schema: Schema, fingerprint: SchemaFingerprint, sealer: Sealer?
  ) throws(CommitLogError) {
    let recovery = try log.recover()
    var report = recovery.damage
    var root = InteriorNode(schema: schema.root)
    var isForeign = false
    do {
      if let snapshot = recovery.snapshot {
        isForeign = snapshot.schema != fingerprint.bytes
        let decoded = try TreeCoder.decodeTree(
          snapshot.tree, schema: schema, isSameSchema: !isForeign, sealer: sealer)
        root = decoded.content
        report += decoded.problems.map(\.description)
      }
    } catch {
      throw CommitLogError(.damaged, "commit log: snapshot of commit \(recovery.snapshot?.commit ?? 0): \(error)")
    }
    for record in recovery.commits {
      let foreign = record.schema != fingerprint.bytes
      isForeign = isForeign || foreign
      do {
        let decoded = try TreeCoder.decodeDiff(record.diff, schema: schema, isSameSchema: !foreign, sealer: sealer)
        report += decoded.problems.map(\.description)
        root = try Self.apply(decoded.content, to: root, isForeign: isForeign, &report)
      } catch {
        throw CommitLogError(.damaged, "commit log: commit \(record.metadata.id): \(error)")
      }
    }
    self.root = root
    self.report = Array(report.prefix(Self.maximumReport))
    let lastSchema = recovery.commits.last?.schema ?? recovery.snapshot?.schema
    isValidated = recovery.damage.isEmpty && lastSchema == fingerprint.bytes
    let latest = recovery.commits.last?.metadata
    if let latest { lastCommit = latest } else { lastCommit = try log.history(limit: 1).first }
  }

  /// When the modules changed, some changes have lost their place; they are made one by one and left out where they do
  /// not fit.
  private static func apply(
    _ diff: Diff, to root: InteriorNode, isForeign: Bool, _ report: inout [String]
  ) throws(DatastoreFailure) -> InteriorNode {
    guard isForeign else { return try diff.applied(to: root) }
    var root = root
    for change in diff.changes {
      do { root = try Diff(changes: [change]).applied(to: root) } catch {
        report.append("the change of \(change.path) does not fit the modules in force")
      }
    }
    return root
  }
}
