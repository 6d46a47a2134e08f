// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// A question of charon's plugin: the key of a PPK ID that a far end has named.
///
///     question  version (1)  length of the rest (2)  length (2) PPK ID  length (2) connection
///     answer    version (1)  status (1)  length (2) key
///
/// Numbers are big endian. One question and one answer for each connection of the socket.
struct PPKQuestion: Sendable, Equatable {
  static let version: UInt8 = 1
  static let mostOfField = 512
  static let headerLength = 3

  let id: String
  /// The name of the connection that charon has chosen for the far end.
  let connection: String

  /// What octets that have come are, so far.
  enum Decoded: Equatable {
    case incomplete
    case question(PPKQuestion)
    case malformed
  }

  static func decode(_ bytes: [UInt8]) -> Decoded {
    if let first = bytes.first, first != version { return .malformed }
    guard bytes.count >= headerLength else { return .incomplete }
    let length = Int(bytes[1]) << 8 | Int(bytes[2])
    guard length <= 2 * (2 + mostOfField), bytes.count <= headerLength + length else { return .malformed }
    guard bytes.count == headerLength + length else { return .incomplete }
    var rest = bytes.dropFirst(headerLength)
    guard let id = field(&rest), let connection = field(&rest), rest.isEmpty, !id.isEmpty else { return .malformed }
    return .question(PPKQuestion(id: id, connection: connection))
  }

  private static func field(_ rest: inout ArraySlice<UInt8>) -> String? {
    guard rest.count >= 2 else { return nil }
    let length = Int(rest.removeFirst()) << 8 | Int(rest.removeFirst())
    guard length <= mostOfField, length <= rest.count else { return nil }
    let bytes = rest.prefix(length)
    rest = rest.dropFirst(length)
    return String(validating: bytes, as: UTF8.self)
  }
}

/// The answer to a ``PPKQuestion``.
enum PPKAnswer: Sendable {
  case found(SecretBytes)
  /// There is no key of that ID, or none for that connection.
  case notFound
  /// It could not be had now.
  case unavailable

  static let mostOfKey = 512

  /// The octets to send; wiped with the value. A key that is empty or too long for the plugin is `unavailable`.
  func encoded() -> SecretBytes {
    switch self {
    case .found(let key) where (1...Self.mostOfKey).contains(key.count):
      SecretBytes(capacity: 4 + key.count) { target in
        target.copyBytes(from: [PPKQuestion.version, 0, UInt8(key.count >> 8), UInt8(key.count & 0xff)])
        key.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: target[4...]).copyMemory(from: $0) }
        return 4 + key.count
      }
    case .notFound: SecretBytes(copying: [PPKQuestion.version, 1, 0, 0])
    case .found, .unavailable: SecretBytes(copying: [PPKQuestion.version, 2, 0, 0])
    }
  }
}
