// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Synchronization

/// A plain TCP server on a loopback port that gives canned answers to HTTP requests, one connection after the other.
final class CannedServer: Sendable {
  enum Reply: Sendable {
    /// A whole answer.
    case answer(Int, String)
    /// These bytes and the end of the connection.
    case bytes([UInt8])
    /// The end of the connection at once.
    case drop
    /// Nothing, for so long.
    case stall(TimeInterval)
  }

  let port: UInt16
  private let descriptor: Int32
  private let seen = Mutex<[String]>([])

  /// The targets of all requests so far.
  var requests: [String] { seen.withLock { $0 } }

  init(_ reply: @escaping @Sendable (_ target: String, _ number: Int) -> Reply) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, 4)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 64) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw POSIXError(.EADDRINUSE) }
    self.descriptor = descriptor
    port = UInt16(bigEndian: address.sin_port)
    let seen: @Sendable (String) -> Int = { [weak self] target in
      self?.seen.withLock {
        $0.append(target)
        return $0.count
      } ?? 0
    }
    Thread.detachNewThread {
      while true {
        let connection = accept(descriptor, nil, nil)
        guard connection >= 0 else {
          close(descriptor)
          return
        }
        Thread.detachNewThread {
          Self.serve(connection, seen, reply)
          close(connection)
        }
      }
    }
  }

  deinit {
    shutdown(descriptor, Int32(SHUT_RDWR))  // ends the thread, which closes it
  }

  private static func serve(
    _ connection: Int32, _ seen: (String) -> Int, _ reply: (String, Int) -> Reply
  ) {
    var request: [UInt8] = []
    while !String(decoding: request, as: UTF8.self).contains("\r\n\r\n") {
      var buffer = [UInt8](repeating: 0, count: 4_096)
      let count = read(connection, &buffer, buffer.count)
      guard count > 0 else { return }
      request += buffer[..<count]
    }
    let target = String(decoding: request, as: UTF8.self).split(separator: " ").dropFirst().first ?? ""
    switch reply(String(target), seen(String(target))) {
    case .answer(let status, let body): send(connection, Array(Self.http(status, body).utf8))
    case .bytes(let bytes): send(connection, bytes)
    case .drop: return
    case .stall(let time): Thread.sleep(forTimeInterval: time)
    }
  }

  private static func send(_ connection: Int32, _ bytes: [UInt8]) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Foundation.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      sent += count
    }
  }

  static func http(_ status: Int, _ body: String, headers: String = "") -> String {
    "HTTP/1.1 \(status) Whatever\r\nContent-Type: application/json\r\n\(headers)"
      + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
  }
}

/// The canned answers of a SKIP key provider, written from the protocol's description.
enum CannedKME {
  static let capabilities =
    #"{"entropy":true,"key":true,"algorithm":"PRF","localSystemID":"KP-A","remoteSystemID":["KP-A","KP-B"]}"#
  static let keyID = "D6d60Ffb7e98f4ff"
  static let keyDigits = String(repeating: "5aA5", count: 16)
  static let key = #"{"keyId":"\#(keyID)","key":"\#(keyDigits)"}"#
  static let entropy = #"{"randomStr":"00112233445566778899AAbbCCddEEff","minentropy":128}"#

  /// What a key provider in good order answers.
  static func reply(_ target: String) -> CannedServer.Reply {
    switch target {
    case "/capabilities": .answer(200, capabilities)
    case "/key?remoteSystemID=KP-B", "/key?remoteSystemID=KP-B&size=256", "/key/\(keyID)?remoteSystemID=KP-B":
      .answer(200, key)
    case "/entropy?minentropy=128": .answer(200, entropy)
    default: .answer(404, "{}")
    }
  }
}
