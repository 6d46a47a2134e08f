// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// The text of a YANG file and where it came from.
public final class SourceText: Sendable {
  /// The file's path as given, for messages.
  public let file: String
  public let bytes: [UInt8]

  public init(file: String, bytes: [UInt8]) {
    self.file = file
    self.bytes = bytes
  }
}

/// A place in a YANG file.
public struct SourceLocation: Sendable, Hashable, CustomStringConvertible {
  public let file: String
  /// Counted from 1.
  public let line: Int
  /// Counted from 1, in characters.
  public let column: Int

  public var description: String { "\(file):\(line):\(column)" }
}
