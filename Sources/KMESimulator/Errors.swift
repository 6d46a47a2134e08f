// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why the simulator cannot do what it was asked for.
public struct SimulatorError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The kinds of failure.
  public struct Code: Equatable, Sendable {
    let name: String
    /// The configuration is wrong.
    public static let configuration = Code(name: "configuration")
    /// A fault is wrong.
    public static let fault = Code(name: "fault")
    /// The operating system refused a socket, a file or a thread.
    public static let system = Code(name: "system")
    /// OpenSSL refused a key, a certificate or a context.
    public static let tls = Code(name: "tls")
  }

  /// The kind of failure.
  public let code: Code
  /// What is wrong, in one sentence without key material.
  public let description: String

  init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }

  /// Errors are the same when their codes are.
  public static func == (left: SimulatorError, right: SimulatorError) -> Bool { left.code == right.code }
}
