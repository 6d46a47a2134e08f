// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// An HTTP response that is ready to be encoded.
public struct HTTPResponse: Equatable, Sendable {
  /// The status code, 200 to 599.
  public var status: Int
  /// Header fields beside Content-Length, Content-Type and Connection, which the encoder writes.
  public var headers: [HeaderField]
  /// The media type, written unless the body is empty.
  public var contentType: String
  /// The body.
  public var body: [UInt8]

  /// Makes a response.
  public init(
    status: Int, headers: [HeaderField] = [], contentType: String = "application/json", body: [UInt8] = []
  ) {
    self.status = status
    self.headers = headers
    self.contentType = contentType
    self.body = body
  }

  /// An error answer whose body has one member, `message`.
  public static func failure(_ status: Int, _ message: String) -> HTTPResponse {
    var text = JSONText()
    text.object { $0.member("message", message) }
    return HTTPResponse(status: status, body: text.bytes)
  }

  /// The head with the empty line at its end.
  public func encodedHead(keepsAlive: Bool) -> [UInt8] {
    var head = "HTTP/1.1 \(status) \(Self.reason(status))\r\n"
    head += "Server: kmesim\r\n"
    if !body.isEmpty { head += "Content-Type: \(contentType)\r\n" }
    head += "Content-Length: \(body.count)\r\nCache-Control: no-store\r\n"
    for field in headers { head += "\(field.name): \(field.value)\r\n" }
    if !keepsAlive { head += "Connection: close\r\n" }
    return Array((head + "\r\n").utf8)
  }

  /// The words that go with a status code (RFC 9110 section 15).
  static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: "Status \(status)"
    }
  }
}
