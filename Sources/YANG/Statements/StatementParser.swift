// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Makes the tree of statements of one file (RFC 7950 section 6.3): `keyword [argument] (";" / "{" … "}")`.
struct StatementParser {
  private let source: SourceText
  private var lexer: Lexer
  private var log: DiagnosticLog

  /// The statement the file consists of, nil when its structure cannot be followed, and what is wrong with its syntax.
  static func parse(_ source: SourceText) -> (statement: Statement?, diagnostics: [YANGDiagnostic]) {
    guard source.bytes.count <= YANGLimits.fileSize else {
      let place = SourceLocation(file: source.file, line: 1, column: 1)
      let message = "the file is larger than \(YANGLimits.fileSize) octets"
      return (nil, [YANGDiagnostic(.error, at: place, message)])
    }
    return source.bytes.withUnsafeBufferPointer { bytes in
      if let bad = CharacterCheck.firstForbidden(in: bytes) {
        let line = bytes[..<bad.offset].count { $0 == 0x0A } + 1
        let place = SourceLocation(file: source.file, line: line, column: source.column(at: bad.offset))
        return (nil, [YANGDiagnostic(.error, at: place, bad.message)])
      }
      var parser = StatementParser(source: source, lexer: Lexer(bytes), log: DiagnosticLog())
      let statement = parser.parseFile()
      return (statement, parser.log.all)
    }
  }

  private func place(_ offset: Int, _ line: Int) -> SourceLocation {
    SourceLocation(file: source.file, line: line, column: source.column(at: offset))
  }

  private mutating func fail(
    _ message: String, at offset: Int? = nil, line: Int? = nil, in around: Statement?, hint: String? = nil
  ) {
    let location = place(offset ?? lexer.tokenOffset, line ?? lexer.tokenLine)
    log.append(
      YANGDiagnostic(.error, at: location, statementPath: around?.path ?? "", message, hint: hint))
  }

  private mutating func parseFile() -> Statement? {
    var root: Statement?
    var stack: [Statement] = []
    // Errors inside a statement do not hide those behind it, as long as the braces agree.
    do throws(Lexer.Failure) {
      while true {
        switch try lexer.next() {
        case .end:
          if let open = stack.last {
            fail("the file ends inside '\(open.title)'", in: open, hint: "'}' is missing")
            return nil
          }
          guard let root else {
            fail("the file has no statement", in: nil, hint: "a module or submodule is expected")
            return nil
          }
          reportVersionNotes(of: root)
          return root
        case .close:
          guard stack.popLast() != nil else {
            fail("'}' without '{'", in: nil)
            return nil
          }
        case .word(let range):
          if root != nil, stack.isEmpty {
            fail("nothing may follow the module's closing brace", in: nil)
            return nil
          }
          guard let (statement, isOpen) = try parseStatement(keyword: range, in: stack.last) else { return nil }
          if let around = stack.last { adopt(statement, into: around) } else { root = statement }
          if isOpen { stack.append(statement) }
          guard stack.count <= YANGLimits.statementDepth else {
            fail("statements are nested deeper than \(YANGLimits.statementDepth)", in: nil)
            return nil
          }
        case .quoted:
          fail("a keyword is expected here, not a quoted string", in: stack.last)
          return nil
        case .plus, .semicolon, .open:
          fail("a keyword is expected here", in: stack.last)
          return nil
        }
      }
    } catch {
      fail(error.message, at: error.offset, line: error.line, in: stack.last, hint: error.hint)
      return nil
    }
  }

  private func adopt(_ statement: Statement, into around: Statement) {
    statement.parent = around
    around.substatements.append(statement)
    if statement.keyword == .typedef { around.hasTypedefs = true }
    if statement.keyword == .grouping { around.hasGroupings = true }
  }

