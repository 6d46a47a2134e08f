// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Secrets

/// One VICI packet: what the length prefix of the stream encloses.
public enum VICIPacket: Sendable, Equatable {
  case request(command: String, VICIMessage)
  case response(VICIMessage)
  case unknownCommand
  case register(event: String)
  case unregister(event: String)
  case confirmed
  case unknownEvent
  case event(String, VICIMessage)

  private var type: UInt8 {
    switch self {
    case .request: 0
    case .response: 1
    case .unknownCommand: 2
    case .register: 3
    case .unregister: 4
    case .confirmed: 5
    case .unknownEvent: 6
    case .event: 7
    }
  }

  /// The packet with its length prefix, ready for the socket.
  ///
  /// - Throws: `tooLong` when it cannot be carried.
  public func framed() throws(VICIError) -> [UInt8] {
    var packet: [UInt8] = []
    switch self {
    case .request(let name, let message), .event(let name, let message):
      packet.reserveCapacity(6 + name.utf8.count + message.encodedCount)
      packet += [0, 0, 0, 0, type]
      try packet.append(packetName: name)
      try message.append(to: &packet)
    case .register(let name), .unregister(let name):
      packet += [0, 0, 0, 0, type]
      try packet.append(packetName: name)
    case .response(let message):
      packet.reserveCapacity(5 + message.encodedCount)
      packet += [0, 0, 0, 0, type]
      try message.append(to: &packet)
    case .unknownCommand, .confirmed, .unknownEvent:
      packet += [0, 0, 0, 0, type]
    }
    let length = packet.count - 4
    guard length <= VICILimit.packetBytes else {
      throw VICIError(.tooLong, "a VICI packet of \(length) bytes, the limit is \(VICILimit.packetBytes)")
    }
    for index in 0..<4 { packet[index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * index)) }
    return packet
  }

  /// Reads a packet without its length prefix.
  ///
  /// - Throws: `malformed`.
  public init(decoding bytes: ArraySlice<UInt8>) throws(VICIError) {
    var rest = bytes
    guard let type = rest.popFirst() else { throw VICIError(.malformed, "an empty VICI packet") }
    switch type {
    case 0:
      let command = try rest.takePacketName()
      self = .request(command: command, try VICIMessage(decoding: rest))
    case 1: self = .response(try VICIMessage(decoding: rest))
    case 2: self = .unknownCommand
    case 3: self = .register(event: try rest.takePacketName())
    case 4: self = .unregister(event: try rest.takePacketName())
    case 5: self = .confirmed
    case 6: self = .unknownEvent
    case 7:
      let event = try rest.takePacketName()
      self = .event(event, try VICIMessage(decoding: rest))
    default: throw VICIError(.malformed, "VICI packet type \(type)")
    }
  }
}

/// A packet on its way to the socket. It may carry secrets, so it is wiped when the last reference goes.
public struct VICIFrame: Sendable, Equatable {
  /// The packet with its length prefix.
  public let bytes: SecretBytes

  /// - Throws: `tooLong`.
  public init(_ packet: VICIPacket) throws(VICIError) {
    var framed = try packet.framed()
    bytes = SecretBytes(copying: framed)
    framed.withUnsafeMutableBytes { buffer in
      if let base = buffer.baseAddress { explicit_bzero(base, buffer.count) }
    }
  }

  public static func == (left: VICIFrame, right: VICIFrame) -> Bool { left.bytes.isEqual(to: right.bytes) }
}

/// Cuts the byte stream of a VICI socket into packets. Bytes may come in any pieces; at most one packet is held.
public struct VICIPacketReader: Sendable {
  private var buffer: [UInt8] = []
  private var start = 0

  public init() {}

  /// Takes bytes from the socket.
  public mutating func feed(_ bytes: some Sequence<UInt8>) { buffer.append(contentsOf: bytes) }

  /// The next whole packet, nil when more bytes are needed.
  ///
  /// - Throws: `malformed`; the stream cannot be followed after that.
  public mutating func next() throws(VICIError) -> VICIPacket? {
    let available = buffer.count - start
    guard available >= 4 else { return nil }
    let length = buffer[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
    guard length <= VICILimit.packetBytes else {
      throw VICIError(.malformed, "a VICI packet of \(length) bytes, the limit is \(VICILimit.packetBytes)")
    }
    guard available >= 4 + length else { return nil }
    let packet = try VICIPacket(decoding: buffer[start + 4..<start + 4 + length])
    start += 4 + length
    if start == buffer.count || start > VICILimit.packetBytes {
      buffer.removeFirst(start)
      start = 0
    }
    return packet
  }
}

extension [UInt8] {
  fileprivate mutating func append(packetName name: String) throws(VICIError) {
    guard name.utf8.count <= VICILimit.nameBytes else {
      throw VICIError(.tooLong, "a VICI command name of \(name.utf8.count) bytes")
    }
    append(UInt8(name.utf8.count))
    append(contentsOf: name.utf8)
  }
}

extension ArraySlice<UInt8> {
  fileprivate mutating func takePacketName() throws(VICIError) -> String {
    guard let length = popFirst(), count >= length else { throw VICIError(.malformed, "a VICI packet cut short") }
    defer { self = dropFirst(Int(length)) }
    return String(decoding: prefix(Int(length)), as: UTF8.self)
  }
}
