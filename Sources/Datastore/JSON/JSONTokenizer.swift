// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Takes the events of a JSON document. What is lent is valid during the call only. An error that is thrown ends the
/// parsing.
protocol JSONHandler: AnyObject {
  func beginObject() throws(JSONError)
  func endObject() throws(JSONError)
  func beginArray() throws(JSONError)
  func endArray() throws(JSONError)
  /// The name of a member, whose value comes next.
  func name(_ text: UnsafeBufferPointer<UInt8>) throws(JSONError)
  /// A string's characters, escapes replaced, valid UTF-8.
  func string(_ text: UnsafeBufferPointer<UInt8>) throws(JSONError)
  /// A number as written.
  func number(_ text: UnsafeBufferPointer<UInt8>) throws(JSONError)
  func literal(_ literal: JSONLiteral) throws(JSONError)
}

/// The values that are spelt out.
enum JSONLiteral { case null, yes, no }

/// Cuts a JSON document (RFC 8259) that comes in pieces into events.
///
/// Accepted is UTF-8 without a byte order mark. Memory does not grow with the document: only a name, string or number
/// that is cut by the end of a piece is kept until the rest comes, and its length is bounded. The caller bounds the
/// whole. The first error is final. Not for use by several threads at once.
struct JSONTokenizer<Handler: JSONHandler> {
  /// What may come next.
  private enum Expected: UInt8 {
    case value, valueOrArrayEnd, name, nameOrObjectEnd, colon, commaOrEnd, nothing
  }
  /// What kind of token was cut by the end of a piece.
  private enum Cut: UInt8 { case nothing, string, number, word }

  unowned(unsafe) let handler: Handler
  let limits: JSONLimits
  private var expected = Expected.value
  /// For each open object or array, the outermost first, whether it is an object.
  private var open: [Bool] = []
  private var cut = Cut.nothing
  /// The beginning of the token that was cut.
  private var carried: [UInt8] = []
  /// The carried part of a string ends with a backslash that escapes what comes next.
  private var isEscaping = false
  private var unescaped: [UInt8] = []
  private(set) var line = 1
  /// Bytes of the document before the current piece, and where in the document the line begins.
  private var consumed = 0
  private var lineStart = 0
  private var failure: JSONError?

  /// The handler has to outlive the tokenizer.
  init(handler: Handler, limits: JSONLimits = JSONLimits()) {
    self.handler = handler
    self.limits = limits
  }

  /// Whether a whole value was read.
  var isComplete: Bool { expected == .nothing && open.isEmpty }

  // MARK: Input

  /// Takes the next piece of the document and calls the handler for what it completes.
  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(JSONError) {
    if let failure { throw failure }
    do throws(JSONError) {
      try read(bytes.bindMemory(to: UInt8.self))
      consumed += bytes.count
    } catch {
      failure = error
      throw error
    }
  }

  /// Says that the document is over.
  mutating func finish() throws(JSONError) {
    if let failure { throw failure }
    do throws(JSONError) {
      if cut == .number || cut == .word { try endCarried(at: 0) }
      guard cut == .nothing, isComplete else { throw at(0, .truncated, "the document ends before it is complete") }
    } catch {
      failure = error
      throw error
    }
  }

  private mutating func read(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) {
    var index = 0
    if cut != .nothing {
      index = try completeCarried(bytes)
      if cut != .nothing { return }
    }
    let count = bytes.count
    while index < count {
      let byte = bytes[index]
      switch byte {
      case 0x20, 0x09, 0x0D: index += 1
      case 0x0A:
        index += 1
        line += 1
        lineStart = consumed + index
      case UInt8(ascii: "\""): index = try readString(bytes, index)
      case UInt8(ascii: ","):
        guard expected == .commaOrEnd, let isObject = open.last else { throw unexpected(byte, index) }
        expected = isObject ? .name : .value
        index += 1
      case UInt8(ascii: ":"):
        guard expected == .colon else { throw unexpected(byte, index) }
        expected = .value
        index += 1
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        try begin(isObject: byte == UInt8(ascii: "{"), index)
        index += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        try end(isObject: byte == UInt8(ascii: "}"), index)
        index += 1
      case 0x30...0x39, UInt8(ascii: "-"): index = try readNumber(bytes, index)
      case UInt8(ascii: "a")...UInt8(ascii: "z"): index = try readWord(bytes, index)
      default: throw unexpected(byte, index)
      }
    }
  }

  private mutating func begin(isObject: Bool, _ index: Int) throws(JSONError) {
    try expectValue(index)
    guard open.count < limits.depth else {
      throw at(index, .tooDeep, "more than \(limits.depth) objects and arrays inside each other")
    }
    open.append(isObject)
    if isObject {
      expected = .nameOrObjectEnd
      try handler.beginObject()
    } else {
      expected = .valueOrArrayEnd
      try handler.beginArray()
    }
  }

