// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

extension HTTPRequestParser {
  /// The parsed request line and header fields, and how many bytes of body follow.
  struct Head: Sendable {
    var request: HTTPRequest
    var bodyLength: Int

    /// Parses the bytes before the empty line.
    init(_ bytes: ArraySlice<UInt8>, limits: Limits) throws(HTTPParseError) {
      // Every line feed has its carriage return before it, or the end of the head would not have been found.
      var lines = bytes.split(separator: .lineFeed, omittingEmptySubsequences: false)
      for index in lines.indices.dropLast() { lines[index] = lines[index].dropLast() }
      let requestLine = lines.removeFirst()
      guard requestLine.count <= limits.requestLine else {
        throw HTTPParseError(.targetTooLong, "the request line exceeds \(limits.requestLine) bytes")
      }
      guard bytes.count <= limits.head else {
        throw HTTPParseError(.headersTooLarge, "the header exceeds \(limits.head) bytes")
      }
      let (method, target, isVersion11) = try Self.parse(requestLine: requestLine)
      guard lines.count <= limits.headerFields else {
        throw HTTPParseError(.headersTooLarge, "there are more than \(limits.headerFields) header fields")
      }
      var headers: [HeaderField] = []
      for line in lines { headers.append(try Self.parse(field: line)) }
      bodyLength = try Self.bodyLength(headers, limit: limits.body)
      try Self.checkHost(headers, required: isVersion11)
      request = HTTPRequest(
        method: method, path: target.path, query: target.query, headers: headers,
        keepsAlive: Self.keepsAlive(headers, isVersion11: isVersion11))
    }

    private static func parse(
      requestLine: ArraySlice<UInt8>
    ) throws(HTTPParseError) -> (method: String, target: HTTPRequestTarget, isVersion11: Bool) {
      let parts = requestLine.split(separator: .space, omittingEmptySubsequences: false)
      guard parts.count == 3, !parts[0].isEmpty, parts[0].allSatisfy(\.isTokenCharacter) else {
        throw HTTPParseError(.malformed, "the request line is not method, target and version")
      }
      let version = String(decoding: parts[2], as: UTF8.self)
      guard version.hasPrefix("HTTP/") else {
        throw HTTPParseError(.malformed, "the request line does not end with an HTTP version")
      }
      guard version == "HTTP/1.1" || version == "HTTP/1.0" else {
        throw HTTPParseError(.versionNotSupported, "only HTTP/1.1 and HTTP/1.0 are spoken here")
      }
      let target = try HTTPRequestTarget(parts[1])
      return (String(decoding: parts[0], as: UTF8.self), target, version == "HTTP/1.1")
    }

    private static func parse(field line: ArraySlice<UInt8>) throws(HTTPParseError) -> HeaderField {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
        throw HTTPParseError(.malformed, "a header field has no colon")
      }
      let name = line[..<colon]
      guard !name.isEmpty, name.allSatisfy(\.isTokenCharacter) else {
        throw HTTPParseError(.malformed, "a header field's name is empty or has illegal characters")
      }
      let value = line[(colon + 1)...].trimmingHTTPSpace()
      guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == UInt8(ascii: "\t") }) else {
        throw HTTPParseError(.malformed, "a header field's value has control characters")
      }
      return HeaderField(String(decoding: name, as: UTF8.self).lowercased(), String(decoding: value, as: UTF8.self))
    }

    private static func bodyLength(_ headers: [HeaderField], limit: Int) throws(HTTPParseError) -> Int {
      guard !headers.contains(where: { $0.name == "transfer-encoding" }) else {
        throw HTTPParseError(.codingNotImplemented, "transfer codings are not taken in requests")
      }
      let lengths = headers.filter { $0.name == "content-length" }
      guard let text = lengths.first?.value else { return 0 }
      guard lengths.count == 1, !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
      else { throw HTTPParseError(.malformed, "Content-Length is not one decimal number") }
      guard let length = Int(text), length <= limit else {
        throw HTTPParseError(.bodyTooLarge, "the body exceeds \(limit) bytes")
      }
      return length
    }

    private static func checkHost(_ headers: [HeaderField], required: Bool) throws(HTTPParseError) {
      let count = headers.count { $0.name == "host" }
      guard count == 1 || count == 0 && !required else {
        throw HTTPParseError(.malformed, "there is not exactly one Host field")
      }
    }

    private static func keepsAlive(_ headers: [HeaderField], isVersion11: Bool) -> Bool {
      let options = headers.filter { $0.name == "connection" }
        .flatMap { $0.value.lowercased().split(separator: ",") }
        .map { String(Array($0.utf8)[...].trimmingHTTPSpace().map { Character(UnicodeScalar($0)) }) }
      if options.contains("close") { return false }
      return isVersion11 || options.contains("keep-alive")
    }
  }
}

/// A request target in origin form (RFC 9112 section 3.2.1), decoded.
struct HTTPRequestTarget: Equatable, Sendable {
  var path: [String]
  var query: [QueryItem]

  init(_ bytes: ArraySlice<UInt8>) throws(HTTPParseError) {
    guard bytes.first == UInt8(ascii: "/") else {
      throw HTTPParseError(.malformed, "the request target does not begin with a slash")
    }
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
      throw HTTPParseError(.malformed, "the request target has illegal characters")
    }
    let mark = bytes.firstIndex(of: UInt8(ascii: "?")) ?? bytes.endIndex
    path = []
    for segment in bytes[..<mark].dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
      path.append(try Self.decode(segment))
    }
    query = []
    for item in bytes[mark...].dropFirst().split(separator: UInt8(ascii: "&")) {
      let equals = item.firstIndex(of: UInt8(ascii: "=")) ?? item.endIndex
      query.append(QueryItem(try Self.decode(item[..<equals]), try Self.decode(item[equals...].dropFirst())))
    }
  }

  /// Undoes percent-encoding; what it yields must be UTF-8.
  static func decode(_ bytes: ArraySlice<UInt8>) throws(HTTPParseError) -> String {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index < bytes.endIndex {
      if bytes[index] == UInt8(ascii: "%") {
        guard bytes.endIndex - index > 2, let high = Hexadecimal.digit(bytes[index + 1]),
          let low = Hexadecimal.digit(bytes[index + 2])
        else { throw HTTPParseError(.malformed, "a percent sign is not followed by two hexadecimal digits") }
        decoded.append(high << 4 | low)
        index += 3
      } else {
        decoded.append(bytes[index])
        index += 1
      }
    }
    guard let text = String(validating: decoded, as: UTF8.self), !decoded.contains(0) else {
      throw HTTPParseError(.malformed, "the request target does not decode to text")
    }
    return text
  }
}

extension UInt8 {
  /// Whether the byte may stand in a method or a header field's name (RFC 9110 section 5.6.2).
  var isTokenCharacter: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "!#$%&'*+-.^_`|~".utf8.contains(self)
    }
  }
}

extension ArraySlice<UInt8> {
  func trimmingHTTPSpace() -> ArraySlice<UInt8> {
    func isSpace(_ byte: UInt8) -> Bool { byte == .space || byte == UInt8(ascii: "\t") }
    return drop(while: isSpace).reversed().drop(while: isSpace).reversed()[...]
  }
}
