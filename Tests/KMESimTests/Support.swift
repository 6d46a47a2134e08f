// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import KMESimulator

/// What a finished program left.
struct ProgramResult {
  var status: Int32
  var output: String
  var errors: String
}

/// Runs a program to its end, at most so many seconds, with its input held open until it ends.
func run(_ command: [String], input: String = "", seconds: Int = 20) throws -> ProgramResult {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["timeout", "-k", "1", "\(seconds)"] + command
  let (inputPipe, outputPipe) = (Pipe(), Pipe())
  let errorFile = FileManager.default.temporaryDirectory.appendingPathComponent("kmesim-\(UUID().uuidString)")
  _ = FileManager.default.createFile(atPath: errorFile.path, contents: nil)
  defer { try? FileManager.default.removeItem(at: errorFile) }
  process.standardInput = inputPipe
  process.standardOutput = outputPipe
  process.standardError = try FileHandle(forWritingTo: errorFile)
  try process.run()
  inputPipe.fileHandleForWriting.write(Data(input.utf8))
  let output = outputPipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  try inputPipe.fileHandleForWriting.close()
  return ProgramResult(
    status: process.terminationStatus, output: String(decoding: output, as: UTF8.self),
    errors: String(decoding: try Data(contentsOf: errorFile), as: UTF8.self))
}

/// A folder of its own, removed with the last reference.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("kmesim-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }
}

/// Two KMEs that share keys, on free ports in this process, with certificates for both and for a client.
final class LiveLab: Sendable {
  static let pskIdentity = "router-1"
  static let pskDigits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

  let folder: TemporaryFolder
  let certificates: CertificateFolder
  let simulator: Simulator

  /// How the listeners of a lab are protected.
  enum Protection {
    case psk(PreSharedKey.Hash)
    case certificate(CertificateConfiguration.ClientPolicy)
    case plain
  }

  init(
    _ protection: Protection, tls: [ListenerConfiguration.TLSVersion] = ListenerConfiguration.TLSVersion.allCases,
    keepsAlive: Bool = true, change: (inout InstanceConfiguration) -> Void = { _ in }
  ) throws {
    let folder = try TemporaryFolder()
    let certificates = CertificateFolder(path: folder.path + "/certificates")
    try certificates.write(servers: ["kme"], clients: ["sae", "sae-a", "sae-b"])
    let security: ListenerConfiguration.Security =
      switch protection {
      case .psk(let hash):
        .psk([PreSharedKey(identity: Self.pskIdentity, source: .hexadecimal(Self.pskDigits), hash: hash)])
      case .certificate(let policy):
        .certificate(
          CertificateConfiguration(
            certificate: certificates.certificate(of: "kme"), key: certificates.key(of: "kme"),
            clientAuthorities: certificates.authority, client: policy))
      case .plain: .plain
      }
    let listener = ListenerConfiguration(
      address: .tcp(host: "127.0.0.1", port: 0), security: security, tlsVersions: tls, keepsAlive: keepsAlive)
    var instances = [
      InstanceConfiguration(name: "A", localSystemID: "Alice", remoteSystemIDs: ["Bob"], listeners: [listener]),
      InstanceConfiguration(name: "B", localSystemID: "Bob", remoteSystemIDs: ["Alice"], listeners: [listener]),
    ]
    for index in instances.indices { change(&instances[index]) }
    simulator = try Simulator(Configuration(instances: instances, control: .tcp(host: "127.0.0.1", port: 0)))
    try simulator.start()
    self.folder = folder
    self.certificates = certificates
  }

  deinit {
    simulator.stop()
  }

  func port(_ instance: String) throws -> UInt16 {
    guard case .tcp(_, let port) = try #require(simulator.endpoints(of: instance).first) else { return 0 }
    return port
  }

  /// Fetches over HTTPS with curl, and the client's certificate unless told otherwise.
  func curl(
    _ instance: String, _ path: String, _ options: [String] = [], showsCertificate: Bool = true
  ) throws -> ProgramResult {
    var command = ["curl", "-sS", "-m", "5", "--cacert", certificates.authority]
    if showsCertificate {
      command += ["--cert", certificates.certificate(of: "sae"), "--key", certificates.key(of: "sae")]
    }
    return try run(command + options + ["https://127.0.0.1:\(port(instance))\(path)"])
  }

  /// Fetches from the control interface with curl.
  func control(_ method: String, _ path: String, _ options: [String] = []) throws -> ProgramResult {
    let endpoint = try #require(simulator.control)
    return try run(["curl", "-sS", "-m", "5", "-X", method] + options + ["http://\(endpoint)\(path)"])
  }

  /// Sends a request with openssl's client and a pre-shared key, and returns all that it prints.
  func openssl(_ instance: String, _ path: String, _ options: [String]) throws -> ProgramResult {
    let request = "GET \(path) HTTP/1.1\r\nHost: kme\r\nConnection: close\r\n\r\n"
    let command = ["openssl", "s_client", "-connect", "127.0.0.1:\(try port(instance))", "-quiet", "-no_ign_eof"]
    return try run(command + options, input: request, seconds: 5)
  }
}

/// The members of the JSON object in an answer, which may have its head before it.
func object(_ text: String) -> [String: Any] {
  let body = text.components(separatedBy: "\r\n\r\n").last ?? ""
  return (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: Any] ?? [:]
}
