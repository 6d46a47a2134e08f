// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets
import Synchronization

/// Keys from the key management entities of all profiles.
///
/// This is the shell of ``ProfileTable``: it owns the HTTP client's thread, hands effects out and answers consumers.
/// All methods may be called from any thread and return at once, but for those that are `async`. Dropping the last
/// reference, or ``shutdown()``, ends everything that is in flight.
public final class SKSService: KeyService, Sendable {
  private let core: ServiceCore
  private let driver: HTTPDriver
  private let clients = KeyClientRegistry()
  private let sealer: Sealer

  /// What is told of a profile's connection.
  public typealias EventHandler =
    @Sendable (_ profile: String, _ event: ConnectionEvent, _ connection: ConnectionDetails) -> Void

  /// Starts with no profile.
  ///
  /// `concurrentAttempts` and `attemptsPerSecond` bound the requests for capabilities of all profiles together.
  /// `layer3Link` says which Linux link has the addresses of an interface, where that is not the interface's own: the
  /// controlled port, with MACsec. It is asked at each connection, on a thread of this service.
  /// `onEvent` is called on a thread of this service, in order, when a server's connection comes or goes; it must not
  /// block. Fails when the system gives no thread or descriptors.
  public init(
    sealer: Sealer, concurrentAttempts: Int = 64, attemptsPerSecond: Int = 200,
    layer3Link: @escaping @Sendable (_ interface: String) -> String? = { _ in nil },
    onEvent: @escaping EventHandler = { _, _, _ in }
  ) throws(SKSConfigurationError) {
    self.sealer = sealer
    do {
      driver = try HTTPDriver()
      let limits = Pacer.Limits(concurrent: concurrentAttempts, perSecond: attemptsPerSecond)
      core = ServiceCore(driver: driver, limits: limits, onEvent: onEvent)
      try driver.run(delegate: core, sealer: sealer, layer3Link: layer3Link)
    } catch {
      throw SKSConfigurationError(element: "sks-server", "the HTTP client cannot start: \(error)")
    }
  }

  deinit { shutdown() }

  /// Ends the service: what waits is answered as cancelled, what is in flight is given up.
  ///
  /// To be called before the process exits: OpenSSL tears itself down then, and the thread must not be inside.
  public func shutdown() {
    driver.stop()
    core.close()
  }

  // MARK: Configuration and state

  /// Bounds the requests for capabilities of all profiles together, from now on.
  public func pace(concurrentAttempts: Int, attemptsPerSecond: Int) {
    core.perform { table, _, _ in
      table.setLimits(Pacer.Limits(concurrent: concurrentAttempts, perSecond: attemptsPerSecond))
    }
  }

  /// The bounds in force.
  var limits: Pacer.Limits { core.read { $0.limits } }

  /// Adds, changes and (with nil) removes profiles. What did not change is left alone.
  public func configure(_ changes: [(name: String, configuration: ProfileConfiguration?)]) {
    core.perform { table, now, effects in
      for change in changes { table.configure(change.name, change.configuration, now: now, effects: &effects) }
    }
  }

  /// The names of all profiles, in no particular order.
  public var profileNames: [String] { core.read { $0.names } }

  /// What a profile is configured to; nil if there is none of this name.
  func configuration(of profile: String) -> ProfileConfiguration? { core.read { $0.configuration(of: profile) } }

  /// What is known of a profile now; nil if there is none of this name.
  public func snapshot(of profile: String) -> ProfileOperationalState? {
    let count = clients.count(profile: profile)
    return core.read { table in
      table.read(profile) { configuration, engine in
        ProfileOperationalState(name: profile, configuration: configuration, engine: engine, clientCount: count)
      }
    }
  }

  // MARK: KeyService

  public func register(_ client: KeyClient, profile: String) -> KeyClientRegistration {
    clients.register(client, profile: profile)
  }

