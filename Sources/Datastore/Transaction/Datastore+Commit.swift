// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Dispatch
import YANG

/// The steps of a commit, on the writer's queue: validate, prepare, write, swap, apply.
extension Datastore {
  /// How long an acknowledgement waits for the backends to take the new state, which they do at once. One that takes
  /// longer holds up later commits' preparation, but no reply.
  private static let applyPatience = DispatchTimeInterval.milliseconds(500)

  func commitCandidate(
    _ session: SessionIdentity, _ comment: String?, _ label: String?
  ) throws -> CommitMetadata? {
    let (old, new) = try state.withLock { state throws(DatastoreError) in
      try state.locks.requireAccess(to: .running, by: session)
      try state.locks.requireAccess(to: .candidate, by: session)
      return (state.running, state.candidate)
    }
    let diff = Diff(from: old, to: new)
    guard !diff.isEmpty else {
      // Equal, though perhaps not the same object: from now on it is.
      state.withLock { $0.candidate = $0.running }
      return nil
    }
    let errors = validateCandidate()
    if !errors.isEmpty { throw DatastoreFailure(errors) }
    let changes = backends.backends.map {
      ChangeSet(subscriptions: $0.subscriptions, from: old, to: new, schema: schema)
    }
    try prepare(changes)
    let metadata = try write(diff, session, comment, label)
    let listeners = state.withLock { state in
      state.running = new
      state.candidate = new
      state.lastCommit = metadata
      state.runningIsValid = true
      state.validated = nil
      return state.listeners
    }
    let applied = DispatchSemaphore(value: 0)
    let event = CommitEvent(metadata: metadata, old: old, new: new, diff: diff)
    backendQueue.async { [backends] in
      for (backend, changes) in zip(backends.backends, changes) where !changes.isEmpty { backend.apply(changes) }
      applied.signal()
      for listener in listeners { listener(event) }
    }
    _ = applied.wait(timeout: .now() + Self.applyPatience)
    return metadata
  }

  /// The violations of the candidate. That it was found valid is remembered as long as both trees stay what they are.
  func validateCandidate() -> [DatastoreError] {
    let (running, candidate, isValid, validated) = state.withLock {
      ($0.running, $0.candidate, $0.runningIsValid, $0.validated)
    }
    if let validated, validated.running === running, validated.candidate === candidate { return [] }
    let errors = isValid ? validator.validate(old: running, new: candidate) : validator.validate(candidate)
    if errors.isEmpty { state.withLock { $0.validated = (running, candidate) } }
    return errors
  }

  /// Asks every backend, also after one refused; all refusals become errors, their reasons word by word.
  private func prepare(_ changes: [ChangeSet]) throws(DatastoreFailure) {
    let refusals = backendQueue.sync {
      zip(backends.backends, changes).flatMap { backend, changes in changes.isEmpty ? [] : backend.prepare(changes) }
    }
    guard !refusals.isEmpty else { return }
    throw DatastoreFailure(
      refusals.prefix(Validator.maximumErrors).map { refusal in
        DatastoreError(
          .operationFailed, appTag: "backend-refusal", path: refusal.path, message: refusal.reason)
      })
  }

  private func write(
    _ diff: Diff, _ session: SessionIdentity, _ comment: String?, _ label: String?
  ) throws(DatastoreError) -> CommitMetadata {
    guard let log else {
      let id = (state.withLock { $0.lastCommit?.id } ?? 0) + 1
      return CommitMetadata(id: id, time: clock(), session: session, comment: comment, label: label)
    }
    do {
      return try log.append(
        time: clock(), session: session, comment: comment, label: label, schema: fingerprint.bytes,
        diff: TreeCoder.encode(diff))
    } catch {
      throw DatastoreError(
        error.code == .diskFull ? .resourceDenied : .operationFailed,
        message: "the commit could not be made durable, the running configuration is unchanged: \(error.message)")
    }
  }

  /// What may wait until the commit was acknowledged. A failure is no loss: the next commit tries again.
  func maintainLog() {
    guard let log else { return }
    // A snapshot says of its configuration that it is valid under the modules in force.
    let (running, isValid) = state.withLock { ($0.running, $0.runningIsValid) }
    if isValid, log.isSnapshotDue { try? log.writeSnapshot(schema: fingerprint.bytes, tree: TreeCoder.encode(running)) }
    try? log.maintain()
  }

  // MARK: History

  /// The latest commits, newest first.
  public func history(limit: Int) throws(CommitLogError) -> [CommitMetadata] {
    try log?.history(limit: limit) ?? []
  }

  /// What a commit changed, in terms of the schema in force.
  public func diff(of commit: UInt64) throws(CommitLogError) -> Diff {
    guard let log else { throw CommitLogError(.unknownCommit, "there is no commit log") }
    let record = try log.record(of: commit)
    do {
      let isSame = record.schema == fingerprint.bytes
      return try TreeCoder.decodeDiff(record.diff, schema: schema, isSameSchema: isSame, sealer: sealer).content
    } catch {
      throw CommitLogError(.damaged, "commit \(commit): \(error)")
    }
  }
}
