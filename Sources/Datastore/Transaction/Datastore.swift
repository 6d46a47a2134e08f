// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Dispatch
import Secrets
import Synchronization
import YANG

/// The configuration datastores of the agent: running and the shared candidate of RFC 6241 section 8.3.
///
/// Trees are immutable, so a snapshot is a pointer: `running` and `candidate` can be read from any thread at any time
/// and never wait for a commit. Everything that changes a datastore goes through one serial queue, in the order of the
/// calls; a call returns at once and its completion is called on that queue when the change took effect (a commit: is
/// durable) or was refused, and must not block there. The asynchronous variants wrap the same calls.
///
/// A commit validates what changed, asks every backend to prepare, writes the commit log, swaps running, and hands the
/// changes to the backends, which converge. A failure before the log is written leaves running as it was.
public final class Datastore: Sendable {
  /// What a request that changes a datastore ends in.
  public typealias Completion<Success> = @Sendable (Result<Success, DatastoreFailure>) -> Void

  struct State: Sendable {
    var running: InteriorNode
    var candidate: InteriorNode
    var locks = Locks()
    var lastCommit: CommitMetadata?
    /// Whether running is known to fulfil all constraints, so that what a change brings about is all there is to check.
    var runningIsValid: Bool
    /// The candidate that was last found valid beside that running configuration.
    var validated: (running: InteriorNode, candidate: InteriorNode)?
    var listeners: [@Sendable (CommitEvent) -> Void] = []
    var isStopped = false

    /// Nothing is to hold the trees that are given up.
    mutating func resetCandidate() {
      candidate = running
      validated = nil
    }
  }

  public let schema: Schema
  public let events: EventBus
  public let backends: BackendRegistry
  public let validator: Validator
  /// What the operator should know of the start: damage of the commit log, data that the modules in force do not have,
  /// constraints that the recovered configuration does not fulfil. Empty when all is well.
  public let startReport: [String]
  let state: Mutex<State>
  let log: CommitLog?
  let fingerprint: SchemaFingerprint
  let sealer: Sealer?
  /// Everything that changes a datastore, in order.
  let queue = DispatchQueue(label: "datastore.writer")
  /// Every call of a backend's `prepare` and `apply`, and of listeners, in order.
  let backendQueue = DispatchQueue(label: "datastore.backends")
  let clock: @Sendable () -> Event.Time
  private let memory = MemoryReturn()

  /// A datastore without a commit log: what it holds is lost with the process. For tests and tools.
  public init(
    schema: Schema, initial: InteriorNode? = nil, backends: [any Backend] = [], events: EventBus = EventBus(),
    clock: @escaping @Sendable () -> Event.Time = { .now }
  ) {
    self.schema = schema
    self.events = events
    self.backends = BackendRegistry(backends, schema: schema)
    self.clock = clock
    validator = Validator(schema: schema)
    log = nil
    fingerprint = SchemaFingerprint(bytes: [])
    sealer = nil
    startReport = []
    let root = initial ?? InteriorNode(schema: schema.root)
    state = Mutex(State(running: root, candidate: root, runningIsValid: validator.validate(root).isEmpty))
  }

  /// Recovers running from a commit log, to which every commit is then written. The log must be freshly opened.
  ///
  /// Backends hear of the recovered configuration by `start()`. `sealer` seals what became a secret in newer modules.
  /// - Throws: when nothing can be recovered.
  public init(
    schema: Schema, log: CommitLog, sealer: Sealer? = nil, backends: [any Backend] = [], events: EventBus = EventBus(),
    clock: @escaping @Sendable () -> Event.Time = { .now }
  ) throws(CommitLogError) {
    self.schema = schema
    self.events = events
    self.backends = BackendRegistry(backends, schema: schema)
    self.clock = clock
    self.log = log
    validator = Validator(schema: schema)
    fingerprint = SchemaFingerprint(of: schema)
    self.sealer = sealer
    let recovered = try RecoveredConfiguration(log: log, schema: schema, fingerprint: fingerprint, sealer: sealer)
    // What was committed under these modules was validated then.
    let violations = recovered.isValidated ? [] : validator.validate(recovered.root)
    startReport =
      recovered.report
      + violations.map { "the recovered configuration is not valid: \($0.path?.description ?? "/"): \($0.message)" }
    state = Mutex(
      State(
        running: recovered.root, candidate: recovered.root, lastCommit: recovered.lastCommit,
        runningIsValid: violations.isEmpty))
  }

  /// Gives the backends the running configuration, as a change from nothing. Call it once, when they are ready.
  public func start() {
    backendQueue.async { [self] in
      let root = running
      let empty = InteriorNode(schema: schema.root)
      for backend in backends.backends {
        backend.apply(ChangeSet(subscriptions: backend.subscriptions, from: empty, to: root, schema: schema))
      }
    }
  }

  /// Ends all changes: what was asked for before is done, what comes after is refused. Returns when the backends have
  /// been told of the last commit.
  public func stop() {
    queue.sync { state.withLock { $0.isStopped = true } }
    backendQueue.sync {}
  }

  /// Calls `body` after every commit, in the order of commits, on the backends' queue.
  public func onCommit(_ body: @escaping @Sendable (CommitEvent) -> Void) {
    state.withLock { $0.listeners.append(body) }
  }

  // MARK: Reading