  public func capabilities(
    profile: String, deadline: Duration
  ) async throws(KeyServiceError) -> KeyServiceCapabilities {
    guard case .capabilities(let answer) = try await core.request(.capabilities, profile: profile, deadline: deadline)
    else { throw .invalidAnswer("an answer of another kind") }
    return answer
  }

  public func newKey(_ request: NewKeyRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial {
    try await key(
      .newKey(remote: request.remoteSystem, sizeInBits: request.sizeInBits), profile: profile,
      deadline: request.deadline)
  }

  public func key(_ request: KeyByIdentifierRequest, profile: String) async throws(KeyServiceError) -> KeyMaterial {
    try await key(
      .key(request.identifier, remote: request.remoteSystem, sizeInBits: request.sizeInBits), profile: profile,
      deadline: request.deadline)
  }

  public func entropy(_ request: EntropyRequest, profile: String) async throws(KeyServiceError) -> SecretBytes {
    let answer = try await core.request(
      .entropy(bits: request.sizeInBits), profile: profile, deadline: request.deadline)
    guard case .entropy(let bytes) = answer else { throw .invalidAnswer("an answer of another kind") }
    return bytes
  }

  private func key(
    _ request: ConsumerRequest, profile: String, deadline: Duration
  ) async throws(KeyServiceError) -> KeyMaterial {
    guard case .key(let key) = try await core.request(request, profile: profile, deadline: deadline) else {
      throw .invalidAnswer("an answer of another kind")
    }
    return key
  }

  // MARK: The test of an operator

  /// What ``testKey(profile:remoteSystem:sizeInBits:deadline:)`` tells.
  public struct KeyReport: Sendable, Hashable {
    public var identifier: KeyIdentifier
    public var remoteSystem: String
    public var sizeInBits: Int
    /// A keyed digest: equal keys of one agent give equal fingerprints, and nothing else can be told from it.
    public var fingerprint: KeyedFingerprint
  }

  /// Takes a key, tells of it without showing it, and throws it away.
  public func testKey(
    profile: String, remoteSystem: String? = nil, sizeInBits: Int? = nil, deadline: Duration = .seconds(30)
  ) async throws(KeyServiceError) -> KeyReport {
    let request = try NewKeyRequest(remoteSystem: remoteSystem, sizeInBits: sizeInBits, deadline: deadline)
    return try report(try await newKey(request, profile: profile))
  }

  /// As ``testKey(profile:remoteSystem:sizeInBits:deadline:)``, for the key of an identifier: the peer's side.
  public func testKey(
    profile: String, identifier: KeyIdentifier, remoteSystem: String? = nil, deadline: Duration = .seconds(30)
  ) async throws(KeyServiceError) -> KeyReport {
    let request = try KeyByIdentifierRequest(
      identifier: identifier, remoteSystem: remoteSystem, deadline: deadline)
    return try report(try await key(request, profile: profile))
  }

  private func report(_ key: KeyMaterial) throws(KeyServiceError) -> KeyReport {
    do {
      return KeyReport(
        identifier: key.identifier, remoteSystem: key.remoteSystem, sizeInBits: key.sizeInBits,
        fingerprint: try sealer.reportFingerprint(of: key.secret))
    } catch { throw .invalidRequest("the fingerprint cannot be made") }
  }
}

/// What the service and the HTTP client's thread share.
final class ServiceCore: HTTPDriver.Delegate, Sendable {
  private struct State {
    var table: ProfileTable
    var nextRequest: UInt64 = 1
    var consumers: [RequestID: CheckedContinuation<Result<ConsumerAnswer, KeyServiceError>, Never>] = [:]
    var events: [(profile: String, event: ConnectionEvent, connection: ConnectionDetails)] = []
    var isClosed = false
  }

  private typealias Answer = (
    CheckedContinuation<Result<ConsumerAnswer, KeyServiceError>, Never>, Result<ConsumerAnswer, KeyServiceError>
  )

  private let state: Mutex<State>
  private let driver: HTTPDriver
  private let onEvent: SKSService.EventHandler

