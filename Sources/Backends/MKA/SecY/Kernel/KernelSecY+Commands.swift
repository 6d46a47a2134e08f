// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Netlink

/// The commands of a KaY, each as the kernel wants it.
extension KernelSecY {
  func perform(_ command: SecYCommand, _ held: inout Held) throws(SecYError) {
    guard let device = held.device else {
      throw SecYError(.absent, "\(controlledPortName) was not made")
    }
    switch command {
    case .configure(let configuration): try configure(configuration, device, &held)
    case .setPort(let status): try set(status, device, &held)
    case .addReceiveChannel(let sci):
      try doing("add channel \(sci)", except: [EEXIST]) { () throws(NetlinkError) in
        try kernel.addChannel(sci.rawValue, to: device)
      }
    case .removeReceiveChannel(let sci):
      try doing("remove channel \(sci)", except: [ENODEV]) { () throws(NetlinkError) in
        try kernel.deleteChannel(sci.rawValue, from: device)
      }
      held.receive = held.receive.filter { $0.key.sci != sci }
      held.lowestPN = held.lowestPN.filter { $0.key.sci != sci }
    case .addReceiveAssociation(let sci, let sak): try addReceive(sci, sak, device, &held)
    case .removeReceiveAssociation(let sci, let number, let key):
      let slot = SecYModel.Slot(sci: sci, associationNumber: number)
      guard held.receive[slot] == key else { return }
      try removeAssociation(number, device, channel: sci)
      held.receive[slot] = nil
      held.lowestPN[slot] = nil
    case .raiseLowestPN(let sci, let number, let value):
      try raise(SecYModel.Slot(sci: sci, associationNumber: number), to: value, device, &held)
    case .addTransmitAssociation(let sak): try addTransmit(sak, device, &held)
    case .enableTransmit(let number, let key):
      guard held.transmit[number] == key else {
        throw SecYError(.absent, "transmit association \(number) of \(controlledPortName) has another SAK, or none")
      }
      try doing("transmit with association \(number)") { () throws(NetlinkError) in
        try kernel.activate(number, true, of: device, channel: nil)
        try kernel.change(device, encodingAssociation: number.rawValue)
      }
    case .removeTransmitAssociation(let number, let key):
      guard held.transmit[number] == key else { return }
      try removeAssociation(number, device, channel: nil)
      held.transmit[number] = nil
    }
  }

  private func configure(
    _ configuration: SecYConfiguration, _ device: UInt32, _ held: inout Held
  ) throws(SecYError) {
    guard capability.supports(configuration) else { throw unsupported(configuration) }
    if configuration.cipherSuite != held.configuration?.cipherSuite {
      try remake(configuration, device, &held)
    } else {
      let settings = MACsecSettings(configuration, held.status)
      try doing("change \(controlledPortName)") { () throws(NetlinkError) in try kernel.change(device, settings) }
    }
    held.configuration = configuration
  }

  /// Another cipher suite takes another device. It keeps the receive channels; what rests on it, as its addresses,
  /// has to be put there again by those who put it there.
  private func remake(_ configuration: SecYConfiguration, _ device: UInt32, _ held: inout Held) throws(SecYError) {
    guard held.receive.isEmpty, held.transmit.isEmpty else {
      throw SecYError(.conflict, "the cipher suite of \(controlledPortName) cannot change while it holds a SAK")
    }
    let name = controlledPortName
    let old = try link(name)
    let devices = try doing("read \(name)") { () throws(NetlinkError) in try kernel.devices(maximumAge: .zero) }
    let parent = try link(self.parent)
    try doing("remove \(name)", except: [ENODEV]) { () throws(NetlinkError) in try kernel.delete(device) }
    held.device = nil
    // What the parent leaves is the default; a smaller one was somebody's wish.
    let isDefault = old.mtu + MACsecSettings.overhead >= parent.mtu
    let new = try make(
      configuration, on: parent, mtu: isDefault ? nil : old.mtu, isUp: old.flags.contains(.up))
    held.device = new
    try doing("add the channels of \(name)") { () throws(NetlinkError) in
      for channel in devices[device]?.receive ?? [] { try kernel.addChannel(channel.sci, to: new) }
    }
    let status = held.status
    held.status = .blocked
    held.configuration = configuration
    if status != .blocked { try set(status, new, &held) }
  }

  private func set(_ status: PortStatus, _ device: UInt32, _ held: inout Held) throws(SecYError) {
    guard let configuration = held.configuration else {
      throw SecYError(.absent, "\(controlledPortName) has no settings yet")
    }
    try doing("set \(controlledPortName) \(status)") { () throws(NetlinkError) in
      try kernel.change(device, MACsecSettings(configuration, status))
      try kernel.setOperationalState(device, isDormantByDefault: nil, status == .blocked ? .dormant : .up)
    }
    held.status = status
  }

