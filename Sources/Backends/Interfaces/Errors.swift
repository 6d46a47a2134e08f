// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why the backend of interfaces cannot begin.
public struct InterfacesError: Error, Sendable, Hashable, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}
