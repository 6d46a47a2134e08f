// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore

/// The protocol of one NETCONF session, server side (RFC 6241 sections 3, 4 and 8.1; RFC 6242 sections 3 and 4),
/// without sockets, clocks or threads.
///
/// States: `greeting` until the client's hello has come, `open`, `closing` when the rest of the output is still to go
/// out, `closed`. Inputs: bytes, their end, the answer to a request, time. Outputs: requests, one at a time, and
/// bytes, pulled.
///
/// Requests are taken strictly one after the other: while one is being performed, or its reply is not pulled to the
/// end, no more input is taken. So replies come in order, and a session holds one request and one reply at most,
/// whatever the client sends ahead.
///
/// A message that is not well-formed is answered with malformed-message and the session goes on, since the framing
/// tells where the next one begins. Wrong framing ends the session (RFC 6242 section 4.2), and so does anything wrong
/// before the hello is done.
struct SessionEngine {
  typealias Instant = ContinuousClock.Instant

  enum Ending: Sendable, Hashable {
    /// close-session.
    case closed
    /// kill-session by this session, or by the server.
    case killed(by: UInt32)
    /// The client ended its side.
    case dropped
    case timeout
    case badHello(String)
    case other(String)
  }
  enum Phase {
    case greeting(until: Instant)
    case open
    case closing(Ending)
    case closed(Ending)
  }
  /// What became of the input.
  enum Outcome {
    /// All was taken, or as much as is wanted now.
    case taken(Int)
    /// A request is to be performed, and `answer` called with what came of it.
    case request(IncomingRPC, taken: Int)
  }

  private(set) var phase: Phase
  /// A request is being performed.
  private(set) var isBusy = false
  /// True once the client's hello has come.
  private(set) var isGreeted = false
  /// Messages that the engine itself refused, and errors that it sent, since they were last asked for.
  private var refusedCount = 0
  private var errorCount = 0

  private let limits: SessionLimits
  private let reader: MessageReader
  private var decoder = FrameDecoder()
  private var encoder = FrameEncoder()
  /// Of the message that is being received.
  private var size = 0
  private var failure: XMLError?
  private var hasContent = false
  private var inputIsOver = false
  /// Framed output that goes first.
  private var greeting: [UInt8] = []
  private var current: Outgoing?
  private var scratch: [UInt8] = []
  private var attributes = EchoedAttributes()
  private var endingAfterReply: Ending?
  private var lastRequest: Instant
  private var lastOutput: Instant

  private enum Outgoing {
    case reply(ReplyWriter)
    case notification(any PulledContent)
  }

  /// - Parameter hello: our hello, without framing.
  init(hello: [UInt8], reader: MessageReader, limits: SessionLimits, now: Instant) {
    self.limits = limits
    self.reader = reader
    phase = .greeting(until: now + limits.helloTime)
    lastRequest = now
    lastOutput = now
    encoder.append(hello, to: &greeting)
    encoder.appendEnd(to: &greeting)
  }

  // MARK: Input

  /// True when input would be taken.
  var wantsInput: Bool {
    switch phase {
    case .greeting: !inputIsOver
    case .open: !isBusy && current == nil && endingAfterReply == nil && !inputIsOver
    case .closing, .closed: false
    }
  }

  /// Takes input as far as it is wanted. What comes after the end of a session is swallowed.
  mutating func receive(_ input: UnsafeRawBufferPointer, now: Instant) -> Outcome {
    var position = 0
    while wantsInput {
      do throws(FramingError) {
        guard let event = try decoder.next(in: input, at: &position) else { return .taken(input.count) }
        switch event {
        case .content(let bytes): take(bytes)
        case .endOfMessage:
          if let request = endMessage(now) { return .request(request, taken: position) }
        }
      } catch {
        refuse(error)
      }
    }
    if case .closing = phase { return .taken(input.count) }
    if case .closed = phase { return .taken(input.count) }
    return .taken(position)
  }

