// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The calls that a KME answers, by the names that faults, statistics and the request log use.
public enum Call: String, Codable, CaseIterable, Sendable {
  /// SKIP: GET /capabilities.
  case capabilities
  /// SKIP: GET /key, which makes a new key.
  case key
  /// SKIP: GET /key/{keyId}, which fetches a key that the peer's KME made.
  case keyByID = "key-by-id"
  /// SKIP: GET /entropy.
  case entropy
  /// ETSI GS QKD 014: Get status.
  case etsiStatus = "etsi-status"
  /// ETSI GS QKD 014: Get key.
  case etsiEncKeys = "etsi-enc-keys"
  /// ETSI GS QKD 014: Get key with key IDs.
  case etsiDecKeys = "etsi-dec-keys"
  /// Any other path.
  case unknown
}

extension Call {
  /// Which call a path names, before anything else is checked: even a wrong request is counted under its call.
  init(path: [String]) {
    switch path.first {
    case "capabilities" where path.count == 1: self = .capabilities
    case "key" where path.count == 1: self = .key
    case "key" where path.count == 2: self = .keyByID
    case "entropy" where path.count == 1: self = .entropy
    case "api" where path.count == 5 && path[1] == "v1" && path[2] == "keys":
      switch path[4] {
      case "status": self = .etsiStatus
      case "enc_keys": self = .etsiEncKeys
      case "dec_keys": self = .etsiDecKeys
      default: self = .unknown
      }
    default: self = .unknown
    }
  }

  /// Whether the call is one of ETSI GS QKD 014.
  var isETSI: Bool {
    switch self {
    case .etsiStatus, .etsiEncKeys, .etsiDecKeys: true
    default: false
    }
  }
}
