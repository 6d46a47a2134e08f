// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What can go wrong between us and charon's VICI socket.
public struct VICIError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Code: Sendable, Equatable {
    /// Bytes that are no VICI packet: the connection cannot be used any more.
    case malformed
    /// Something does not fit into its length field.
    case tooLong
    /// charon does not know the command or event.
    case unknown
    /// charon carried the command out and says that it failed.
    case refused
    /// No connection to the socket, or it broke.
    case disconnected
    /// No answer within the limit.
    case timedOut
    /// Too many commands wait already.
    case overloaded
    /// What listens on the socket is no charon of a version that this program knows, or runs as another user.
    case incompatible
    /// The operating system refused something that the client itself needs.
    case system
  }

  public let code: Code
  public let description: String

  public init(_ code: Code, _ description: String) {
    self.code = code
    self.description = description
  }

  public static func == (left: VICIError, right: VICIError) -> Bool { left.code == right.code }
}
