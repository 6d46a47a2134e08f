// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// A `pattern` (RFC 7950 section 9.4.5): an XML Schema regular expression, compiled at its first use and shared by all
/// patterns of the same text.
public final class Pattern: Sendable {
  public let source: String
  public let isInverted: Bool
  public let errorText: Restriction.ErrorText
  let expression: RegularExpression

  init(source: String, isInverted: Bool, errorText: Restriction.ErrorText) {
    self.source = source
    self.isInverted = isInverted
    self.errorText = errorText
    expression = RegularExpression(source)
  }

  /// False when the text of the pattern is not a regular expression. Compiles it.
  var isValid: Bool { expression.isValid }

  /// True when the text (UTF-8) fulfils the pattern: it matches as a whole, or does not for an inverted one.
  public func accepts(_ text: UnsafeBufferPointer<UInt8>) -> Bool { expression.matches(text) != isInverted }

  public func accepts(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { accepts($0) }
  }
}
