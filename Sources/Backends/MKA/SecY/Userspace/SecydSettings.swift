// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Where secyd is, and where it works.
public struct SecydSettings: Sendable, Hashable {
  /// The path of the program.
  public var program: String
  /// A directory for those of all ports; each has one in it, named as its controlled port. Made where it is not there.
  public var directory: String
  /// For a new process to come up. Calls wait for it, so it is less than an MKA life time.
  public var startLimit: Duration
  /// For an answer. A process that is silent for so long is replaced when the port is opened again.
  public var answerLimit: Duration

  public init(
    program: String, directory: String, startLimit: Duration = .seconds(4), answerLimit: Duration = .seconds(2)
  ) {
    self.program = program
    self.directory = directory
    self.startLimit = startLimit
    self.answerLimit = answerLimit
  }
}