  /// The running configuration as it is now.
  public var running: InteriorNode { state.withLock { $0.running } }
  /// The candidate configuration as it is now.
  public var candidate: InteriorNode { state.withLock { $0.candidate } }
  /// The snapshot of a datastore by name.
  public func snapshot(of store: DatastoreName) -> InteriorNode {
    state.withLock { store == .running ? $0.running : $0.candidate }
  }
  /// True while the candidate has changes that are neither committed nor discarded.
  public var candidateIsModified: Bool { state.withLock { !($0.candidate === $0.running) } }
  /// The session that holds a datastore's lock.
  public func lockHolder(of store: DatastoreName) -> SessionIdentity? { state.withLock { $0.locks.holder(of: store) } }
  /// The latest commit; nil when there was none yet.
  public var lastCommit: CommitMetadata? { state.withLock { $0.lastCommit } }

  // MARK: Locks (RFC 6241 sections 7.5 and 7.6)

  /// Takes a datastore's lock. Does not wait: a lock that is held is lock-denied with the holder's session-id.
  public func lock(_ store: DatastoreName, as session: SessionIdentity, completion: @escaping Completion<Void>) {
    enqueue(completion) { [self] in
      try state.withLock { state throws(DatastoreError) in
        try state.locks.lock(store, for: session, candidateIsModified: !(state.candidate === state.running))
      }
    }
  }

  /// Gives a datastore's lock back; uncommitted changes of the candidate are discarded with it (section 8.3.5.2).
  public func unlock(_ store: DatastoreName, as session: SessionIdentity, completion: @escaping Completion<Void>) {
    enqueue(completion) { [self] in
      try state.withLock { state throws(DatastoreError) in
        try state.locks.unlock(store, for: session)
        if store == .candidate { state.resetCandidate() }
      }
    } afterwards: { [self] in
      memory.schedule()
    }
  }

  /// To be called when a session ends, however it ends: releases its locks, discards what it left in a candidate that
  /// it had locked.
  public func sessionEnded(_ session: SessionIdentity) {
    queue.async { [self] in
      state.withLock { state in
        if state.locks.release(session: session.id).contains(.candidate) { state.resetCandidate() }
      }
      memory.schedule()
    }
  }

  // MARK: Changing

  /// Changes the candidate: `change` gets the candidate's tree and returns the new one, or throws a `DatastoreError`
  /// or `DatastoreFailure`, and then the candidate stays as it was. Nodes whose `when` the change turned false are
  /// deleted (RFC 7950 section 8.2); nodes that the change itself creates under a false `when` are unknown-element.
  public func editCandidate(
    as session: SessionIdentity, _ change: @escaping @Sendable (InteriorNode) throws -> InteriorNode,
    completion: @escaping Completion<Void>
  ) {
    enqueue(completion) { [self] in
      let before = try state.withLock { state throws(DatastoreError) in
        try state.locks.requireAccess(to: .candidate, by: session)
        return state.candidate
      }
      let after = try validator.resolvingConditions(from: before, to: try change(before))
      state.withLock { $0.candidate = after }
    }
  }

  /// Resets the candidate to running (discard-changes, section 8.3.4.2).
  public func discardChanges(as session: SessionIdentity, completion: @escaping Completion<Void>) {
    enqueue(completion) { [self] in
      try state.withLock { state throws(DatastoreError) in
        try state.locks.requireAccess(to: .candidate, by: session)
        state.resetCandidate()
      }
    } afterwards: { [self] in
      memory.schedule()
    }
  }

  /// Checks a whole datastore (validate, section 8.6). All violations are reported together.
  public func validate(_ store: DatastoreName, completion: @escaping Completion<Void>) {
    enqueue(completion) { [self] in
      let errors: [DatastoreError]
      switch store {
      case .running: errors = validator.validate(running)
      case .candidate: errors = validateCandidate()
      }
      if !errors.isEmpty { throw DatastoreFailure(errors) }
    }
  }

  /// Checks a configuration that is in no datastore.
  public func validate(_ root: InteriorNode, completion: @escaping Completion<Void>) {
    enqueue(completion) { [self] in
      let errors = validator.validate(root)
      if !errors.isEmpty { throw DatastoreFailure(errors) }
    }
  }

  /// Makes the candidate running (commit, section 8.3.4.1). Success means that the commit is durable. The metadata is
  /// that of the new commit, or nil when the candidate did not differ from running.
  public func commit(
    as session: SessionIdentity, comment: String? = nil, label: String? = nil,
    completion: @escaping Completion<CommitMetadata?>
  ) {
    enqueue(completion) { [self] in
      try commitCandidate(session, comment, label)
    } afterwards: { [self] in
      maintainLog()
      memory.schedule()
    }
  }

  /// Runs a change on the writer's queue and reports how it ended.
  private func enqueue<Success>(
    _ completion: @escaping Completion<Success>, _ body: @escaping @Sendable () throws -> Success,
    afterwards: (@Sendable () -> Void)? = nil
  ) {
    queue.async { [self] in
      do {
        guard !state.withLock({ $0.isStopped }) else {
          throw DatastoreError(.operationFailed, message: "the agent is stopping")
        }
        completion(.success(try body()))
      } catch {
        completion(.failure(DatastoreFailure(wrapping: error)))
      }
      afterwards?()
    }
  }
}
