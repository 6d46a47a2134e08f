// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets

/// One profile's SKIP client as a value: no sockets, no clock, no randomness of its own.
///
/// *States* are those of ``ConnectionStatus``. The engine is connected once it holds the server's capabilities, and
/// asks for them again at intervals and after every failed request. Requests of consumers wait until it is connected,
/// at most until their deadline.
///
/// *Inputs*: ``configure(profile:from:to:now:jitter:effects:)``, ``poll(configuration:now:effects:)`` (the permission to
/// ask for capabilities, given by a pacer once ``pollDue`` has come), ``request(_:_:deadline:profile:configuration:now:effects:)``,
/// ``cancel(_:why:configuration:now:effects:)``, ``result(transaction:_:configuration:now:jitter:effects:)`` and
/// ``timeout(configuration:now:effects:)`` (once ``jobTimeout`` has come). *Outputs* are effects, in order.
///
/// *At most once*: a request that delivers a key is sent again only when it is certain that no key was delivered:
/// nothing had been sent, or the server answered that it does not know the key (yet) or is unavailable (503, 429). In
/// any other failure the key counts as lost and the consumer starts anew.
///
/// *Assumed of the server*: nothing. Each answer is checked; any status and any body may come.
struct ProfileEngine: Sendable {
  /// How many requests of consumers may be in flight at once; more wait.
  static let maximumInFlight = 8
  /// How many requests of consumers a profile holds; more are refused as busy.
  static let maximumJobs = 256
  /// The shortest time between two requests for the capabilities, except after a change of the configuration.
  static let minimumPollInterval = Duration.seconds(1)

  var status = ConnectionStatus.unknown
  var reason = RefreshReason.unknown
  var statistics = ProfileStatistics()
  var capabilities: KeyServiceCapabilities?
  /// When a request for the capabilities is due; nil while one is in flight or no server is configured.
  var pollDue: MonotonicInstant?
  var jobs: [Job] = []
  var diagnostics = ConnectionDiagnostics()

  /// The server that the capabilities are of.
  private var connectedServer: Endpoint?
  private var pollInFlight: (transaction: UInt32, startedAt: MonotonicInstant)?
  private var lastPoll: MonotonicInstant?
  /// Failed requests for capabilities in a row.
  private var failures: UInt8 = 0
  private var nextTransaction: UInt32 = 1
  /// Whether SHA-256 is tried at present, for a pre-shared key with an automatic hash.
  private var triesSHA256 = false
  /// Whether the other hash was tried at once after the last failure.
  private var hasSwitchedHash = false

  /// A request of a consumer.
  struct Job: Sendable {
    enum Phase: Sendable {
      /// For the connection, or for its turn.
      case waiting
      case inFlight(transaction: UInt32, startedAt: MonotonicInstant, request: SKIPRequest)
      case pausing(until: MonotonicInstant)
    }
    let id: RequestID
    let request: ConsumerRequest
    let deadline: MonotonicInstant
    var phase = Phase.waiting
    var attempts: UInt8 = 0
    /// Until when a key that the server does not know is asked for again; set at the first such answer.
    var windowEnd: MonotonicInstant?
    /// Why it still waits, for the error at its deadline.
    var problem: KeyServiceError?
  }

  init() {}

  /// Whether requests of consumers can be sent.
  var isUsable: Bool { capabilities != nil && (status == .connected || status == .capabilityRefresh) }

  private var connection: ConnectionDetails? {
    guard let connectedServer, let capabilities else { return nil }
    return ConnectionDetails(server: connectedServer, capabilities: capabilities)
  }

  // MARK: Configuration

  /// Takes a new configuration; `new` is nil when the profile is removed.
  mutating func configure(
    profile: String, from old: ProfileConfiguration?, to new: ProfileConfiguration?, now: MonotonicInstant,
    jitter: inout JitterSource, effects: inout [EngineEffect]
  ) {
    let before = old ?? ProfileConfiguration()
    guard let new, new.server != nil else {
      let isRemoved = new == nil
      let detail = isRemoved ? "the profile was removed" : "the server was removed from the configuration"
      reset(to: .unknown, before.server == nil ? reason : .serverRemoved, detail: detail, effects: &effects)
      pollDue = nil
      let why: KeyServiceError = isRemoved ? .cancelled(detail) : .notConfigured(profile: profile)
      for job in jobs { effects.append(.complete(job.id, .failure(why))) }
      jobs = []
      return
    }
    if let rebuild = new.rebuildReason(from: before) {
      reset(to: .connecting, rebuild, detail: "the configuration was changed", effects: &effects)
      pollDue = now
    } else {
      if new.remoteSystem != before.remoteSystem {
        dropInFlight(
          where: { $0.request.usesConfiguredRemote }, why: "the remote system was changed", effects: &effects)
      }
      if status == .connected, new.settings.refreshInterval != before.settings.refreshInterval {
        let next = nextRefresh(new.settings, now: now, jitter: &jitter)
        pollDue = next.map { min(pollDue ?? $0, $0) }
      }
    }
  }

