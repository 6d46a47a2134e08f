// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// One netlink message (RFC 3549 section 2.2): a header and what follows it. All numbers are in the host's order.
public struct NetlinkMessage: Sendable, Hashable {
  static let headerLength = 16
  /// Types below this one are control messages of netlink itself.
  static let firstType: UInt16 = 16

  /// The control messages.
  enum Control {
    static let noOperation: UInt16 = 1
    static let error: UInt16 = 2
    static let done: UInt16 = 3
    static let overrun: UInt16 = 4
  }

  /// The flags of a header.
  public struct Flags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let request = Flags(rawValue: 0x1)
    public static let multipart = Flags(rawValue: 0x2)
    public static let acknowledge = Flags(rawValue: 0x4)
    /// The dump was disturbed by a change and has to be made again.
    public static let dumpInterrupted = Flags(rawValue: 0x10)
    /// Of requests for data: all entries.
    public static let dump = Flags(rawValue: 0x300)
    /// Of requests that make something: fail if it exists.
    public static let exclusive = Flags(rawValue: 0x200)
    /// Of requests that make something: put it in the place of what there is.
    public static let replace = Flags(rawValue: 0x100)
    /// Of requests that make something: make it if it does not exist.
    public static let create = Flags(rawValue: 0x400)
    /// Of requests that make something in a list: at its end.
    static let append = Flags(rawValue: 0x800)
    /// Of acknowledgements: the request's payload is not repeated.
    static let capped = Flags(rawValue: 0x100)
    /// Of acknowledgements: attributes follow.
    static let hasAttributes = Flags(rawValue: 0x200)
  }

  public var type: UInt16
  public var flags: Flags
  public var sequence: UInt32
  public var port: UInt32
  public var payload: [UInt8]

  public init(type: UInt16, flags: Flags, sequence: UInt32, port: UInt32 = 0, payload: [UInt8]) {
    self.type = type
    self.flags = flags
    self.sequence = sequence
    self.port = port
    self.payload = payload
  }

  /// The bytes on the socket.
  public var encoded: [UInt8] {
    var writer = NetlinkWriter()
    writer.append(UInt32(Self.headerLength + payload.count))
    writer.append(type)
    writer.append(flags.rawValue)
    writer.append(sequence)
    writer.append(port)
    writer.append(bytes: payload)
    return writer.bytes
  }

  /// The messages of one datagram.
  public static func decode(_ datagram: [UInt8]) throws(NetlinkError) -> [NetlinkMessage] {
    var messages: [NetlinkMessage] = []
    var rest = datagram[...]
    while !rest.isEmpty {
      var reader = NetlinkReader(rest)
      let length = Int(try reader.uint32())
      guard length >= headerLength, length <= rest.count else {
        throw .malformed("a length of \(length) in a datagram with \(rest.count) bytes left")
      }
      let type = try reader.uint16()
      let flags = Flags(rawValue: try reader.uint16())
      let sequence = try reader.uint32()
      let port = try reader.uint32()
      let payload = Array(rest[(rest.startIndex + headerLength)..<(rest.startIndex + length)])
      messages.append(NetlinkMessage(type: type, flags: flags, sequence: sequence, port: port, payload: payload))
      rest = rest.dropFirst(NetlinkWriter.aligned(length))
    }
    return messages
  }

  /// What an error message says: nil when it is an acknowledgement.
  func failure() throws(NetlinkError) -> NetlinkError? {
    var reader = NetlinkReader(payload[...])
    let number = try reader.int32()
    guard number != 0 else { return nil }
    guard number < 0, number > -4_096 else { throw .malformed("error number \(number)") }
    guard flags.contains(.hasAttributes) else { return .refused(errorNumber: -number, reason: nil) }
    // The header of the request follows, and its payload unless that was left away.
    let length = Int(try reader.uint32())
    let repeated = flags.contains(.capped) ? Self.headerLength : NetlinkWriter.aligned(length)
    guard length >= Self.headerLength, repeated + 4 <= payload.count else { throw .malformed("an error's request") }
    let attributes = try NetlinkAttributes(payload[(4 + repeated)...])
    return .refused(errorNumber: -number, reason: try attributes.text(1))
  }
}
