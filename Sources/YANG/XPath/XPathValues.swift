// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

extension Pattern {
  /// The pattern of an expression that is no `pattern` statement, such as the second argument of re-match(); nil when it
  /// is not a regular expression.
  public convenience init?(expression: String) {
    self.init(source: expression, isInverted: false, errorText: Restriction.ErrorText())
    guard isValid else { return nil }
  }
}

extension Value {
  private static let untyped = SchemaType(base: .string)

  /// The canonical text with module names as prefixes, as expressions see it. Secrets are hidden.
  public var textWithModuleNames: String { Self.untyped.canonicalText(of: self) { $0.name } }
}