  /// Begins anew: what is in flight is given up and counted.
  private mutating func reset(
    to status: ConnectionStatus, _ reason: RefreshReason, detail: String, effects: inout [EngineEffect]
  ) {
    if let poll = pollInFlight {
      pollInFlight = nil
      giveUp(poll.transaction, .getCapability, effects: &effects)
    }
    dropInFlight(where: { _ in true }, why: detail, effects: &effects)
    leave(to: status, reason, detail: detail, effects: &effects)
    failures = 0
    diagnostics.consecutiveFailures = 0
    triesSHA256 = false
    hasSwitchedHash = false
  }

  mutating func giveUp(_ transaction: UInt32, _ type: TransactionType, effects: inout [EngineEffect]) {
    statistics.cancelCount &+= 1
    statistics.lastTransaction = LastTransaction(number: transaction, type: type, outcome: .cancelled)
    effects.append(.cancel(transaction: transaction))
  }

  /// Enters a state in which nothing is known of the server.
  private mutating func leave(
    to status: ConnectionStatus, _ reason: RefreshReason, detail: String, effects: inout [EngineEffect]
  ) {
    let wasUsable = isUsable
    let lost = connection
    self.status = status
    self.reason = reason
    capabilities = nil
    connectedServer = nil
    diagnostics.connectedSince = nil
    if wasUsable, let lost { effects.append(.event(.lost(reason, detail: detail), lost)) }
  }

  // MARK: Capabilities

  /// Asks for the capabilities.
  mutating func poll(configuration: ProfileConfiguration, now: MonotonicInstant, effects: inout [EngineEffect]) {
    guard pollInFlight == nil, configuration.server != nil else { return }
    if status == .connected {
      status = .capabilityRefresh
      reason = .sendRequest
    }
    pollDue = nil
    lastPoll = now
    let transaction = send(
      .capabilities, isRetry: failures > 0 || hasSwitchedHash, configuration: configuration, effects: &effects)
    pollInFlight = (transaction, now)
  }

  var isPolling: Bool { pollInFlight != nil }

  mutating func send(
    _ request: SKIPRequest, isRetry: Bool, configuration: ProfileConfiguration, effects: inout [EngineEffect]
  ) -> UInt32 {
    let transaction = nextTransaction
    nextTransaction = nextTransaction == .max ? 1 : nextTransaction + 1
    statistics.countSent(request.transactionType, isRetry: isRetry)
    effects.append(
      .start(StartRequest(transaction: transaction, request: request, hash: hash(of: configuration.authentication))))
    return transaction
  }

  private func hash(of authentication: Authentication) -> TLSHash {
    guard case .psk(let key) = authentication else { return .sha384 }
    switch key.hash {
    case .sha256: return .sha256
    case .sha384: return .sha384
    case .automatic: return triesSHA256 ? .sha256 : .sha384
    }
  }

  /// Asks for the capabilities soon, after a request of a consumer has failed.
  mutating func refresh(_ why: RefreshReason, now: MonotonicInstant) {
    guard status == .connected, pollInFlight == nil else { return }
    status = .capabilityRefresh
    reason = why
    let earliest = lastPoll.map { $0 + Self.minimumPollInterval } ?? now
    pollDue = min(pollDue ?? .init(nanoseconds: .max), max(now, earliest))
  }

  /// Asks for the capabilities before it is due, because a consumer waits for them. A due time in the past goes before
  /// those of other profiles, which may be many.
  mutating func hurry() {
    guard !isUsable, let due = pollDue else { return }
    let earliest = lastPoll.map { $0 + Self.minimumPollInterval } ?? MonotonicInstant(nanoseconds: 0)
    pollDue = min(due, earliest)
  }

  /// Takes the result of a request.
  mutating func result(
    transaction: UInt32, _ result: HTTPResult, tls: TLSSession? = nil, configuration: ProfileConfiguration,
    now: MonotonicInstant, jitter: inout JitterSource, effects: inout [EngineEffect]
  ) {
    if let tls { diagnostics.tls = tls }
    if let poll = pollInFlight, poll.transaction == transaction {
      pollInFlight = nil
      statistics.countResult(result, type: .getCapability, elapsed: now.since(poll.startedAt))
      capabilitiesResult(
        transaction, result, configuration: configuration, now: now, jitter: &jitter, effects: &effects)
    } else if let index = jobs.firstIndex(where: { $0.isInFlight(transaction) }) {
      jobResult(
        index, transaction, result, configuration: configuration, now: now, jitter: &jitter, effects: &effects)
    } else if case .response = result {
      statistics.ignoredCount &+= 1
    }
    startJobs(configuration: configuration, now: now, effects: &effects)
  }

