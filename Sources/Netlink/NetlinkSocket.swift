// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc

/// A netlink socket for requests and their answers; it is closed when the value ends. Used by one thread at a time.
struct NetlinkSocket: ~Copyable {
  /// The protocols of netlink that are used here.
  enum Family: Int32 {
    case route = 0
    case netfilter = 12
    case generic = 16
  }

  /// How long the kernel may take to answer, in seconds. It answers at once unless it is in trouble.
  private static let answerTimeout = 5
  /// The most messages in one answer.
  private static let maximumMessages = 1 << 20
  /// How often a dump is made again when a change disturbs it.
  private static let maximumAttempts = 8
  private static let bufferLength = 65_536

  /// For polling.
  let descriptor: Int32
  private var sequence: UInt32 = 0

  /// - Parameter groups: the multicast groups whose messages are wanted, by number.
  init(_ family: Family, groups: [Int32] = []) throws(NetlinkError) {
    descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), family.rawValue)
    guard descriptor >= 0 else { throw .system(call: "socket", errorNumber: errno) }
    var timeout = timeval(tv_sec: Self.answerTimeout, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    // Reasons in words, and filters that filter; older kernels do without.
    var on: Int32 = 1
    for option in [Self.extendedAcknowledge, Self.cappedAcknowledge, Self.strictChecking] {
      setsockopt(descriptor, Self.netlinkLevel, option, &on, socklen_t(MemoryLayout<Int32>.size))
    }
    guard !groups.isEmpty else { return }
    // A socket without an address of its own hears nothing: sockaddr_nl with a port that the kernel chooses.
    var own: (UInt32, UInt32, UInt32) = (UInt32(AF_NETLINK), 0, 0)
    let isBound = withUnsafePointer(to: &own) { own in
      own.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<(UInt32, UInt32, UInt32)>.size)) == 0
      }
    }
    guard isBound else { throw .system(call: "bind", errorNumber: errno) }
    for group in groups {
      var group = group
      let length = socklen_t(MemoryLayout<Int32>.size)
      guard setsockopt(descriptor, Self.netlinkLevel, Self.addMembership, &group, length) == 0 else {
        throw .system(call: "setsockopt", errorNumber: errno)
      }
    }
  }

  private static let netlinkLevel: Int32 = 270
  private static let addMembership: Int32 = 1
  private static let cappedAcknowledge: Int32 = 10
  private static let extendedAcknowledge: Int32 = 11
  private static let strictChecking: Int32 = 12

  deinit { close(descriptor) }

  /// Sends a request, made with the sequence number that `make` gets, and collects its answer.
  ///
  /// - Parameter secret: bytes of the payload that are filled in just before it is sent, and wiped after.
  mutating func exchange(
    secret: NetlinkSecret? = nil, _ make: (UInt32) throws(NetlinkError) -> NetlinkMessage
  ) throws(NetlinkError) -> [NetlinkMessage] {
    for _ in 0..<Self.maximumAttempts {
      sequence &+= 1
      let request = try make(sequence)
      try send(request.encoded, secret: secret)
      var collector = NetlinkCollector(request: request, limit: Self.maximumMessages)
      while !collector.isComplete { try collector.take(try receive()) }
      if !collector.isInterrupted { return collector.messages }
    }
    throw .inconsistent
  }

  /// Sends messages that are carried out together or not at all, as a subsystem of netfilter takes them between a
  /// beginning and an end. Throws the first refusal.
  ///
  /// - Parameter make: the messages for the sequence numbers from the given one on. Those in the middle ask to be
  ///   acknowledged.
  mutating func batch(_ make: (UInt32) throws(NetlinkError) -> [NetlinkMessage]) throws(NetlinkError) {
    let messages = try make(sequence &+ 1)
    sequence &+= UInt32(messages.count)
    var waiting = Set(messages.filter { $0.flags.contains(.acknowledge) }.map(\.sequence))
    let first = messages.first?.sequence
    var failure: NetlinkError?
    try send(messages.flatMap(\.encoded), secret: nil)
    while !waiting.isEmpty {
      for answer in try NetlinkMessage.decode(try receive()) where answer.type == NetlinkMessage.Control.error {
        let refusal = try answer.failure()
        // What is refused at its beginning, or at its end, is answered there and nowhere else.
        if answer.sequence == first, let refusal { throw refusal }
        if waiting.remove(answer.sequence) != nil, failure == nil { failure = refusal }
      }
    }
    if let failure { throw failure }
  }

  private func send(_ message: [UInt8], secret: NetlinkSecret?) throws(NetlinkError) {
    var bytes = message
    if let secret { try secret.fill(&bytes) }
    defer {
      if secret != nil {
        bytes.withUnsafeMutableBytes { if let start = $0.baseAddress { explicit_bzero(start, $0.count) } }
      }
    }
    while true {
      if Glibc.send(descriptor, bytes, bytes.count, 0) == bytes.count { return }
      guard errno == EINTR else { throw .system(call: "send", errorNumber: errno) }
    }
  }

  /// A datagram that is there already; nil when there is none. An overrun is the system's error ENOBUFS.
  func receiveWaiting() throws(NetlinkError) -> [UInt8]? {
    do throws(NetlinkError) { return try receive(flags: Int32(MSG_DONTWAIT)) } catch {
      if case .timedOut = error { return nil }
      throw error
    }
  }

  /// One datagram of the kernel.
  private func receive(flags: Int32 = 0) throws(NetlinkError) -> [UInt8] {
    while true {
      // sockaddr_nl: family and padding, port, groups.
      var sender: (UInt32, UInt32, UInt32) = (0, 0, 0)
      var buffer: [UInt8] = []
      var failure: Int32 = 0
      var length = 0
      buffer = [UInt8](unsafeUninitializedCapacity: Self.bufferLength) { target, count in
        var senderLength = socklen_t(MemoryLayout.size(ofValue: sender))
        length = withUnsafeMutablePointer(to: &sender) { sender in
          sender.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            recvfrom(descriptor, target.baseAddress, target.count, Int32(MSG_TRUNC) | flags, $0, &senderLength)
          }
        }
        failure = errno
        count = min(max(length, 0), target.count)
      }
      if length < 0 {
        if failure == EINTR { continue }
        if failure == EAGAIN { throw .timedOut }
        throw .system(call: "recvfrom", errorNumber: failure)
      }
      guard length <= buffer.count else { throw .malformed("a datagram of \(length) bytes") }
      if sender.1 == 0 { return buffer }  // other processes may send too; only the kernel is believed
    }
  }
}

