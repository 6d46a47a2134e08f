// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Bounds on what a YANG file may be. A published module is far below each of them.
public enum YANGLimits {
  /// Octets of one file.
  public static let fileSize = 64 << 20
  /// Nested statements.
  public static let statementDepth = 256
  /// Octets of one argument.
  public static let argumentLength = 4 << 20
  /// Errors of syntax in one file after which it is given up.
  public static let syntaxErrors = 50
}

/// Cuts the bytes of a YANG file into tokens (RFC 7950 section 6.1). Holds for any bytes.
struct Lexer {
  enum Token {
    /// An unquoted string: a keyword or an argument, by its place.
    case word(Range<Int>)
    /// A quoted string with the whitespace rules and escapes of section 6.1.3 applied.
    case quoted(String)
    case plus, semicolon, open, close, end
  }

  /// Something that YANG 1 allows and YANG 1.1 forbids; judged when the version is known.
  struct VersionNote {
    let offset: Int
    let line: Int
    let message: String
  }

  struct Failure: Error {
    let offset: Int
    let line: Int
    let message: String
    var hint: String?
  }

  let bytes: UnsafeBufferPointer<UInt8>
  private(set) var position = 0
  private(set) var line = 1
  /// Where the last token began.
  private(set) var tokenOffset = 0
  private(set) var tokenLine = 1
  private(set) var versionNotes: [VersionNote] = []

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
    if bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { position = 3 }
  }

  mutating func next() throws(Failure) -> Token {
    try skipSeparators()
    tokenOffset = position
    tokenLine = line
    guard position < bytes.count else { return .end }
    switch bytes[position] {
    case UInt8(ascii: ";"):
      position += 1
      return .semicolon
    case UInt8(ascii: "{"):
      position += 1
      return .open
    case UInt8(ascii: "}"):
      position += 1
      return .close
    case UInt8(ascii: "\""): return .quoted(try doubleQuoted())
    case UInt8(ascii: "'"): return .quoted(try singleQuoted())
    case UInt8(ascii: "+"):
      // A plus sign joins quoted strings only when it stands alone; otherwise it begins an unquoted string.
      let next = position + 1
      if next >= bytes.count || Self.endsJoin(bytes[next]) || startsComment(at: next) {
        position = next
        return .plus
      }
      return .word(try word())
    default: return .word(try word())
    }
  }

  /// A plus sign is followed by a separator or a quote.
  private static func endsJoin(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: ";"), UInt8(ascii: "{"): true
    default: false
    }
  }

  private func startsComment(at index: Int) -> Bool {
    guard index + 1 < bytes.count, bytes[index] == UInt8(ascii: "/") else { return false }
    return bytes[index + 1] == UInt8(ascii: "/") || bytes[index + 1] == UInt8(ascii: "*")
  }

  private mutating func skipSeparators() throws(Failure) {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0D: position += 1
      case 0x0A:
        position += 1
        line += 1
      case UInt8(ascii: "/") where startsComment(at: position):
        if bytes[position + 1] == UInt8(ascii: "/") {
          while position < bytes.count, bytes[position] != 0x0A { position += 1 }
        } else {
          try skipBlockComment()
        }
      default: return
      }
    }
  }

  private mutating func skipBlockComment() throws(Failure) {
    let start = position
    let startLine = line
    position += 2
    while position + 1 < bytes.count {
      if bytes[position] == UInt8(ascii: "*"), bytes[position + 1] == UInt8(ascii: "/") {
        position += 2
        return
      }
      if bytes[position] == 0x0A { line += 1 }
      position += 1
    }
    throw Failure(
      offset: start, line: startLine, message: "the comment that starts here never ends", hint: "'*/' ends it")
  }

  private mutating func word() throws(Failure) -> Range<Int> {
    let start = position
    scan: while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ";"), UInt8(ascii: "{"), UInt8(ascii: "}"): break scan
      case UInt8(ascii: "\""), UInt8(ascii: "'"):
        throw Failure(
          offset: position, line: line, message: "an unquoted string must not contain quotes",
          hint: "write the whole string in quotes (RFC 7950 section 6.1.3)")
      case UInt8(ascii: "/") where startsComment(at: position): break scan
      case UInt8(ascii: "*") where position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "/"):
        throw Failure(offset: position, line: line, message: "'*/' without a comment before it")
      default: break
      }
      position += 1
    }
    return start..<position
  }

  private mutating func singleQuoted() throws(Failure) -> String {
    let start = position
    let startLine = line
    position += 1
    let first = position
    var hasReturn = false
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "'") {
        defer { position += 1 }
        try checkLength(from: start, line: startLine)
        let body = UnsafeBufferPointer(rebasing: bytes[first..<position])
        if !hasReturn { return String(decoding: body, as: UTF8.self) }
        return String(decoding: Self.withoutReturns(body), as: UTF8.self)
      }
      if byte == 0x0A { line += 1 } else if byte == 0x0D { hasReturn = true }
      position += 1
    }
    throw unterminated(start, startLine)
  }

  /// A line break is one line feed to those who read the string, however the file writes it.
  private static func withoutReturns(_ body: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(body.count)
    for (index, byte) in body.enumerated() {
      if byte == 0x0D, index + 1 < body.count, body[index + 1] == 0x0A { continue }
      result.append(byte)
    }
    return result
  }

  private mutating func doubleQuoted() throws(Failure) -> String {
    let start = position
    let startLine = line
    position += 1
    let first = position
    // Most strings have neither a line break nor an escape: those are their bytes.
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        defer { position += 1 }
        try checkLength(from: start, line: startLine)
        return String(decoding: UnsafeBufferPointer(rebasing: bytes[first..<position]), as: UTF8.self)
      }
      if byte == 0x0A || byte == 0x0D || byte == UInt8(ascii: "\\") { break }
      position += 1
    }
    let indent = indentation(upTo: start)
    var result = Array(bytes[first..<position])
    // Bytes before this index came from escapes and are not trimmed at a line break.
    var fixed = 0
    while position < bytes.count {
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        try checkLength(from: start, line: startLine)
        return String(decoding: result, as: UTF8.self)
      case UInt8(ascii: "\\"):
        appendEscape(to: &result)
        fixed = result.count
      case 0x0D where position + 1 < bytes.count && bytes[position + 1] == 0x0A:
        position += 1
      case 0x0A:
        while result.count > fixed, let last = result.last, last == 0x20 || last == 0x09 { result.removeLast() }
        result.append(0x0A)
        position += 1
        line += 1
        stripIndentation(indent, appendingRestTo: &result)
        fixed = result.count
      default:
        result.append(byte)
        position += 1
      }
    }
    throw unterminated(start, startLine)
  }

  private mutating func appendEscape(to result: inout [UInt8]) {
    guard position + 1 < bytes.count else {
      position += 1
      return
    }
    let next = bytes[position + 1]
    switch next {
    case UInt8(ascii: "n"): result.append(0x0A)
    case UInt8(ascii: "t"): result.append(0x09)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): result.append(next)
    default:
      versionNotes.append(
        VersionNote(
          offset: position, line: line,
          message: "'\\' must be followed by one of n, t, \" and \\ in a double-quoted string"))
      result.append(UInt8(ascii: "\\"))
      position += 1
      return
    }
    position += 2
  }

  /// The columns up to and including the opening quote, a tab counted as eight.
  private func indentation(upTo quote: Int) -> Int {
    var start = quote
    while start > 0, bytes[start - 1] != 0x0A { start -= 1 }
    var width = 1
    for index in start..<quote {
      let byte = bytes[index]
      if byte == 0x09 { width += 8 } else if byte & 0xC0 != 0x80 { width += 1 }
    }
    return width
  }

  private mutating func stripIndentation(_ indent: Int, appendingRestTo result: inout [UInt8]) {
    var width = 0
    while width < indent, position < bytes.count {
      if bytes[position] == 0x20 {
        width += 1
      } else if bytes[position] == 0x09 {
        width += 8
      } else {
        return
      }
      position += 1
    }
    // A tab that reaches over the limit leaves the spaces beyond it.
    if width > indent { result.append(contentsOf: repeatElement(0x20, count: width - indent)) }
  }

  private func checkLength(from start: Int, line: Int) throws(Failure) {
    guard position - start > YANGLimits.argumentLength else { return }
    throw Failure(
      offset: start, line: line, message: "the string is longer than \(YANGLimits.argumentLength) octets")
  }

  private func unterminated(_ offset: Int, _ line: Int) -> Failure {
    Failure(offset: offset, line: line, message: "the string that starts here never ends", hint: "a quote is missing")
  }
}