  init(driver: HTTPDriver, limits: Pacer.Limits, onEvent: @escaping SKSService.EventHandler) {
    self.driver = driver
    self.onEvent = onEvent
    state = Mutex(State(table: ProfileTable(limits: limits, seed: .random(in: 0 ... .max))))
  }

  func read<R: Sendable>(_ body: (borrowing ProfileTable) -> R) -> R { state.withLock { body($0.table) } }

  /// Puts something into the table and does what it asks for.
  func perform(_ body: (inout ProfileTable, MonotonicInstant, inout [ProfileTable.Effect]) -> Void) {
    let answers = state.withLock { state in
      var effects: [ProfileTable.Effect] = []
      body(&state.table, HTTPDriver.now(), &effects)
      return carry(effects, &state)
    }
    for (consumer, answer) in answers { consumer.resume(returning: answer) }
    driver.wake()
  }

  /// Posts commands while the lock is held, so that they keep the order in which the table gave them.
  private func carry(_ effects: [ProfileTable.Effect], _ state: inout State) -> [Answer] {
    var commands: [HTTPDriver.Command] = []
    var answers: [Answer] = []
    for effect in effects {
      switch effect {
      case .start(let key, let request, let hash, let configuration):
        commands.append(.start(.init(key: key, request: request, hash: hash, configuration: configuration)))
      case .cancel(let key): commands.append(.cancel(key))
      case .complete(let id, let result):
        if let consumer = state.consumers.removeValue(forKey: id) { answers.append((consumer, result)) }
      case .event(let profile, let event, let connection): state.events.append((profile, event, connection))
      }
    }
    if !state.isClosed { driver.post(commands) }
    return answers
  }

  func request(
    _ request: ConsumerRequest, profile: String, deadline: Duration
  ) async throws(KeyServiceError) -> ConsumerAnswer {
    let id = state.withLock { state in
      defer { state.nextRequest += 1 }
      return RequestID(number: state.nextRequest)
    }
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { consumer in
        let isOpen = state.withLock { state in
          if !state.isClosed { state.consumers[id] = consumer }
          return !state.isClosed
        }
        guard isOpen else {
          consumer.resume(returning: .failure(.cancelled("the service has ended")))
          return
        }
        perform { table, now, effects in
          table.request(id, request, profile: profile, deadline: deadline, now: now, effects: &effects)
        }
        // The cancellation may have come before the table knew the request.
        if Task.isCancelled { cancel(id) }
      }
    } onCancel: {
      cancel(id)
    }
    return try result.get()
  }

  private func cancel(_ id: RequestID) {
    perform { table, now, effects in
      table.cancel(id, why: "the consumer gave up", now: now, effects: &effects)
    }
  }

  /// Answers all who wait.
  func close() {
    let consumers = state.withLock { state in
      state.isClosed = true
      defer { state.consumers = [:] }
      return Array(state.consumers.values)
    }
    for consumer in consumers { consumer.resume(returning: .failure(.cancelled("the service has ended"))) }
  }

  // MARK: The HTTP client's thread

  func driver(
    finished key: ProfileTable.RequestKey, _ result: HTTPResult, tls: TLSSession?, now: MonotonicInstant
  ) {
    perform { table, now, effects in table.result(key, result, tls: tls, now: now, effects: &effects) }
  }

  func driver(tick now: MonotonicInstant) -> MonotonicInstant? {
    let (answers, events, next) = state.withLock { state in
      var effects: [ProfileTable.Effect] = []
      if let due = state.table.nextTimeout, due <= now { state.table.timeout(now: now, effects: &effects) }
      let answers = carry(effects, &state)
      defer { state.events = [] }
      return (answers, state.events, state.table.nextTimeout)
    }
    for (consumer, answer) in answers { consumer.resume(returning: answer) }
    for (profile, event, connection) in events { onEvent(profile, event, connection) }
    return next
  }
}
