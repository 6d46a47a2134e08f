// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Something that a KME is told to do wrong, for which requests, and how often.
public struct Fault: Equatable, Sendable {
  /// What goes wrong.
  public var behaviour: Behaviour
  /// The instance that it concerns, by name; `nil` for every instance.
  public var instance: String?
  /// The call that it concerns; `nil` for every call.
  public var call: Call?
  /// How many more times it strikes; `nil` until it is removed.
  public var count: Int?
  /// How many matching requests pass unharmed before.
  public var skip: Int

  /// Makes a fault.
  public init(
    _ behaviour: Behaviour, instance: String? = nil, call: Call? = nil, count: Int? = nil, skip: Int = 0
  ) {
    self.behaviour = behaviour
    self.instance = instance
    self.call = call
    self.count = count
    self.skip = skip
  }

  /// The kinds of misbehaviour.
  public enum Behaviour: Equatable, Sendable {
    /// The connection is closed as soon as it is accepted.
    case refuse
    /// The connection is reset as soon as it is accepted.
    case reset
    /// The connection is accepted and the TLS handshake is never answered.
    case silentHandshake
    /// The answer comes late.
    case delay(milliseconds: Int)
    /// The answer is an error of this status code; no key is made or taken.
    case status(Int)
    /// The body is no JSON.
    case malformedJSON
    /// Members of the body have another JSON type.
    case wrongTypes
    /// A required member is absent: the key ID, the remote systems, or the amount of entropy.
    case missingMember
    /// The body is empty.
    case emptyBody
    /// The key has another length than asked for, in bits.
    case wrongLengthKey(bits: Int)
    /// The hexadecimal text of the key has an odd number of digits.
    case oddDigits
    /// The key is not hexadecimal.
    case notHexadecimal
    /// The client gets another key than its peer.
    case wrongKey
    /// The key in the answer has another ID: not the one asked for, or one that the peer's KME does not know.
    case wrongKeyID
    /// A fetched key is found out of date; a new key is out of date before the peer can fetch it.
    case expiredKey
    /// The body is preceded by white space up to this many bytes: right, and too big.
    case oversizedBody(bytes: Int)
    /// The header has a field of this many bytes.
    case oversizedHeader(bytes: Int)
    /// The connection ends before, within or after the answer, without a closing alert.
    case drop(part: Part)
    /// The request is never answered, and the key is neither made nor taken.
    case noAnswer
    /// The answer comes byte by byte, with this pause between two bytes.
    case trickle(milliseconds: Int)
    /// The answer is no HTTP.
    case garbage
    /// The media type of the answer is text/html.
    case wrongContentType
    /// The answer redirects to another port that nobody listens on.
    case redirect
    /// A new key reaches the peer's KME this much later than its answer.
    case synchronisationDelay(milliseconds: Int)
    /// A new key never reaches the peer's KME, although the answer is 200.
    case synchronisationLoss
    /// A new key cannot be given to the peer's KME, and the answer is 500.
    case synchronisationFailure
  }

  /// Where a connection is dropped.
  public enum Part: String, Codable, CaseIterable, Sendable {
    /// After the request, before any byte of the answer; no key is made or taken.
    case request
    /// Within the header of the answer; the key is used up.
    case header
    /// Within the body of the answer; the key is used up.
    case body
    /// After the whole answer, which did not announce it: the next request on the connection fails.
    case afterAnswer = "after-answer"
  }

  /// Whether the fault strikes when a connection is accepted and not when a request comes.
  var concernsConnections: Bool {
    switch behaviour {
    case .refuse, .reset, .silentHandshake: true
    default: false
    }
  }
}