  /// The client will send no more.
  mutating func endInput() {
    inputIsOver = true
    if !isBusy, current == nil { close(isGreeted ? .dropped : .badHello("the client ended before its hello")) }
  }

  private mutating func take(_ bytes: UnsafeRawBufferPointer) {
    var bytes = bytes
    if !hasContent, decoder.framing == .endOfMessage {
      // Line ends that clients leave between messages are no part of them.
      while let first = bytes.first, first == 0x0A || first == 0x0D || first == 0x20 || first == 0x09 {
        bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
        size += 1
      }
    }
    size += bytes.count
    if size > (isGreeted ? limits.messageBytes : limits.helloBytes) { return tooLong() }
    guard !bytes.isEmpty else { return }
    hasContent = true
    guard failure == nil else { return }
    do throws(XMLError) { try reader.feed(bytes) } catch { failure = error }
  }

  private mutating func tooLong() {
    guard isGreeted else { return close(.badHello("the hello is longer than \(limits.helloBytes) bytes")) }
    let error = DatastoreError(
      .tooBig, layer: .rpc, message: "the message is longer than \(limits.messageBytes) bytes")
    refuse(with: error)
    endingAfterReply = .other(error.message)
  }

  /// The framing is lost, so the session ends; the client is told why.
  private mutating func refuse(_ error: FramingError) {
    refusedCount += 1
    guard isGreeted else { return close(.badHello("\(error)")) }
    refuse(with: malformed("\(error)"))
    endingAfterReply = .other("\(error)")
  }

  private func malformed(_ message: String) -> DatastoreError {
    // malformed-message is new in base:1.1 and not for clients of base:1.0 (RFC 6241 appendix A).
    DatastoreError(
      decoder.framing == .chunked ? .malformedMessage : .operationFailed, layer: .rpc, message: message)
  }

  private mutating func endMessage(_ now: Instant) -> IncomingRPC? {
    lastRequest = now
    defer {
      reader.reset()
      failure = nil
      size = 0
      hasContent = false
    }
    do throws(XMLError) {
      if let failure { throw failure }
      switch try reader.finish() {
      case .hello(let hello) where !isGreeted: greeted(hello)
      case .rpc(let request) where isGreeted:
        isBusy = true
        attributes = request.attributes
        return request
      case .hello, .rpc, .other: unexpected()
      }
    } catch {
      refuse(error)
    }
    return nil
  }

  private mutating func refuse(_ error: XMLError) {
    refusedCount += 1
    guard isGreeted else { return close(.badHello("\(error)")) }
    let reason: DatastoreError
    switch error.kind {
    case .tooBig, .tooDeep: reason = DatastoreError(.tooBig, layer: .rpc, message: "\(error)")
    default: reason = malformed("\(error)")
    }
    refuse(with: reason)
  }

  private mutating func unexpected() {
    refusedCount += 1
    guard isGreeted else { return close(.badHello("the first message is no hello")) }
    let error = DatastoreError(
      .unknownElement, layer: .rpc, message: "the message is no rpc of the namespace \(Namespace.base)")
    refuse(with: error)
  }

  private mutating func greeted(_ hello: Hello) {
    if hello.sessionID != nil { return close(.badHello("the client's hello has a session-id")) }
    if hello.capabilities.contains(CapabilityURI.base11) {
      decoder.framing = .chunked
      encoder.framing = .chunked
    } else if !hello.capabilities.contains(CapabilityURI.base10) {
      return close(.badHello("the client has neither base:1.0 nor base:1.1"))
    }
    isGreeted = true
    phase = .open
  }

  var isChunked: Bool { encoder.framing == .chunked }

  // MARK: Answers

  /// Answers the request that is being performed.
  /// - Parameter ending: the session ends when the reply is out.
  mutating func answer(_ body: ReplyBody, ending: Ending? = nil) {
    guard isBusy else { return }
    isBusy = false
    guard case .open = phase else { return }
    endingAfterReply = ending
    reply(body, attributes: attributes)
  }

