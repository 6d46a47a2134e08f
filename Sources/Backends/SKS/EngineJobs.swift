// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets

// The requests of consumers.
extension ProfileEngine {
  /// The next moment at which ``timeout(configuration:now:effects:)`` has something to do.
  var jobTimeout: MonotonicInstant? {
    jobs.map { job in
      if case .pausing(let until) = job.phase { min(until, job.deadline) } else { job.deadline }
    }.min()
  }

  /// Takes a request; it is answered by a `complete` effect, now or later.
  mutating func request(
    _ id: RequestID, _ request: ConsumerRequest, deadline: MonotonicInstant, profile: String,
    configuration: ProfileConfiguration, now: MonotonicInstant, effects: inout [EngineEffect]
  ) {
    guard configuration.server != nil else {
      effects.append(.complete(id, .failure(.notConfigured(profile: profile))))
      return
    }
    guard jobs.count < Self.maximumJobs else {
      effects.append(.complete(id, .failure(.busy)))
      return
    }
    jobs.append(Job(id: id, request: request, deadline: deadline))
    hurry()
    startJobs(configuration: configuration, now: now, effects: &effects)
  }

  /// Gives a request up.
  mutating func cancel(
    _ id: RequestID, why: String, configuration: ProfileConfiguration, now: MonotonicInstant,
    effects: inout [EngineEffect]
  ) {
    dropInFlight(where: { $0.id == id }, why: why, effects: &effects)
    if let index = jobs.firstIndex(where: { $0.id == id }) {
      jobs.remove(at: index)
      effects.append(.complete(id, .failure(.cancelled(why))))
    }
    startJobs(configuration: configuration, now: now, effects: &effects)
  }

  /// Ends what has passed its deadline and sends again what has paused long enough.
  mutating func timeout(configuration: ProfileConfiguration, now: MonotonicInstant, effects: inout [EngineEffect]) {
    var kept: [Job] = []
    for var job in jobs {
      if job.deadline <= now {
        if case .inFlight(let transaction, _, let request) = job.phase {
          giveUp(transaction, request.transactionType, effects: &effects)
        }
        effects.append(.complete(job.id, .failure(overdue(job))))
        continue
      }
      if case .pausing(let until) = job.phase, until <= now { job.phase = .waiting }
      kept.append(job)
    }
    jobs = kept
    startJobs(configuration: configuration, now: now, effects: &effects)
  }

  private func overdue(_ job: Job) -> KeyServiceError {
    if case .inFlight(_, _, let request) = job.phase {
      return request.deliversKey ? .deliveryInDoubt("no answer within the deadline") : .notConnected("no answer")
    }
    if let problem = job.problem { return problem }
    let last = statistics.lastTransaction.statusText
    return .notConnected(isUsable ? "too many requests were before it" : last.isEmpty ? "\(status)" : last)
  }

  /// Gives up requests in flight; others stay.
  mutating func dropInFlight(where condition: (Job) -> Bool, why: String, effects: inout [EngineEffect]) {
    var kept: [Job] = []
    for job in jobs {
      guard case .inFlight(let transaction, _, let request) = job.phase, condition(job) else {
        kept.append(job)
        continue
      }
      giveUp(transaction, request.transactionType, effects: &effects)
      effects.append(.complete(job.id, .failure(.cancelled(why))))
    }
    jobs = kept
  }

  /// Sends waiting requests while there is room, in the order in which they came.
  mutating func startJobs(configuration: ProfileConfiguration, now: MonotonicInstant, effects: inout [EngineEffect]) {
    guard !jobs.isEmpty, isUsable, let capabilities else { return }
    var inFlight = jobs.count { $0.isInFlight }
    var kept: [Job] = []
    for var job in jobs {
      guard case .waiting = job.phase, inFlight < Self.maximumInFlight else {
        kept.append(job)
        continue
      }
      do throws(KeyServiceError) {
        guard let request = try Self.skipRequest(job.request, configuration, capabilities) else {
          effects.append(.complete(job.id, .success(.capabilities(capabilities))))
          continue
        }
        job.attempts += 1
        let transaction = send(request, isRetry: job.attempts > 1, configuration: configuration, effects: &effects)
        job.phase = .inFlight(transaction: transaction, startedAt: now, request: request)
        inFlight += 1
        kept.append(job)
      } catch {
        effects.append(.complete(job.id, .failure(error)))
      }
    }
    jobs = kept
  }

  /// The request to send; nil when the capabilities themselves are the answer.
  private static func skipRequest(
    _ request: ConsumerRequest, _ configuration: ProfileConfiguration, _ capabilities: KeyServiceCapabilities
  ) throws(KeyServiceError) -> SKIPRequest? {
    func remote(_ requested: String?) throws(KeyServiceError) -> String {
      guard capabilities.offersKeys else { throw .notOffered("keys") }
      return try RemoteSelection.select(
        requested: requested, configured: configuration.remoteSystem, capabilities: capabilities)
    }
    switch request {
    case .capabilities: return nil
    case .newKey(let requested, let size): return .newKey(remote: try remote(requested), sizeInBits: size)
    case .key(let identifier, let requested, _):
      guard identifier.isHexadecimal else {
        throw .invalidRequest("key identifier \(identifier) is not hexadecimal, as SKIP's are")
      }
      return .key(identifier, remote: try remote(requested))
    case .entropy(let bits):
      guard capabilities.offersEntropy else { throw .notOffered("entropy") }
      return .entropy(bits: bits)
    }
  }

  // MARK: Results

