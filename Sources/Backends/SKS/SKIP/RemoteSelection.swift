// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService

/// Who the remote system of a request is.
///
/// SKIP wants a concrete name in every key request, and a key management entity lists names and patterns. The
/// consumer's choice comes first, then the profile's. Without either, the remote is inferred only where nothing else is
/// possible: the list, without this system itself, holds one entry and that is a name.
enum RemoteSelection {
  static func select(
    requested: String?, configured: String?, capabilities: KeyServiceCapabilities
  ) throws(KeyServiceError) -> String {
    if let remote = requested ?? configured {
      guard capabilities.remoteSystems.contains(where: { RemotePattern($0).matches(remote) }) else {
        throw .remoteNotServed(remote, offered: capabilities.remoteSystems)
      }
      return remote
    }
    let candidates = candidates(capabilities)
    guard candidates.count <= 1 else { throw .ambiguousRemote(candidates: candidates) }
    guard let only = candidates.first, let name = RemotePattern(only).literalName else {
      throw .undeterminedRemote(offered: capabilities.remoteSystems)
    }
    return name
  }

  /// The different entries of the list without this system itself.
  private static func candidates(_ capabilities: KeyServiceCapabilities) -> [String] {
    var candidates: [String] = []
    for entry in capabilities.remoteSystems
    where RemotePattern(entry).literalName != capabilities.localSystem && !candidates.contains(entry) {
      candidates.append(entry)
    }
    return candidates
  }

  /// Who the remote system is when a consumer names none.
  enum Finding: Sendable, Hashable {
    case configured(String, pattern: String)
    case inferred(String)
    /// There may be several.
    case ambiguous
    /// The configured one is not in the list.
    case notServed
    /// The list names only this system itself.
    case none
  }

  static func find(configured: String?, capabilities: KeyServiceCapabilities) -> Finding {
    if let configured {
      let pattern = capabilities.remoteSystems.first { RemotePattern($0).matches(configured) }
      return pattern.map { .configured(configured, pattern: $0) } ?? .notServed
    }
    let candidates = candidates(capabilities)
    guard let first = candidates.first else { return .none }
    guard candidates.count == 1, let name = RemotePattern(first).literalName else { return .ambiguous }
    return .inferred(name)
  }
}
