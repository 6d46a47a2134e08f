// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What went wrong in MKA. The message never holds any part of a key.
public struct MKAError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kind of failure; the set may grow.
  public enum Code: Sendable, Hashable {
    /// The frame is no EAPOL-MKA frame, or not for us.
    case notMKA
    /// The frame's or a parameter set's length is impossible.
    case invalidLength
    /// A parameter set does not follow its format.
    case malformed
    /// Well formed, but of a version, algorithm or cipher suite that we do not have.
    case unsupported
    /// A CAK, CKN or other key of a wrong size.
    case invalidKey
    /// The cryptographic library failed.
    case cryptography
    /// A check value or a wrapped key does not verify.
    case integrity
    /// A limit is reached.
    case tooMany
    /// Something refers to what does not exist.
    case unknown
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
  public static func == (left: MKAError, right: MKAError) -> Bool { left.code == right.code }
  public func hash(into hasher: inout Hasher) { hasher.combine(code) }
}
