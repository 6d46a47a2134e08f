// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What an agent asks of secyd. One message is one packet of a Unix socket of type SOCK_SEQPACKET.
///
/// Each begins with the version (1 octet), the kind (1), two octets of 0 and the number of the request (4), which the
/// answer repeats. All numbers are in network order. docs/macsec-secy.md has the whole protocol.
public enum RequestKind: UInt8, Sendable, CaseIterable {
  /// Who are you? Answered by `Identity`.
  case identify = 1
  /// Commands, carried out in their order. Answered by the failures.
  case perform = 2
  /// Settings, status and counts. Answered by `Report`.
  case report = 3
  /// Takes the controlled port away and ends the process. Answered before that happens.
  case remove = 4
}

public enum AnswerKind: UInt8, Sendable {
  case done = 0x80
  /// The request was not understood: a code and a sentence follow.
  case refused = 0x81
}

/// The first octets of each message.
public struct MessageHeader: Sendable, Equatable {
  public static let version: UInt8 = 1
  public static let length = 8

  public var kind: UInt8
  public var number: UInt32

  public init(kind: UInt8, number: UInt32) {
    self.kind = kind
    self.number = number
  }

  public func write(to buffer: MessageBuffer) {
    buffer.append(Self.version)
    buffer.append(kind)
    buffer.append(UInt16(0))
    buffer.append(number)
  }

  /// - Throws: `version`, `length`, `value`.
  public init(_ reader: inout MessageReader) throws(ControlError) {
    let version = try reader.number(UInt8.self)
    guard version == Self.version else {
      throw ControlError(.version, "version \(version) of the control protocol, not \(Self.version)")
    }
    kind = try reader.number()
    guard try reader.number(UInt16.self) == 0 else { throw ControlError(.value, "reserved octets are not 0") }
    number = try reader.number()
  }
}

/// Which secyd answers.
public struct Identity: Sendable, Equatable {
  /// Drawn at its start: another number is another process, that holds none of what the earlier one held.
  public var instance: UInt64
  public var process: UInt32
  public var sci: UInt64
  public var parent: String
  public var parentIndex: UInt32
  public var port: String
  /// Whether its memory cannot be paged out.
  public var isMemoryLocked: Bool

  public init(
    instance: UInt64, process: UInt32, sci: UInt64, parent: String, parentIndex: UInt32, port: String,
    isMemoryLocked: Bool
  ) {
    self.instance = instance
    self.process = process
    self.sci = sci
    self.parent = parent
    self.parentIndex = parentIndex
    self.port = port
    self.isMemoryLocked = isMemoryLocked
  }

  public func write(to buffer: MessageBuffer) {
    buffer.append(instance)
    buffer.append(process)
    buffer.append(sci)
    buffer.append(parent)
    buffer.append(parentIndex)
    buffer.append(port)
    buffer.append(isMemoryLocked)
  }

  public init(_ reader: inout MessageReader) throws(ControlError) {
    instance = try reader.number()
    process = try reader.number()
    sci = try reader.number()
    parent = try reader.text()
    parentIndex = try reader.number()
    port = try reader.text()
    isMemoryLocked = try reader.flag()
  }
}
