// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One accepted HTTP connection: moves bytes between the socket and the parser, and carries out answers.
///
/// It decides nothing: requests go to `onRequest`, and what to send comes back through `send`. One request is handled
/// at a time; the next one, already received or not, is looked at when the answer is out.
final class ServerConnection {
  private enum Phase: Equatable {
    case handshaking
    case reading
    /// The answer is being made, delayed or withheld.
    case answering
    case writing(AnswerPlan.Ending)
    /// The answer is out and the sending ended; what still comes is thrown away, so that no reset overtakes the answer.
    case draining
    case closed
  }

  /// How long a handshake and a drain may take.
  static let handshakeLimit = Duration.seconds(20)
  static let drainLimit = Duration.seconds(1)
  /// How long the client may take to read an answer.
  static let writeLimit = Duration.seconds(120)

  let id: UInt64
  private let loop: EventLoop
  private let transport: Transport
  private let idleLimit: Duration
  private var phase = Phase.handshaking
  private var parser = HTTPRequestParser()
  private var isProgressing = false
  private var output: [UInt8] = []
  private var outputSent = 0
  private var byteInterval: Duration?
  private var interest: Readiness = .readable
  private var deadline = Duration.zero
  private var timer: (token: TimerQueue.Token, at: Duration)?

  /// A request has come; `send` is expected, at once or later, or never.
  var onRequest: ((ServerConnection, HTTPRequest) -> Void)?
  /// What came is no request; `send` is expected.
  var onMalformed: ((ServerConnection, HTTPParseError) -> Void)?
  /// The TLS handshake completed or failed.
  var onHandshake: ((ServerConnection, Bool) -> Void)?
  /// The connection is gone.
  var onClose: ((ServerConnection) -> Void)?

  /// Whose connection it is, as far as TLS tells.
  var client: String? { transport.client }

  init(id: UInt64, loop: EventLoop, transport: Transport, idleLimit: Duration) {
    self.id = id
    self.loop = loop
    self.transport = transport
    self.idleLimit = idleLimit
  }

  /// Begins to serve the connection.
  func start() {
    setDeadline(Self.handshakeLimit)
    let isWatched = loop.watch(transport.descriptor, id: id, interest) { [weak self] in self?.ready($0) }
    if isWatched { progress() } else { close() }
  }

  /// Holds the connection without ever reading from it.
  func holdSilently() {
    phase = .answering
    interest = .hangup
    if !loop.watch(transport.descriptor, id: id, interest, { [weak self] in self?.ready($0) }) { close() }
  }

  /// Sends an answer as planned.
  func send(_ plan: AnswerPlan) {
    guard phase == .answering else { return }
    guard plan.delay == .zero else {
      var prompt = plan
      prompt.delay = .zero
      loop.schedule(after: plan.delay) { [weak self] in self?.send(prompt) }
      return
    }
    output = plan.bytes
    outputSent = 0
    byteInterval = plan.byteInterval
    phase = .writing(plan.ending)
    setDeadline(plan.byteInterval == nil ? Self.writeLimit : .seconds(86_400))
    progress()
  }

  /// Closes the descriptor without further ado.
  func close() {
    guard phase != .closed else { return }
    phase = .closed
    if let timer { loop.cancel(timer.token) }
    loop.forget(transport.descriptor, id: id)
    onClose?(self)
    (onRequest, onMalformed, onHandshake, onClose) = (nil, nil, nil, nil)
  }

  private func ready(_ readiness: Readiness) {
    if phase == .answering {
      // Nothing else is waited for in this phase; the answer has no one left to go to.
      if !readiness.isDisjoint(with: .hangup) { close() }
      return
    }
    progress()
  }

  /// Goes on until the socket blocks or an answer is waited for.
  private func progress() {
    // An answer given from within `onRequest` comes back here; the loop below it goes on with the answer.
    guard !isProgressing else { return }
    isProgressing = true
    defer { isProgressing = false }
    while true {
      let step: TransportResult
      switch phase {
      case .handshaking: step = handshake()
      case .reading: step = read()
      case .writing(let ending): step = write(ending)
      case .draining: step = drain()
      case .answering:
        setInterest(.hangup)
        return
      case .closed: return
      }
      switch step {
      case .done: continue
      case .again(let readiness):
        setInterest(readiness)
        return
      case .ended, .failed:
        close()
        return
      }
    }
  }

  private func handshake() -> TransportResult {
    let result = transport.handshake()
    switch result {
    case .done:
      onHandshake?(self, true)
      phase = .reading
      setDeadline(idleLimit)
    case .ended, .failed: onHandshake?(self, false)
    case .again: break
    }
    return result
  }

  private func read() -> TransportResult {
    do throws(HTTPParseError) {
      if let request = try parser.next() {
        phase = .answering
        onRequest?(self, request)
        return .done(0)
      }
    } catch {
      phase = .answering
      onMalformed?(self, error)
      return .done(0)
    }
    return receive { parser.append($0) }
  }

  private func drain() -> TransportResult {
    receive { _ in }
  }

  private func receive(_ take: (UnsafeRawBufferPointer) -> Void) -> TransportResult {
    withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 16) { buffer in
      let result = transport.read(into: buffer)
      if case .done(let count) = result { take(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
      return result
    }
  }

  private func write(_ ending: AnswerPlan.Ending) -> TransportResult {
    guard outputSent < output.count else { return finishAnswer(ending) }
    let limit = byteInterval == nil ? output.count : outputSent + 1
    let result = output.withUnsafeBytes { transport.write(UnsafeRawBufferPointer(rebasing: $0[outputSent..<limit])) }
    guard case .done(let count) = result else { return result }
    outputSent += count
    guard let byteInterval, outputSent < output.count else { return result }
    loop.schedule(after: byteInterval) { [weak self] in self?.progress() }
    return .again(.hangup)
  }

  private func finishAnswer(_ ending: AnswerPlan.Ending) -> TransportResult {
    wipe(&output)
    switch ending {
    case .keepOpen:
      phase = .reading
      setDeadline(idleLimit)
    case .close:
      transport.shutdown()
      phase = .draining
      setDeadline(Self.drainLimit)
    case .abort:
      close()
    }
    return .done(0)
  }

  private func setInterest(_ readiness: Readiness) {
    guard readiness != interest else { return }
    interest = readiness
    loop.change(transport.descriptor, id: id, to: readiness)
  }

  /// Lets the connection end if nothing changes for so long. One timer is enough for all phases: it looks, when it
  /// fires, whether the deadline has moved on.
  private func setDeadline(_ limit: Duration) {
    deadline = loop.now + limit
    if let timer, timer.at <= deadline { return }
    if let timer { loop.cancel(timer.token) }
    armTimer()
  }

  private func armTimer() {
    let token = loop.schedule(after: deadline - loop.now) { [weak self] in
      guard let self else { return }
      timer = nil
      if phase == .answering { deadline = loop.now + idleLimit }
      if deadline > loop.now {
        armTimer()
      } else {
        if phase == .handshaking { onHandshake?(self, false) }
        close()
      }
    }
    timer = (token, deadline)
  }
}
