// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import FoundationEssentials

/// The content of a 200 answer of ETSI GS QKD 014 (section 6).
enum ETSIAnswer: Equatable {
  case status(ETSIStatus)
  case keys([SharedKey])

  func body(deformation: CallAnswer.Deformation?) -> [UInt8] {
    var text = JSONText()
    text.object { text in
      switch self {
      case .status(let status): status.write(to: &text, deformation)
      case .keys(let keys):
        text.array("keys") { text in
          for key in keys { text.object { Self.write(key, to: &$0, deformation) } }
        }
      }
    }
    return text.bytes
  }

  private static func write(_ key: SharedKey, to text: inout JSONText, _ deformation: CallAnswer.Deformation?) {
    if deformation != .missingMember { text.member("key_ID", key.id) }
    let base64 = Array(Data(key.bytes).base64EncodedString().utf8)
    switch deformation {
    case .wrongTypes: text.member("key", key.bytes.count)
    case .oddDigits: text.member("key", plain: base64.dropLast())
    case .notHexadecimal: text.member("key", String(repeating: "!", count: base64.count))
    default: text.member("key", plain: base64)
    }
  }
}

/// What a KME says of a pair of SAEs.
struct ETSIStatus: Equatable {
  var sourceKME: String
  var targetKME: String
  var masterSAE: String
  var slaveSAE: String
  var keySize: Int
  var storedKeyCount: Int
  var maximumKeyCount: Int
  var maximumKeysPerRequest: Int
  var maximumKeySize: Int
  var minimumKeySize: Int

  func write(to text: inout JSONText, _ deformation: CallAnswer.Deformation?) {
    text.member("source_KME_ID", sourceKME)
    if deformation != .missingMember { text.member("target_KME_ID", targetKME) }
    text.member("master_SAE_ID", masterSAE)
    text.member("slave_SAE_ID", slaveSAE)
    if deformation == .wrongTypes {
      text.member("key_size", String(keySize))
    } else {
      text.member("key_size", keySize)
    }
    text.member("stored_key_count", storedKeyCount)
    text.member("max_key_count", maximumKeyCount)
    text.member("max_key_per_request", maximumKeysPerRequest)
    text.member("max_key_size", maximumKeySize)
    text.member("min_key_size", minimumKeySize)
    text.member("max_SAE_ID_count", 0)
  }
}
