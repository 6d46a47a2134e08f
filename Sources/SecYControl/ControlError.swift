// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why a message of the control socket cannot be made or understood.
public struct ControlError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Code: UInt8, Sendable, Equatable {
    /// It ends too early, is too long, or has octets left over.
    case length = 1
    /// A version that is not spoken here.
    case version = 2
    /// A value that is out of its range.
    case value = 3
  }

  public let code: Code
  public let description: String

  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }

  public static func == (left: ControlError, right: ControlError) -> Bool { left.code == right.code }
}
