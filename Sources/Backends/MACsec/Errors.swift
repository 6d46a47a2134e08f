// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why a configuration cannot be carried out: the element, by its path of names below the entry that was looked at, and
/// the reason, a sentence for the operator.
public struct MACsecConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
  public var element: String
  public var reason: String

  public init(_ element: String, _ reason: String) {
    self.element = element
    self.reason = reason
  }

  public var description: String { reason }
}
