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
    var candidates: [String] = []
    for entry in capabilities.remoteSystems
    where RemotePattern(entry).literalName != capabilities.localSystem && !candidates.contains(entry) {
      candidates.append(entry)
    }
    guard candidates.count <= 1 else { throw .ambiguousRemote(candidates: candidates) }
    guard let only = candidates.first, let name = RemotePattern(only).literalName else {
      throw .undeterminedRemote(offered: capabilities.remoteSystems)
    }
    return name
  }
}