  /// How many messages were refused before they became requests, and how many errors were sent for that, since the last
  /// time.
  mutating func takeMalformedCount() -> (messages: Int, errors: Int) {
    defer { (refusedCount, errorCount) = (0, 0) }
    return (refusedCount, errorCount)
  }

  private mutating func refuse(with error: DatastoreError) {
    errorCount += 1
    reply(.error(error), attributes: EchoedAttributes())
  }

  private mutating func reply(_ body: ReplyBody, attributes: EchoedAttributes) {
    current = .reply(ReplyWriter(body, attributes: attributes))
  }

  // MARK: Output

  /// True while something waits to be pulled; notifications are not counted.
  var hasOutput: Bool { !greeting.isEmpty || current != nil }

  /// Appends framed output, about `limit` bytes.
  /// - Parameter notification: gives the next notification to send, when the time is right for one.
  mutating func produce(
    into output: inout [UInt8], limit: Int, now: Instant, notification: () -> (any PulledContent)?
  ) {
    if case .closed = phase { return }
    let start = output.count
    if !greeting.isEmpty {
      output.append(contentsOf: greeting)
      greeting = []
    }
    while output.count - start < limit {
      if current == nil, case .open = phase, !isBusy, !inputIsOver {
        current = notification().map { .notification($0) }
      }
      guard let outgoing = current else { break }
      // Out of the property while it is changed, so that there is one owner.
      current = nil
      scratch.removeAll(keepingCapacity: true)
      let hasMore: Bool
      switch outgoing {
      case .reply(var writer):
        hasMore = writer.write(into: &scratch, limit: limit)
        if hasMore { current = .reply(writer) }
      case .notification(let content):
        hasMore = content.write(into: &scratch, limit: limit)
        if hasMore { current = outgoing }
      }
      encoder.append(scratch, to: &output)
      if hasMore { continue }
      encoder.appendEnd(to: &output)
      if let ending = endingAfterReply {
        phase = .closing(ending)
      } else if inputIsOver, !isBusy {
        phase = .closing(.dropped)
      }
    }
    if output.count > start { lastOutput = now }
  }

  /// True when the channel is to be closed.
  var isFinished: Bool {
    switch phase {
    case .closed: true
    case .closing: !hasOutput
    case .greeting, .open: false
    }
  }

  /// True when the channel is to be closed without waiting for output to go.
  var isAborted: Bool {
    switch phase {
    case .closed(.killed), .closed(.timeout): true
    default: false
    }
  }

  // MARK: The end

  /// Ends the session now; what was not pulled is dropped.
  mutating func close(_ ending: Ending) {
    if case .closed = phase { return }
    phase = .closed(ending)
    greeting = []
    current = nil
  }

  /// Ends the session when what is being done is done.
  mutating func closeInOrder(_ ending: Ending) {
    switch phase {
    case .greeting: close(ending)
    case .open:
      endingAfterReply = ending
      if !isBusy, current == nil { phase = .closing(ending) }
    case .closing, .closed: break
    }
  }

  /// Why the session ended, or is about to.
  var ending: Ending? {
    switch phase {
    case .closing(let ending), .closed(let ending): ending
    case .greeting, .open: nil
    }
  }

  /// Ends the session if its time is up.
  /// - Parameters:
  ///   - isSubscribed: it waits for notifications, and may be idle for ever.
  ///   - isStalled: output waits outside of the engine, too.
  mutating func checkTime(_ now: Instant, isSubscribed: Bool, isStalled: Bool) {
    switch phase {
    case .greeting(let deadline):
      if now >= deadline { close(.timeout) }
    case .open, .closing:
      if hasOutput || isStalled {
        if now - lastOutput >= limits.stallTime { close(.timeout) }
      } else if !isBusy, !isSubscribed, let idle = limits.idleTime, now - max(lastRequest, lastOutput) >= idle {
        close(.timeout)
      }
    case .closed: break
    }
  }
}
