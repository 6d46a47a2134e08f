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