  private mutating func capabilitiesResult(
    _ transaction: UInt32, _ result: HTTPResult, configuration: ProfileConfiguration, now: MonotonicInstant,
    jitter: inout JitterSource, effects: inout [EngineEffect]
  ) {
    var last = LastTransaction(number: transaction, type: .getCapability)
    defer {
      statistics.lastTransaction = last
      diagnostics.record(last.outcome, now: now)
    }
    switch result {
    case .response(200, let body):
      do throws(SKIPAnswerError) {
        let answer = try SKIPAnswer.capabilities(body)
        if let expected = configuration.localSystem, answer.localSystem != expected {
          throw SKIPAnswerError("localSystemID is \(answer.localSystem), not \(expected) as configured")
        }
        last.outcome = .answered(status: 200)
        connected(answer, configuration: configuration, now: now, jitter: &jitter, effects: &effects)
        return
      } catch {
        statistics.validationFailed &+= 1
        last.outcome = .invalid(status: 200, reason: error.reason)
        leave(to: .capabilityFailed, .receiveResponseFailed, detail: last.statusText, effects: &effects)
      }
    case .response(let status, _):
      last.outcome = .answered(status: status)
      leave(to: .capabilityFailed, .receiveResponseFailed, detail: last.statusText, effects: &effects)
    case .failure(let failure):
      last.outcome = .failed(failure)
      failed(failure, detail: last.statusText, effects: &effects)
    }
    backOff(result, configuration: configuration, now: now, jitter: &jitter)
  }

  /// The connection could not be made or did not hold.
  mutating func failed(_ failure: TransportFailure, detail: String, effects: inout [EngineEffect]) {
    switch failure.stage {
    case .refused: leave(to: .registrationFailed, .clientRegistrationFailed, detail: detail, effects: &effects)
    case .noAnswer: leave(to: .capabilityFailed, .receiveResponseFailed, detail: detail, effects: &effects)
    case .notSent:
      leave(to: .connecting, isUsable ? .clientDown : downReason, detail: detail, effects: &effects)
    }
  }

  /// A server that went down stays so, however often it cannot be reached.
  private var downReason: RefreshReason { reason == .clientDown ? .clientDown : .sendRequestFailed }

  mutating func backOff(
    _ result: HTTPResult, configuration: ProfileConfiguration, now: MonotonicInstant, jitter: inout JitterSource
  ) {
    diagnostics.consecutiveFailures &+= 1
    if case .failure(let failure) = result, failure.cause == .tls || failure.cause == .certificate,
      configuration.tls.version != .tls12, case .psk(let key) = configuration.authentication, key.hash == .automatic
    {
      triesSHA256.toggle()
      hasSwitchedHash.toggle()
      if hasSwitchedHash {
        pollDue = now
        return
      }
    }
    let settings = configuration.settings
    let doubled = settings.minimumBackOff * (1 << Int(min(failures, 24)))
    failures = min(failures + 1, 24)
    // Who waits for a key is not made to wait for the largest back-off.
    let ceiling = jobs.isEmpty ? settings.maximumBackOff : settings.minimumBackOff * 8
    pollDue = now + jitter.spread(min(doubled, ceiling, settings.maximumBackOff), fromPercent: 50)
  }

  private mutating func connected(
    _ answer: KeyServiceCapabilities, configuration: ProfileConfiguration, now: MonotonicInstant,
    jitter: inout JitterSource, effects: inout [EngineEffect]
  ) {
    let wasUsable = isUsable
    if wasUsable {
      reason = .receiveResponse
    } else if reason.isFailure {
      reason = .clientUp
    }
    status = .connected
    capabilities = answer
    failures = 0
    diagnostics.consecutiveFailures = 0
    diagnostics.capabilitiesReceived = now
    if !wasUsable { diagnostics.connectedSince = now }
    hasSwitchedHash = false
    pollDue = nextRefresh(configuration.settings, now: now, jitter: &jitter)
    connectedServer = configuration.server
    if !wasUsable, let connection { effects.append(.event(.connected, connection)) }
  }

  /// When the capabilities are to be refreshed; nil for not at all.
  private func nextRefresh(
    _ settings: ProfileSettings, now: MonotonicInstant, jitter: inout JitterSource
  ) -> MonotonicInstant? {
    settings.refreshInterval == .zero ? nil : now + jitter.spread(settings.refreshInterval, fromPercent: 90)
  }
}
