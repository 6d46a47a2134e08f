// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Logging
import Synchronization

@testable import NETCONF

/// A directory of its own for a test, with host keys and a client's key pair; removed when it goes away.
final class TestDirectory: Sendable {
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

/// A directory with host keys that all tests use: making an RSA key takes its time. It stays until the process ends.
enum SharedHostKeys {
  private static let directory: TestDirectory? = try? TestDirectory()
  static var path: String {
    get throws {
      guard let directory else { throw TestFailure(text: "no temporary directory") }
      return directory.path
    }
  }
  /// Removes the directory when the process ends, which no `deinit` of a static does.
  static let removal: Void = {
    atexit { if let path = try? SharedHostKeys.path { try? FileManager.default.removeItem(atPath: path) } }
  }()
}

/// Runs what blocks away from the threads that asynchronous work is done on, which may be as few as there are
/// processors.
func onThreadOfItsOwn(_ body: @escaping @Sendable () throws -> Void) async throws {
  try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
    Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
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

/// A program that runs beside the test.
///
/// Not Foundation's `Process`: the OpenSSH client closes all descriptors that it does not know, which `Process` takes
/// for its end.
final class ChildProcess {
  let input: FileHandle
  let output: FileHandle
  let error: FileHandle
  private let pid: pid_t
  private var result: Int32?

  /// - Parameter discardsOutput: what it writes goes nowhere; `output` is empty then.
  init(_ program: String, _ arguments: [String], discardsOutput: Bool = false) throws {
    let (stdin, stdout, stderr) = (Pipe(), Pipe(), Pipe())
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, stdin.fileHandleForReading.fileDescriptor, 0)
    if discardsOutput {
      posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    } else {
      posix_spawn_file_actions_adddup2(&actions, stdout.fileHandleForWriting.fileDescriptor, 1)
    }
    posix_spawn_file_actions_adddup2(&actions, stderr.fileHandleForWriting.fileDescriptor, 2)
    for pipe in [stdin, stdout, stderr] {
      // Nothing of one program's pipes goes to another one.
      _ = fcntl(pipe.fileHandleForReading.fileDescriptor, F_SETFD, FD_CLOEXEC)
      _ = fcntl(pipe.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
    }
    var words = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var pid: pid_t = 0
    let code = posix_spawn(&pid, program, &actions, nil, &words, environ)
    guard code == 0 else { throw TestFailure(text: "\(program): error \(code)") }
    self.pid = pid
    try? stdin.fileHandleForReading.close()
    try? stdout.fileHandleForWriting.close()
    try? stderr.fileHandleForWriting.close()
    input = stdin.fileHandleForWriting
    output = stdout.fileHandleForReading
    error = stderr.fileHandleForReading
  }

  deinit { terminate() }

  /// The exit status, nil while it runs; what a signal ended has 128 and more.
  var status: Int32? {
    if let result { return result }
    var status: Int32 = 0
    guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
    result = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + status & 0x7F
    return result
  }

  /// Waits for the end; false when it does not come in time.
  func waits(seconds: Double) -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while status == nil {
      if Date() > deadline { return false }
      usleep(5000)
    }
    return true
  }

  func terminate() {
    guard status == nil else { return }
    kill(pid, SIGKILL)
    _ = waits(seconds: 5)
  }
}

/// Runs a program to its end, or kills it when the time is up.
func run(_ program: String, _ arguments: [String], input: Data = Data(), seconds: Double = 30) throws -> ProgramResult {
  signal(SIGPIPE, SIG_IGN)
  let child = try ChildProcess(program, arguments)
  let error = Mutex(Data())
  let output = Mutex(Data())
  let group = DispatchGroup()
  let (stdin, stdout, stderr) = (child.input, child.output, child.error)
  DispatchQueue.global().async(group: group) {
    let data = stderr.readDataToEndOfFile()
    error.withLock { $0 = data }
  }
  DispatchQueue.global().async(group: group) {
    let data = stdout.readDataToEndOfFile()
    output.withLock { $0 = data }
  }
  DispatchQueue.global().async(group: group) {
    try? stdin.write(contentsOf: input)
    try? stdin.close()
  }
  if !child.waits(seconds: seconds) { child.terminate() }
  group.wait()
  return ProgramResult(
    status: child.status ?? -1, output: String(decoding: output.withLock { $0 }, as: UTF8.self),
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
