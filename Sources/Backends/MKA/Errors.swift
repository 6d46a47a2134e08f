// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What went wrong in MKA. The message never holds any part of a key.
public struct MKAError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure; the set may grow.
  public struct Code: Sendable, Hashable {
    private enum Kind: Hashable, Sendable {
      case notMKA, invalidLength, malformed, unsupported, invalidKey, cryptography, integrity, tooMany, unknown, system
    }
    private let kind: Kind
    private init(_ kind: Kind) { self.kind = kind }

    /// The frame is no EAPOL-MKA frame, or not for us.
    public static let notMKA = Code(.notMKA)
    /// The frame's or a parameter set's length is impossible.
    public static let invalidLength = Code(.invalidLength)
    /// A parameter set does not follow its format.
    public static let malformed = Code(.malformed)
    /// Well formed, but of a version, algorithm or cipher suite that we do not have.
    public static let unsupported = Code(.unsupported)
    /// A CAK, CKN or other key of a wrong size.
    public static let invalidKey = Code(.invalidKey)
    /// The cryptographic library failed.
    public static let cryptography = Code(.cryptography)
    /// A check value or a wrapped key does not verify.
    public static let integrity = Code(.integrity)
    /// A limit is reached.
    public static let tooMany = Code(.tooMany)
    /// Something refers to what does not exist.
    public static let unknown = Code(.unknown)
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
  public static func == (left: MKAError, right: MKAError) -> Bool { left.code == right.code }
  public func hash(into hasher: inout Hasher) { hasher.combine(code) }
}
