// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// A connection between two processes of one QKD network: messages as lines of JSON, in both directions.
final class LinkConnection {
  /// The longest line, in bytes; 128 keys of 65536 bits take two million digits.
  static let lineLimit = 4_194_304
  /// How much may wait to be sent, in bytes, before the link is given up.
  static let outputLimit = 16_777_216

  let id: UInt64
  private let loop: EventLoop
  private let transport: Transport?
  private var input: [UInt8] = []
  private var output: [UInt8] = []
  private var isClosed = false
  var onMessage: ((LinkConnection, LinkMessage) -> Void)?
  var onClose: ((LinkConnection) -> Void)?

  init(id: UInt64, loop: EventLoop, descriptor: Int32) {
    self.id = id
    self.loop = loop
    transport = Transport(descriptor, nil)
  }

  func start() {
    guard let transport, loop.watch(transport.descriptor, id: id, .readable, { [weak self] _ in self?.ready() }) else {
      return close()
    }
  }

  func send(_ message: LinkMessage) {
    output += message.line
    if output.count > Self.outputLimit { close() } else { flush() }
  }

  func close() {
    guard !isClosed, let transport else { return }
    isClosed = true
    loop.forget(transport.descriptor, id: id)
    onClose?(self)
    (onMessage, onClose) = (nil, nil)
  }

  private func ready() {
    flush()
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while !isClosed, let transport {
      switch buffer.withUnsafeMutableBytes({ transport.read(into: $0) }) {
      case .done(let count):
        input += buffer.prefix(count)
        takeLines()
      case .again: return
      case .ended, .failed: return close()
      }
    }
  }

  private func takeLines() {
    while !isClosed, let end = input.firstIndex(of: .lineFeed) {
      guard let message = LinkMessage(line: Array(input[..<end])) else { return close() }
      input.removeSubrange(...end)
      onMessage?(self, message)
    }
    if input.count > Self.lineLimit { close() }
  }

  private func flush() {
    guard !isClosed, let transport else { return }
    while !output.isEmpty {
      guard case .done(let count) = output.withUnsafeBytes({ transport.write($0) }) else { break }
      output.removeFirst(count)
    }
    loop.change(transport.descriptor, id: id, to: output.isEmpty ? .readable : [.readable, .writable])
  }
}
