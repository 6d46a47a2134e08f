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
  struct Held {
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
  let kernel: any MACsecKernel
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
  public convenience init(parent: String, sci: SCI, controlledPortName: String, kernel: MACsecNetlink) {
    self.init(parent: parent, sci: sci, controlledPortName: controlledPortName, over: kernel)
  }

  init(parent: String, sci: SCI, controlledPortName: String, over kernel: any MACsecKernel) {
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
      try doing("cut the stack of \(self.parent) off") { () throws(NetlinkError) in try kernel.cutOffStack(self.parent)
      }
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

  func link(_ name: String) throws(SecYError) -> Link {
    let link = try doing("look for \(name)") { () throws(NetlinkError) in try kernel.link(named: name) }
    guard let link else { throw SecYError(.absent, "there is no link \(name)") }
    return link
  }

  /// The device of our name, if it is a MACsec device of this port; one of another SCI is of the port as it was before
  /// its address changed, and is taken away.
  private func device(of parent: Link) throws(SecYError) -> MACsecDevice? {
    let name = controlledPortName
    guard
      let link = try doing("look for \(name)", { () throws(NetlinkError) in try kernel.link(named: name) })
    else { return nil }
    guard link.kind == "macsec", link.parent == parent.index,
      let device = try doing("read \(name)", { () throws(NetlinkError) in try kernel.devices(maximumAge: .zero) })[
        link.index]
    else { throw SecYError(.conflict, "there is a link \(name), which is no MACsec device on \(self.parent)") }
    if device.sci == sci.rawValue, CipherSuite(identifier: device.cipherSuite) != nil { return device }
    try doing("remove \(name)") { () throws(NetlinkError) in try kernel.delete(link.index) }
    return nil
  }

  func make(
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
        try kernel.set(index, LinkSettings(isUp: isUp, mtu: mtu))
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
      let found = try doing("look for \(name)") { () throws(NetlinkError) in try kernel.link(named: name) }
      held = Held(history: held.history)
      if let found, found.kind == "macsec" {
        try doing("remove \(name)", except: [ENODEV]) { () throws(NetlinkError) in try kernel.delete(found.index) }
      }
      try doing("reconnect the stack of \(parent)") { () throws(NetlinkError) in try kernel.reconnectStack(parent) }
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
      guard try kernel.link(index: device)?.operationalState == .dormant else { return }
      try kernel.setOperationalState(device, isDormantByDefault: nil, .up)
    }
  }

  public func statistics() throws(SecYError) -> SecYStatistics {
    SecYStatistics(try read(held.withLock { $0.device }, maximumAge: .milliseconds(250)))
  }

  public func state() throws(SecYError) -> SecYState {
    SecYState(try read(held.withLock { $0.device }, maximumAge: .zero))
  }

  func read(_ device: UInt32?, maximumAge: Duration) throws(SecYError) -> MACsecDevice {
    let devices = try doing("read \(controlledPortName)") { () throws(NetlinkError) in
      try kernel.devices(maximumAge: maximumAge)
    }
    guard let device, let found = devices[device] else {
      throw SecYError(.absent, "\(controlledPortName) is not there")
    }
    return found
  }

  func unsupported(_ configuration: SecYConfiguration) -> SecYError {
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
