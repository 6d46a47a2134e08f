// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import CLibXML2
import Glibc
import YANG

/// What a server answers to one rpc.
public struct ServerReply: Sendable {
  public let text: String
  /// Empty for ok and for data.
  public let errors: [ReportedError]

  public init(text: String, errors: [ReportedError]) {
    self.text = text
    self.errors = errors
  }
}

/// A NETCONF session through the ssh command (RFC 6242): any server that OpenSSH can reach.
public final class SSHSession {
  private let process: pid_t
  private let input: Int32
  private let output: Int32
  private var buffer: [UInt8] = []
  private var isChunked = false
  private var messageID = 0
  /// What the server's hello announces.
  public private(set) var capabilities: [String] = []
  /// How long a reply may take.
  private let patience: Int32 = 60_000
  /// Octets of one message.
  private static let maximumMessage = 256 << 20

  /// - Parameter command: the program and its arguments, such as `ssh -s admin@host netconf`.
  public init(command: [String]) throws(GeneratorError) {
    var toChild: [Int32] = [0, 0]
    var fromChild: [Int32] = [0, 0]
    guard pipe(&toChild) == 0, pipe(&fromChild) == 0 else {
      throw GeneratorError("no pipes: \(String(cString: strerror(errno)))")
    }
    // The child keeps no end but its own.
    for descriptor in toChild + fromChild { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, toChild[0], 0)
    posix_spawn_file_actions_adddup2(&actions, fromChild[1], 1)
    var arguments = command.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var child: pid_t = 0
    let status = posix_spawnp(&child, command.first ?? "ssh", &actions, nil, &arguments, environ)
    close(toChild[0])
    close(fromChild[1])
    process = child
    input = toChild[1]
    output = fromChild[0]
    guard status == 0 else { throw GeneratorError("cannot run \(command): \(String(cString: strerror(status)))") }
    try greet()
  }

  deinit {
    close(input)
    close(output)
    kill(process, SIGTERM)
    waitpid(process, nil, 0)
  }

  /// Whether the hello announces a capability, with or without parameters.
  public func announces(_ capability: String) -> Bool {
    capabilities.contains { $0 == capability || $0.hasPrefix(capability + "?") }
  }

  /// Sends the content of an rpc and waits for its reply.
  public func call(_ operation: String) throws(GeneratorError) -> ServerReply {
    messageID += 1
    try send("<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"\(messageID)\">\(operation)</rpc>")
    let text = try receive()
    return ServerReply(text: text, errors: try Self.errors(in: text))
  }

  private func greet() throws(GeneratorError) {
    let base = "urn:ietf:params:netconf:base:1."
    try send(
      """
      <hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities><capability>\(base)0</capability>\
      <capability>\(base)1</capability></capabilities></hello>
      """)
    let hello = try receive()
    try Self.parse(hello) { root throws(GeneratorError) in
      for list in InstanceReader.children(root) where InstanceReader.name(list) == "capabilities" {
        capabilities = InstanceReader.children(list).map { element in
          String(InstanceReader.text(element).filter { !$0.isWhitespace })
        }
      }
    }
    isChunked = announces(base + "1")
  }

  // MARK: Framing

  private func send(_ text: String) throws(GeneratorError) {
    let bytes = Array(text.utf8)
    let framed =
      isChunked ? Array("\n#\(bytes.count)\n".utf8) + bytes + Array("\n##\n".utf8) : bytes + Array("]]>]]>".utf8)
    var sent = 0
    while sent < framed.count {
      let count = framed[sent...].withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
      guard count > 0 else { throw GeneratorError("the session is gone: \(String(cString: strerror(errno)))") }
      sent += count
    }
  }

