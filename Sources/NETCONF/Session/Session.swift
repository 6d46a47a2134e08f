// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Logging

/// What a session needs of where it runs: one thread or queue that everything about it happens on.
struct SessionSurroundings {
  /// Has something done there soon; from any thread.
  let execute: @Sendable (@escaping @Sendable () -> Void) -> Void
  /// The time; there.
  let now: () -> ContinuousClock.Instant
  /// Tells the transport, there, that the session may have something to say or to take.
  let pump: () -> Void
}

/// One NETCONF session on its transport: the engine, and the carrying out of what it asks for.
///
/// Sendable: everything but `record` is touched only where the session runs (`SessionSurroundings.execute`); other
/// threads hold it to be called back there.
final class Session: ByteSession, @unchecked Sendable {
  let record: SessionRecord
  private let server: ServerCore
  private let surroundings: SessionSurroundings
  private let reader: MessageReader
  private var engine: SessionEngine
  private(set) var subscription: NotificationSubscription?
  private var isGreeted = false
  private var hasEnded = false

  /// - Parameter record: the session's entry in the registry, whose `kill` is to lead to `kill(by:)`.
  init(record: SessionRecord, server: ServerCore, surroundings: SessionSurroundings) {
    self.record = record
    self.server = server
    self.surroundings = surroundings
    reader = MessageReader(reader: server.valueReader, limits: server.limits.xml) { [datastore = server.datastore] in
      datastore.candidate
    }
    let hello = HelloWriter.message(capabilities: server.capabilities, sessionID: record.id)
    engine = SessionEngine(hello: hello, reader: reader, limits: server.limits, now: surroundings.now())
  }

  // MARK: ByteSession

  func receive(_ bytes: UnsafeRawBufferPointer) -> Int {
    switch engine.receive(bytes, now: surroundings.now()) {
    case .taken(let count):
      countMalformed()
      noteGreeting()
      endIfOver()
      return count
    case .request(let request, let count):
      noteGreeting()
      perform(request)
      return count
    }
  }

  func inputEnded() {
    engine.endInput()
    endIfOver()
  }

  func produce(into output: inout [UInt8], limit: Int) {
    engine.produce(into: &output, limit: limit, now: surroundings.now()) { [subscription, record] in
      guard let content = subscription?.next() else { return nil }
      record.outNotifications.increment()
      return content
    }
    endIfOver()
  }

  var wantsInput: Bool { engine.wantsInput }
  /// The framing that the hellos decided on is that of base:1.1.
  var isChunked: Bool { engine.isChunked }
  var isFinished: Bool { engine.isFinished }
  var isAborted: Bool { engine.isAborted }

  func channelClosed() {
    engine.close(.dropped)
    endIfOver()
  }

  func tick(isStalled: Bool) {
    engine.checkTime(surroundings.now(), isSubscribed: subscription != nil, isStalled: isStalled)
    if let drops = subscription?.takeDrops(), drops > 0 { server.lost(drops, by: record) }
    endIfOver()
  }

  func stop() {
    engine.closeInOrder(.other("the server stops"))
    endIfOver()
  }

  // MARK: Requests

  private func perform(_ request: IncomingRPC) {
    switch request.operation {
    case .failure(let failure):
      record.inBadRPCs.increment()
      answer(.errors(failure.errors))
    case .success(let operation):
      record.inRPCs.increment()
      perform(operation)
    }
  }

  private func perform(_ operation: Operation) {
    switch operation {
    case .closeSession: answer(.ok, ending: .closed)
    case .killSession(let id): answer(server.kill(id, by: record))
    case .createSubscription(let request): subscribe(request)
    default:
      server.perform(operation, as: record.identity) { [self] body in
        // Small and quick operations answer at once; the rest from another thread.
        answer(body)
      } later: { [self] body in
        surroundings.execute { [self] in
          answer(body())
          surroundings.pump()
        }
      }
    }
  }

  private func answer(_ body: ReplyBody, ending: SessionEngine.Ending? = nil) {
    if case .errors(let errors) = body {
      for _ in errors { record.outRPCErrors.increment() }
    }
    engine.answer(body, ending: ending)
    endIfOver()
  }

  private func noteGreeting() {
    guard !isGreeted, engine.isGreeted else { return }
    isGreeted = true
    server.greeted(record)
  }

  private func countMalformed() {
    let (count, errors) = engine.takeMalformedCount()
    for _ in 0..<count { record.inBadRPCs.increment() }
    for _ in 0..<errors { record.outRPCErrors.increment() }
  }

  private func subscribe(_ request: SubscriptionRequest) {
    guard subscription == nil else {
      return answer(
        .error(
          DatastoreError(
            .inUse, layer: .protocol, message: "the session has a subscription already; RFC 5277 allows one")))
    }
    guard request.stream == "NETCONF" else {
      return answer(.error(.invalid("stream", request.stream, expected: "NETCONF, the only stream")))
    }
    let execute = surroundings.execute
    subscription = NotificationSubscription(
      bus: server.datastore.events, filter: request.filter, server: server,
      capacity: server.limits.waitingNotifications
    ) { [weak self] in
      guard let session = self else { return }
      execute { session.notified() }
    }
    answer(.ok)
  }

  private func notified() { if !hasEnded { surroundings.pump() } }

  // MARK: The end

  /// Ends the session because another one asked for it, or the server itself (0). From any thread.
  func kill(by id: UInt32) {
    surroundings.execute { [self] in
      engine.close(.killed(by: id))
      endIfOver()
      surroundings.pump()
    }
  }

  private func endIfOver() {
    guard !hasEnded, let ending = engine.ending, engine.isFinished else { return }
    hasEnded = true
    subscription?.cancel()
    subscription = nil
    reader.release()
    server.ended(record, ending, wasGreeted: engine.isGreeted)
  }
}
