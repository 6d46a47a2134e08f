// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A compiled `pattern` (RFC 7950 section 9.4.5): an XML Schema regular expression, matched by libxml2.
///
/// Sendable: libxml2 documents a compiled expression as read-only while matching, and each match uses an execution
/// context of its own.
public final class Pattern: @unchecked Sendable {
  public let source: String
  public let isInverted: Bool
  public let errorText: Restriction.ErrorText

  init(source: String, isInverted: Bool, errorText: Restriction.ErrorText) {
    self.source = source
    self.isInverted = isInverted
    self.errorText = errorText
  }
}
