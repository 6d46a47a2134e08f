// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why a text is not a value of a type (RFC 7950 section 9).
public struct ValueError: Error, Sendable, Hashable, CustomStringConvertible {
  public enum Kind: String, Sendable {
    /// Not of the form that the type's values have.
    case lexical
    case range, length, pattern
    /// Not one of the enum, bit or identity names.
    case unknownName
    /// A prefix that is not declared.
    case unknownPrefix
    /// No member type of a union takes it.
    case union
    /// A secret that cannot be sealed.
    case secret
    /// A leafref without a target: the schema has an error.
    case unresolvedType
  }

  public let kind: Kind
  /// What is wrong, or the `error-message` of the restriction. Never holds the text of a secret.
  public let message: String
  /// The `error-app-tag` of the restriction, nil when it has none.
  public let appTag: String?
  /// What would be right.
  public let expected: String?

  public init(_ kind: Kind, _ message: String, appTag: String? = nil, expected: String? = nil) {
    self.kind = kind
    self.message = message
    self.appTag = appTag
    self.expected = expected
  }

  public var description: String { expected.map { "\(message); \($0)" } ?? message }
}
