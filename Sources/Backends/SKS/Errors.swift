// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why the configuration of a profile cannot be used. The description is a sentence for the operator.
public struct SKSConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The part of the profile, as the model names it (for example `type/remote/kme/server/hostname`).
  public let element: String
  public let description: String

  public init(element: String, _ description: String) {
    self.element = element
    self.description = description
  }
}
