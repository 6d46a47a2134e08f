// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService

/// The four requests of SKIP (draft-cisco-skip-02): all are GET without a body.
enum SKIPRequest: Sendable, Hashable {
  case capabilities
  case newKey(remote: String, sizeInBits: Int?)
  case key(KeyIdentifier, remote: String)
  case entropy(bits: Int?)

  /// The request target: path and query, percent-encoded. Names of parameters are case-sensitive.
  var target: String {
    switch self {
    case .capabilities: "/capabilities"
    case .newKey(let remote, let size):
      "/key?remoteSystemID=\(Self.encoded(remote.utf8))" + (size.map { "&size=\($0)" } ?? "")
    case .key(let identifier, let remote):
      "/key/\(Self.encoded(identifier.bytes))?remoteSystemID=\(Self.encoded(remote.utf8))"
    case .entropy(let bits): "/entropy" + (bits.map { "?minentropy=\($0)" } ?? "")
    }
  }

  var transactionType: TransactionType {
    switch self {
    case .capabilities: .getCapability
    case .newKey: .getKey
    case .key: .getKeyWithID
    case .entropy: .getEntropy
    }
  }

  /// Whether sending it a second time could lose a key.
  var deliversKey: Bool {
    switch self {
    case .newKey, .key: true
    case .capabilities, .entropy: false
    }
  }

  /// Percent-encoding of all but the unreserved characters (RFC 3986 section 2.3).
  private static func encoded(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var text: [UInt8] = []
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        text.append(byte)
      default: text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}

extension KeyIdentifier {
  /// SKIP's identifiers are hexadecimal digits of either case; their number is not fixed.
  var isHexadecimal: Bool { bytes.allSatisfy { JSONScanner.hexadecimalDigit($0) != nil } }
}
