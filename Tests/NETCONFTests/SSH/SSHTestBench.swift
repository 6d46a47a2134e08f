// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Logging
import Synchronization

@testable import NETCONF

/// A directory of its own for a test, with host keys and a client's key pair; removed when it goes away.
final class TestDirectory {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "netconf-test-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Makes a client key with ssh-keygen; its file and its public key.
  func makeKey(_ name: String, type: String = "ed25519") throws -> (file: String, key: SSHPublicKey) {
    let file = path + "/" + name
    let result = try run("/usr/bin/ssh-keygen", ["-q", "-t", type, "-N", "", "-f", file])
    guard result.status == 0 else { throw TestFailure(text: "ssh-keygen: \(result.error)") }
    let line = try String(contentsOfFile: file + ".pub", encoding: .utf8).split(separator: " ")
    guard line.count >= 2, let blob = Data(base64Encoded: String(line[1])) else {
      throw TestFailure(text: "no public key")
    }
    return (file, SSHPublicKey(blob: Array(blob)))
  }
}

struct TestFailure: Error, CustomStringConvertible {
  let text: String
  var description: String { text }
}

struct ProgramResult {
  let status: Int32
  let output: String
  let error: String
}

/// Runs a program to its end, within a time limit.
func run(_ program: String, _ arguments: [String], input: Data = Data(), seconds: Double = 30) throws -> ProgramResult {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
  process.standardInput = stdin
  process.standardOutput = stdout
  process.standardError = stderr
  try process.run()
  let timer = DispatchSource.makeTimerSource()
  timer.schedule(deadline: .now() + seconds)
  timer.setEventHandler { process.terminate() }
  timer.resume()
  let error = Mutex(Data())
  let group = DispatchGroup()
  DispatchQueue.global().async(group: group) {
    let data = stderr.fileHandleForReading.readDataToEndOfFile()
    error.withLock { $0 = data }
  }
  DispatchQueue.global().async(group: group) {
    try? stdin.fileHandleForWriting.write(contentsOf: input)
    try? stdin.fileHandleForWriting.close()
  }
  let output = stdout.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  group.wait()
  timer.cancel()
  return ProgramResult(
    status: process.terminationStatus, output: String(decoding: output, as: UTF8.self),
    error: String(decoding: error.withLock { $0 }, as: UTF8.self))
}

/// Options that keep the OpenSSH client from looking at anything of the machine's user.
func sshOptions(port: UInt16, key: String?) -> [String] {
  var options = [
    "-F", "none", "-p", String(port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
    "-o", "LogLevel=\(ProcessInfo.processInfo.environment["SSHLOG"] ?? "ERROR")", "-o", "IdentitiesOnly=yes", "-o",
    "IdentityAgent=none", "-o", "BatchMode=yes",
  ]
  if let key { options += ["-i", key] }
  return options
}

extension Logger {
  static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}
