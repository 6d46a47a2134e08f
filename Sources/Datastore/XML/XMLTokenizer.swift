// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2
import Glibc

/// Cuts a document that comes in pieces into events: the one owner of a libxml2 push parser.
///
/// Accepted is UTF-8 without a document type declaration, so there are no entities but the predefined ones and nothing
/// outside the document is ever looked at. Memory does not grow with the document: text goes on in pieces, and what
/// has to be complete is bounded by `XMLLimits`. The caller bounds the whole.
///
/// The first error is final until `reset`: later calls throw it again. Not for use by several threads at once.
public final class XMLTokenizer {
  public let limits: XMLLimits
  private var context: xmlParserCtxtPtr?
  /// Not checked for overlapping access at run time, nor is what follows, which would cost much for each event: only the
  /// methods that take events and `reset` touch them, and none while a handler is called with them lent.
  @exclusivity(unchecked) private var handlers: [(handler: any XMLHandler, depth: Int)] = []
  @exclusivity(unchecked) private var depth = 0
  /// The depth of the element that is being skipped; 0 when none is.
  @exclusivity(unchecked) private var skippedDepth = 0
  @exclusivity(unchecked) private var failure: XMLError?
  /// The first bytes of a character whose rest is in the next piece.
  private var carried: [UInt8] = []
  private var hasBegun = false
  @exclusivity(unchecked) private(set) var isComplete = false
  /// Changes when the dictionary of names is made anew: addresses of names seen before are void then.
  @exclusivity(unchecked) public private(set) var generation = 0

  /// Names kept over resets; beyond this many the dictionary is made anew.
  private static let maximumNames = 16_384
  /// Pieces are handed to the parser in portions, as it copies what it is given.
  private static let portion = 65_536

  /// The handler gets the document element as its first event.
  public init(limits: XMLLimits = XMLLimits(), handler: any XMLHandler) {
    self.limits = limits
    handlers = [(handler, 0)]
    makeContext()
  }

  deinit { xmlFreeParserCtxt(context) }

  private func makeContext() {
    xmlFreeParserCtxt(context)
    var sax = xmlSAXHandler()
    sax.initialized = UInt32(XML_SAX2_MAGIC)
    sax.startDocument = { XMLTokenizer.from($0)?.documentStarted() }
    sax.internalSubset = { data, _, _, _ in XMLTokenizer.from(data)?.documentTypeSeen() }
    sax.startElementNs = { data, name, prefix, namespace, declared, declarations, count, _, attributes in
      guard let name else { return }
      let tag = XMLTag(
        name: name, namespace: namespace, prefix: prefix, attributeCount: Int(count),
        declarationCount: Int(declared), declarations: declarations, attributes: attributes, tokenizer: data)
      XMLTokenizer.from(data)?.elementStarted(tag)
    }
    sax.endElementNs = { data, _, _, _ in XMLTokenizer.from(data)?.elementEnded() }
    sax.characters = { data, bytes, count in XMLTokenizer.from(data)?.text(bytes, Int(count)) }
    sax.cdataBlock = { data, bytes, count in XMLTokenizer.from(data)?.text(bytes, Int(count)) }
    sax.serror = { data, error in XMLTokenizer.from(data)?.reported(error) }
    let userData = Unmanaged.passUnretained(self).toOpaque()
    context = xmlCreatePushParserCtxt(&sax, userData, nil, 0, nil)
    configure()
  }

  private func configure() {
    guard let context else {
      fail(XMLError(.tooBig, message: "no memory for a parser"))
      return
    }
    // Without document types "entities" are only the predefined ones, which are to be replaced everywhere.
    xmlCtxtUseOptions(context, Int32(XML_PARSE_NONET.rawValue | XML_PARSE_NOENT.rawValue))
  }

  static func from(_ data: UnsafeMutableRawPointer?) -> XMLTokenizer? {
    data.map { Unmanaged<XMLTokenizer>.fromOpaque($0).takeUnretainedValue() }
  }

  // MARK: Input

  /// Makes ready for another document, whose events go to `handler`.
  public func reset(handler: any XMLHandler) {
    handlers = [(handler, 0)]
    depth = 0
    skippedDepth = 0
    failure = nil
    carried.removeAll()
    hasBegun = false
    isComplete = false
    if let context, Int(xmlDictSize(context.pointee.dict)) < Self.maximumNames,
      xmlCtxtResetPush(context, nil, 0, nil, nil) == 0
    {
      configure()
    } else {
      generation += 1
      makeContext()
    }
  }

