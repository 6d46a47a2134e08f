// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Netlink
import Synchronization

/// The kernel's MACsec on one parent link, over netlink.
///
/// The controlled port is a device of kind `macsec`, which lives on when the agent ends. It is *dormant* (RFC 2863)
/// while blocked, so that routing and address detection wait for the first SAK. The parent's own stack is cut off
/// (``ParentStack``).
///
/// What the kernel cannot do is told by ``capability``: confidentiality offsets 30 and 50, and tags in clear of the
/// parent's own (a VLAN device as the parent gives those). What it would do, but must not, is refused here: installing
/// a SAK that was installed before, and lowering a packet number.
///
/// *Assumption*: nobody else changes the device. Raising the lowest acceptable packet number takes a look and a change,
/// between which frames may arrive; the kernel has no way to do both at once.
public final class KernelSecY: SecY {
  fileprivate struct Held {
    var device: UInt32?
    var configuration: SecYConfiguration?
    var status = PortStatus.blocked
    var receive: [SecYModel.Slot: SAKIdentifier] = [:]
    var transmit: [AssociationNumber: SAKIdentifier] = [:]
    /// The lowest numbers that were asked for.
    var lowestPN: [SecYModel.Slot: UInt64] = [:]
    var history = SAKHistory()
  }

  public let kind = SecYKind.kernel
  public let controlledPortName: String
  public let parent: String
  public let sci: SCI
  private let kernel: MACsecNetlink
  private let held = Mutex(Held())

  /// What every kernel with MACsec can do, except extended packet numbers, which came with 5.7.
  public static let capability = SecYCapability(
    cipherSuites: Set(CipherSuite.allCases), confidentialityOffsets: [.integrityOnly, .zero],
    maximumVLANTagsInClear: 0)
  public var capability: SecYCapability { Self.capability }

  /// - Parameters:
  ///   - parent: the link's name.
  ///   - sci: the port's own secure channel.
  ///   - controlledPortName: of the device, also of one that is found.
  ///   - kernel: one for all ports of the agent.
  public init(parent: String, sci: SCI, controlledPortName: String, kernel: MACsecNetlink) {
    self.parent = parent
    self.sci = sci
    self.controlledPortName = controlledPortName
    self.kernel = kernel
  }

  // MARK: The device

  public func open(_ initial: SecYConfiguration) throws(SecYError) -> SecYState {
    try held.withLock { (held) throws(SecYError) in
      guard capability.supports(initial) else { throw unsupported(initial) }
      let parent = try link(self.parent)
      try ParentStack.ensureCutOff(self.parent)
      if let existing = try device(of: parent) {
        held.device = existing.index
        let state = SecYState(existing)
        held.adopt(state)
        return state
      }
      held = Held(history: held.history)
      held.device = try make(initial, on: parent)
      held.configuration = initial
      return SecYState(configuration: initial)
    }
  }

  private func link(_ name: String) throws(SecYError) -> Link {
    let link = try doing("look for \(name)") { () throws(NetlinkError) in try RTNetlink.link(named: name) }
    guard let link else { throw SecYError(.absent, "there is no link \(name)") }
    return link
  }

  /// The device of our name, if it is a MACsec device of this port; one of another SCI is of the port as it was before
  /// its address changed, and is taken away.
  private func device(of parent: Link) throws(SecYError) -> MACsecDevice? {
    let name = controlledPortName
    guard
      let link = try doing("look for \(name)", { () throws(NetlinkError) in try RTNetlink.link(named: name) })
    else { return nil }
    guard link.kind == "macsec", link.parent == parent.index,
      let device = try doing("read \(name)", { () throws(NetlinkError) in try kernel.devices() })[link.index]
    else { throw SecYError(.conflict, "there is a link \(name), which is no MACsec device on \(self.parent)") }
    if device.sci == sci.rawValue, CipherSuite(identifier: device.cipherSuite) != nil { return device }
    try doing("remove \(name)") { () throws(NetlinkError) in try kernel.delete(link.index) }
    return nil
  }

  private func make(
    _ configuration: SecYConfiguration, on parent: Link, mtu: UInt32? = nil, isUp: Bool = true
  ) throws(SecYError) -> UInt32 {
    let name = controlledPortName
    let device = NewMACsecDevice(
      name: name, parent: parent.index, sci: sci.rawValue, cipherSuite: configuration.cipherSuite.identifier,
      settings: MACsecSettings(configuration, .blocked))
    try doing("make \(name) with \(configuration.cipherSuite) on \(self.parent)") { () throws(NetlinkError) in
      try kernel.add(device)
    }
    let index = try link(name).index
    do throws(SecYError) {
      try doing("set up \(name)") { () throws(NetlinkError) in
        try kernel.setOperationalState(index, isDormantByDefault: true, .dormant)
        // When it is made, the kernel gives it what the parent leaves, whatever is asked for.
        try RTNetlink.set(link: index, LinkSettings(isUp: isUp, mtu: mtu))
      }
    } catch {
      try? kernel.delete(index)
      throw error
    }
    return index
  }

