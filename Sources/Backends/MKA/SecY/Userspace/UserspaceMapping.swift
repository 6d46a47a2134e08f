// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYControl
import SecYEngine

// What is the same in secyd's words and in those of MKA.

extension FrameCipherSuite {
  init(_ suite: CipherSuite) {
    switch suite {
    case .gcmAES128: self = .gcmAES128
    case .gcmAES256: self = .gcmAES256
    case .gcmAESXPN128: self = .gcmAESXPN128
    case .gcmAESXPN256: self = .gcmAESXPN256
    }
  }
}

extension CipherSuite {
  init(_ suite: FrameCipherSuite) {
    switch suite {
    case .gcmAES128: self = .gcmAES128
    case .gcmAES256: self = .gcmAES256
    case .gcmAESXPN128: self = .gcmAESXPN128
    case .gcmAESXPN256: self = .gcmAESXPN256
    }
  }
}

extension SecYSettings {
  init(_ configuration: SecYConfiguration, _ exceptions: ClearExceptions) {
    self.init()
    cipherSuite = FrameCipherSuite(configuration.cipherSuite)
    confidentiality = FrameConfidentiality(rawValue: configuration.confidentialityOffset.rawValue) ?? .whole
    replayProtect = configuration.replayProtect
    replayWindow = configuration.replayWindow
    if exceptions.lldp { clearProtocols.insert(.lldp) }
    if exceptions.slowProtocols { clearProtocols.insert(.lacp) }
    if exceptions.pause { clearProtocols.insert(.pause) }
    vlanTagsInClear = UInt8(clamping: exceptions.vlanTags)
  }

  var configuration: SecYConfiguration {
    SecYConfiguration(
      cipherSuite: CipherSuite(cipherSuite),
      confidentialityOffset: ConfidentialityOffset(rawValue: confidentiality.rawValue) ?? .zero,
      replayProtect: replayProtect, replayWindow: replayWindow)
  }
}

extension ControlledPortStatus {
  init(_ status: PortStatus) {
    switch status {
    case .blocked: self = .blocked
    case .unprotected: self = .unprotected
    case .protected: self = .protected
    }
  }
}

extension PortStatus {
  init(_ status: ControlledPortStatus) {
    switch status {
    case .blocked: self = .blocked
    case .unprotected: self = .unprotected
    case .protected: self = .protected
    }
  }
}

extension KeyName {
  init(_ key: SAKIdentifier) {
    self.init(high: key.keyServer.high, low: UInt64(key.keyServer.low) << 32 | UInt64(key.number))
  }
}

extension SAKIdentifier {
  init(_ name: KeyName) {
    self.init(
      keyServer: MemberIdentifier(high: name.high, low: UInt32(truncatingIfNeeded: name.low >> 32)),
      number: UInt32(truncatingIfNeeded: name.low))
  }
}

extension SAK {
  /// Lends itself as the channel's association has it; nil when it has no short identifier for the channel.
  func lend(to sci: SCI, _ body: (AssociationKey) -> Void) -> Bool {
    var mixed: AssociationKey.Extension?
    if let salt {
      guard let short = ssci[sci] else { return false }
      mixed = AssociationKey.Extension(ssci: short, salt: salt)
    }
    key.withUnsafeBytes { body(AssociationKey(identifier: KeyName(identifier), bytes: $0, extension: mixed)) }
    return true
  }
}

extension SecYCommand {
  /// Writes itself as secyd takes it; false when the SAK does not know its channel.
  func write(to buffer: MessageBuffer, own: SCI, exceptions: ClearExceptions) -> Bool {
    switch self {
    case .configure(let configuration):
      ControlCommand.configure(SecYSettings(configuration, exceptions)).write(to: buffer)
    case .setPort(let status): ControlCommand.setPort(ControlledPortStatus(status)).write(to: buffer)
    case .addReceiveChannel(let sci): ControlCommand.addReceiveChannel(sci.rawValue).write(to: buffer)
    case .removeReceiveChannel(let sci): ControlCommand.removeReceiveChannel(sci.rawValue).write(to: buffer)
    case .addReceiveAssociation(let sci, let sak):
      return sak.lend(to: sci) { key in
        ControlCommand.addReceiveAssociation(sci.rawValue, sak.associationNumber.rawValue, key, lowestPN: 1)
          .write(to: buffer)
      }
    case .removeReceiveAssociation(let sci, let number, let key):
      ControlCommand.removeReceiveAssociation(sci.rawValue, number.rawValue, KeyName(key)).write(to: buffer)
    case .raiseLowestPN(let sci, let number, let lowest):
      ControlCommand.raiseLowestPN(sci.rawValue, number.rawValue, lowest).write(to: buffer)
    case .addTransmitAssociation(let sak):
      return sak.lend(to: own) { key in
        ControlCommand.addTransmitAssociation(sak.associationNumber.rawValue, key, nextPN: 1).write(to: buffer)
      }
    case .enableTransmit(let number, let key):
      ControlCommand.enableTransmit(number.rawValue, KeyName(key)).write(to: buffer)
    case .removeTransmitAssociation(let number, let key):
      ControlCommand.removeTransmitAssociation(number.rawValue, KeyName(key)).write(to: buffer)
    }
    return true
  }
}

