// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Glibc
import Testing

@testable import KMESimulator

/// The sockets' side: many connections, pipelining, clients that break off.
@Suite(.serialized) struct ConnectionTests {
  /// A blocking client without TLS.
  private final class Client {
    let descriptor: Int32

    init(port: UInt16) throws {
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      let address = try #require(SocketAddress(host: "127.0.0.1", port: port))
      let result = address.withPointer { connect(descriptor, $0, $1) }
      try #require(result == 0)
      var limit = timeval(tv_sec: 5, tv_usec: 0)
      setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func send(_ text: String) { _ = Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) }

    /// Reads until so many answers with a JSON body have come, or the server closes.
    func receive(answers: Int) -> String {
      var text = ""
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while text.components(separatedBy: "HTTP/1.1 ").count <= answers || !text.hasSuffix("}") {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return text }
        text += String(decoding: buffer.prefix(count), as: UTF8.self)
      }
      return text
    }

    func receiveToEnd() -> String {
      receive(answers: .max - 1)
    }
  }

  private let get = "GET /capabilities HTTP/1.1\r\nHost: kme\r\n\r\n"

  @Test func carriesManyConnectionsAtOnce() throws {
    let lab = try LiveLab(.plain)
    let port = try lab.port("A")
    let clients = try (0..<300).map { _ in try Client(port: port) }
    for _ in 0..<3 {
      for client in clients { client.send(get) }
      for client in clients { #expect(client.receive(answers: 1).contains("\"localSystemID\":\"Alice\"")) }
    }
    #expect(lab.simulator.statistics["A"]?.connections == 300)
    #expect(lab.simulator.statistics["A"]?.requests["capabilities"] == 900)
  }

  @Test func carriesManyTLSConnectionsAtOnce() throws {
    let lab = try LiveLab(.certificate(.none))
    try lab.simulator.add(Fault(.delay(milliseconds: 500)))
    let url = "https://127.0.0.1:\(try lab.port("A"))/entropy?[1-120]"
    let result = try lab.curl("A", "/entropy", ["-Z", "--parallel-max", "120", "--parallel-immediate", url])
    #expect(result.status == 0, "\(result.errors.prefix(200))")
    #expect(lab.simulator.statistics["A"]?.answers == ["200": 121])
    #expect((lab.simulator.statistics["A"]?.handshakesCompleted ?? 0) >= 100)
  }

  @Test func answersPipelinedRequestsInOrder() throws {
    let lab = try LiveLab(.plain)
    let client = try Client(port: lab.port("A"))
    client.send(get + "GET /none HTTP/1.1\r\nHost: kme\r\n\r\n" + get)
    let statuses = client.receive(answers: 3).components(separatedBy: "HTTP/1.1 ").dropFirst().map { $0.prefix(3) }
    #expect(statuses == ["200", "404", "200"])
  }

  @Test func takesARequestByteByByte() throws {
    let lab = try LiveLab(.plain)
    let client = try Client(port: lab.port("A"))
    for byte in get {
      client.send(String(byte))
      usleep(200)
    }
    #expect(client.receive(answers: 1).hasPrefix("HTTP/1.1 200"))
  }

  @Test(arguments: [
    ("GARBAGE\r\n\r\n", "400"), ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", "413"),
    ("GET /" + String(repeating: "a", count: 3_000), "414"),
    ("GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 9_000), "431"), ("GET / HTTP/3.0\r\n\r\n", "505"),
  ])
  func answersWhatIsNoRequestAndCloses(_ text: String, _ status: String) throws {
    let lab = try LiveLab(.plain)
    let client = try Client(port: lab.port("A"))
    client.send(text)
    #expect(client.receiveToEnd().hasPrefix("HTTP/1.1 \(status)"))
    #expect(lab.simulator.statistics["A"]?.malformedRequests == 1)
    let other = try Client(port: lab.port("A"))
    other.send(get)
    #expect(other.receive(answers: 1).hasPrefix("HTTP/1.1 200"), "others are served on")
  }

  @Test func survivesClientsThatBreakOff() throws {
    let lab = try LiveLab(.certificate(.none))
    let port = try lab.port("A")
    for text in ["", "\u{16}\u{3}\u{1}", get, String(repeating: "x", count: 1_000)] {
      for _ in 0..<5 {
        let client = try Client(port: port)
        client.send(text)
      }
    }
    #expect(try lab.curl("A", "/capabilities").status == 0)
    #expect(lab.simulator.statistics["A"]?.connections == 21)
  }

  @Test func anAnswerThatNoOneWaitsForIsDropped() throws {
    let lab = try LiveLab(.plain)
    try lab.simulator.add(Fault(.delay(milliseconds: 100), count: 20))
    try lab.simulator.add(Fault(.oversizedBody(bytes: 1_000_000), count: 20))
    for _ in 0..<20 { try Client(port: lab.port("A")).send(get) }
    usleep(300_000)
    let client = try Client(port: lab.port("A"))
    client.send(get)
    #expect(client.receive(answers: 1).hasPrefix("HTTP/1.1 200"))
  }

  @Test func endsAndStartsAgainOnTheSamePort() throws {
    let listener = ListenerConfiguration(address: .tcp(host: "127.0.0.1", port: 0), security: .plain)
    var instance = InstanceConfiguration(
      name: "A", localSystemID: "A", remoteSystemIDs: ["A"], listeners: [listener])
    var starts = 0
    for _ in 0..<20 where starts < 3 {
      let simulator = try Simulator(Configuration(instances: [instance]))
      do {
        try simulator.start()
      } catch {
        // Free ports are dealt out to all tests: between two starts another one may have got ours.
        instance.listeners[0].address = listener.address
        starts = 0
        continue
      }
      starts += 1
      let endpoint = try #require(simulator.endpoints(of: "A").first)
      guard case .tcp(_, let port) = endpoint else { return }
      let client = try Client(port: port)
      client.send(get)
      #expect(client.receive(answers: 1).hasPrefix("HTTP/1.1 200"))
      simulator.stop()
      simulator.stop()
      #expect(client.receiveToEnd().isEmpty, "closed when it ends")
      instance.listeners[0].address = endpoint
    }
    #expect(starts == 3)
  }

  @Test func aTakenPortIsAnError() throws {
    let lab = try LiveLab(.plain)
    let endpoint = try #require(lab.simulator.endpoints(of: "A").first)
    let instance = InstanceConfiguration(
      name: "A", localSystemID: "A", remoteSystemIDs: ["A"],
      listeners: [ListenerConfiguration(address: endpoint, security: .plain)])
    #expect(throws: SimulatorError(.system, "")) { try Simulator(Configuration(instances: [instance])) }
  }
}
