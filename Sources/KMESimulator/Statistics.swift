// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What one instance has seen since it started or since its statistics were reset.
public struct Statistics: Codable, Equatable, Sendable {
  /// Connections accepted, those that a fault closed at once included.
  public var connections = 0
  /// Connections that a fault closed, reset or left unanswered at once.
  public var connectionsRefused = 0
  /// TLS handshakes that came to their end.
  public var handshakesCompleted = 0
  /// TLS handshakes that failed.
  public var handshakesFailed = 0
  /// Requests seen, by call; every call is present, also with 0.
  public var requests: [String: Int] = Dictionary(uniqueKeysWithValues: Call.allCases.map { ($0.rawValue, 0) })
  /// Bytes that were no HTTP request.
  public var malformedRequests = 0
  /// Answers given, by status code; answers cut short by a fault are included.
  public var answers: [String: Int] = [:]
  /// Requests and connections that a fault struck, by kind of fault.
  public var faults: [String: Int] = [:]
  /// Keys made for a client of this instance.
  public var keysMade = 0
  /// Keys fetched by their ID from this instance.
  public var keysFetched = 0
  /// Keys that wait to be fetched.
  public var keysHeld = 0
  /// Keys that went out of date before they were fetched.
  public var keysExpired = 0

  private enum CodingKeys: String, CodingKey {
    case connections
    case connectionsRefused = "connections-refused"
    case handshakesCompleted = "handshakes-completed"
    case handshakesFailed = "handshakes-failed"
    case requests
    case malformedRequests = "malformed-requests"
    case answers, faults
    case keysMade = "keys-made"
    case keysFetched = "keys-fetched"
    case keysHeld = "keys-held"
    case keysExpired = "keys-expired"
  }

  /// Starts with nothing seen.
  public init() {}

  mutating func count(_ call: Call) { requests[call.rawValue, default: 0] += 1 }
  mutating func count(answer status: Int) { answers[String(status), default: 0] += 1 }
  mutating func count(fault behaviour: Fault.Behaviour) { faults[FaultForm.parts(of: behaviour).kind, default: 0] += 1 }
}

/// One request in the log of recent requests, without key material.
public struct LoggedRequest: Codable, Equatable, Sendable {
  /// Counts up over all instances of the process.
  public var number: Int
  /// The instance that got it.
  public var instance: String
  /// What was asked.
  public var call: Call
  /// The number of the connection it came over, so that a test sees whether a connection was used again.
  public var connection: UInt64
  /// The PSK identity or the common name of the client's certificate.
  public var client: String?
  /// The method and target, as decoded.
  public var method: String
  /// The key identifier asked for or handed out.
  public var keyID: String?
  /// The remote system or SAE named in the request.
  public var remote: String?
  /// The status code of the answer; `nil` when a fault left it without.
  public var status: Int?

  private enum CodingKeys: String, CodingKey {
    case number, instance, call, connection, client, method
    case keyID = "key-id"
    case remote, status
  }
}
