// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why the agent cannot start, or a subcommand cannot do what it was asked: one line for a person.
struct AgentError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
