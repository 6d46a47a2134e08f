// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Why a document was refused: it is not well-formed, or goes beyond a limit. What is well-formed and does not fit the
/// schema is a `DatastoreError` instead.
public struct XMLError: Error, Sendable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// Not well-formed XML 1.0 with namespaces.
    case malformed
    /// Not UTF-8, or another encoding is declared.
    case encoding
    /// A document type declaration, which NETCONF forbids (RFC 6241 section 3).
    case documentType
    case tooDeep
    /// One name, tag, attribute or value is too long, or there is too much of something.
    case tooBig
    /// The end came before the document was complete.
    case truncated
    /// A handler saw no way to go on.
    case refused
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
public struct XMLLimits: Sendable {
  /// Elements inside each other.
  public var depth: Int
  /// Bytes of one start tag, comment, or other piece that has to be complete before it is handed on. (Text is handed
  /// on in pieces, however long it is.)
  public var tokenBytes: Int
  /// Attributes of one element, namespace declarations included.
  public var attributes: Int
  /// Bytes of the text of one leaf; for who collects it.
  public var valueBytes: Int

  public init(
    depth: Int = 256, tokenBytes: Int = 262_144, attributes: Int = 256, valueBytes: Int = 16_777_216
  ) {
    self.depth = depth
    self.tokenBytes = tokenBytes
    self.attributes = attributes
    self.valueBytes = valueBytes
  }
}
