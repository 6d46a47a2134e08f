// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Secrets

/// What became of an HTTP request.
enum HTTPResult: Sendable {
  /// A complete answer, of whatever status.
  case response(status: UInt16, body: SecretBytes)
  case failure(TransportFailure)
}

/// Why a request has no complete answer.
struct TransportFailure: Error, Sendable, Hashable {
  /// How far the request came. What counts is whether the server can have processed it.
  enum Stage: UInt8, Sendable, Hashable {
    /// The HTTP client could not take it.
    case refused
    /// Nothing of it was sent.
    case notSent
    /// Some of it was sent, no complete answer came.
    case noAnswer
  }

  enum Cause: UInt8, Sendable, Hashable {
    case other, resolve, resolveProxy, connect, timeout, tls, certificate, proxyRefused, send, receive, closed
    case answerTooLarge, sourceInterface, vrf, credential, malformedAnswer
  }

  var stage: Stage
  var cause: Cause
  /// libcurl's result code.
  var clientCode: UInt16
  /// The system's error number, 0 if none is known.
  var systemError: Int32 = 0
  /// The status with which a proxy refused to tunnel, 0 otherwise.
  var proxyStatus: UInt16 = 0
}

extension TransportFailure: CustomStringConvertible {
  var description: String {
    let what =
      switch cause {
      case .other: "the HTTP client failed with code \(clientCode)"
      case .resolve: "the server's name cannot be resolved"
      case .resolveProxy: "the proxy's name cannot be resolved"
      case .connect: "no connection to the server"
      case .timeout: stage == .noAnswer ? "no answer in time" : "no connection to the server in time"
      case .tls: "the TLS handshake failed"
      case .certificate: "the server's certificate is not trusted, or it did not prove to know the pre-shared key"
      case .proxyRefused: "the proxy refused to tunnel"
      case .send: "sending the request failed"
      case .receive: "receiving the answer failed"
      case .closed: "the server closed the connection without an answer"
      case .answerTooLarge: "the answer is larger than \(SKIPAnswer.maximumLength) bytes"
      case .sourceInterface: "the source interface does not exist or has no fitting address"
      case .vrf: "the connection cannot be bound to the VRF"
      case .credential: "the TLS credential is unusable"
      case .malformedAnswer: "the answer is not HTTP"
      }
    if proxyStatus != 0 { return "\(what): \(HTTPStatus.text(proxyStatus))" }
    return systemError == 0 ? what : "\(what): \(String(cString: strerror(systemError)))"
  }
}

/// Names of HTTP status codes.
enum HTTPStatus {
  private static let names: [UInt16: String] = [
    200: "OK", 204: "No Content", 301: "Moved Permanently", 302: "Found", 307: "Temporary Redirect",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    407: "Proxy Authentication Required", 408: "Request Timeout", 429: "Too Many Requests",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout",
  ]

  static func text(_ status: UInt16) -> String {
    names[status].map { "\(status) \($0)" } ?? "\(status)"
  }
}