  /// Takes the next piece of the document and calls handlers for what it completes.
  public func feed(_ bytes: UnsafeRawBufferPointer) throws(XMLError) {
    if let failure { throw failure }
    guard !bytes.isEmpty else { return }
    if !hasBegun { try checkBeginning(bytes) }
    if let base = bytes.baseAddress, memchr(base, 0, bytes.count) != nil {
      throw fail(at(.malformed, "a zero byte"))
    }
    var rest = bytes
    if !carried.isEmpty {
      // Completes the character that the last piece cut.
      let missing = min(Self.sequenceLength(carried[0]) - carried.count, rest.count)
      carried.append(contentsOf: rest[..<missing])
      rest = UnsafeRawBufferPointer(rebasing: rest[missing...])
      guard carried.count == Self.sequenceLength(carried[0]) else { return }
      let character = carried
      carried.removeAll(keepingCapacity: true)
      try character.withUnsafeBytes { bytes in feeding { () throws(XMLError) in try parse(bytes) } }.get()
    }
    while !rest.isEmpty {
      let end = Self.boundary(rest, near: Self.portion)
      if end == 0 {
        carried.append(contentsOf: rest)
        return
      }
      try parse(UnsafeRawBufferPointer(rebasing: rest[..<end]))
      rest = UnsafeRawBufferPointer(rebasing: rest[end...])
    }
  }

  /// As `feed(_:)`.
  public func feed(_ bytes: some Sequence<UInt8>) throws(XMLError) {
    let result = bytes.withContiguousStorageIfAvailable { buffer in
      feeding { () throws(XMLError) in try feed(UnsafeRawBufferPointer(buffer)) }
    }
    if let result { return try result.get() }
    let array = Array(bytes)
    try array.withUnsafeBytes { buffer in feeding { () throws(XMLError) in try feed(buffer) } }.get()
  }

  /// Carries a typed error through the standard library's closures.
  private func feeding(_ body: () throws(XMLError) -> Void) -> Result<Void, XMLError> {
    do throws(XMLError) { return .success(try body()) } catch { return .failure(error) }
  }

  /// Says that the document is over.
  public func finish() throws(XMLError) {
    if let failure { throw failure }
    if let context { xmlParseChunk(context, nil, 0, 1) }
    if let failure {
      throw failure.kind == .malformed && !isComplete
        ? fail(XMLError(.truncated, line: failure.line, column: failure.column, message: failure.message)) : failure
    }
    guard isComplete, carried.isEmpty else { throw fail(at(.truncated, "the document ends before it is complete")) }
  }

