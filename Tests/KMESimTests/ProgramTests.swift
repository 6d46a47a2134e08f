// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import KMESimulator

/// The program itself, from its command line.
@Suite(.serialized) struct ProgramTests {
  /// A running kmesim; ended with the last reference.
  private final class Program {
    let process = Process()
    /// The lines that it printed when it was ready, read as JSON.
    private(set) var lines: [[String: Any]] = []

    init(_ arguments: [String], lineCount: Int) throws {
      let output = Pipe()
      process.executableURL = try ProgramTests.kmesim()
      process.arguments = arguments
      process.standardOutput = output
      try process.run()
      var text = Data()
      while text.count(where: { $0 == UInt8(ascii: "\n") }) < lineCount {
        let more = output.fileHandleForReading.availableData
        if more.isEmpty { break }
        text += more
      }
      lines = text.split(separator: UInt8(ascii: "\n")).map { object(String(decoding: $0, as: UTF8.self)) }
      try #require(lines.count == lineCount)
    }

    deinit { end() }

    func end() {
      if process.isRunning { process.terminate() }
      process.waitUntilExit()
    }

    func port(_ name: String) throws -> Int {
      try #require(
        lines.first { $0["instance"] as? String == name || $0["control"] as? String == name }?["port"] as? Int)
    }
  }

  fileprivate static func kmesim() throws -> URL {
    let url = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    var folder = url
    for _ in 0..<4 {
      let candidate = folder.appendingPathComponent("kmesim")
      if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
      folder = folder.deletingLastPathComponent()
    }
    throw CocoaError(.fileNoSuchFile)
  }

  private func get(_ port: Int, _ path: String) throws -> [String: Any] {
    object(try run(["curl", "-sS", "-m", "5", "http://127.0.0.1:\(port)\(path)"]).output)
  }

  @Test func aLabSharesKeysAndEndsOnASignal() throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/control.sock"
    let lab = try Program(
      ["lab", "--plain", "--control", "unix:" + socket, "--fault", "delay,milliseconds=1"], lineCount: 3)
    let made = try get(lab.port("A"), "/key?remoteSystemID=Bob")
    let id = try #require(made["keyId"] as? String)
    #expect(try get(lab.port("B"), "/key/\(id)?remoteSystemID=Alice")["key"] as? String == made["key"] as? String)
    let statistics = try run(["curl", "-sS", "--unix-socket", socket, "http://kmesim/stats"])
    #expect(((object(statistics.output)["A"] as? [String: Any])?["faults"] as? [String: Int]) == ["delay": 1])
    lab.end()
    #expect(lab.process.terminationStatus == 0 && lab.process.terminationReason == .exit)
    #expect(!FileManager.default.fileExists(atPath: socket), "the socket is removed")
  }

  @Test func theLabsOwnKeyWorks() throws {
    let lab = try Program(["lab"], lineCount: 2)
    let answer = try run(
      [
        "openssl", "s_client", "-quiet", "-connect", "127.0.0.1:\(lab.port("A"))", "-psk_identity", "lab", "-psk",
        "6b6d6573696d2d6c6162",
      ],
      input: "GET /capabilities HTTP/1.1\r\nHost: kme\r\nConnection: close\r\n\r\n", seconds: 5)
    #expect(object(answer.output)["localSystemID"] as? String == "Alice")
  }

  @Test func processesShareKeys() throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/network.sock"
    func serve(_ name: String, _ others: [String], _ network: [String]) throws -> Program {
      try Program(
        ["serve", "--plain", "--name", name, "--local-id", name] + others.flatMap { ["--remote-id", $0] } + network,
        lineCount: 1)
    }
    let hub = try serve("Hub", ["*"], ["--network-listen", socket])
    let alice = try serve("Alice", ["*"], ["--network-join", socket])
    let bob = try serve("Bob", ["*"], ["--network-join", socket])
    for (from, to) in [
      ((alice, "Alice"), (bob, "Bob")), ((hub, "Hub"), (alice, "Alice")), ((bob, "Bob"), (hub, "Hub")),
    ] {
      // A process that just joined may not have been greeted yet.
      var made: [String: Any] = [:]
      for _ in 0..<50 where made["keyId"] == nil {
        made = try get(from.0.port(from.1), "/key?remoteSystemID=\(to.1)")
        if made["keyId"] == nil { usleep(100_000) }
      }
      let id = try #require(made["keyId"] as? String, "from \(from.1) to \(to.1)")
      let fetched = try get(to.0.port(to.1), "/key/\(id)?remoteSystemID=\(from.1)")
      #expect(fetched["key"] as? String == made["key"] as? String, "from \(from.1) to \(to.1)")
      #expect(try get(to.0.port(to.1), "/key/\(id)?remoteSystemID=\(from.1)")["key"] == nil)
    }
    bob.end()
    #expect(try get(alice.port("Alice"), "/key?remoteSystemID=Bob")["keyId"] == nil, "Bob has gone")
  }

  @Test func aProcessJoinsAgainWhenTheHubComesBack() throws {
    let folder = try TemporaryFolder()
    let socket = folder.path + "/network.sock"
    let alice = try Program(
      ["serve", "--plain", "--local-id", "Alice", "--remote-id", "Hub", "--network-join", socket], lineCount: 1)
    #expect(try get(alice.port("Alice"), "/key?remoteSystemID=Hub")["keyId"] == nil, "there is no hub yet")
    for round in 1...2 {
      let hub = try Program(
        ["serve", "--plain", "--local-id", "Hub", "--remote-id", "Alice", "--network-listen", socket], lineCount: 1)
      var made: [String: Any] = [:]
      for _ in 0..<50 where made["keyId"] == nil {
        made = try get(alice.port("Alice"), "/key?remoteSystemID=Hub")
        if made["keyId"] == nil { usleep(100_000) }
      }
      #expect(made["keyId"] != nil, "round \(round)")
      kill(hub.process.processIdentifier, SIGKILL)
      hub.end()
    }
  }

  @Test func runsAFile() throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/kmesim.json"
    let psk = folder.path + "/psk.hex"
    try (LiveLab.pskDigits + "\n").write(toFile: psk, atomically: true, encoding: .utf8)
    let text = """
      {"control": "127.0.0.1:0", "instances": [
        {"name": "A", "local-system-id": "Alice", "remote-system-ids": ["Bob"], "listeners": [
          {"address": "127.0.0.1:0", "psk": [{"identity": "r", "key-file": "\(psk)"}]},
          {"address": "127.0.0.1:0", "plain": true}]}]}
      """
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try run([Self.kmesim().path, "run", "--config", file, "--check"]).status == 0)
    let program = try Program(["run", "--config", file], lineCount: 3)
    #expect(program.lines.map { $0["security"] as? String } == ["psk", "plain", nil])
    let plainPort = try #require(program.lines[1]["port"] as? Int)
    #expect(try get(plainPort, "/capabilities")["localSystemID"] as? String == "Alice")
    #expect(try !get(program.port("kmesim"), "/stats").isEmpty)
  }

  @Test(arguments: [
    (["serve"], "local-id"), (["serve", "--local-id", "a", "--remote-id", "b"], "exactly one"),
    (["serve", "--local-id", "a", "--remote-id", "b", "--psk-id", "x"], "belong together"),
    (
      ["serve", "--local-id", "a", "--remote-id", "b", "--psk-id", "x", "--psk-key-file", "/nonexistent"],
      "/nonexistent"
    ),
    (["serve", "--local-id", "a", "--remote-id", "b", "--plain", "--listen", "0.0.0.0:0"], "loopback"),
    (["serve", "--local-id", "a", "--remote-id", "b", "--certificate", "/none", "--key", "/none"], "certificate"),
    (["run", "--config", "/nonexistent"], "Cannot read"), (["lab", "--fault", "nonsense"], "unknown kind"),
    (["lab", "--control", "0.0.0.0:0"], "loopback"), (["make-certificates", "/nonexistent/folder"], "make the folder"),
  ])
  func saysWhatIsWrong(_ arguments: [String], _ reason: String) throws {
    let result = try run([try Self.kmesim().path] + arguments, seconds: 10)
    #expect(result.status != 0 && result.status != 124 && result.errors.contains(reason), "\(result)")
  }

  @Test func makesCertificates() throws {
    let folder = try TemporaryFolder()
    let made = try run([
      try Self.kmesim().path, "make-certificates", folder.path, "--name", "kme-a", "--client", "sae-1",
    ])
    #expect(made.output.split(separator: "\n").count == 6, "\(made)")
    let program = try Program(
      [
        "lab", "--certificate", folder.path + "/kme-a.pem", "--key", folder.path + "/kme-a-key.pem",
        "--client-authorities", folder.path + "/ca.pem",
      ], lineCount: 2)
    let answer = try run([
      "curl", "-sS", "--cacert", folder.path + "/ca.pem", "--cert", folder.path + "/sae-1.pem", "--key",
      folder.path + "/sae-1-key.pem", "https://localhost:\(program.port("A"))/capabilities",
    ])
    #expect(object(answer.output)["localSystemID"] as? String == "Alice", "\(answer)")
  }

  @Test func helpNamesEveryCommandAndFault() throws {
    let help = try run([try Self.kmesim().path, "--help"]).output
    for command in ["serve", "lab", "run", "make-certificates", "faults"] { #expect(help.contains(command)) }
    let faults = try run([try Self.kmesim().path, "faults"]).output.split(separator: "\n")
    #expect(faults.count == FaultForm.all.count)
  }
}
