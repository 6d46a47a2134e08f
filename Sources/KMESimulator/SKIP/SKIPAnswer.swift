// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The content of a 200 answer of SKIP.
enum SKIPAnswer: Equatable {
  case capabilities(Capabilities)
  case key(id: String, key: [UInt8])
  case entropy([UInt8])

  /// The answer's JSON body.
  func body(letters: Hexadecimal.LetterCase, deformation: CallAnswer.Deformation?) -> [UInt8] {
    var text = JSONText()
    text.object { text in
      switch self {
      case .capabilities(let capabilities): capabilities.write(to: &text, deformation)
      case .key(let id, let key):
        if deformation != .missingMember { text.member("keyId", id) }
        switch deformation {
        case .wrongTypes: text.member("key", key.count)
        case .oddDigits: text.member("key", plain: Hexadecimal.encode(key, letters: letters).dropLast())
        case .notHexadecimal: text.member("key", String(repeating: "zx", count: key.count))
        default: text.member("key", plain: Hexadecimal.encode(key, letters: letters))
        }
      case .entropy(let bytes):
        switch deformation {
        case .wrongTypes: text.member("randomStr", bytes.count)
        case .oddDigits: text.member("randomStr", plain: Hexadecimal.encode(bytes, letters: letters).dropLast())
        case .notHexadecimal: text.member("randomStr", String(repeating: "zx", count: bytes.count))
        default: text.member("randomStr", plain: Hexadecimal.encode(bytes, letters: letters))
        }
        if deformation != .missingMember { text.member("minentropy", bytes.count * 8) }
      }
    }
    return text.bytes
  }
}

/// What a KME says of itself (draft-cisco-skip-02, capabilities).
struct Capabilities: Equatable {
  var offersEntropy: Bool
  var offersKey: Bool
  var algorithm: String
  var localSystemID: String
  var remoteSystemIDs: [String]

  func write(to text: inout JSONText, _ deformation: CallAnswer.Deformation?) {
    if deformation == .wrongTypes {
      text.member("entropy", offersEntropy ? "yes" : "no")
    } else {
      text.member("entropy", offersEntropy)
    }
    text.member("key", offersKey)
    text.member("algorithm", algorithm)
    text.member("localSystemID", localSystemID)
    if deformation != .missingMember { text.member("remoteSystemID", remoteSystemIDs) }
  }
}
