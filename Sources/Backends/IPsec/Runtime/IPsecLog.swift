// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// How much a line of the backend's log matters.
public enum IPsecLogLevel: Sendable {
  case info
  case notice
  case warning
}

/// Where the backend's log goes. Called on any thread; it must not wait. Lines hold no secrets.
public typealias IPsecLog = @Sendable (IPsecLogLevel, String) -> Void
