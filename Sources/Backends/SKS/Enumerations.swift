// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

// The enumerations of Cisco-IOS-XR-sks-server-oper, with its values.

/// Sks-httpc-transaction.
public enum TransactionType: UInt8, Sendable, Hashable, CaseIterable {
  case unknown = 0
  case getCapability = 1
  case getKey = 2
  case getKeyWithID = 3
  case getEntropy = 4
}

/// Sks-httpc-server-connection-status: how far the connection to the key management entity is.
public enum ConnectionStatus: UInt8, Sendable, Hashable, CaseIterable {
  /// No server is configured.
  case unknown = 0
  /// No capabilities are known yet; a request for them is due, on its way, or could not be sent.
  case connecting = 1
  /// The capabilities are known.
  case connected = 2
  /// The capabilities are known but are asked for again; keys can be requested meanwhile.
  case capabilityRefresh = 3
  /// The request for the capabilities was sent, but its answer is missing, an error, or invalid.
  case capabilityFailed = 4
  /// The HTTP client could not take the request: a source interface, VRF or credential is unusable.
  case registrationFailed = 5
}

/// Sks-httpc-server-refresh-reason: what last made the session begin anew or move.
public enum RefreshReason: UInt8, Sendable, Hashable, CaseIterable {
  case unknown = 0
  /// The VRF was set, changed or removed.
  case vrfUpdate = 1
  /// The server was set or changed.
  case serverUpdate = 2
  /// The server was removed.
  case serverRemoved = 3
  /// The source interface was set or changed.
  case sourceInterfaceUpdate = 4
  /// The source interface was removed.
  case sourceInterfaceRemoved = 5
  /// The HTTP client could not take the request.
  case clientRegistrationFailed = 6
  /// A request could not be sent.
  case sendRequestFailed = 7
  /// The periodic request for the capabilities was sent.
  case sendRequest = 8
  /// The answer with the capabilities is missing, an error, or invalid.
  case receiveResponseFailed = 9
  /// The capabilities were received again.
  case receiveResponse = 10
  /// The answer to a request for a key or entropy is missing, an error, or invalid.
  case receiveKeyResponseFailed = 11
  /// The server, connected before, can no longer be reached.
  case clientDown = 12
  /// The server can be reached again.
  case clientUp = 13
  /// The HTTP proxy was set or changed.
  case proxyUpdate = 14
  /// The HTTP proxy was removed.
  case proxyRemoved = 15
  /// The TLS credential (pre-shared key or certificates) was set or changed.
  case tlsPSKUpdate = 16
  /// The TLS credential was removed.
  case tlsPSKRemoved = 17

  /// Whether it tells of a failure that the next success ends.
  var isFailure: Bool {
    switch self {
    case .clientRegistrationFailed, .sendRequestFailed, .receiveResponseFailed, .receiveKeyResponseFailed,
      .clientDown:
      true
    default: false
    }
  }
}

/// Sks-tls-auth: how the two ends of TLS know each other.
public enum TLSAuthentication: UInt8, Sendable, Hashable, CaseIterable {
  case unknown = 0
  case psk = 1
  case certificate = 2
}
