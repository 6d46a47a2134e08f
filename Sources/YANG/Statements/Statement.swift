// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One statement of a YANG file as it was parsed (RFC 7950 section 6.3): keyword, argument, substatements.
///
/// Sendable without a lock: the parser sets the stored properties before it hands the tree out; their setters are
/// private to this file's module and nothing calls them after that.
public final class Statement: @unchecked Sendable {
  public let keyword: Keyword
  /// The prefix of an extension statement's keyword.
  public let prefix: String?
  /// The keyword as written, without prefix.
  public let name: String
  /// The argument after unquoting and concatenation; nil when there is none.
  public let argument: String?
  public internal(set) var substatements: [Statement] = []
  /// The statement around this one. Unowned: a tree is held by its root.
  public internal(set) unowned(unsafe) var parent: Statement?
  /// The file. Unowned for speed: the module that owns the tree holds the text.
  unowned(unsafe) let source: SourceText
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

  public var location: SourceLocation {
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
  public var path: String {
    var steps: [String] = []
    var next: Statement? = self
    while let statement = next {
      steps.append(statement.title)
      next = statement.parent
    }
    return steps.reversed().joined(separator: " / ")
  }

  /// The first substatement with that keyword.
  public func first(_ keyword: Keyword) -> Statement? {
    for statement in substatements where statement.keyword == keyword { return statement }
    return nil
  }

  /// All substatements with that keyword, in order.
  public func all(_ keyword: Keyword) -> [Statement] { substatements.filter { $0.keyword == keyword } }

  func has(_ keyword: Keyword) -> Bool { first(keyword) != nil }

  /// The argument of the first substatement with that keyword.
  public func argument(of keyword: Keyword) -> String? { first(keyword)?.argument }
}
