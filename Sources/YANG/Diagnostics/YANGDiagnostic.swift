// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One finding about a YANG module: where it is, what is wrong and what would be right.
public struct YANGDiagnostic: Sendable, Hashable, CustomStringConvertible {
  public enum Severity: String, Sendable {
    /// The module breaks a rule of the language: no schema is made of it.
    case error
    /// The module can be used, but probably does not mean what it says.
    case warning
  }

  public let severity: Severity
  /// Nil when the finding is about no place in a file (a module that was asked for and not found).
  public let location: SourceLocation?
  /// The statements around the place, outermost first: `module a / container b / leaf c`.
  public let statementPath: String
  public let message: String
  /// What would be right: a name that exists, the values that are allowed.
  public let hint: String?

  public init(
    _ severity: Severity, at location: SourceLocation?, statementPath: String = "", _ message: String,
    hint: String? = nil
  ) {
    self.severity = severity
    self.location = location
    self.statementPath = statementPath
    self.message = message
    self.hint = hint
  }

  init(_ severity: Severity, at statement: Statement, _ message: String, hint: String? = nil) {
    self.init(
      severity, at: statement.location, statementPath: statement.path, message, hint: hint)
  }

  /// `file:line:column: error: message (hint) [in module a / leaf b]`, on one line.
  public var description: String {
    var text = location.map { "\($0): " } ?? ""
    text += "\(severity.rawValue): \(message)"
    if let hint { text += "; \(hint)" }
    if !statementPath.isEmpty { text += " [in \(statementPath)]" }
    return text
  }
}

/// Everything that is wrong with a set of modules. Thrown when there is at least one error; warnings come along.
public struct YANGErrors: Error, Sendable, CustomStringConvertible {
  /// In the order of files and lines.
  public let diagnostics: [YANGDiagnostic]

  public init(_ diagnostics: [YANGDiagnostic]) { self.diagnostics = diagnostics }

  public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

/// Collects findings, without duplicates, up to a limit.
struct DiagnosticLog {
  /// A module set that is wrong everywhere shall not fill the memory with messages.
  static let maximumCount = 10_000

  private(set) var all: [YANGDiagnostic] = []
  private(set) var hasErrors = false
  private var seen: Set<YANGDiagnostic> = []

  mutating func append(_ diagnostic: YANGDiagnostic) {
    if diagnostic.severity == .error { hasErrors = true }
    guard all.count < Self.maximumCount, seen.insert(diagnostic).inserted else { return }
    all.append(diagnostic)
  }

  mutating func append(contentsOf diagnostics: some Sequence<YANGDiagnostic>) {
    for diagnostic in diagnostics { append(diagnostic) }
  }

  mutating func error(_ statement: Statement, _ message: String, hint: String? = nil) {
    append(YANGDiagnostic(.error, at: statement, message, hint: hint))
  }

  mutating func warning(_ statement: Statement, _ message: String, hint: String? = nil) {
    append(YANGDiagnostic(.warning, at: statement, message, hint: hint))
  }

  var sorted: [YANGDiagnostic] {
    all.enumerated().sorted { left, right in
      let a = left.element.location
      let b = right.element.location
      if let a, let b {
        if a.file != b.file { return a.file < b.file }
        if a.line != b.line { return a.line < b.line }
        if a.column != b.column { return a.column < b.column }
      } else if (a == nil) != (b == nil) {
        return a == nil
      }
      return left.offset < right.offset
    }.map(\.element)
  }
}
