// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// Any JSON value, for what no schema describes: the content of anydata, annotations.
public indirect enum JSONValue: Sendable, Hashable {
  case object([Member])
  case array([JSONValue])
  case string(String)
  /// As written.
  case number(String)
  case literal(Literal)

  public enum Literal: String, Sendable { case null, yes = "true", no = "false" }

  public struct Member: Sendable, Hashable {
    public let name: String
    public let value: JSONValue
    public init(name: String, value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  /// Reads a whole document.
  public static func parse(_ bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) -> JSONValue {
    let builder = JSONValueBuilder()
    var tokenizer = JSONTokenizer(handler: builder, limits: limits)
    let result = bytes.withUnsafeBytes { bytes -> Result<Void, JSONError> in
      do throws(JSONError) {
        try tokenizer.feed(bytes)
        return .success(try tokenizer.finish())
      } catch { return .failure(error) }
    }
    try result.get()
    guard let value = builder.result else { throw JSONError(.truncated, message: "there is no value") }
    return value
  }

  /// Appends the value as JSON without white space.
  public func append(to output: inout [UInt8]) {
    switch self {
    case .object(let members):
      output.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        appendJSONString(member.name, to: &output)
        output.append(UInt8(ascii: ":"))
        member.value.append(to: &output)
      }
      output.append(UInt8(ascii: "}"))
    case .array(let items):
      output.append(UInt8(ascii: "["))
      for (index, item) in items.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        item.append(to: &output)
      }
      output.append(UInt8(ascii: "]"))
    case .string(let text): appendJSONString(text, to: &output)
    case .number(let text): output.append(contentsOf: text.utf8)
    case .literal(let literal): output.append(contentsOf: literal.rawValue.utf8)
    }
  }

  /// The value as text: of a string its characters, of others as JSON writes them.
  public var text: String {
    if case .string(let text) = self { return text }
    var output: [UInt8] = []
    append(to: &output)
    return String(decoding: output, as: UTF8.self)
  }
}

/// Puts a value together from the events of a document.
private final class JSONValueBuilder: JSONHandler {
  private enum Open {
    case object([JSONValue.Member], name: String)
    case array([JSONValue])
  }
  private var open: [Open] = []
  private(set) var result: JSONValue?

  private func add(_ value: JSONValue) {
    switch open.popLast() {
    case .object(var members, let name)?:
      members.append(JSONValue.Member(name: name, value: value))
      open.append(.object(members, name: ""))
    case .array(var items)?:
      items.append(value)
      open.append(.array(items))
    case nil: result = value
    }
  }

  func beginObject() { open.append(.object([], name: "")) }
  func beginArray() { open.append(.array([])) }
  func endObject() { if case .object(let members, _)? = open.popLast() { add(.object(members)) } }
  func endArray() { if case .array(let items)? = open.popLast() { add(.array(items)) } }
  func name(_ text: UnsafeBufferPointer<UInt8>) {
    if case .object(let members, _)? = open.popLast() {
      open.append(.object(members, name: String(decoding: text, as: UTF8.self)))
    }
  }
  func string(_ text: UnsafeBufferPointer<UInt8>) { add(.string(String(decoding: text, as: UTF8.self))) }
  func number(_ text: UnsafeBufferPointer<UInt8>) { add(.number(String(decoding: text, as: UTF8.self))) }
  func literal(_ literal: JSONLiteral) {
    switch literal {
    case .null: add(.literal(.null))
    case .yes: add(.literal(.yes))
    case .no: add(.literal(.no))
    }
  }
}