extension SecYState {
  init(_ report: Report) {
    let transmit = report.counts.transmit.associations.map {
      Association(
        number: AssociationNumber(truncating: $0.associationNumber), key: SAKIdentifier($0.key), isInUse: $0.isEnabled,
        nextPN: $0.nextPN)
    }
    var receive: [SCI: [Association]] = [:]
    for channel in report.counts.receive {
      receive[SCI(rawValue: channel.sci)] = channel.associations.compactMap { association in
        association.key.map {
          Association(
            number: AssociationNumber(truncating: association.associationNumber), key: SAKIdentifier($0), isInUse: true,
            nextPN: association.nextPN)
        }
      }
    }
    self.init(
      configuration: report.settings.configuration, status: PortStatus(report.status), transmit: transmit,
      receive: receive)
  }
}

extension SecYStatistics {
  init(_ counts: SecYCounts) {
    var transmit = TransmitChannel(sci: SCI(rawValue: counts.transmit.sci))
    transmit.outPacketsProtected = counts.transmit.outPktsProtected
    transmit.outPacketsEncrypted = counts.transmit.outPktsEncrypted
    transmit.outOctetsProtected = counts.transmit.outOctetsProtected
    transmit.outOctetsEncrypted = counts.transmit.outOctetsEncrypted
    transmit.outPacketsTooLong = counts.transmit.outPktsTooLong
    transmit.associations = counts.transmit.associations.map(TransmitAssociation.init)
    self.init(transmit: transmit)
    interface = Interface(counts.interface)
    receive = counts.receive.map(ReceiveChannel.init)
  }
}

extension SecYStatistics.Interface {
  fileprivate init(_ counts: SecYCounts.Interface) {
    self.init()
    inPacketsUntagged = counts.inPktsUntagged
    inPacketsNoTag = counts.inPktsNoTag
    inPacketsBadTag = counts.inPktsBadTag
    inPacketsUnknownSCI = counts.inPktsUnknownSCI
    inPacketsNoSCI = counts.inPktsNoSCI
    inPacketsOverrun = counts.inPktsOverrun
    inOctetsValidated = counts.inOctetsValidated
    inOctetsDecrypted = counts.inOctetsDecrypted
    outPacketsUntagged = counts.outPktsUntagged
    outPacketsTooLong = counts.outPktsTooLong
    outOctetsProtected = counts.outOctetsProtected
    outOctetsEncrypted = counts.outOctetsEncrypted
  }
}

extension SecYStatistics.TransmitAssociation {
  fileprivate init(_ counts: SecYCounts.TransmitAssociation) {
    self.init(number: AssociationNumber(truncating: counts.associationNumber))
    outPacketsProtected = counts.outPktsProtected
    outPacketsEncrypted = counts.outPktsEncrypted
    nextPN = counts.nextPN
  }
}

extension SecYStatistics.ReceiveChannel {
  fileprivate init(_ counts: SecYCounts.ReceiveChannel) {
    self.init(sci: SCI(rawValue: counts.sci))
    inPacketsUnchecked = counts.inPktsUnchecked
    inPacketsDelayed = counts.inPktsDelayed
    inPacketsLate = counts.inPktsLate
    inPacketsOK = counts.inPktsOK
    inPacketsInvalid = counts.inPktsInvalid
    inPacketsNotValid = counts.inPktsNotValid
    inPacketsNotUsingSA = counts.inPktsNotUsingSA
    inPacketsUnusedSA = counts.inPktsUnusedSA
    inPacketsUntaggedHit = counts.inPktsUntaggedHit
    inOctetsValidated = counts.inOctetsValidated
    inOctetsDecrypted = counts.inOctetsDecrypted
    // Those that have, or count for want of, a key.
    associations = counts.associations.filter { $0.key != nil || $0.inPktsNotUsingSA > 0 || $0.inPktsUnusedSA > 0 }
      .map(SecYStatistics.ReceiveAssociation.init)
  }
}

extension SecYStatistics.ReceiveAssociation {
  fileprivate init(_ counts: SecYCounts.ReceiveAssociation) {
    self.init(number: AssociationNumber(truncating: counts.associationNumber))
    inPacketsOK = counts.inPktsOK
    inPacketsInvalid = counts.inPktsInvalid
    inPacketsNotValid = counts.inPktsNotValid
    inPacketsNotUsingSA = counts.inPktsNotUsingSA
    inPacketsUnusedSA = counts.inPktsUnusedSA
    nextPN = counts.nextPN
  }
}
