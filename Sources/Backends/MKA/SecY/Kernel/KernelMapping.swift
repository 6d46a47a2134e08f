// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Netlink

extension MACsecSettings {
  /// What a SecTAG with SCI and the check value add to a frame, in bytes; the kernel takes it off the parent's MTU.
  static let overhead: UInt32 = 32

  /// Blocked is protected without an association to transmit with. Unprotected passes frames in clear and still takes
  /// protected ones, from peers that are a moment ahead.
  init(_ configuration: SecYConfiguration, _ status: PortStatus) {
    self.init(
      protects: status != .unprotected, encrypts: configuration.confidentialityOffset != .integrityOnly,
      validation: status == .unprotected ? .check : .strict, replayProtect: configuration.replayProtect,
      replayWindow: configuration.replayWindow)
  }
}

extension SecYState {
  init(_ device: MACsecDevice) {
    let transmit = device.transmit.map {
      Association($0, isInUse: $0.isActive && $0.number == device.encodingAssociation)
    }
    var receive: [SCI: [Association]] = [:]
    for channel in device.receive {
      receive[SCI(rawValue: channel.sci)] = channel.associations.map {
        Association($0, isInUse: channel.isActive && $0.isActive)
      }
    }
    let status: PortStatus =
      !device.settings.protects ? .unprotected : transmit.contains(where: \.isInUse) ? .protected : .blocked
    self.init(
      configuration: CipherSuite(identifier: device.cipherSuite).map {
        SecYConfiguration(
          cipherSuite: $0, confidentialityOffset: device.settings.encrypts ? .zero : .integrityOnly,
          replayProtect: device.settings.replayProtect, replayWindow: device.settings.replayWindow)
      },
      status: status, transmit: transmit, receive: receive)
  }
}

extension SecYState.Association {
  init(_ association: MACsecDevice.Association, isInUse: Bool) {
    self.init(
      number: AssociationNumber(truncating: association.number), key: SAKIdentifier(association.keyIdentifier),
      isInUse: isInUse, nextPN: association.packetNumber)
  }
}

extension SecYStatistics {
  init(_ device: MACsecDevice) {
    var transmit = TransmitChannel(sci: SCI(rawValue: device.sci))
    transmit.outPacketsProtected = device.transmitCounters[MACsecCounter.Transmit.outPacketsProtected]
    transmit.outPacketsEncrypted = device.transmitCounters[MACsecCounter.Transmit.outPacketsEncrypted]
    transmit.outOctetsProtected = device.transmitCounters[MACsecCounter.Transmit.outOctetsProtected]
    transmit.outOctetsEncrypted = device.transmitCounters[MACsecCounter.Transmit.outOctetsEncrypted]
    transmit.outPacketsTooLong = device.counters[MACsecCounter.Device.outPacketsTooLong]
    transmit.associations = device.transmit.map(TransmitAssociation.init)
    self.init(transmit: transmit)
    receive = device.receive.map(ReceiveChannel.init).sorted { $0.sci < $1.sci }
    interface = Interface(device, receive)
  }
}

extension SecYStatistics.Interface {
  /// The kernel counts octets by channel.
  fileprivate init(_ device: MACsecDevice, _ channels: [SecYStatistics.ReceiveChannel]) {
    self.init()
    inPacketsUntagged = device.counters[MACsecCounter.Device.inPacketsUntagged]
    inPacketsNoTag = device.counters[MACsecCounter.Device.inPacketsNoTag]
    inPacketsBadTag = device.counters[MACsecCounter.Device.inPacketsBadTag]
    inPacketsUnknownSCI = device.counters[MACsecCounter.Device.inPacketsUnknownSCI]
    inPacketsNoSCI = device.counters[MACsecCounter.Device.inPacketsNoSCI]
    inPacketsOverrun = device.counters[MACsecCounter.Device.inPacketsOverrun]
    inOctetsValidated = channels.reduce(0) { $0 &+ $1.inOctetsValidated }
    inOctetsDecrypted = channels.reduce(0) { $0 &+ $1.inOctetsDecrypted }
    outPacketsUntagged = device.counters[MACsecCounter.Device.outPacketsUntagged]
    outPacketsTooLong = device.counters[MACsecCounter.Device.outPacketsTooLong]
    outOctetsProtected = device.transmitCounters[MACsecCounter.Transmit.outOctetsProtected]
    outOctetsEncrypted = device.transmitCounters[MACsecCounter.Transmit.outOctetsEncrypted]
  }
}

