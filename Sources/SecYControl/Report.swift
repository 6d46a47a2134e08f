// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine

/// All that a secyd holds and has counted, but no key.
public struct Report: Sendable, Equatable {
  public var settings: SecYSettings
  public var status: ControlledPortStatus
  public var counts: SecYCounts

  public init(settings: SecYSettings, status: ControlledPortStatus, counts: SecYCounts) {
    self.settings = settings
    self.status = status
    self.counts = counts
  }

  public func write(to buffer: MessageBuffer) {
    settings.write(to: buffer)
    buffer.append(status.rawValue)
    for path in Self.interfaceCounts { buffer.append(counts.interface[keyPath: path]) }
    buffer.append(counts.transmit.sci)
    for path in Self.transmitCounts { buffer.append(counts.transmit[keyPath: path]) }
    buffer.append(UInt8(counts.transmit.associations.count))
    for association in counts.transmit.associations {
      buffer.append(association.associationNumber)
      association.key.write(to: buffer)
      buffer.append(association.isEnabled)
      buffer.append(association.outPktsProtected)
      buffer.append(association.outPktsEncrypted)
      buffer.append(association.nextPN)
    }
    buffer.append(UInt16(counts.receive.count))
    for channel in counts.receive { Self.write(channel, to: buffer) }
  }

  private static func write(_ channel: SecYCounts.ReceiveChannel, to buffer: MessageBuffer) {
    buffer.append(channel.sci)
    for path in receiveCounts { buffer.append(channel[keyPath: path]) }
    buffer.append(UInt8(channel.associations.count))
    for association in channel.associations {
      buffer.append(association.associationNumber)
      buffer.append(association.key != nil)
      association.key?.write(to: buffer)
      for path in associationCounts { buffer.append(association[keyPath: path]) }
    }
  }

  public init(_ reader: inout MessageReader) throws(ControlError) {
    settings = try SecYSettings(&reader)
    status = try reader.value()
    var interface = SecYCounts.Interface()
    for path in Self.interfaceCounts { interface[keyPath: path] = try reader.number() }
    var transmit = SecYCounts.TransmitChannel(sci: try reader.number())
    for path in Self.transmitCounts { transmit[keyPath: path] = try reader.number() }
    let transmitting = try reader.number(UInt8.self)
    guard transmitting <= 4 else { throw ControlError(.value, "\(transmitting) transmit associations") }
    for _ in 0..<transmitting {
      let number = try reader.associationNumber()
      var association = SecYCounts.TransmitAssociation(associationNumber: number, key: try KeyName(&reader))
      association.isEnabled = try reader.flag()
      association.outPktsProtected = try reader.number()
      association.outPktsEncrypted = try reader.number()
      association.nextPN = try reader.number()
      transmit.associations.append(association)
    }
    counts = SecYCounts(transmit: transmit)
    counts.interface = interface
    for _ in 0..<(try reader.number(UInt16.self)) { counts.receive.append(try Self.channel(&reader)) }
  }

  private static func channel(_ reader: inout MessageReader) throws(ControlError) -> SecYCounts.ReceiveChannel {
    var channel = SecYCounts.ReceiveChannel(sci: try reader.number())
    for path in receiveCounts { channel[keyPath: path] = try reader.number() }
    let count = try reader.number(UInt8.self)
    guard count <= 4 else { throw ControlError(.value, "\(count) receive associations in a channel") }
    for _ in 0..<count {
      var association = SecYCounts.ReceiveAssociation(associationNumber: try reader.associationNumber())
      if try reader.flag() { association.key = try KeyName(&reader) }
      for path in associationCounts { association[keyPath: path] = try reader.number() }
      channel.associations.append(association)
    }
    return channel
  }

  // The counts in the order in which they are sent.

  private static var interfaceCounts: [WritableKeyPath<SecYCounts.Interface, UInt64>] {
    [
      \.inPktsUntagged, \.inPktsNoTag, \.inPktsBadTag, \.inPktsUnknownSCI, \.inPktsNoSCI, \.inPktsOverrun,
      \.inOctetsValidated, \.inOctetsDecrypted, \.outPktsUntagged, \.outPktsTooLong, \.outOctetsProtected,
      \.outOctetsEncrypted, \.inPktsBlocked, \.outPktsBlocked,
    ]
  }

  private static var transmitCounts: [WritableKeyPath<SecYCounts.TransmitChannel, UInt64>] {
    [\.outPktsProtected, \.outPktsEncrypted, \.outOctetsProtected, \.outOctetsEncrypted, \.outPktsTooLong]
  }

  private static var receiveCounts: [WritableKeyPath<SecYCounts.ReceiveChannel, UInt64>] {
    [
      \.inPktsUnchecked, \.inPktsDelayed, \.inPktsLate, \.inPktsOK, \.inPktsInvalid, \.inPktsNotValid,
      \.inPktsNotUsingSA, \.inPktsUnusedSA, \.inPktsUntaggedHit, \.inOctetsValidated, \.inOctetsDecrypted,
    ]
  }

  private static var associationCounts: [WritableKeyPath<SecYCounts.ReceiveAssociation, UInt64>] {
    [\.inPktsOK, \.inPktsInvalid, \.inPktsNotValid, \.inPktsNotUsingSA, \.inPktsUnusedSA, \.nextPN, \.lowestPN]
  }
}
