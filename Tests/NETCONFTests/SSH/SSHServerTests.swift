// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Synchronization
import Testing

@testable import NETCONF

/// Gives back what it gets; ends with the input. With a first byte of `g` it instead produces a number of bytes.
private final class EchoSession: ByteSession {
  private var pending: [UInt8] = []
  private let block = [UInt8](repeating: UInt8(ascii: "x"), count: 131_072)
  private var toProduce = 0
  private var ended = false
  func receive(_ bytes: UnsafeRawBufferPointer) -> Int {
    if bytes.first == UInt8(ascii: "g") {
      toProduce = 64 * 1024 * 1024
      return bytes.count
    }
    let count = min(bytes.count, 10_000)
    pending.append(contentsOf: bytes[..<count])
    return count
  }
  func inputEnded() { ended = true }
  func produce(into output: inout [UInt8], limit: Int) {
    if toProduce > 0 {
      let count = min(limit, toProduce)
      output.append(contentsOf: block[..<count])
      toProduce -= count
      return
    }
    output.append(contentsOf: pending.prefix(limit))
    pending.removeFirst(min(limit, pending.count))
  }
  var wantsInput: Bool { pending.isEmpty && toProduce == 0 }
  var isFinished: Bool { ended && pending.isEmpty && toProduce == 0 }
  var isAborted: Bool { false }
  func channelClosed() {}
  func tick(isStalled: Bool) {}
  func stop() {}
}

@Suite(.serialized) struct SSHServerTests {
  private let directory: TestDirectory
  private let users = UserDirectory()

  init() throws { directory = try TestDirectory() }

  private func withServer(
    limits: SSHLimits = SSHLimits(), connections: ConnectionLimiter.Limits = .init(), _ body: (UInt16) throws -> Void
  ) throws {
    _ = SharedHostKeys.removal
    let server = try SSHServer(
      addresses: [ListenAddress(host: "127.0.0.1", port: 0)], hostKeys: HostKeys(directory: SharedHostKeys.path),
      limits: limits, connectionLimits: connections, loopCount: 2, authenticator: users, logger: .silent
    ) { _, _, _ in EchoSession() }
    try server.start()
    defer { server.stop(grace: .milliseconds(200)) }
    try body(server.addresses[0].port)
  }

