// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why a document was refused: it is not well-formed JSON, or goes beyond a limit. What is well-formed and does not fit
/// the schema is a `DatastoreError` instead.
public struct JSONError: Error, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// Not JSON (RFC 8259).
    case malformed
    /// Not UTF-8, or characters that YANG's strings do not have (RFC 7950 section 9.4).
    case encoding
    case tooDeep
    /// One value is too long.
    case tooBig
    /// The end came before the document was complete.
    case truncated
  }

  public let kind: Kind
  /// Counted from 1; 0 when it is not known.
  public let line: Int
  /// Counted from 1, in bytes; 0 when it is not known.
  public let column: Int
  public let message: String

  public init(_ kind: Kind, line: Int = 0, column: Int = 0, message: String) {
    self.kind = kind
    self.line = line
    self.column = column
    self.message = message
  }

  public var description: String { line > 0 ? "line \(line), column \(column): \(message)" : message }
}

/// What a document may have.
public struct JSONLimits: Sendable {
  /// Objects and arrays inside each other.
  public var depth: Int
  /// Bytes of one string, name or number as written, and of one anydata.
  public var valueBytes: Int

  public init(depth: Int = 512, valueBytes: Int = 16_777_216) {
    self.depth = depth
    self.valueBytes = valueBytes
  }
}
