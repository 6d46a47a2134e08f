// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Synchronization

/// A server program that a test runs, in a folder of its own; both are gone when the value is.
final class ServerProgram: Sendable {
  let folder: URL
  private let process: Process
  private let collected = Mutex<String>("")

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Runs the program and waits until its output holds `ready`.
  init(_ arguments: [String], folder: URL, ready: String) throws {
    self.folder = folder
    process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.currentDirectoryURL = folder
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    pipe.fileHandleForReading.readabilityHandler = { [weak self] handle in
      let data = handle.availableData
      if data.isEmpty { handle.readabilityHandler = nil }
      self?.collected.withLock { $0 += String(decoding: data, as: UTF8.self) }
    }
    try process.run()
    let end = Date().addingTimeInterval(10)
    while !output.contains(ready) {
      guard Date() < end, process.isRunning else {
        Self.end(process)
        throw Failure(description: "\(arguments.joined(separator: " ")) did not start: \(output)")
      }
      usleep(10_000)
    }
  }

  var output: String { collected.withLock { $0 } }

  deinit {
    Self.end(process)
    try? FileManager.default.removeItem(at: folder)
  }

  /// Foundation starts children with most signals blocked, so a polite one would not be heard.
  private static func end(_ process: Process) {
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  static func makeFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agentd-sks-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
  }

  /// Runs a program to its end.
  static func run(_ arguments: [String], in folder: URL) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.currentDirectoryURL = folder
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(description: "\(arguments.joined(separator: " ")): \(String(decoding: output, as: UTF8.self))")
    }
  }

  /// A port that was free a moment ago.
  static func freePort() throws -> UInt16 {
    let server = try CannedServer { _, _ in .drop }
    return server.port
  }
}

/// `openssl s_server` that gives canned answers from files.
struct OpenSSLServer {
  let program: ServerProgram
  let port: UInt16

  /// `address` and the options that choose keys and versions; the files of a key provider in good order are made.
  init(_ options: [String], address: String = "127.0.0.1", folder: URL? = nil) throws {
    let folder = try folder ?? ServerProgram.makeFolder()
    let files = [
      "capabilities": CannedKME.capabilities, "key?remoteSystemID=KP-B": CannedKME.key,
      "key?remoteSystemID=KP-B&size=256": CannedKME.key,
      "key/\(CannedKME.keyID)?remoteSystemID=KP-B": CannedKME.key, "entropy?minentropy=128": CannedKME.entropy,
    ]
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("key"), withIntermediateDirectories: true)
    for (name, body) in files {
      try CannedServer.http(200, body).write(toFile: folder.path + "/" + name, atomically: true, encoding: .utf8)
    }
    program = try ServerProgram(
      ["openssl", "s_server", "-accept", "\(address):0", "-HTTP"] + options, folder: folder, ready: "ACCEPT")
    let text = program.output.split(separator: "\n").first { $0.hasPrefix("ACCEPT") } ?? ""
    guard let port = UInt16(text.split(separator: ":").last ?? "") else {
      throw ServerProgram.Failure(description: "no port in: \(text)")
    }
    self.port = port
  }
}

/// stunnel4 as a TLS-PSK front of a canned server.
struct StunnelServer {
  let program: ServerProgram
  let backend: CannedServer
  let port: UInt16

  /// `secrets` are lines of identity and hexadecimal key; `version` is `TLSv1.2` or `TLSv1.3`.
  init(
    version: String, secrets: [String: String], _ reply: @escaping @Sendable (String, Int) -> CannedServer.Reply
  ) throws {
    backend = try CannedServer(reply)
    port = try ServerProgram.freePort()
    let folder = try ServerProgram.makeFolder()
    let keys = folder.appendingPathComponent("secrets")
    try secrets.map { "\($0):\($1)\n" }.joined().write(to: keys, atomically: true, encoding: .utf8)
    chmod(keys.path, 0o600)
    let configuration = """
      foreground = yes
      pid =
      debug = 5
      syslog = no
      [kme]
      accept = 127.0.0.1:\(port)
      connect = 127.0.0.1:\(backend.port)
      ciphers = PSK
      sslVersion = \(version)
      PSKsecrets = \(keys.path)
      """
    try configuration.write(to: folder.appendingPathComponent("stunnel.conf"), atomically: true, encoding: .utf8)
    program = try ServerProgram(
      ["stunnel4", folder.path + "/stunnel.conf"], folder: folder, ready: "Configuration successful")
  }
}

/// A certificate authority of a test, with certificates that it signed.
final class TestAuthority: Sendable {
  let folder: URL

  init() throws {
    folder = try ServerProgram.makeFolder()
    try ServerProgram.run(
      [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem",
      ], in: folder)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// Makes NAME.key and NAME.pem.
  func issue(_ name: String, alternativeNames: String) throws {
    try ServerProgram.run(
      [
        "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)",
        "-keyout", "\(name).key", "-out", "\(name).csr",
      ], in: folder)
    try "subjectAltName=\(alternativeNames)\n".write(
      to: folder.appendingPathComponent("\(name).ext"), atomically: true, encoding: .utf8)
    try ServerProgram.run(
      [
        "openssl", "x509", "-req", "-in", "\(name).csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "2", "-extfile", "\(name).ext", "-out", "\(name).pem",
      ], in: folder)
  }

  func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appendingPathComponent(name))) }
}
