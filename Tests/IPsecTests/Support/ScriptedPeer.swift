// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Synchronization

@testable import IPsec

/// A peer on a Unix socket that answers as a test tells it, in this process: each packet read is handed to the script,
/// whose bytes are written; nil closes the connection.
final class ScriptedPeer: Sendable {
  typealias Script = @Sendable (_ connection: Int, _ packet: VICIPacket) -> [UInt8]?

  let path: String
  private let listener: Int32
  private let open = Mutex<[Int32]>([])

  init(path: String, script: @escaping Script) throws {
    self.path = path
    unlink(path)
    let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard bound == 0, listen(listener, 8) == 0 else { throw VICIError(.system, systemReason()) }
    let thread = Thread { [weak self] in
      var count = 0
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return }
        self?.open.withLock { $0.append(connection) }
        let number = count
        count += 1
        Thread { Self.serve(connection, number, script) }.start()
      }
    }
    thread.start()
  }

  private static func serve(_ connection: Int32, _ number: Int, _ script: Script) {
    var reader = VICIPacketReader()
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = read(connection, &buffer, buffer.count)
      guard count > 0 else { break }
      reader.feed(buffer[..<count])
      while let packet = try? reader.next() {
        guard let answer = script(number, packet) else {
          shutdown(connection, Int32(SHUT_RDWR))
          return
        }
        var rest = answer[...]
        while !rest.isEmpty {
          let sent = rest.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
          guard sent > 0 else { return }
          rest = rest.dropFirst(sent)
        }
      }
    }
  }

  /// Breaks every connection and takes no more.
  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
    for connection in open.withLock({ $0 }) { shutdown(connection, Int32(SHUT_RDWR)) }
    unlink(path)
  }

  /// What a charon of that version answers to the greeting; for scripts that only care about the rest.
  static func greeting(_ packet: VICIPacket) -> [UInt8]? {
    var message = VICIMessage()
    message.add("daemon", "charon-systemd")
    message.add("version", "5.9.8")
    return switch packet {
    case .request("version", _): try? VICIPacket.response(message).framed()
    case .register, .unregister: try? VICIPacket.confirmed.framed()
    default: try? VICIPacket.response(VICIMessage()).framed()
    }
  }
}

/// Notices of a client, which tests wait for.
final class NoticeLog: Sendable {
  private let notices = Mutex<[VICIClient.Notice]>([])

  func append(_ notice: VICIClient.Notice) { notices.withLock { $0.append(notice) } }
  var all: [VICIClient.Notice] { notices.withLock { $0 } }

  /// Whether a notice comes that fits, within the time.
  func wait(
    atMost limit: Duration = .seconds(10), for fits: @Sendable (VICIClient.Notice) -> Bool
  ) async -> Bool {
    await eventually(atMost: limit) { self.all.contains(where: fits) }
  }

  func waitForReady(count: Int = 1) async -> Bool {
    await eventually {
      self.all.filter { if case .ready = $0 { true } else { false } }.count >= count
    }
  }
}

/// Asks every few milliseconds until the condition holds.
func eventually(atMost limit: Duration = .seconds(10), _ condition: () async -> Bool) async -> Bool {
  let deadline = ContinuousClock.now.advanced(by: limit)
  while ContinuousClock.now < deadline {
    if await condition() { return true }
    try? await Task.sleep(for: .milliseconds(5))
  }
  return await condition()
}

/// A directory of a test, removed with it. Short, since socket paths have 108 bytes.
final class TestDirectory: Sendable {
  let path: String

  init() {
    path = FileManager.default.temporaryDirectory.path + "/ipsec-\(UInt32.random(in: 0 ... .max))"
    try? FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
