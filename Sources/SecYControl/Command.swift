// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine

/// A step in programming a SecY, as it goes to secyd. Keys are lent for the time of a call.
public enum ControlCommand {
  case configure(SecYSettings)
  case setPort(ControlledPortStatus)
  case addReceiveChannel(UInt64)
  case removeReceiveChannel(UInt64)
  case addReceiveAssociation(UInt64, UInt8, AssociationKey, lowestPN: UInt64)
  case removeReceiveAssociation(UInt64, UInt8, KeyName)
  case raiseLowestPN(UInt64, UInt8, UInt64)
  case addTransmitAssociation(UInt8, AssociationKey, nextPN: UInt64)
  case enableTransmit(UInt8, KeyName)
  case removeTransmitAssociation(UInt8, KeyName)

  private enum Code: UInt8 {
    case configure = 1
    case setPort, addReceiveChannel, removeReceiveChannel, addReceiveAssociation, removeReceiveAssociation
    case raiseLowestPN, addTransmitAssociation, enableTransmit, removeTransmitAssociation
  }

  // MARK: Carrying out

  /// - Throws: the engine's reason.
  public func perform(on entity: SecurityEntity) throws(SecYEngineError) {
    switch self {
    case .configure(let settings): try entity.configure(settings)
    case .setPort(let status): entity.setPort(status)
    case .addReceiveChannel(let sci): try entity.addReceiveChannel(sci)
    case .removeReceiveChannel(let sci): entity.removeReceiveChannel(sci)
    case .addReceiveAssociation(let sci, let number, let key, let lowestPN):
      try entity.addReceiveAssociation(sci, number, key: key, lowestPN: lowestPN)
    case .removeReceiveAssociation(let sci, let number, let key):
      entity.removeReceiveAssociation(sci, number, key: key)
    case .raiseLowestPN(let sci, let number, let lowest): try entity.raiseLowestPN(sci, number, lowest)
    case .addTransmitAssociation(let number, let key, let nextPN):
      try entity.addTransmitAssociation(number, key: key, nextPN: nextPN)
    case .enableTransmit(let number, let key): try entity.enableTransmit(number, key: key)
    case .removeTransmitAssociation(let number, let key): entity.removeTransmitAssociation(number, key: key)
    }
  }

  // MARK: Coding

  public func write(to buffer: MessageBuffer) {
    switch self {
    case .configure(let settings):
      buffer.append(Code.configure.rawValue)
      settings.write(to: buffer)
    case .setPort(let status):
      buffer.append(Code.setPort.rawValue)
      buffer.append(status.rawValue)
    case .addReceiveChannel(let sci):
      buffer.append(Code.addReceiveChannel.rawValue)
      buffer.append(sci)
    case .removeReceiveChannel(let sci):
      buffer.append(Code.removeReceiveChannel.rawValue)
      buffer.append(sci)
    case .addReceiveAssociation(let sci, let number, let key, let lowestPN):
      buffer.append(Code.addReceiveAssociation.rawValue)
      buffer.append(sci)
      buffer.append(number)
      key.write(to: buffer)
      buffer.append(lowestPN)
    case .removeReceiveAssociation(let sci, let number, let key):
      buffer.append(Code.removeReceiveAssociation.rawValue)
      buffer.append(sci)
      buffer.append(number)
      key.write(to: buffer)
    case .raiseLowestPN(let sci, let number, let lowest):
      buffer.append(Code.raiseLowestPN.rawValue)
      buffer.append(sci)
      buffer.append(number)
      buffer.append(lowest)
    case .addTransmitAssociation(let number, let key, let nextPN):
      buffer.append(Code.addTransmitAssociation.rawValue)
      buffer.append(number)
      key.write(to: buffer)
      buffer.append(nextPN)
    case .enableTransmit(let number, let key):
      buffer.append(Code.enableTransmit.rawValue)
      buffer.append(number)
      key.write(to: buffer)
    case .removeTransmitAssociation(let number, let key):
      buffer.append(Code.removeTransmitAssociation.rawValue)
      buffer.append(number)
      key.write(to: buffer)
    }
  }