  private enum Verdict {
    case done(Result<ConsumerAnswer, KeyServiceError>)
    /// It is certain that no key was lost.
    case again(KeyServiceError)
  }

  mutating func jobResult(
    _ index: Int, _ transaction: UInt32, _ result: HTTPResult, configuration: ProfileConfiguration,
    now: MonotonicInstant, jitter: inout JitterSource, effects: inout [EngineEffect]
  ) {
    guard case .inFlight(_, let startedAt, let request) = jobs[index].phase else { return }
    statistics.countResult(result, type: request.transactionType, elapsed: now.since(startedAt))
    var last = LastTransaction(number: transaction, type: request.transactionType)
    defer {
      statistics.lastTransaction = last
      diagnostics.record(last.outcome, now: now)
    }
    let verdict: Verdict
    switch result {
    case .response(200, let body):
      last.outcome = .answered(status: 200)
      do throws(SKIPAnswerError) {
        verdict = .done(.success(try Self.answer(body, to: jobs[index].request, request)))
      } catch {
        statistics.validationFailed &+= 1
        last.outcome = .invalid(status: 200, reason: error.reason)
        refresh(.receiveKeyResponseFailed, now: now)
        verdict = .done(.failure(.invalidAnswer(error.reason)))
      }
    case .response(let status, _):
      last.outcome = .answered(status: status)
      verdict = self.verdict(on: status, index, configuration: configuration, now: now)
    case .failure(let failure):
      last.outcome = .failed(failure)
      verdict = self.verdict(
        on: failure, request, configuration: configuration, now: now, jitter: &jitter, effects: &effects)
    }
    settle(index, verdict, settings: configuration.settings, now: now, jitter: &jitter, effects: &effects)
  }

  private static func answer(
    _ body: SecretBytes, to consumer: ConsumerRequest, _ request: SKIPRequest
  ) throws(SKIPAnswerError) -> ConsumerAnswer {
    switch request {
    case .capabilities: .capabilities(try SKIPAnswer.capabilities(body))
    case .newKey(let remote, let size):
      .key(try SKIPAnswer.key(body, expected: nil, sizeInBits: size, remote: remote))
    case .key(let identifier, let remote):
      if case .key(_, _, let size) = consumer {
        .key(try SKIPAnswer.key(body, expected: identifier, sizeInBits: size, remote: remote))
      } else {
        .key(try SKIPAnswer.key(body, expected: identifier, sizeInBits: nil, remote: remote))
      }
    case .entropy(let bits): .entropy(try SKIPAnswer.entropy(body, bits: bits))
    }
  }

  private mutating func verdict(
    on status: UInt16, _ index: Int, configuration: ProfileConfiguration, now: MonotonicInstant
  ) -> Verdict {
    switch (jobs[index].request, status) {
    case (.key(let identifier, _, _), 400):
      // Not yet synchronized, consumed, or never there: the status cannot tell.
      let end = jobs[index].windowEnd ?? now + configuration.settings.keyWindow
      jobs[index].windowEnd = end
      return now < end ? .again(.keyNotFound(identifier)) : .done(.failure(.keyNotFound(identifier)))
    case (_, 503), (_, 429), (.entropy, 500...599):
      refresh(.receiveKeyResponseFailed, now: now)
      return .again(.refused(status: Int(status)))
    default:
      refresh(.receiveKeyResponseFailed, now: now)
      return .done(.failure(.refused(status: Int(status))))
    }
  }

  private mutating func verdict(
    on failure: TransportFailure, _ request: SKIPRequest, configuration: ProfileConfiguration,
    now: MonotonicInstant, jitter: inout JitterSource, effects: inout [EngineEffect]
  ) -> Verdict {
    let text = failure.description
    switch failure.stage {
    case .refused:
      failed(failure, detail: text, effects: &effects)
      if !isPolling { backOff(.failure(failure), configuration: configuration, now: now, jitter: &jitter) }
      return .done(.failure(.notConnected(text)))
    case .notSent:
      refresh(.sendRequestFailed, now: now)
      return .again(.notConnected(text))
    case .noAnswer:
      refresh(.receiveKeyResponseFailed, now: now)
      return request.deliversKey ? .done(.failure(.deliveryInDoubt(text))) : .again(.notConnected(text))
    }
  }

  private mutating func settle(
    _ index: Int, _ verdict: Verdict, settings: ProfileSettings, now: MonotonicInstant,
    jitter: inout JitterSource, effects: inout [EngineEffect]
  ) {
    switch verdict {
    case .done(let result): effects.append(.complete(jobs.remove(at: index).id, result))
    case .again(let problem):
      var job = jobs[index]
      // Asking for a key within its window is bounded by that window, all else by the number of attempts.
      let isWithinWindow = if case .keyNotFound = problem { true } else { false }
      let pause = jitter.spread(
        min(settings.minimumBackOff / 4 * (1 << Int(min(job.attempts - 1, 5))), settings.maximumBackOff),
        fromPercent: 50)
      let until = now + pause
      let isOver = isWithinWindow ? job.attempts == .max : job.attempts >= settings.maximumAttempts
      if isOver || until >= job.deadline {
        jobs.remove(at: index)
        effects.append(.complete(job.id, .failure(problem)))
      } else {
        job.phase = .pausing(until: until)
        job.problem = problem
        jobs[index] = job
      }
    }
  }
}

extension ProfileEngine.Job {
  var isInFlight: Bool { if case .inFlight = phase { true } else { false } }

  func isInFlight(_ transaction: UInt32) -> Bool {
    if case .inFlight(transaction, _, _) = phase { true } else { false }
  }
}
