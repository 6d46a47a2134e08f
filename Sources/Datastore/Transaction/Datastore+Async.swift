// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The datastore's calls for callers that can suspend.
extension Datastore {
  public func lock(_ store: DatastoreName, as session: SessionIdentity) async throws(DatastoreFailure) {
    try await waiting { self.lock(store, as: session, completion: $0) }
  }

  public func unlock(_ store: DatastoreName, as session: SessionIdentity) async throws(DatastoreFailure) {
    try await waiting { self.unlock(store, as: session, completion: $0) }
  }

  public func editCandidate(
    as session: SessionIdentity, _ change: @escaping @Sendable (InteriorNode) throws -> InteriorNode
  ) async throws(DatastoreFailure) {
    try await waiting { self.editCandidate(as: session, change, completion: $0) }
  }

  public func discardChanges(as session: SessionIdentity) async throws(DatastoreFailure) {
    try await waiting { self.discardChanges(as: session, completion: $0) }
  }

  public func validate(_ store: DatastoreName) async throws(DatastoreFailure) {
    try await waiting { self.validate(store, completion: $0) }
  }

  public func validate(_ root: InteriorNode) async throws(DatastoreFailure) {
    try await waiting { self.validate(root, completion: $0) }
  }

  public func commit(
    as session: SessionIdentity, comment: String? = nil, label: String? = nil
  ) async throws(DatastoreFailure) -> CommitMetadata? {
    try await waiting { self.commit(as: session, comment: comment, label: label, completion: $0) }
  }

  private func waiting<Success: Sendable>(
    _ start: (@escaping Completion<Success>) -> Void
  ) async throws(DatastoreFailure) -> Success {
    let result: Result<Success, DatastoreFailure> = await withCheckedContinuation { continuation in
      start { continuation.resume(returning: $0) }
    }
    return try result.get()
  }
}
