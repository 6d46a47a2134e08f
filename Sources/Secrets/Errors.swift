// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What went wrong with a secret. The message never holds any part of the secret.
public struct SecretsError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure; the set may grow.
  public struct Code: Sendable, Hashable {
    private enum Kind: Hashable, Sendable {
      case malformed, empty, tooLong, notSealedHere, unknownReference, keyFile, cryptography, system
    }
    private let kind: Kind
    private init(_ kind: Kind) { self.kind = kind }

    /// The written form does not follow the rules of its encoding.
    public static let malformed = Code(.malformed)
    /// The clear text is empty.
    public static let empty = Code(.empty)
    /// The clear text is longer than ``Sealer/maximumClearTextLength``.
    public static let tooLong = Code(.tooLong)
    /// A sealed value was not made under this master key, or has been altered.
    public static let notSealedHere = Code(.notSealedHere)
    /// The form that reads return was written where another secret, or none, is stored.
    public static let unknownReference = Code(.unknownReference)
    /// The file of the master key is missing, unsafe or damaged.
    public static let keyFile = Code(.keyFile)
    /// The cryptographic library failed.
    public static let cryptography = Code(.cryptography)
    /// The operating system refused something.
    public static let system = Code(.system)
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