  private func parse(_ bytes: UnsafeRawBufferPointer) throws(XMLError) {
    guard let context else { return }
    xmlParseChunk(context, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count), 0)
    if let failure { throw failure }
    if context.pointee.errNo != 0, context.pointee.wellFormed == 0 {
      throw fail(at(.malformed, "not well-formed"))
    }
    if let input = context.pointee.input, let end = input.pointee.end, let current = input.pointee.cur,
      end - current > limits.tokenBytes
    {
      throw fail(at(.tooBig, "a tag or other piece is longer than \(limits.tokenBytes) bytes"))
    }
  }

  /// The parser would follow a byte order mark of another encoding, so that is looked for first.
  private func checkBeginning(_ bytes: UnsafeRawBufferPointer) throws(XMLError) {
    hasBegun = true
    let first = bytes[0]
    let second = bytes.count > 1 ? bytes[1] : nil
    if first >= 0xFE || first == 0 || second == 0 || (first == 0x4C && second == 0x6F) {
      throw fail(XMLError(.encoding, line: 1, column: 1, message: "the document is not in UTF-8"))
    }
  }

  /// The end of a portion that cuts no character; 0 when only a part of one is there.
  private static func boundary(_ bytes: UnsafeRawBufferPointer, near limit: Int) -> Int {
    let end = min(limit, bytes.count)
    var start = end - 1
    while start > 0, end - start < 4, bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return start + sequenceLength(bytes[start]) > end ? start : end
  }

  /// How many bytes a character has that begins so; 1 for what cannot begin one, which the parser refuses.
  private static func sequenceLength(_ first: UInt8) -> Int {
    switch first {
    case 0xC2...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xF4: 4
    default: 1
    }
  }

  // MARK: Where it is

  /// The line of the event that is being handled, from 1.
  public var line: Int { context?.pointee.input.map { Int($0.pointee.line) } ?? 0 }
  /// The column behind it, from 1, in bytes.
  public var column: Int { context?.pointee.input.map { Int($0.pointee.col) } ?? 0 }

  /// The namespace that a prefix (empty: none) stands for in the element of the event that is being handled.
  public func namespace(forPrefix prefix: String) -> String? {
    if prefix == "xml" { return "http://www.w3.org/XML/1998/namespace" }
    guard let context, let table = context.pointee.nsTab else { return nil }
    // Pairs of prefix and namespace, the innermost last.
    var index = Int(context.pointee.nsNr) - 2
    while index >= 0 {
      let isWanted = table[index].map { strcmp($0.asCharacters, prefix) == 0 } ?? prefix.isEmpty
      if isWanted { return table[index + 1].flatMap { $0[0] == 0 ? nil : String(cString: $0) } }
      index -= 2
    }
    return nil
  }

  /// Every prefix (empty: none) that is in scope with its namespace, the outermost first. A later one hides an earlier.
  func namespacesInScope() -> [(prefix: String, namespace: String)] {
    guard let context, let table = context.pointee.nsTab else { return [] }
    return stride(from: 0, to: Int(context.pointee.nsNr), by: 2).map { index in
      (table[index].map { String(cString: $0) } ?? "", table[index + 1].map { String(cString: $0) } ?? "")
    }
  }

  // MARK: Events

  private func elementStarted(_ tag: XMLTag) {
    guard failure == nil else { return }
    depth += 1
    if depth > limits.depth { return fail(.tooDeep, "more than \(limits.depth) elements inside each other") }
    let count = tag.attributeCount
    if count + tag.declarationCount > limits.attributes {
      return fail(.tooBig, "more than \(limits.attributes) attributes")
    }
    if count > 0, let attributes = tag.attributes, Self.lengthOfValues(attributes, count) > limits.tokenBytes {
      return fail(.tooBig, "a tag is longer than \(limits.tokenBytes) bytes")
    }
    guard skippedDepth == 0, let top = handlers.last else { return }
    do throws(XMLError) {
      switch try top.handler.startElement(tag) {
      case .descend: break
      case .enter(let handler): handlers.append((handler, depth))
      case .skip: skippedDepth = depth
      }
    } catch { fail(error) }
  }

  private static func lengthOfValues(
    _ attributes: UnsafeMutablePointer<UnsafePointer<UInt8>?>, _ count: Int
  ) -> Int {
    (0..<count).reduce(0) { sum, index in
      guard let start = attributes[5 * index + 3], let end = attributes[5 * index + 4] else { return sum }
      return sum + (end - start)
    }
  }

  private func elementEnded() {
    guard failure == nil else { return }
    defer {
      depth -= 1
      if depth == 0 { isComplete = true }
    }
    if skippedDepth > 0 {
      if skippedDepth == depth { skippedDepth = 0 }
      return
    }
    do throws(XMLError) {
      if let top = handlers.last, top.depth == depth, handlers.count > 1 {
        try top.handler.finish()
        handlers.removeLast()
      }
      try handlers.last?.handler.endElement()
    } catch { fail(error) }
  }

  private func text(_ bytes: UnsafePointer<UInt8>?, _ count: Int) {
    guard failure == nil, skippedDepth == 0, let top = handlers.last else { return }
    do throws(XMLError) {
      try top.handler.characters(UnsafeBufferPointer(start: bytes, count: count))
    } catch { fail(error) }
  }

  private func documentStarted() {
    guard let context, let encoding = context.pointee.encoding ?? context.pointee.input?.pointee.encoding else {
      return
    }
    if strcasecmp(encoding.asCharacters, "UTF-8") != 0 {
      fail(.encoding, "the document declares an encoding other than UTF-8")
    }
  }

  private func documentTypeSeen() {
    fail(.documentType, "a document type declaration is not allowed")
  }

  private func reported(_ error: xmlErrorPtr?) {
    guard failure == nil, let error = error?.pointee else { return }
    // Warnings, and namespace names that are no proper URIs, are let pass.
    guard error.level.rawValue >= XML_ERR_ERROR.rawValue else { return }
    let text = error.message.map { String(cString: $0) } ?? "not well-formed"
    let message = String(text.prefix(200).split(separator: "\n").first ?? "not well-formed")
    let isEncoding =
      error.code == XML_ERR_INVALID_ENCODING.rawValue || error.code == XML_ERR_UNKNOWN_ENCODING.rawValue
      || error.code == XML_ERR_UNSUPPORTED_ENCODING.rawValue
    fail(
      XMLError(isEncoding ? .encoding : .malformed, line: Int(error.line), column: Int(error.int2), message: message))
  }

  private func at(_ kind: XMLError.Kind, _ message: String) -> XMLError {
    XMLError(kind, line: line, column: column, message: message)
  }

  private func fail(_ kind: XMLError.Kind, _ message: String) { fail(at(kind, message)) }

  @discardableResult private func fail(_ error: XMLError) -> XMLError {
    if failure == nil || error.kind == .truncated { failure = error }
    if let context { xmlStopParser(context) }
    return error
  }
}

extension UnsafePointer<UInt8> {
  fileprivate var asCharacters: UnsafePointer<CChar> { UnsafeRawPointer(self).assumingMemoryBound(to: CChar.self) }
}
