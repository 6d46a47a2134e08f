// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why a charon of our own cannot be run or watched.
public struct CharonError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Code: Sendable, Equatable {
    /// A setting that cannot be written into strongswan.conf, or a path that cannot be used.
    case settings
    /// The directory is not ours alone, or cannot be written.
    case directory
    /// The program is missing or could not be started.
    case program
    /// The operating system refused something.
    case system
  }

  public let code: Code
  public let description: String

  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }

  public static func == (left: CharonError, right: CharonError) -> Bool { left.code == right.code }
}