  /// Its key, if it has one, lies in the message and is valid as long as that is.
  public init(_ reader: inout MessageReader) throws(ControlError) {
    switch try reader.value(Code.self) {
    case .configure: self = .configure(try SecYSettings(&reader))
    case .setPort: self = .setPort(try reader.value())
    case .addReceiveChannel: self = .addReceiveChannel(try reader.number())
    case .removeReceiveChannel: self = .removeReceiveChannel(try reader.number())
    case .addReceiveAssociation:
      self = .addReceiveAssociation(
        try reader.number(), try reader.associationNumber(), try AssociationKey(&reader), lowestPN: try reader.number())
    case .removeReceiveAssociation:
      self = .removeReceiveAssociation(try reader.number(), try reader.associationNumber(), try KeyName(&reader))
    case .raiseLowestPN:
      self = .raiseLowestPN(try reader.number(), try reader.associationNumber(), try reader.number())
    case .addTransmitAssociation:
      self = .addTransmitAssociation(
        try reader.associationNumber(), try AssociationKey(&reader), nextPN: try reader.number())
    case .enableTransmit: self = .enableTransmit(try reader.associationNumber(), try KeyName(&reader))
    case .removeTransmitAssociation:
      self = .removeTransmitAssociation(try reader.associationNumber(), try KeyName(&reader))
    }
  }
}

/// A command that was not carried out: its place among those of the request, and why.
public struct CommandFailure: Sendable, Equatable {
  public var index: UInt16
  public var error: SecYEngineError

  public init(index: UInt16, error: SecYEngineError) {
    self.index = index
    self.error = error
  }

  public func write(to buffer: MessageBuffer) {
    buffer.append(index)
    buffer.append(error.code.rawValue)
    buffer.append(error.description)
  }

  public init(_ reader: inout MessageReader) throws(ControlError) {
    index = try reader.number()
    error = SecYEngineError(try reader.value(), try reader.text())
  }
}

extension MessageReader {
  mutating func associationNumber() throws(ControlError) -> UInt8 {
    let number = try number(UInt8.self)
    guard number < 4 else { throw ControlError(.value, "association number \(number) is not 0 to 3") }
    return number
  }
}

extension KeyName {
  func write(to buffer: MessageBuffer) {
    buffer.append(high)
    buffer.append(low)
  }

  init(_ reader: inout MessageReader) throws(ControlError) {
    self.init(high: try reader.number(), low: try reader.number())
  }
}

extension AssociationKey {
  func write(to buffer: MessageBuffer) {
    identifier.write(to: buffer)
    buffer.append(UInt8(truncatingIfNeeded: bytes.count))
    buffer.append(bytes)
    buffer.append(`extension` != nil)
    guard let `extension` else { return }
    buffer.append(`extension`.ssci)
    buffer.append(`extension`.salt.high)
    buffer.append(`extension`.salt.low)
  }

  init(_ reader: inout MessageReader) throws(ControlError) {
    let identifier = try KeyName(&reader)
    let length = try reader.number(UInt8.self)
    guard length == 16 || length == 32 else { throw ControlError(.value, "a key of \(length) octets") }
    let bytes = try reader.octets(Int(length))
    var `extension`: Extension?
    if try reader.flag() {
      let ssci = try reader.number(UInt32.self)
      `extension` = Extension(ssci: ssci, salt: try reader.octets(12))
    }
    self.init(identifier: identifier, bytes: bytes, extension: `extension`)
  }
}

extension SecYSettings {
  func write(to buffer: MessageBuffer) {
    buffer.append(cipherSuite.rawValue)
    buffer.append(confidentiality.rawValue)
    buffer.append(validation.rawValue)
    buffer.append(replayProtect)
    buffer.append(replayWindow)
    buffer.append(includesSCI)
    buffer.append(clearProtocols.rawValue)
    buffer.append(vlanTagsInClear)
  }

  init(_ reader: inout MessageReader) throws(ControlError) {
    self.init()
    cipherSuite = try reader.value()
    confidentiality = try reader.value()
    validation = try reader.value()
    replayProtect = try reader.flag()
    replayWindow = try reader.number()
    includesSCI = try reader.flag()
    clearProtocols = ClearProtocols(rawValue: try reader.number())
    vlanTagsInClear = try reader.number()
    guard vlanTagsInClear <= 2 else { throw ControlError(.value, "\(vlanTagsInClear) VLAN tags in clear") }
  }
}
