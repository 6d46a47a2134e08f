// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import YANG

/// Features of the protocol's own modules.
public enum ProtocolFeatures {
  /// What this server does, by module: for the selection of features that the schema is compiled with. Features of
  /// modules that are not named here are not the server's affair.
  public static let supported: [String: Set<String>] = [
    "ietf-netconf": ["candidate", "rollback-on-error", "validate"],
    // MD5 hashes of passwords are not accepted.
    "iana-crypt-hash": ["crypt-hash-sha-256", "crypt-hash-sha-512"],
  ]

  /// Features that a schema has although this server does not do them, `module:feature`: clients would be told what is
  /// not true.
  static func unsupported(in schema: Schema) -> [String] {
    schema.modules.flatMap { module -> [String] in
      guard let supported = supported[module.name] else { return [] }
      return module.enabledFeatures.filter { !supported.contains($0) }.map { "\(module.name):\($0)" }
    }
  }
}