  private func addReceive(_ sci: SCI, _ sak: SAK, _ device: UInt32, _ held: inout Held) throws(SecYError) {
    let slot = SecYModel.Slot(sci: sci, associationNumber: sak.associationNumber)
    try check(sak, held)
    guard held.receive[slot] == nil, !held.history.hasReceived(sak.identifier, sci) else {
      throw SecYError(.conflict, "association \(sak.associationNumber) of \(sci) is taken, or had this SAK before")
    }
    try install(sak, as: sci, device, channel: sci)
    held.receive[slot] = sak.identifier
    held.history.noteReceive(sak.identifier, sci)
  }

  private func addTransmit(_ sak: SAK, _ device: UInt32, _ held: inout Held) throws(SecYError) {
    try check(sak, held)
    guard held.transmit[sak.associationNumber] == nil, !held.history.hasTransmitted(sak.identifier) else {
      throw SecYError(.conflict, "transmit association \(sak.associationNumber) is taken, or had this SAK before")
    }
    try install(sak, as: sci, device, channel: nil)
    held.transmit[sak.associationNumber] = sak.identifier
    held.history.noteTransmit(sak.identifier)
  }

  private func check(_ sak: SAK, _ held: Held) throws(SecYError) {
    guard sak.cipherSuite == held.configuration?.cipherSuite else {
      throw SecYError(.conflict, "\(controlledPortName) is not set up for \(sak.cipherSuite)")
    }
    guard capability.confidentialityOffsets.contains(sak.confidentialityOffset) else {
      throw SecYError(.unsupported, "the kernel has no confidentiality offset \(sak.confidentialityOffset)")
    }
  }

  private func install(_ sak: SAK, as sci: SCI, _ device: UInt32, channel: SCI?) throws(SecYError) {
    var extended: NewMACsecAssociation.Extension?
    if let salt = sak.salt {
      guard let short = sak.ssci[sci] else { throw SecYError(.conflict, "the SAK has no SSCI for \(sci)") }
      extended = NewMACsecAssociation.Extension(shortIdentifier: short, salt: salt)
    }
    // A transmit association is not in use before it is enabled.
    let association = NewMACsecAssociation(
      number: sak.associationNumber.rawValue, packetNumber: 1, isActive: channel != nil,
      keyIdentifier: sak.identifier.bytes, extended: extended)
    try doing("install \(sak)") { () throws(NetlinkError) in
      try kernel.add(association, keyLength: sak.key.count, to: device, channel: channel?.rawValue) { use in
        sak.key.withUnsafeBytes { use($0) }
      }
    }
  }

  /// The kernel deletes none that is active.
  private func removeAssociation(_ number: AssociationNumber, _ device: UInt32, channel: SCI?) throws(SecYError) {
    try doing("remove association \(number)", except: [ENODEV]) { () throws(NetlinkError) in
      try kernel.activate(number, false, of: device, channel: channel)
      try kernel.delete(number.rawValue, from: device, channel: channel?.rawValue)
    }
  }

  private func raise(
    _ slot: SecYModel.Slot, to value: UInt64, _ device: UInt32, _ held: inout Held
  ) throws(SecYError) {
    guard held.receive[slot] != nil, let configuration = held.configuration else {
      throw SecYError(.absent, "there is no association \(slot.associationNumber) of \(slot.sci)")
    }
    guard value > held.lowestPN[slot] ?? 1 else { return }
    let isExtended = configuration.cipherSuite.hasExtendedPacketNumbers
    let next = KernelPacketNumber.next(
      forLowest: value, window: configuration.replayProtect ? configuration.replayWindow : 0, isExtended: isExtended)
    guard let next else { throw SecYError(.conflict, "packet number \(value) is beyond the last one") }
    let devices = try doing("read \(controlledPortName)") { () throws(NetlinkError) in
      try kernel.devices(maximumAge: .zero)
    }
    let channel = devices[device]?.receive.first { $0.sci == slot.sci.rawValue }
    let current = channel?.associations.first { $0.number == slot.associationNumber.rawValue }?.packetNumber
    guard let current else {
      throw SecYError(.absent, "association \(slot.associationNumber) of \(slot.sci) is gone")
    }
    if next > current {
      try doing("raise the packet number of \(slot.sci)") { () throws(NetlinkError) in
        try kernel.update(
          slot.associationNumber.rawValue, isActive: nil, packetNumber: next, isExtended: isExtended, of: device,
          channel: slot.sci.rawValue)
      }
    }
    held.lowestPN[slot] = value
  }
}

extension MACsecKernel {
  fileprivate func activate(
    _ number: AssociationNumber, _ isActive: Bool, of device: UInt32, channel: SCI?
  ) throws(NetlinkError) {
    try update(
      number.rawValue, isActive: isActive, packetNumber: nil, isExtended: false, of: device,
      channel: channel?.rawValue)
  }
}
