// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore

/// The server's hello (RFC 6241 section 8.1).
enum HelloWriter {
  static func message(capabilities: [String], sessionID: UInt32?) -> [UInt8] {
    var output: [UInt8] = []
    output.append(
      markup: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<hello xmlns=\"\(Namespace.base)\"><capabilities>")
    for capability in capabilities { output.append(element: "capability", text: capability) }
    output.append(markup: "</capabilities>" as StaticString)
    if let sessionID { output.append(markup: "<session-id>\(sessionID)</session-id>") }
    output.append(markup: "</hello>" as StaticString)
    return output
  }
}

/// A hello that was received.
struct Hello: Sendable {
  var capabilities: [String] = []
  /// Nil without the element; a client that sends one is in error.
  var sessionID: String?
}

/// Reads the content of a hello. What it does not know it leaves out.
final class HelloReader: XMLHandler {
  private enum Limit {
    static let capabilities = 2000
    static let capabilityBytes = 4096
  }
  private(set) var hello = Hello()
  private var path: [String] = []
  private var text: [UInt8] = []

  func startElement(_ tag: XMLTag) throws(XMLError) -> XMLAction {
    let isOurs =
      path.isEmpty
      ? tag.isNamed("capabilities", in: Namespace.base) || tag.isNamed("session-id", in: Namespace.base)
      : path == ["capabilities"] && tag.isNamed("capability", in: Namespace.base)
    guard isOurs else { return .skip }
    path.append(tag.nameText)
    text.removeAll(keepingCapacity: true)
    return .descend
  }

  func characters(_ bytes: UnsafeBufferPointer<UInt8>) throws(XMLError) {
    guard path.last != "capabilities" else { return }
    text.append(contentsOf: bytes)
    if text.count > Limit.capabilityBytes { throw XMLError(.tooBig, message: "a capability is too long") }
  }

  func endElement() throws(XMLError) {
    switch path.popLast() {
    case "capability":
      hello.capabilities.append(Self.trimmed(text))
      if hello.capabilities.count > Limit.capabilities { throw XMLError(.tooBig, message: "too many capabilities") }
    case "session-id": hello.sessionID = Self.trimmed(text)
    default: break
    }
    text.removeAll(keepingCapacity: true)
  }

  static func trimmed(_ bytes: [UInt8]) -> String {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }
    guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(decoding: bytes[first...last], as: UTF8.self)
  }
}
