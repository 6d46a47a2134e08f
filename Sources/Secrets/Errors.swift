// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What went wrong with a secret. The message never holds any part of the secret.
public struct SecretsError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure; the set may grow.
  public enum Code: Sendable, Hashable {
    /// The written form does not follow the rules of its encoding.
    case malformed
    /// The clear text is empty.
    case empty
    /// The clear text is longer than ``Sealer/maximumClearTextLength``.
    case tooLong
    /// A sealed value was not made under this master key, or has been altered.
    case notSealedHere
    /// The form that reads return was written where another secret, or none, is stored.
    case unknownReference
    /// The file of the master key is missing, unsafe or damaged.
    case keyFile
    /// The cryptographic library failed.
    case cryptography
    /// The operating system refused something.
    case system
  }

  public let code: Code
  /// A sentence for the operator.
  public let message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  public var description: String { message }

  /// Errors are equal when their codes are.
  public static func == (left: SecretsError, right: SecretsError) -> Bool { left.code == right.code }
  public func hash(into hasher: inout Hasher) { hasher.combine(code) }
}