extension SecYStatistics.TransmitAssociation {
  fileprivate init(_ association: MACsecDevice.Association) {
    self.init(number: AssociationNumber(truncating: association.number))
    outPacketsProtected = association.counters[MACsecCounter.Association.outPacketsProtected]
    outPacketsEncrypted = association.counters[MACsecCounter.Association.outPacketsEncrypted]
    nextPN = association.packetNumber
  }
}

extension SecYStatistics.ReceiveChannel {
  fileprivate init(_ channel: MACsecDevice.ReceiveChannel) {
    self.init(sci: SCI(rawValue: channel.sci))
    inPacketsUnchecked = channel.counters[MACsecCounter.Receive.inPacketsUnchecked]
    inPacketsDelayed = channel.counters[MACsecCounter.Receive.inPacketsDelayed]
    inPacketsLate = channel.counters[MACsecCounter.Receive.inPacketsLate]
    inPacketsOK = channel.counters[MACsecCounter.Receive.inPacketsOK]
    inPacketsInvalid = channel.counters[MACsecCounter.Receive.inPacketsInvalid]
    inPacketsNotValid = channel.counters[MACsecCounter.Receive.inPacketsNotValid]
    inPacketsNotUsingSA = channel.counters[MACsecCounter.Receive.inPacketsNotUsingSA]
    inPacketsUnusedSA = channel.counters[MACsecCounter.Receive.inPacketsUnusedSA]
    inOctetsValidated = channel.counters[MACsecCounter.Receive.inOctetsValidated]
    inOctetsDecrypted = channel.counters[MACsecCounter.Receive.inOctetsDecrypted]
    associations = channel.associations.map(SecYStatistics.ReceiveAssociation.init)
  }
}

extension SecYStatistics.ReceiveAssociation {
  fileprivate init(_ association: MACsecDevice.Association) {
    self.init(number: AssociationNumber(truncating: association.number))
    inPacketsOK = association.counters[MACsecCounter.Association.inPacketsOK]
    inPacketsInvalid = association.counters[MACsecCounter.Association.inPacketsInvalid]
    inPacketsNotValid = association.counters[MACsecCounter.Association.inPacketsNotValid]
    inPacketsNotUsingSA = association.counters[MACsecCounter.Association.inPacketsNotUsingSA]
    inPacketsUnusedSA = association.counters[MACsecCounter.Association.inPacketsUnusedSA]
    nextPN = association.packetNumber
  }
}

/// The kernel keeps no lowest acceptable packet number: it takes what is within the replay window before the next one
/// expected.
enum KernelPacketNumber {
  /// The next number to expect, so that none below `lowest` is taken; nil when there is no such number.
  static func next(forLowest lowest: UInt64, window: UInt32, isExtended: Bool) -> UInt64? {
    guard lowest >= 1, isExtended || lowest <= UInt32.max else { return nil }
    let next = lowest.addingReportingOverflow(UInt64(window))
    // The upper half of an extended number is guessed from the next one expected: to skip ahead into another half
    // would make the frames before it unreadable. Better to be a window too generous there.
    guard !next.overflow, next.partialValue >> 32 == lowest >> 32 else { return lowest }
    return next.partialValue
  }
}

/// The SAKs that a SecY has had, so that none comes again with packet numbers from 1. Bounded: key servers number their
/// SAKs upwards, so the greatest number of each is all there is to keep.
struct SAKHistory {
  /// The most key servers that are remembered, by the order in which they came.
  static let maximumKeyServers = 64

  private struct Greatest {
    var numbers: [MemberIdentifier: UInt32] = [:]
    var order: [MemberIdentifier] = []

    func has(_ key: SAKIdentifier) -> Bool { numbers[key.keyServer].map { key.number <= $0 } ?? false }

    mutating func note(_ key: SAKIdentifier) {
      if let greatest = numbers[key.keyServer] {
        numbers[key.keyServer] = max(greatest, key.number)
        return
      }
      if order.count >= maximumKeyServers { numbers[order.removeFirst()] = nil }
      order.append(key.keyServer)
      numbers[key.keyServer] = key.number
    }
  }

  private var transmitted = Greatest()
  private var received: [SCI: Greatest] = [:]

  func hasTransmitted(_ key: SAKIdentifier) -> Bool { transmitted.has(key) }
  mutating func noteTransmit(_ key: SAKIdentifier) { transmitted.note(key) }

  func hasReceived(_ key: SAKIdentifier, _ sci: SCI) -> Bool { received[sci]?.has(key) ?? false }

  mutating func noteReceive(_ key: SAKIdentifier, _ sci: SCI) {
    if received[sci] == nil, received.count >= Self.maximumKeyServers { received.removeAll() }
    received[sci, default: Greatest()].note(key)
  }
}