/// Collects the messages that answer one request: until the end of a dump, an acknowledgement, or the one message.
struct NetlinkCollector {
  private let request: NetlinkMessage
  private let limit: Int
  private(set) var messages: [NetlinkMessage] = []
  private(set) var isComplete = false
  /// The tables changed during the dump; it has to be made again.
  private(set) var isInterrupted = false

  init(request: NetlinkMessage, limit: Int) {
    self.request = request
    self.limit = limit
  }

  /// Takes a datagram. The kernel's refusal is thrown.
  mutating func take(_ datagram: [UInt8]) throws(NetlinkError) {
    for message in try NetlinkMessage.decode(datagram) where message.sequence == request.sequence && !isComplete {
      if message.flags.contains(.dumpInterrupted) { isInterrupted = true }
      switch message.type {
      case NetlinkMessage.Control.noOperation: continue
      case NetlinkMessage.Control.error:
        if let failure = try message.failure() { throw failure }
        isComplete = true
      case NetlinkMessage.Control.done:
        var reader = NetlinkReader(message.payload[...])
        if !message.payload.isEmpty, try reader.int32() < 0 {
          throw try message.failure() ?? .malformed("the end of a dump")
        }
        isComplete = true
      case NetlinkMessage.Control.overrun: throw .malformed("an overrun")
      default:
        guard messages.count < limit else { throw .malformed("more than \(limit) messages in an answer") }
        messages.append(message)
        let endsWithIt = !message.flags.contains(.multipart) && !request.flags.contains(.acknowledge)
        if endsWithIt { isComplete = true }
      }
    }
  }
}