  /// Parses up to and including the `;` or `{`. Nil when the syntax cannot be followed any further.
  private mutating func parseStatement(
    keyword range: Range<Int>, in around: Statement?
  ) throws(Lexer.Failure) -> (Statement, isOpen: Bool)? {
    let offset = lexer.tokenOffset
    let line = lexer.tokenLine
    let text = String(decoding: UnsafeBufferPointer(rebasing: lexer.bytes[range]), as: UTF8.self)
    guard let (keyword, prefix, name) = resolveKeyword(text, in: around) else { return nil }
    guard let (argument, isOpen) = try parseArgument(after: text, in: around) else { return nil }
    let statement = Statement(
      keyword: keyword, prefix: prefix, name: name, argument: argument, source: source,
      line: UInt32(truncatingIfNeeded: line), offset: UInt32(truncatingIfNeeded: offset))
    return (statement, isOpen)
  }

  private mutating func resolveKeyword(
    _ text: String, in around: Statement?
  ) -> (Keyword, prefix: String?, name: String)? {
    if let keyword = Keyword.byText[text] { return (keyword, nil, text) }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    if parts.count == 2, Identifier.isValid(parts[0]), Identifier.isValid(parts[1]) {
      return (.unknown, String(parts[0]), String(parts[1]))
    }
    fail(
      "'\(text.prefix(80))' is not a keyword of YANG", in: around,
      hint: NearestName.hint(text, among: Keyword.byText.keys.sorted()))
    // An unknown word with the shape of a keyword is skipped with its argument and body.
    guard parts.count == 1, Identifier.isValid(parts[0]) else { return nil }
    return (.unknown, "", text)
  }

  private mutating func parseArgument(
    after keyword: String, in around: Statement?
  ) throws(Lexer.Failure) -> (argument: String?, isOpen: Bool)? {
    var argument: String?
    switch try lexer.next() {
    case .semicolon: return (nil, false)
    case .open: return (nil, true)
    case .word(let range):
      argument = String(decoding: UnsafeBufferPointer(rebasing: lexer.bytes[range]), as: UTF8.self)
    case .plus: argument = "+"
    case .quoted(let first): return try parseJoined(first, after: keyword, in: around)
    case .close, .end:
      fail("'\(keyword)' is not finished", in: around, hint: "';' or '{' is expected")
      return nil
    }
    return try parseEnd(argument, after: keyword, in: around)
  }

  /// The rest of `"a" + "b" + …`.
  private mutating func parseJoined(
    _ first: String, after keyword: String, in around: Statement?
  ) throws(Lexer.Failure) -> (argument: String?, isOpen: Bool)? {
    var argument = first
    while true {
      switch try lexer.next() {
      case .semicolon: return (argument, false)
      case .open: return (argument, true)
      case .plus:
        guard case .quoted(let more) = try lexer.next() else {
          fail("'+' joins quoted strings only", in: around)
          return nil
        }
        argument += more
        guard argument.utf8.count <= YANGLimits.argumentLength else {
          fail("the argument is longer than \(YANGLimits.argumentLength) octets", in: around)
          return nil
        }
      default:
        fail("'\(keyword)' is not finished", in: around, hint: "';', '{' or '+' is expected after its argument")
        return nil
      }
    }
  }

  private mutating func parseEnd(
    _ argument: String?, after keyword: String, in around: Statement?
  ) throws(Lexer.Failure) -> (argument: String?, isOpen: Bool)? {
    switch try lexer.next() {
    case .semicolon: return (argument, false)
    case .open: return (argument, true)
    default:
      fail("'\(keyword)' is not finished", in: around, hint: "';' or '{' is expected after its argument")
      return nil
    }
  }

  /// YANG 1.1 forbids what YANG 1 left open.
  private mutating func reportVersionNotes(of root: Statement) {
    guard root.argument(of: .yangVersion) == YANGVersion.onePointOne.rawValue else { return }
    for note in lexer.versionNotes.prefix(YANGLimits.syntaxErrors) {
      fail(note.message, at: note.offset, line: note.line, in: root)
    }
  }
}
