// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets
import Testing

@testable import SKS

/// Drives one engine in virtual time and keeps what came out of it.
struct EngineHarness {
  var engine = ProfileEngine()
  var configuration: ProfileConfiguration?
  var now = MonotonicInstant(nanoseconds: 1_000_000_000)
  var jitter = JitterSource(seed: 1)
  var effects: [EngineEffect] = []
  private var nextRequest: UInt64 = 1

  static let capabilities = """
    {"entropy":true,"key":true,"algorithm":"QKD","localSystemID":"Alice","remoteSystemID":["Alice","Bob"]}
    """
  static let key = #"{"keyId":"0aF1","key":"\#(String(repeating: "ab", count: 32))"}"#

  static func endpoint(_ port: UInt16 = 10_001) -> Endpoint { Endpoint(host: .ipv4("192.0.2.34"), port: port) }

  init(_ configuration: ProfileConfiguration? = ProfileConfiguration(server: endpoint())) {
    if let configuration { configure(configuration) }
  }

  /// An engine that holds the capabilities.
  static func connected(
    _ configuration: ProfileConfiguration = ProfileConfiguration(server: endpoint()),
    capabilities: String = capabilities
  ) -> EngineHarness {
    var harness = EngineHarness(configuration)
    harness.poll()
    harness.answer(200, capabilities)
    harness.effects = []
    return harness
  }

  mutating func configure(_ new: ProfileConfiguration?) {
    engine.configure(
      profile: "P", from: configuration, to: new, now: now, jitter: &jitter, effects: &effects)
    configuration = new
  }

  mutating func change(_ body: (inout ProfileConfiguration) -> Void) {
    var new = configuration ?? ProfileConfiguration()
    body(&new)
    configure(new)
  }

  mutating func poll() {
    guard let configuration else { return }
    engine.poll(configuration: configuration, now: now, effects: &effects)
  }

  /// Asks for the capabilities when they are due.
  mutating func pollWhenDue() {
    if let due = engine.pollDue { now = max(now, due) }
    poll()
  }

  mutating func advance(_ duration: Duration) { now = now + duration }

  @discardableResult
  mutating func request(_ request: ConsumerRequest, deadline: Duration = .seconds(30)) -> RequestID {
    let id = RequestID(number: nextRequest)
    nextRequest += 1
    engine.request(
      id, request, deadline: now + deadline, profile: "P", configuration: configuration ?? ProfileConfiguration(),
      now: now, effects: &effects)
    return id
  }

  mutating func cancel(_ id: RequestID) {
    engine.cancel(
      id, why: "not needed", configuration: configuration ?? ProfileConfiguration(), now: now, effects: &effects)
  }

  mutating func timeout() {
    engine.timeout(configuration: configuration ?? ProfileConfiguration(), now: now, effects: &effects)
  }

  /// Runs the timers of requests up to the moment of the next one.
  mutating func timeoutWhenDue() {
    if let due = engine.jobTimeout { now = max(now, due) }
    timeout()
  }

  var started: [StartRequest] { effects.compactMap { if case .start(let start) = $0 { start } else { nil } } }
  var cancelled: [UInt32] { effects.compactMap { if case .cancel(let number) = $0 { number } else { nil } } }
  var events: [ConnectionEvent] { effects.compactMap { if case .event(let event, _) = $0 { event } else { nil } } }
  var answers: [Result<ConsumerAnswer, KeyServiceError>] {
    effects.compactMap { if case .complete(_, let result) = $0 { result } else { nil } }
  }
  var errors: [KeyServiceError] {
    answers.compactMap { if case .failure(let error) = $0 { error } else { nil } }
  }

  /// Gives a result to a transaction; to the last one started if none is named.
  mutating func result(_ result: HTTPResult, transaction: UInt32? = nil) {
    guard let transaction = transaction ?? started.last?.transaction, let configuration else {
      Issue.record("no request was started")
      return
    }
    engine.result(
      transaction: transaction, result, configuration: configuration, now: now, jitter: &jitter, effects: &effects)
  }

  mutating func answer(_ status: UInt16, _ body: String = "", transaction: UInt32? = nil) {
    result(.response(status: status, body: SecretBytes(copying: Array(body.utf8))), transaction: transaction)
  }

  mutating func fail(_ stage: TransportFailure.Stage, _ cause: TransportFailure.Cause = .connect, code: UInt16 = 7) {
    result(.failure(TransportFailure(stage: stage, cause: cause, clientCode: code)))
  }

  var statistics: ProfileStatistics { engine.statistics }
  var state: [AnyHashable] { [engine.status, engine.reason] }

  /// What must hold at any time.
  func checkInvariants(sourceLocation: SourceLocation = #_sourceLocation) {
    let all = statistics
    let inFlight = UInt32(engine.jobs.count { $0.isInFlight } + (engine.isPolling ? 1 : 0))
    #expect(
      all.requestTotal == all.requestFailed &+ all.requestSuccess &+ all.cancelCount &+ inFlight,
      sourceLocation: sourceLocation)
    #expect(all.responseTotal == all.responseFailed &+ all.responseSuccess, sourceLocation: sourceLocation)
    for (total, types) in [(all.requestTotal, all.requests), (all.responseTotal, all.responses)] {
      #expect(
        total == types.capability &+ types.key &+ types.keyWithID &+ types.entropy, sourceLocation: sourceLocation)
    }
    #expect(engine.isUsable == (engine.capabilities != nil), sourceLocation: sourceLocation)
  }
}