  private func receive() throws(GeneratorError) -> String {
    guard isChunked else {
      let end = Array("]]>]]>".utf8)
      while true {
        if let place = buffer.firstIndex(of: end) {
          let text = String(decoding: buffer[..<place], as: UTF8.self)
          buffer.removeFirst(place + end.count)
          return text
        }
        try fill()
      }
    }
    var message: [UInt8] = []
    while true {
      let header = try line()
      if header == "##" { return String(decoding: message, as: UTF8.self) }
      guard header.hasPrefix("#"), let count = Int(header.dropFirst()), message.count + count <= Self.maximumMessage
      else { throw GeneratorError("not a chunk: \(header.prefix(40))") }
      while buffer.count < count { try fill() }
      message += buffer[..<count]
      buffer.removeFirst(count)
    }
  }

  /// The line after the next line feed.
  private func line() throws(GeneratorError) -> String {
    while true {
      if let end = buffer.dropFirst().firstIndex(of: 0x0A), buffer.first == 0x0A {
        let line = String(decoding: buffer[1..<end], as: UTF8.self)
        buffer.removeFirst(end + 1)
        return line
      }
      guard buffer.count < 64 || buffer.first == 0x0A else { throw GeneratorError("the server's framing is broken") }
      try fill()
    }
  }

  private func fill() throws(GeneratorError) {
    var descriptor = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    guard poll(&descriptor, 1, patience) > 0 else { throw GeneratorError("the server does not answer") }
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = read(output, &chunk, chunk.count)
    guard count > 0 else { throw GeneratorError("the server closed the session") }
    guard buffer.count + count <= Self.maximumMessage else { throw GeneratorError("the reply is too large") }
    buffer += chunk[..<count]
  }

  // MARK: Replies

  private static func parse(
    _ text: String, _ body: (xmlNodePtr) throws(GeneratorError) -> Void
  ) throws(GeneratorError) {
    guard let document = xmlReadMemory(text, Int32(text.utf8.count), nil, nil, Int32(XML_PARSE_HUGE.rawValue)),
      let root = xmlDocGetRootElement(document)
    else { throw GeneratorError("not well-formed: \(text.prefix(400))") }
    defer { xmlFreeDoc(document) }
    try body(root)
  }

  private static func errors(in reply: String) throws(GeneratorError) -> [ReportedError] {
    var errors: [ReportedError] = []
    try parse(reply) { root throws(GeneratorError) in
      for error in InstanceReader.children(root) where InstanceReader.name(error) == "rpc-error" {
        var texts: [String: String] = [:]
        for part in InstanceReader.children(error) { texts[InstanceReader.name(part)] = InstanceReader.text(part) }
        if texts["error-severity"] != "warning" {
          errors.append(ReportedError(texts["error-tag"] ?? "(no tag)", appTag: texts["error-app-tag"]))
        }
      }
    }
    return errors
  }
}

extension SSHSession: DriveTarget {
  public func edit(_ xml: String, defaultOperation: String) throws(GeneratorError) -> ServerReply {
    try call(
      """
      <edit-config><target><candidate/></target><default-operation>\(defaultOperation)</default-operation>\
      <config>\(xml)</config></edit-config>
      """)
  }

  public func validate() throws(GeneratorError) -> ServerReply {
    try call("<validate><source><candidate/></source></validate>")
  }

  public func commit() throws(GeneratorError) -> ServerReply { try call("<commit/>") }

  public func discardChanges() throws(GeneratorError) -> ServerReply { try call("<discard-changes/>") }

  public func running(below tops: [SchemaNode]) throws(GeneratorError) -> ServerReply {
    let filter = tops.map { "<\($0.name) xmlns=\"\(XMLText.escaped($0.module.namespace))\"/>" }.joined()
    return try call("<get-config><source><running/></source><filter type=\"subtree\">\(filter)</filter></get-config>")
  }
}

extension [UInt8] {
  /// Where a sequence of octets begins.
  fileprivate func firstIndex(of part: [UInt8]) -> Int? {
    guard count >= part.count else { return nil }
    return (0...(count - part.count)).first { self[$0] == part[0] && self[$0..<($0 + part.count)].elementsEqual(part) }
  }
}
