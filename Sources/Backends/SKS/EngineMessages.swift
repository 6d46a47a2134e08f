// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets

// What goes into and comes out of a profile's engine.

/// Names a consumer's request within this process.
struct RequestID: Sendable, Hashable {
  let number: UInt64
}

/// What a consumer asks of a profile.
enum ConsumerRequest: Sendable, Hashable {
  case capabilities
  case newKey(remote: String?, sizeInBits: Int?)
  case key(KeyIdentifier, remote: String?, sizeInBits: Int?)
  case entropy(bits: Int?)

  /// Whether it asks for a key of the remote system that the profile names.
  var usesConfiguredRemote: Bool {
    switch self {
    case .newKey(nil, _), .key(_, nil, _): true
    default: false
    }
  }
}

/// What a consumer gets.
enum ConsumerAnswer: Sendable {
  case capabilities(KeyServiceCapabilities)
  case key(KeyMaterial)
  case entropy(SecretBytes)
}

/// What the shell has to do for an engine.
enum EngineEffect: Sendable {
  /// Send a request on a connection of its own; its result comes back as ``ProfileEngine/result``.
  case start(StartRequest)
  /// Give up a request; a result that comes nevertheless is counted as ignored.
  case cancel(transaction: UInt32)
  /// Answer a consumer.
  case complete(RequestID, Result<ConsumerAnswer, KeyServiceError>)
  /// Tell whoever watches.
  case event(ConnectionEvent, ConnectionDetails)
}

/// A request to send.
struct StartRequest: Sendable, Hashable {
  var transaction: UInt32
  var request: SKIPRequest
  /// The hash of the pre-shared key in TLS 1.3, where one is used.
  var hash: TLSHash
}

/// The hash that a pre-shared key is bound to in one TLS 1.3 handshake.
enum TLSHash: UInt8, Sendable, Hashable {
  case sha256
  case sha384
}

/// Whom a ``ConnectionEvent`` is about.
public struct ConnectionDetails: Sendable, Hashable {
  /// The key management entity that was connected.
  public var server: Endpoint
  /// What it offers; when it is lost, what it offered.
  public var capabilities: KeyServiceCapabilities
}

/// The connection to a key management entity came or went.
public enum ConnectionEvent: Sendable, Hashable {
  case connected
  /// Why, as a text for the operator.
  case lost(RefreshReason, detail: String)
}
