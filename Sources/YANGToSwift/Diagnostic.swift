// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One thing that is wrong with the generator's input. Stages collect diagnostics; nothing is printed before the end.
public struct Diagnostic: Equatable, Sendable, CustomStringConvertible {
  /// `file:line:column` where that is known.
  public var location: String?
  public var message: String

  /// The form that Swift's build system recognises as an error.
  public var description: String {
    if let location { return "\(location): error: \(message)" }
    return "error: \(message)"
  }
}
