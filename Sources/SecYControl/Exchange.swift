// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine

/// Whole messages, as both ends make and read them.
public enum Exchange {
  /// How many commands one message may have: so many that the answer has room for the reason of each failure.
  public static let mostCommands = 200

  public static func request(_ kind: RequestKind, number: UInt32, to buffer: MessageBuffer) {
    buffer.wipe()
    MessageHeader(kind: kind.rawValue, number: number).write(to: buffer)
  }

  /// The answer to a message, for secyd: carries out what it asks for.
  ///
  /// - Returns: whether the controlled port is to be removed once the answer is sent.
  public static func answer(
    _ message: UnsafeRawBufferPointer, entity: SecurityEntity, identity: Identity, to buffer: MessageBuffer
  ) -> Bool {
    buffer.wipe()
    var reader = MessageReader(message)
    var number: UInt32 = 0
    do throws(ControlError) {
      let header = try MessageHeader(&reader)
      number = header.number
      guard let kind = RequestKind(rawValue: header.kind) else {
        throw ControlError(.value, "there is no request \(header.kind)")
      }
      MessageHeader(kind: AnswerKind.done.rawValue, number: number).write(to: buffer)
      switch kind {
      case .identify:
        try reader.end()
        identity.write(to: buffer)
      case .perform: try perform(&reader, entity, to: buffer)
      case .report:
        try reader.end()
        Report(settings: entity.settings, status: entity.status, counts: entity.counts).write(to: buffer)
      case .remove: try reader.end()
      }
      return kind == .remove
    } catch {
      buffer.wipe()
      MessageHeader(kind: AnswerKind.refused.rawValue, number: number).write(to: buffer)
      buffer.append(error.code.rawValue)
      buffer.append(error.description)
      return false
    }
  }

  /// Reads all commands before the first is carried out: a message that is wrong anywhere changes nothing.
  private static func perform(
    _ reader: inout MessageReader, _ entity: SecurityEntity, to buffer: MessageBuffer
  ) throws(ControlError) {
    let count = try reader.number(UInt16.self)
    guard count <= mostCommands else { throw ControlError(.value, "\(count) commands, more than \(mostCommands)") }
    var commands: [ControlCommand] = []
    for _ in 0..<count { commands.append(try ControlCommand(&reader)) }
    try reader.end()
    var failures: [CommandFailure] = []
    for (index, command) in commands.enumerated() {
      do throws(SecYEngineError) { try command.perform(on: entity) } catch {
        failures.append(CommandFailure(index: UInt16(index), error: error))
      }
    }
    buffer.append(UInt16(failures.count))
    for failure in failures { failure.write(to: buffer) }
  }

  /// The body of an answer, for an agent.
  ///
  /// - Throws: why the request was refused, `value` for an answer to another one.
  public static func body(_ message: UnsafeRawBufferPointer, number: UInt32) throws(ControlError) -> MessageReader {
    var reader = MessageReader(message)
    let header = try MessageHeader(&reader)
    guard header.number == number else {
      throw ControlError(.value, "the answer is to request \(header.number), not to \(number)")
    }
    switch AnswerKind(rawValue: header.kind) {
    case .done: return reader
    case .refused:
      let code: ControlError.Code = try reader.value()
      throw ControlError(code, try reader.text())
    case nil: throw ControlError(.value, "there is no answer \(header.kind)")
    }
  }

  public static func failures(_ reader: inout MessageReader) throws(ControlError) -> [CommandFailure] {
    let count = try reader.number(UInt16.self)
    guard count <= mostCommands else { throw ControlError(.value, "\(count) failures") }
    var failures: [CommandFailure] = []
    for _ in 0..<count { failures.append(try CommandFailure(&reader)) }
    try reader.end()
    return failures
  }
}
