// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets

/// Which typedefs hold secrets. Whatever is defined by them holds secrets too.
enum SecretTypes {
  /// The extension by which a typedef of ours says that it holds secrets, and in what coding.
  static let module = "agentd-types"
  static let name = "sealed"

  /// Typedefs of published modules.
  private static let known: [String: SecretEncoding] = [
    "Cisco-IOS-XR-types:Proprietary-password": .type7,
    "Cisco-IOS-XR-types:Type6-password": .type6,
  ]

  static func encoding(of typedef: Scoped) -> SecretEncoding? {
    if let encoding = known["\(typedef.scope.owner.name):\(typedef.text)"] { return encoding }
    for statement in typedef.statement.substatements where statement.keyword == .unknown && statement.name == name {
      guard typedef.scope.module(forPrefix: statement.prefix)?.name == module else { continue }
      switch statement.text {
      case "type7": return .type7
      case "type6": return .type6
      default: return .opaque
      }
    }
    return nil
  }

  /// Whether it is the typedef of RFC 7317 whose clear texts a server replaces by their hashes.
  static func isPasswordHash(_ typedef: Scoped) -> Bool {
    typedef.text == "crypt-hash" && typedef.scope.owner.name == "iana-crypt-hash"
  }
}