  @Test func hostKeysAreMadeOnceAndProtected() async throws {
    try await onThreadOfItsOwn { [self] in
      let first = try HostKeys(directory: directory.path)
      let contents = try first.files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
      let second = try HostKeys(directory: directory.path)
      #expect(try second.files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) } == contents)
      for file in first.files {
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o600, "\(file)")
      }
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: first.files[0])
      #expect(throws: ServerError.self) { try HostKeys(directory: directory.path) }
    }
  }

  @Test(arguments: ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"])
  func everyHostKeyIsOffered(_ algorithm: String) async throws {
    try await onThreadOfItsOwn { [self] in
      let (file, key) = try directory.makeKey("id")
      users.update([.init(name: "admin", authorizedKeys: [key], passwordHash: nil)])
      try withServer { port in
        let result = try run(
          "/usr/bin/ssh",
          sshOptions(port: port, key: file) + [
            "-o", "HostKeyAlgorithms=\(algorithm)", "-s", "admin@127.0.0.1", "netconf",
          ],
          input: Data("hello".utf8))
        #expect(result.status == 0 && result.output == "hello", "\(result.error)")
      }
    }
  }

  @Test(arguments: ["ed25519", "ecdsa", "rsa"])
  func publicKeysOfEveryKindLogIn(_ type: String) async throws {
    try await onThreadOfItsOwn { [self] in
      let (file, key) = try directory.makeKey("id", type: type)
      users.update([.init(name: "admin", authorizedKeys: [key], passwordHash: nil)])
      try withServer { port in
        let text = String(repeating: "0123456789", count: 100_000)
        let result = try run(
          "/usr/bin/ssh", sshOptions(port: port, key: file) + ["-s", "admin@127.0.0.1", "netconf"],
          input: Data(text.utf8)
        )
        #expect(result.status == 0 && result.output == text, "\(result.error)")
      }
    }
  }

  @Test func strangersAreRefused() async throws {
    try await onThreadOfItsOwn { [self] in
      let (file, key) = try directory.makeKey("id")
      let (strange, _) = try directory.makeKey("strange")
      users.update([.init(name: "admin", authorizedKeys: [key], passwordHash: nil)])
      try withServer { port in
        for (user, key) in [("admin", strange), ("nobody", file)] {
          let result = try run(
            "/usr/bin/ssh", sshOptions(port: port, key: key) + ["-s", "\(user)@127.0.0.1", "netconf"])
          #expect(result.status == 255 && result.error.contains("Permission denied"), "\(result.error)")
        }
      }
    }
  }

  @Test func onlyTheSubsystemIsServed() async throws {
    try await onThreadOfItsOwn { [self] in
      let (file, key) = try directory.makeKey("id")
      users.update([.init(name: "admin", authorizedKeys: [key], passwordHash: nil)])
      try withServer { port in
        let command = try run("/usr/bin/ssh", sshOptions(port: port, key: file) + ["admin@127.0.0.1", "id"])
        #expect(command.status == 1 && command.error.contains("NETCONF server"), "\(command)")
        let other = try run("/usr/bin/ssh", sshOptions(port: port, key: file) + ["-s", "admin@127.0.0.1", "sftp"])
        #expect(other.status != 0 && other.output.isEmpty)
      }
    }
  }

  /// In both directions, with and without keys that change on the way.
  @Test(arguments: ["RekeyLimit=default", "RekeyLimit=1M"])
  func muchArrivesWhole(_ option: String) async throws {
    try await onThreadOfItsOwn { [self] in
      let (file, key) = try directory.makeKey("id")
      users.update([.init(name: "admin", authorizedKeys: [key], passwordHash: nil)])
      try withServer { port in
        let words = ["ssh"] + sshOptions(port: port, key: file) + ["-o", option, "-s", "admin@127.0.0.1", "netconf"]
        let ssh = words.joined(separator: " ")
        let output = try run("/bin/sh", ["-c", "printf g | \(ssh) | wc -c"])
        #expect(output.output.contains("67108864"), "\(output.output) \(output.error)")
        let echo = try run("/bin/sh", ["-c", "head -c 16000000 /dev/zero | tr '\\0' x | \(ssh) | wc -c"])
        #expect(echo.output.contains("16000000"), "\(echo.output) \(echo.error)")
      }
    }
  }

  @Test func unauthenticatedConnectionsAreBounded() async throws {
    try await onThreadOfItsOwn { [self] in
      var connections = ConnectionLimiter.Limits()
      connections.unauthenticatedPerSource = 3
      var limits = SSHLimits()
      limits.loginGraceTime = .seconds(3)
      try withServer(limits: limits, connections: connections) { port in
        let sockets = (0..<5).map { _ in TCPClient(port: port) }
        // Those admitted get a banner; those refused are closed without one.
        let greeted = sockets.map { $0.read(seconds: 2).starts(with: Array("SSH-2.0".utf8)) }
        #expect(greeted.filter { $0 }.count == 3)
        // The grace time frees their places.
        let deadline = Date().addingTimeInterval(15)
        var isAdmitted = false
        while !isAdmitted, Date() < deadline {
          isAdmitted = TCPClient(port: port).read(seconds: 2).starts(with: Array("SSH-2.0".utf8))
          if !isAdmitted { Thread.sleep(forTimeInterval: 0.1) }
        }
        #expect(isAdmitted)
      }
    }
  }

  @Test func garbageEndsTheConnection() async throws {
    try await onThreadOfItsOwn { [self] in
      try withServer { port in
        for text in [
          "GET / HTTP/1.0\r\n\r\n", "SSH-1.5-old\r\n", String(repeating: "x", count: 100_000),
          "SSH-2.0-x\r\n" + String(repeating: "\u{1}", count: 5000),
        ] {
          let client = TCPClient(port: port)
          client.write(text)
          #expect(client.readToEnd(seconds: 5), "not closed after \(text.prefix(20))")
        }
      }
    }
  }
}

/// A plain TCP connection to a port of the loopback.
final class TCPClient {
  private let descriptor: Int32

  init(port: UInt16) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  deinit { close(descriptor) }

  func write(_ text: String) {
    _ = Array(text.utf8).withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  func read(seconds: Int) -> [UInt8] {
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    return Array(buffer.prefix(max(0, count)))
  }

  /// True when the other side closes within the time.
  func readToEnd(seconds: Int) -> Bool {
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count == 0 { return true }
      if count < 0 { return errno == ECONNRESET }
    }
  }
}
