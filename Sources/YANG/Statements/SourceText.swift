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

  /// The column of the byte at `offset`, counted from 1 in characters (Unicode scalars).
  func column(at offset: Int) -> Int {
    var column = 1
    var index = min(offset, bytes.count) - 1
    while index >= 0, bytes[index] != UInt8(ascii: "\n") {
      if bytes[index] & 0xC0 != 0x80 { column += 1 }
      index -= 1
    }
    return column
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
