// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why a key service could not do what a consumer asked.
public enum KeyServiceError: Error, Sendable, Hashable {
  /// There is no profile of this name.
  case unknownProfile(String)
  /// The profile names no key management entity.
  case notConfigured(profile: String)
  /// The key management entity was not reached in time; the text says why.
  case notConnected(String)
  /// The key management entity says that it does not serve this ("keys", "entropy").
  case notOffered(String)
  /// No remote system is configured and several are possible.
  case ambiguousRemote(candidates: [String])
  /// No remote system is configured and none can be inferred from these patterns.
  case undeterminedRemote(offered: [String])
  /// The remote system matches nothing that the key management entity serves.
  case remoteNotServed(String, offered: [String])
  /// The request itself is wrong; the text says what.
  case invalidRequest(String)
  /// The key management entity does not give this key (unknown, already delivered, or never synchronized).
  case keyNotFound(KeyIdentifier)
  /// The key management entity answered with an HTTP error.
  case refused(status: Int)
  /// The answer's content was wrong; the text says what, without any key.
  case invalidAnswer(String)
  /// The request may have been processed but no answer came: the key is lost. The text says what happened.
  case deliveryInDoubt(String)
  /// The request was given up by its consumer, or its profile was changed or removed.
  case cancelled(String)
  /// Too many requests wait already.
  case busy
  /// A key cannot go from one state to the other.
  case illegalTransition(from: KeyState, to: KeyState)

  /// Whether the key that was asked for, or about, must count as burned.
  public var burnsKey: Bool {
    switch self {
    case .keyNotFound, .invalidAnswer, .deliveryInDoubt, .cancelled: true
    case .unknownProfile, .notConfigured, .notConnected, .notOffered, .ambiguousRemote, .undeterminedRemote,
      .remoteNotServed, .invalidRequest, .refused, .busy, .illegalTransition:
      false
    }
  }
}

extension KeyServiceError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unknownProfile(let name): "there is no key service profile \(name)"
    case .notConfigured(let name): "profile \(name) names no key management entity"
    case .notConnected(let why): "the key management entity was not reached in time: \(why)"
    case .notOffered(let what): "the key management entity does not offer \(what)"
    case .ambiguousRemote(let candidates):
      "no remote system is configured and several are possible: \(candidates.joined(separator: ", "))"
    case .undeterminedRemote(let offered):
      "no remote system is configured and none can be inferred from: \(offered.joined(separator: ", "))"
    case .remoteNotServed(let remote, let offered):
      "remote system \(remote) is not served; the key management entity serves \(offered.joined(separator: ", "))"
    case .invalidRequest(let what): what
    case .keyNotFound(let identifier): "the key management entity does not give key \(identifier)"
    case .refused(let status): "the key management entity answered with status \(status)"
    case .invalidAnswer(let what): "the key management entity's answer is invalid: \(what)"
    case .deliveryInDoubt(let what): "the key counts as lost, its delivery is in doubt: \(what)"
    case .cancelled(let why): "the request was cancelled: \(why)"
    case .busy: "too many key requests are waiting"
    case .illegalTransition(let from, let to): "a key cannot go from \(from) to \(to)"
    }
  }
}
