// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why a negotiation failed, or what it did without: read from charon's log, which alone tells these apart.
///
/// The texts are those of strongSwan 5.9 and 6.0, and carry names that the far end chose: they are bounded, and are told
/// but not acted upon, except for PPK IDs, which are.
public enum NegotiationReport: Sendable, Equatable {
  /// The negotiation ends because of it.
  case failure(String)
  /// A PPK of that ID was used.
  case ppkUsed(id: String)
  /// No PPK was found for an ID that the far end, or our own configuration, named.
  case ppkMissing(id: String, isRequired: Bool)

  /// Why the negotiation ends, if it does.
  var failureReason: String? { if case .failure(let reason) = self { reason } else { nil } }

  public static let longestName = 255
  /// The reason of a failure after which charon itself tries again.
  public static let noAnswer = "the far end does not answer"

  /// Nil for all other lines.
  public init?(_ message: String) {
    if let id = Self.quoted(message, after: "using PPK for PPK_ID ") {
      self = .ppkUsed(id: id)
    } else if let id = Self.quoted(message, after: "PPK required but no PPK found for ") {
      self = .ppkMissing(id: id, isRequired: true)
    } else if message.hasPrefix("no PPK for "), let id = Self.quoted(message, after: "no PPK for ") {
      self = .ppkMissing(id: id, isRequired: false)
    } else if let reason = Self.failure(message) {
      self = .failure(reason)
    } else {
      return nil
    }
  }

  /// What charon logs, and what it means.
  private static let failures: [(begin: String, reason: String)] = [
    ("PPK required but peer does not support PPK", "a PPK is required and the far end does not use PPKs"),
    ("PPK required but no PPK_IDENTITY received", "a PPK is required and the far end names none"),
    ("PPK required but no PPK_ID configured", "a PPK is required and none is known yet"),
    ("peer didn't use PPK for PPK_ID", "a PPK is required and the far end did not use ours"),
    ("received PPK_ID ", "the far end names another PPK than the configured one"),
    ("received AUTHENTICATION_FAILED notify", "the far end refuses our authentication"),
    ("received NO_PROPOSAL_CHOSEN notify", "the far end accepts none of our proposals"),
    ("received TS_UNACCEPTABLE notify", "the far end does not accept a tunnel for all traffic"),
    ("received INVALID_KE_PAYLOAD notify", "the far end accepts none of our Diffie-Hellman groups"),
    ("received ", ""),
    ("no shared key found for ", "there is no preshared key for the far end's identity"),
    ("no trusted ", "there is no trusted certificate of the far end"),
    ("no private key found for ", "there is no private key for our identity"),
    ("peer certificate verification failed", "the far end's certificate is not valid"),
    ("no matching peer config found", "no profile matches the far end's identity"),
    ("no alternative config found", "no profile matches the far end's identity and authentication"),
    ("no IKE config found for ", "no tunnel between these addresses is configured"),
    ("no acceptable proposal found", "the far end offers no algorithms that are configured"),
    ("no acceptable traffic selectors found", "the far end does not want a tunnel for all traffic"),
    ("giving up after ", noAnswer),
    ("peer not responding", noAnswer),
  ]

  private static func failure(_ message: String) -> String? {
    if message.hasPrefix("tried "), message.hasSuffix("but MAC mismatched") {
      return "the far end has another preshared key, or another PPK"
    }
    guard let reason = failures.first(where: { message.hasPrefix($0.begin) })?.reason, !reason.isEmpty else {
      return nil
    }
    return reason
  }

  /// The text between the quote that follows and the last quote of the line.
  private static func quoted(_ message: String, after begin: String) -> String? {
    guard message.hasPrefix(begin + "'") else { return nil }
    let rest = message.dropFirst(begin.count + 1)
    guard let end = rest.lastIndex(of: "'"), rest[..<end].utf8.count <= longestName else { return nil }
    return String(rest[..<end])
  }
}
