// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import YANG

/// The carrying out of operations. Those that only read answer at once; those that change something wait their turn
/// at the datastore and answer from its thread.
extension ServerCore {
  /// Performs an operation for a session.
  /// - Parameters:
  ///   - now: called before this returns, for what is quick.
  ///   - later: called from another thread with what makes the answer, for what is not. One of the two is called, once.
  func perform(
    _ operation: Operation, as session: SessionIdentity, now answer: (ReplyBody) -> Void,
    later: @escaping @Sendable (@escaping @Sendable () -> ReplyBody) -> Void
  ) {
    switch operation {
    case .getConfig(let source, let filter): answer(configuration(of: source, filter: filter))
    case .get(let filter): get(filter, answer, later)
    case .getSchema(let request): answer(schemaText(request))
    case .editConfig(let edit): perform(edit, as: session, answer, later)
    case .copyConfig(let source, let target): copy(source, to: target, as: session, answer, later)
    case .validate(.datastore(let source)): datastore.validate(source, completion: Self.answering(later))
    case .validate(.inline(let edit)): validate(edit, answer, later)
    case .commit: datastore.commit(as: session) { result in later { Self.body(of: result) } }
    case .discardChanges: datastore.discardChanges(as: session, completion: Self.answering(later))
    case .lock(let target):
      let lockTimes = lockTimes
      datastore.lock(target, as: session) { result in
        if case .success = result { lockTimes[target] = .now }
        later { Self.body(of: result) }
      }
    case .unlock(let target): datastore.unlock(target, as: session, completion: Self.answering(later))
    case .invoke(let rpc, let input):
      invoke("/\(rpc.module.name):\(rpc.name)", rpc, on: nil, input: input, user: session.user, answer, later)
    case .action(let action, let target, let input):
      if let error = missing(target) { return answer(.error(error)) }
      invoke(action.path, action, on: target, input: input, user: session.user, answer, later)
    case .closeSession, .killSession, .createSubscription:
      answer(.error(DatastoreError(.operationFailed, layer: .protocol, message: "the operation is the session's own")))
    }
  }

  typealias Later = @Sendable (@escaping @Sendable () -> ReplyBody) -> Void

  private static func answering(_ later: @escaping Later) -> Datastore.Completion<Void> {
    { result in later { body(of: result) } }
  }

  private static func body<Success>(of result: Result<Success, DatastoreFailure>) -> ReplyBody {
    switch result {
    case .success: .ok
    case .failure(let failure): .errors(failure.errors)
    }
  }

  /// Reads at once, or after what has to be fetched first is there: no session waits for it but the one that asks.
  private func get(_ filter: SubtreeFilter?, _ answer: (ReplyBody) -> Void, _ later: @escaping Later) {
    let refreshes = sources.refreshes(for: filter)
    guard !refreshes.isEmpty else { return answer(everything(filter: filter)) }
    Task { [self] in
      await withTaskGroup(of: Void.self) { group in
        for refresh in refreshes { group.addTask { await refresh() } }
      }
      later { [self] in everything(filter: filter) }
    }
  }

  // MARK: Changing

  private func perform(
    _ edit: EditConfiguration, as session: SessionIdentity, _ answer: (ReplyBody) -> Void, _ later: @escaping Later
  ) {
    guard edit.target == .candidate else { return answer(.error(.notWritable(edit.target))) }
    let datastore = datastore
    datastore.editCandidate(
      as: session,
      { before in
        let after = try edit.edit.applied(to: before, defaultOperation: edit.defaultOperation)
        switch edit.testOption {
        case nil, .set: return after
        case .testThenSet, .testOnly:
          let settled = try datastore.validator.resolvingConditions(from: before, to: after)
          let errors = datastore.validator.validate(settled)
          guard errors.isEmpty else { throw DatastoreFailure(errors) }
          return edit.testOption == .testOnly ? before : settled
        }
      }, completion: Self.answering(later))
  }

  private func copy(
    _ source: ConfigurationSource, to target: DatastoreName, as session: SessionIdentity,
    _ answer: (ReplyBody) -> Void, _ later: @escaping Later
  ) {
    if case .datastore(target) = source {
      return answer(
        .error(
          DatastoreError(
            .invalidValue, layer: .protocol, message: "source and target are both the \(target.rawValue) datastore")))
    }
    guard target == .candidate else { return answer(.error(.notWritable(target))) }
    let datastore = datastore
    datastore.editCandidate(
      as: session,
      { _ in
        switch source {
        case .datastore(let name): datastore.snapshot(of: name)
        case .inline(let edit): try Self.tree(of: edit, schema: datastore.schema)
        }
      }, completion: Self.answering(later))
  }

  private func validate(_ edit: Edit, _ answer: (ReplyBody) -> Void, _ later: @escaping Later) {
    do throws(DatastoreFailure) {
      datastore.validate(try Self.tree(of: edit, schema: datastore.schema), completion: Self.answering(later))
    } catch {
      answer(.errors(error.errors))
    }
  }

  /// A configuration that was given whole.
  private static func tree(of edit: Edit, schema: Schema) throws(DatastoreFailure) -> InteriorNode {
    try edit.applied(to: InteriorNode(schema: schema.root), defaultOperation: .replace)
  }

  // MARK: Operations of modules

  /// Why an action cannot be called on an instance: what of it is configured has to be there. What is only state is for
  /// the backend to know.
  private func missing(_ target: InstancePath) -> DatastoreError? {
    let configured = InstancePath(Array(target.steps.prefix { $0.schema.isConfig }))
    guard let last = configured.steps.last, !last.schema.isNonPresenceContainer,
      datastore.running.node(at: configured) == nil
    else { return nil }
    return DatastoreError(.dataMissing, path: configured, message: "there is no such instance")
  }

  /// Calls the backend that carries out an rpc or action.
  private func invoke(
    _ path: String, _ rpc: SchemaNode, on target: InstancePath?, input: InteriorNode, user: String,
    _ answer: (ReplyBody) -> Void, _ later: @escaping Later
  ) {
    guard let backend = datastore.backends.backend(forOperation: path) else {
      return answer(
        .error(
          DatastoreError(
            .operationNotSupported, layer: .protocol,
            message: "nothing here carries out \(rpc.name) of \(rpc.module.name)",
            info: [("bad-element", rpc.name)])))
    }
    let errors = datastore.validator.validate(body: input, configuration: datastore.running, target: target)
    guard errors.isEmpty else { return answer(.errors(errors)) }
    let invocation = Invocation(schema: rpc, target: target, input: input, user: user)
    Task { [self] in
      do throws(DatastoreError) {
        let output = try await backend.invoke(invocation)
        later { [self] in body(ofOutput: output) }
      } catch {
        later { .error(error) }
      }
    }
  }
}

extension DatastoreError {
  static func notWritable(_ target: DatastoreName) -> DatastoreError {
    DatastoreError(
      .operationNotSupported, layer: .protocol,
      message: "the \(target.rawValue) datastore cannot be written directly: edit the candidate and commit it")
  }
}
