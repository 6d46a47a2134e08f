// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The KMEs of one process as a state machine without sockets, clocks or randomness of its own.
///
/// Inputs are accepted connections, requests, messages of other processes and the passing of time; outputs are
/// `Effect`s that the event loop carries out. A request either leads to one `answer` at once, or to none: because a
/// fault withholds it, or because the key first has to reach the remote system's KME in another process. Then the
/// answer comes with the outcome that the other process reports, or when `handleTimeout` gives up on it.
///
/// It assumes of its caller that a connection sends its next request only after the answer to the one before.
struct Simulation {
  /// What the event loop is to do.
  enum Effect: Equatable {
    /// Send an answer on a client's connection.
    case answer(UInt64, AnswerPlan)
    /// Send a message to another process.
    case send(LinkMessage, link: UInt64)
  }

  /// One KME.
  struct Instance {
    let configuration: InstanceConfiguration
    var store: KeyStore
    var pool: KeyPool
    var statistics = Statistics()

    init(_ configuration: InstanceConfiguration) {
      self.configuration = configuration
      store = KeyStore(capacity: configuration.capacity)
      pool = KeyPool(size: configuration.poolSize, keysPerSecond: configuration.poolKeysPerSecond)
    }

    func knows(remoteSystem id: String) -> Bool {
      configuration.remoteSystemIDs.contains { SystemIdentifierPattern.matches($0, id) }
    }
  }

  /// The facts of a request beside its content.
  struct Context {
    var instance: Int
    var connection: UInt64
    var client: String?
    var keepsAlive: Bool
    var now: Duration
    var log = 0
  }

  /// How many requests the log remembers.
  static let logCapacity = 1_000

  var instances: [Instance]
  var faults = FaultTable()
  var sharing = KeySharing()
  private(set) var log: [LoggedRequest] = []
  private var requestCount = 0
  let random: RandomSource

  init(_ configuration: Configuration, random: @escaping RandomSource = systemRandomBytes) {
    instances = configuration.instances.map(Instance.init)
    for fault in configuration.faults { _ = faults.add(fault) }
    self.random = random
  }

  /// Counts an accepted connection and says what strikes it, if anything.
  mutating func accept(instance: Int) -> Fault.Behaviour? {
    instances[instance].statistics.connections += 1
    guard let behaviour = faults.strike(connectionOf: instances[instance].configuration.name) else { return nil }
    instances[instance].statistics.connectionsRefused += 1
    instances[instance].statistics.count(fault: behaviour)
    return behaviour
  }

  /// Counts the end of a handshake.
  mutating func countHandshake(instance: Int, completed: Bool) {
    if completed {
      instances[instance].statistics.handshakesCompleted += 1
    } else {
      instances[instance].statistics.handshakesFailed += 1
    }
  }

  /// The answer to bytes that are no request.
  mutating func handle(_ error: HTTPParseError, _ context: Context) -> [Effect] {
    instances[context.instance].statistics.malformedRequests += 1
    instances[context.instance].statistics.count(answer: error.code.rawValue)
    let response = HTTPResponse.failure(error.code.rawValue, error.description)
    return [.answer(context.connection, AnswerPlan(response, keepsAlive: false))]
  }

  /// Takes a request and answers it, at once or later.
  mutating func handle(_ request: HTTPRequest, _ context: Context) -> [Effect] {
    var context = context
    let call = Call(path: request.path)
    instances[context.instance].statistics.count(call)
    context.log = record(request, call, context)
    let struck = faults.strike(call, of: instances[context.instance].configuration.name)
    for behaviour in struck { instances[context.instance].statistics.count(fault: behaviour) }
    let shape = AnswerShape(struck)
    switch shape.replacement {
    case .nothing: return []
    case .end: return [.answer(context.connection, AnswerPlan(aborting: shape.delay))]
    case .bytes(let bytes): return [.answer(context.connection, AnswerPlan(raw: bytes, delay: shape.delay))]
    case .response(let response): return finish(response, shape, context)
    case nil: break
    }
    do throws(CallFailure) {
      return try call.isETSI
        ? answer(ETSIRequest(request), shape, context) : answer(SKIPRequest(request), shape, context)
    } catch {
      return finish(failure: error, shape, context)
    }
  }

  /// Sends what the answer says, in the shape that the faults give it.
  mutating func finish(_ answer: CallAnswer, _ shape: AnswerShape, _ context: Context) -> [Effect] {
    let configuration = instances[context.instance].configuration
    let body = answer.body(letters: configuration.keyLetters, deformation: shape.deformation)
    return finish(HTTPResponse(status: 200, body: body), shape, context)
  }

  /// Sends an error answer.
  mutating func finish(failure: CallFailure, _ shape: AnswerShape, _ context: Context) -> [Effect] {
    finish(failure.response, shape, context)
  }

  private mutating func finish(_ response: HTTPResponse, _ shape: AnswerShape, _ context: Context) -> [Effect] {
    instances[context.instance].statistics.count(answer: response.status)
    note(context) { $0.status = response.status }
    return [.answer(context.connection, shape.plan(response, keepsAlive: context.keepsAlive))]
  }

  // MARK: The log of requests

  private mutating func record(_ request: HTTPRequest, _ call: Call, _ context: Context) -> Int {
    requestCount += 1
    if log.count >= Self.logCapacity { log.removeFirst(Self.logCapacity / 10) }
    var entry = LoggedRequest(
      number: requestCount, instance: instances[context.instance].configuration.name, call: call,
      connection: context.connection, client: context.client, method: request.method)
    if call == .keyByID { entry.keyID = String(request.path[1].prefix(SKIPRequest.longestKeyID)) }
    entry.remote = request.values(ofParameter: "remoteSystemID").first
    log.append(entry)
    return requestCount
  }

  /// Adds to the log entry of a request, if it is still there.
  mutating func note(_ context: Context, _ change: (inout LoggedRequest) -> Void) {
    guard let index = log.lastIndex(where: { $0.number == context.log }) else { return }
    change(&log[index])
  }

  // MARK: Reading and resetting

  /// The statistics of each instance, by name.
  func statistics() -> [String: Statistics] {
    var all: [String: Statistics] = [:]
    for instance in instances {
      var statistics = instance.statistics
      statistics.keysHeld = instance.store.count
      statistics.keysExpired = instance.store.expiredCount
      all[instance.configuration.name] = statistics
    }
    return all
  }

  /// Sets all statistics to zero and forgets the logged requests.
  mutating func resetStatistics() {
    for index in instances.indices {
      instances[index].statistics = Statistics()
      instances[index].store.resetExpiredCount()
    }
    log = []
  }
}