  private mutating func end(isObject: Bool, _ index: Int) throws(JSONError) {
    let isEmpty = expected == (isObject ? .nameOrObjectEnd : .valueOrArrayEnd)
    guard isEmpty || expected == .commaOrEnd, open.last == isObject else {
      throw unexpected(UInt8(ascii: isObject ? "}" : "]"), index)
    }
    open.removeLast()
    afterValue()
    if isObject { try handler.endObject() } else { try handler.endArray() }
  }

  private mutating func expectValue(_ index: Int) throws(JSONError) {
    guard expected == .value || expected == .valueOrArrayEnd else {
      throw at(index, .malformed, "\(wanted) is expected, not a value")
    }
  }

  private mutating func afterValue() { expected = open.isEmpty ? .nothing : .commaOrEnd }

  // MARK: Tokens

  /// Reads the string whose quote is at `start`; returns where it goes on behind it.
  private mutating func readString(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) throws(JSONError) -> Int {
    let isName = expected == .name || expected == .nameOrObjectEnd
    if !isName { try expectValue(start) }
    var index = start + 1
    var seen: UInt8 = 0
    let count = bytes.count
    while index < count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") {
        try take(string: UnsafeBufferPointer(rebasing: bytes[(start + 1)..<index]), isASCII: seen < 0x80, isName, start)
        return index + 1
      }
      if byte == UInt8(ascii: "\\") { break }
      if byte < 0x20 { throw at(index, .malformed, "a control character in a string") }
      seen |= byte
      index += 1
    }
    // An escape, or the end of the piece: the way for what is rare.
    cut = .string
    isEscaping = false
    carried.removeAll(keepingCapacity: true)
    return try completeString(bytes, start + 1)
  }

  /// Takes the rest of a string into `carried`; when its end is there, hands it on.
  private mutating func completeString(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) throws(JSONError) -> Int {
    var index = start
    while index < bytes.count {
      let byte = bytes[index]
      if isEscaping {
        isEscaping = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaping = true
      } else if byte == UInt8(ascii: "\"") {
        break
      }
      if byte < 0x20 { throw at(index, .malformed, "a control character in a string") }
      index += 1
    }
    carried.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[start..<index]))
    try checkLength(carried.count, index)
    guard index < bytes.count else { return index }
    cut = .nothing
    try unescape(index)
    let isName = expected == .name || expected == .nameOrObjectEnd
    let text = unescaped
    unescaped = []
    try lend(text) { (text, self) throws(JSONError) in try self.take(string: text, isASCII: false, isName, index) }
    unescaped = text
    return index + 1
  }

  private mutating func lend(
    _ bytes: [UInt8], _ body: (UnsafeBufferPointer<UInt8>, inout Self) throws(JSONError) -> Void
  ) throws(JSONError) {
    let result = bytes.withUnsafeBufferPointer { buffer -> Result<Void, JSONError> in
      do throws(JSONError) { return .success(try body(buffer, &self)) } catch { return .failure(error) }
    }
    try result.get()
  }

  private mutating func take(
    string text: UnsafeBufferPointer<UInt8>, isASCII: Bool, _ isName: Bool, _ index: Int
  ) throws(JSONError) {
    try checkLength(text.count, index)
    if !isASCII, !UTF8Check.isValid(text) { throw at(index, .encoding, "a string is not UTF-8") }
    if isName {
      expected = .colon
      try handler.name(text)
    } else {
      afterValue()
      try handler.string(text)
    }
  }

  private mutating func readNumber(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) throws(JSONError) -> Int {
    try expectValue(start)
    var index = start
    while index < bytes.count, Self.isNumberPart(bytes[index]) { index += 1 }
    if index == bytes.count {
      try carry(bytes, start, .number)
    } else {
      try take(number: UnsafeBufferPointer(rebasing: bytes[start..<index]), index)
    }
    return index
  }

  private mutating func readWord(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) throws(JSONError) -> Int {
    try expectValue(start)
    var index = start
    while index < bytes.count, Self.isWordPart(bytes[index]) { index += 1 }
    if index == bytes.count {
      try carry(bytes, start, .word)
    } else {
      try take(word: UnsafeBufferPointer(rebasing: bytes[start..<index]), index)
    }
    return index
  }

  private mutating func carry(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ kind: Cut) throws(JSONError) {
    cut = kind
    carried.removeAll(keepingCapacity: true)
    carried.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[start...]))
    try checkLength(carried.count, start)
  }

  /// Goes on with the token that the end of the last piece cut.
  private mutating func completeCarried(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) -> Int {
    if cut == .string { return try completeString(bytes, 0) }
    var index = 0
    while index < bytes.count, cut == .number ? Self.isNumberPart(bytes[index]) : Self.isWordPart(bytes[index]) {
      index += 1
    }
    carried.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[..<index]))
    try checkLength(carried.count, index)
    if index < bytes.count { try endCarried(at: index) }
    return index
  }

  /// Hands on a number or word that was cut.
  private mutating func endCarried(at index: Int) throws(JSONError) {
    let isNumber = cut == .number
    cut = .nothing
    let token = carried
    try lend(token) { (token, self) throws(JSONError) in
      if isNumber { try self.take(number: token, index) } else { try self.take(word: token, index) }
    }
  }

  private mutating func take(number text: UnsafeBufferPointer<UInt8>, _ index: Int) throws(JSONError) {
    try checkLength(text.count, index)
    guard NumberText.isValid(text) else { throw at(index, .malformed, "not a number as JSON has them") }
    afterValue()
    try handler.number(text)
  }

  private mutating func take(word text: UnsafeBufferPointer<UInt8>, _ index: Int) throws(JSONError) {
    afterValue()
    if text.elementsEqual("true".utf8) {
      try handler.literal(.yes)
    } else if text.elementsEqual("false".utf8) {
      try handler.literal(.no)
    } else if text.elementsEqual("null".utf8) {
      try handler.literal(.null)
    } else {
      throw at(index, .malformed, "a word that is none of true, false and null")
    }
  }

  private static func isNumberPart(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
      true
    default: false
    }
  }

  private static func isWordPart(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }

  // MARK: Escapes

  /// Replaces the escapes of `carried`, into `unescaped`.
  private mutating func unescape(_ end: Int) throws(JSONError) {
    unescaped.removeAll(keepingCapacity: true)
    var index = 0
    while index < carried.count {
      let byte = carried[index]
      index += 1
      guard byte == UInt8(ascii: "\\") else {
        unescaped.append(byte)
        continue
      }
      // The end was found by pairs, so that something follows a backslash.
      let escape = carried[index]
      index += 1
      switch escape {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): unescaped.append(escape)
      case UInt8(ascii: "n"): unescaped.append(0x0A)
      case UInt8(ascii: "r"): unescaped.append(0x0D)
      case UInt8(ascii: "t"): unescaped.append(0x09)
      case UInt8(ascii: "b"), UInt8(ascii: "f"):
        throw at(end, .encoding, "a control character that is none of YANG's characters")
      case UInt8(ascii: "u"): try unescapeUnicode(&index, end)
      default: throw at(end, .malformed, "an unknown escape in a string")
      }
    }
  }

  private mutating func unescapeUnicode(_ index: inout Int, _ end: Int) throws(JSONError) {
    guard var code = hexadecimal(index) else { throw at(end, .malformed, "four hexadecimal digits belong behind \\u") }
    index += 4
    if code & 0xFC00 == 0xD800, index + 1 < carried.count, carried[index] == UInt8(ascii: "\\"),
      carried[index + 1] == UInt8(ascii: "u"), let low = hexadecimal(index + 2), low & 0xFC00 == 0xDC00
    {
      index += 6
      code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
    }
    let isControl = code < 0x20 && code != 0x09 && code != 0x0A && code != 0x0D
    guard !isControl, code & 0xFFFF < 0xFFFE, let scalar = Unicode.Scalar(code) else {
      throw at(end, .encoding, "an escape stands for none of YANG's characters")
    }
    unescaped.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
  }

  private func hexadecimal(_ start: Int) -> UInt32? {
    guard start + 4 <= carried.count else { return nil }
    var code: UInt32 = 0
    for byte in carried[start..<(start + 4)] {
      switch byte {
      case 0x30...0x39: code = code << 4 + UInt32(byte - 0x30)
      case 0x41...0x46: code = code << 4 + UInt32(byte - 0x41 + 10)
      case 0x61...0x66: code = code << 4 + UInt32(byte - 0x61 + 10)
      default: return nil
      }
    }
    return code
  }

  // MARK: Errors

  private var wanted: String {
    switch expected {
    case .value: "a value"
    case .valueOrArrayEnd: "a value or ]"
    case .name: "the name of a member"
    case .nameOrObjectEnd: "the name of a member or }"
    case .colon: "a colon"
    case .commaOrEnd: "a comma or the end of the \(open.last == true ? "object" : "array")"
    case .nothing: "the end of the document"
    }
  }

  private func unexpected(_ byte: UInt8, _ index: Int) -> JSONError {
    let shown = (0x21...0x7E).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
    return at(index, .malformed, "\(wanted) is expected, not \(shown)")
  }

  private func checkLength(_ length: Int, _ index: Int) throws(JSONError) {
    if length > limits.valueBytes { throw at(index, .tooBig, "a value is longer than \(limits.valueBytes) bytes") }
  }

  private func at(_ index: Int, _ kind: JSONError.Kind, _ message: String) -> JSONError {
    JSONError(kind, line: line, column: max(1, consumed + index - lineStart + 1), message: message)
  }
}