  public func remove() throws(SecYError) {
    let name = controlledPortName
    try held.withLock { (held) throws(SecYError) in
      let found = try doing("look for \(name)") { () throws(NetlinkError) in try RTNetlink.link(named: name) }
      held = Held(history: held.history)
      if let found, found.kind == "macsec" {
        try doing("remove \(name)", except: [ENODEV]) { () throws(NetlinkError) in try kernel.delete(found.index) }
      }
      try ParentStack.reconnect(parent)
    }
  }

  // MARK: Commands

  public func perform(_ commands: [SecYCommand]) -> [SecYFailure] {
    held.withLock { held in
      var failures: [SecYFailure] = []
      for command in commands {
        do throws(SecYError) { try perform(command, &held) } catch {
          failures.append(SecYFailure(command: command, error: error))
        }
      }
      return failures
    }
  }

  private func perform(_ command: SecYCommand, _ held: inout Held) throws(SecYError) {
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
        try kernel.update(number.rawValue, isActive: true, of: device, channel: nil)
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
    let devices = try doing("read \(name)") { () throws(NetlinkError) in try kernel.devices() }
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
      try kernel.setOperationalState(device, status == .blocked ? .dormant : .up)
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
      try kernel.update(number.rawValue, isActive: false, of: device, channel: channel?.rawValue)
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
    let devices = try doing("read \(controlledPortName)") { () throws(NetlinkError) in try kernel.devices() }
    let channel = devices[device]?.receive.first { $0.sci == slot.sci.rawValue }
    let current = channel?.associations.first { $0.number == slot.associationNumber.rawValue }?.packetNumber
    guard let current else {
      throw SecYError(.absent, "association \(slot.associationNumber) of \(slot.sci) is gone")
    }
    if next > current {
      try doing("raise the packet number of \(slot.sci)") { () throws(NetlinkError) in
        try kernel.update(
          slot.associationNumber.rawValue, packetNumber: next, isExtended: isExtended, of: device,
          channel: slot.sci.rawValue)
      }
    }
    held.lowestPN[slot] = value
  }

  // MARK: Reading

  public func nextPacketNumbers() throws(SecYError) -> [SAKIdentifier: UInt64] {
    let (device, status) = held.withLock { ($0.device, $0.status) }
    let found = try read(device, maximumAge: .milliseconds(250))
    if status != .blocked { try assertOperational(found.index) }
    var numbers: [SAKIdentifier: UInt64] = [:]
    for association in SecYState(found).transmit {
      if let key = association.key { numbers[key] = association.nextPN }
    }
    return numbers
  }

  /// The device becomes dormant each time that its parent comes up.
  private func assertOperational(_ device: UInt32) throws(SecYError) {
    try doing("look after \(controlledPortName)") { () throws(NetlinkError) in
      guard try RTNetlink.link(index: device)?.operationalState == .dormant else { return }
      try kernel.setOperationalState(device, .up)
    }
  }

  public func statistics() throws(SecYError) -> SecYStatistics {
    SecYStatistics(try read(held.withLock { $0.device }, maximumAge: .milliseconds(250)))
  }

  public func state() throws(SecYError) -> SecYState {
    SecYState(try read(held.withLock { $0.device }, maximumAge: .zero))
  }

  private func read(_ device: UInt32?, maximumAge: Duration) throws(SecYError) -> MACsecDevice {
    let devices = try doing("read \(controlledPortName)") { () throws(NetlinkError) in
      try kernel.devices(maximumAge: maximumAge)
    }
    guard let device, let found = devices[device] else {
      throw SecYError(.absent, "\(controlledPortName) is not there")
    }
    return found
  }

  private func unsupported(_ configuration: SecYConfiguration) -> SecYError {
    SecYError(
      .unsupported,
      "the kernel's MACsec has no confidentiality offset \(configuration.confidentialityOffset.octets ?? 0)")
  }
}

extension KernelSecY.Held {
  mutating func adopt(_ state: SecYState) {
    configuration = state.configuration
    status = state.status
    receive = [:]
    transmit = [:]
    lowestPN = [:]
    for association in state.transmit {
      guard let key = association.key else { continue }
      transmit[association.number] = key
      history.noteTransmit(key)
    }
    for (sci, associations) in state.receive {
      for association in associations {
        guard let key = association.key else { continue }
        receive[SecYModel.Slot(sci: sci, associationNumber: association.number)] = key
        history.noteReceive(key, sci)
      }
    }
  }
}

/// Runs a request and says what it was for when it fails; refusals with these numbers are none.
private func doing<R>(
  _ what: String, _ body: () throws(NetlinkError) -> R
) throws(SecYError) -> R {
  do throws(NetlinkError) { return try body() } catch { throw SecYError(error, what) }
}

private func doing(
  _ what: String, except numbers: Set<Int32>, _ body: () throws(NetlinkError) -> Void
) throws(SecYError) {
  do throws(NetlinkError) { try body() } catch {
    if let number = error.refusal, numbers.contains(number) { return }
    throw SecYError(error, what)
  }
}
