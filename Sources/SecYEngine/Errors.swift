// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why the engine did not do what it was told. Frames never make errors, only counts.
public struct SecYEngineError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Code: UInt8, Sendable, Equatable {
    /// The key, salt or short identifier does not fit the cipher suite.
    case invalidKey = 1
    /// The channel or association is there already, or its key was used before.
    case exists = 2
    /// No such channel or association.
    case absent = 3
    /// It cannot be done with what is installed now.
    case state = 4
    /// A limit of the engine is reached.
    case limit = 5
    /// The cryptographic library failed.
    case cryptography = 6
  }

  public let code: Code
  public let description: String

  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }

  public static func == (left: SecYEngineError, right: SecYEngineError) -> Bool { left.code == right.code }
}
