// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One complete HTTP/1.x request with its target already split and percent-decoded.
public struct HTTPRequest: Equatable, Sendable {
  /// The method as sent; methods are case-sensitive (RFC 9110 section 9.1).
  public var method: String
  /// The segments of the path, percent-decoded one by one, so that an encoded slash stays inside its segment.
  public var path: [String]
  /// The query parameters in the order sent, names and values percent-decoded.
  public var query: [QueryItem]
  /// The header fields in the order sent, names in lower case.
  public var headers: [HeaderField]
  /// The body, empty when there was none.
  public var body: [UInt8]
  /// Whether the connection may carry another request after this one (RFC 9112 section 9.3).
  public var keepsAlive: Bool

  /// Makes a request; the parser is the usual caller.
  public init(
    method: String, path: [String], query: [QueryItem] = [], headers: [HeaderField] = [], body: [UInt8] = [],
    keepsAlive: Bool = true
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
    self.keepsAlive = keepsAlive
  }

  /// The values of a query parameter, spelled exactly so; a parameter may be sent more than once.
  public func values(ofParameter name: String) -> [String] {
    query.filter { $0.name == name }.map(\.value)
  }
}

/// One name and value of a query string.
public struct QueryItem: Equatable, Sendable {
  /// The name before the equals sign.
  public var name: String
  /// The value after it, empty when there was no equals sign.
  public var value: String

  /// Makes a query item.
  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// One header field of a request or a response.
public struct HeaderField: Equatable, Sendable {
  /// The field's name; in lower case when it came from a parser.
  public var name: String
  /// The field's value without surrounding white space.
  public var value: String

  /// Makes a header field.
  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}
