// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Dispatch
import Foundation
import Logging
import Secrets
import Synchronization
import YANG

@testable import NETCONF

/// The project's own modules, compiled once.
enum ProjectSchema {
  static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("yang").path
  static let schema: Schema = {
    do throws(YANGErrors) {
      return try Schema.compile(directory: directory, features: FeatureSelection(only: ProtocolFeatures.supported))
        .schema
    } catch {
      preconditionFailure("the modules in \(directory) do not compile: \(error)")
    }
  }()
}

/// A server without sockets: sessions over byte arrays, in virtual time.
///
/// Sendable: what changes is touched on `queue` only.
final class SessionBench: @unchecked Sendable {
  let datastore: Datastore
  let core: ServerCore
  let queue = DispatchQueue(label: "test.session")
  private var time = ContinuousClock.now

  init(
    schema: Schema = ProjectSchema.schema, initial: InteriorNode? = nil, backends: [any Backend] = [],
    limits: SessionLimits = SessionLimits()
  ) throws {
    datastore = Datastore(schema: schema, initial: initial, backends: backends)
    core = ServerCore(
      datastore: datastore, limits: limits, sealer: try Sealer(MasterKey()), logger: .silent)
  }

  func advance(_ duration: Duration) { queue.sync { time += duration } }

  func open(user: String = "admin") throws -> BenchSession {
    let queue = queue
    let surroundings = SessionSurroundings(
      execute: { work in queue.async { work() } }, now: { [unowned self] in time }, pump: {})
    let peer = PeerDescription(user: user, host: "192.0.2.7", transport: "netconf-ssh")
    guard let session = core.makeSession(for: peer, surroundings) else { throw TestFailure(text: "no session") }
    return BenchSession(session, self)
  }
}

/// One session of a bench, and a client's view of it.
final class BenchSession {
  let session: Session
  private let queue: DispatchQueue
  private var waiting: [UInt8] = []
  private var decoder = FrameDecoder()
  private var open: [UInt8] = []
  private var messages: [String] = []
  private var messageID = 0
  var framing: Framing = .endOfMessage
  /// How much is offered to the session, and pulled from it, at a time.
  var pieceSize = 65_536

  private let bench: SessionBench

  init(_ session: Session, _ bench: SessionBench) {
    self.session = session
    self.bench = bench
    queue = bench.queue
  }

  static let clientHello = """
    <hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>\
    <capability>urn:ietf:params:netconf:base:1.0</capability>\
    <capability>urn:ietf:params:netconf:base:1.1</capability></capabilities></hello>]]>]]>
    """

  /// Exchanges hellos; the server's.
  @discardableResult
  func greet(_ hello: String = clientHello) throws -> String {
    let greeting = try next()
    if hello.contains("base:1.1") {
      framing = .chunked
      decoder.framing = .chunked
    }
    send(hello)
    return greeting
  }

  /// Sends bytes as they are.
  func send(_ text: String) { send(Array(text.utf8)) }
  func send(_ bytes: [UInt8]) {
    waiting += bytes
    move()
  }

  /// Sends a message in the framing in use.
  func send(message: String) {
    var bytes: [UInt8] = []
    let encoder = FrameEncoder(framing: framing)
    encoder.append(message.utf8, to: &bytes)
    encoder.appendEnd(to: &bytes)
    send(bytes)
  }

  /// Moves bytes in both directions until nothing moves.
  func move() {
    queue.sync {
      var isMoving = true
      while isMoving {
        isMoving = false
        if !waiting.isEmpty, session.wantsInput {
          let piece = Array(waiting.prefix(pieceSize))
          let taken = piece.withUnsafeBytes { session.receive($0) }
          waiting.removeFirst(taken)
          isMoving = taken > 0
        }
        var output: [UInt8] = []
        session.produce(into: &output, limit: pieceSize)
        if !output.isEmpty {
          isMoving = true
          collect(output)
        }
      }
    }
  }

  private func collect(_ output: [UInt8]) {
    output.withUnsafeBytes { buffer in
      var position = 0
      while true {
        let event: FrameDecoder.Event?
        do { event = try decoder.next(in: buffer, at: &position) } catch {
          preconditionFailure("bad framing: \(error)")
        }
        switch event {
        case nil: return
        case .content(let bytes)?: open.append(contentsOf: bytes)
        case .endOfMessage?:
          messages.append(String(decoding: open, as: UTF8.self))
          open = []
        }
      }
    }
  }

  /// The next message from the server.
  func next(seconds: Double = 60) throws -> String {
    let deadline = Date().addingTimeInterval(seconds)
    while messages.isEmpty {
      move()
      if !messages.isEmpty { break }
      if Date() > deadline { throw TestFailure(text: "no message within \(seconds) s") }
      usleep(200)
    }
    return messages.removeFirst()
  }

  var hasMessage: Bool {
    move()
    return !messages.isEmpty
  }

  /// Makes a request and gives the reply.
  func call(_ operation: String) throws -> String {
    messageID += 1
    send(
      message:
        "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"\(messageID)\">\(operation)</rpc>")
    let reply = try next()
    guard reply.contains("message-id=\"\(messageID)\"") else { throw TestFailure(text: "another reply: \(reply)") }
    return reply
  }

  func endInput() {
    queue.sync { session.inputEnded() }
    move()
  }

  func tick(isStalled: Bool = false) {
    queue.sync { session.tick(isStalled: isStalled) }
    move()
  }

  var isFinished: Bool {
    move()
    return queue.sync { session.isFinished }
  }
}
