// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One statement of a YANG file as it was parsed (RFC 7950 section 6.3): keyword, argument, substatements.
///
/// Sendable without a lock: the parser sets the stored properties before it hands the tree out, and nothing sets them
/// after that.
final class Statement: @unchecked Sendable {
  let keyword: Keyword
  /// The prefix of an extension statement's keyword.
  let prefix: String?
  /// The keyword as written, without prefix.
  let name: String
  /// The argument after unquoting and concatenation; nil when there is none.
  let argument: String?
  var substatements: [Statement] = []
  /// The statement around this one. Unowned: a tree is held by its root, which the module holds while it compiles.
  unowned(unsafe) var parent: Statement?
  let source: SourceText
  let line: UInt32
  /// Where the keyword stands, in bytes from the start of the file.
  let offset: UInt32
  var hasTypedefs = false
  var hasGroupings = false

  init(
    keyword: Keyword, prefix: String?, name: String, argument: String?, source: SourceText, line: UInt32,
    offset: UInt32
  ) {
    self.keyword = keyword
    self.prefix = prefix
    self.name = name
    self.argument = argument
    self.source = source
    self.line = line
    self.offset = offset
  }

  /// The argument, empty when there is none (the grammar check has then reported it).
  var text: String { argument ?? "" }

  var location: SourceLocation {
    SourceLocation(file: source.file, line: Int(line), column: source.column(at: Int(offset)))
  }

  /// Keyword and argument for messages, a long argument shortened.
  var title: String {
    let keyword = prefix.map { "\($0):\(name)" } ?? name
    guard let argument, !argument.isEmpty else { return keyword }
    let firstLine = argument.prefix { !$0.isNewline }
    return firstLine.count > 60 ? "\(keyword) \(firstLine.prefix(60))…" : "\(keyword) \(firstLine)"
  }

  /// The statements around this one and itself: `module a / container b / leaf c`.
  var path: String {
    var steps: [String] = []
    var next: Statement? = self
    while let statement = next {
      steps.append(statement.title)
      next = statement.parent
    }
    return steps.reversed().joined(separator: " / ")
  }

  /// The first substatement with that keyword.
  func first(_ keyword: Keyword) -> Statement? {
    for statement in substatements where statement.keyword == keyword { return statement }
    return nil
  }

  /// All substatements with that keyword, in order.
  func all(_ keyword: Keyword) -> [Statement] { substatements.filter { $0.keyword == keyword } }

  func has(_ keyword: Keyword) -> Bool { first(keyword) != nil }

  /// The argument of the first substatement with that keyword.
  func argument(of keyword: Keyword) -> String? { first(keyword)?.argument }
}
