// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One line of an authorized_keys or .pub file of OpenSSH: the algorithm, the key in base 64, and a comment.
public struct AuthorizedKeyLine: Sendable {
  public let algorithm: String
  public let key: SSHPublicKey
  /// What follows the key, often the name of its owner; may be empty.
  public let comment: String

  /// Nil when the line has not this form, or when the key is not of the algorithm that the line says. Options in front
  /// of the algorithm are not taken: they would limit what the key is good for, and nothing here does that.
  public init?(_ line: some StringProtocol) {
    let words = line.split(separator: " ", omittingEmptySubsequences: true)
    guard words.count >= 2 else { return nil }
    let blob = Array(words[1].utf8).withUnsafeBytes { Base64.decode($0) }
    guard let blob else { return nil }
    algorithm = String(words[0])
    key = SSHPublicKey(blob: blob)
    guard key.algorithm == algorithm else { return nil }
    comment = words.dropFirst(2).joined(separator: " ")
  }
}
