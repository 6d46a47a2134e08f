// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Glibc
import Secrets
import Synchronization

@testable import MKA
@testable import Netlink

/// The kernel's MACsec as the facts about it say: it refuses what the real one refuses, and allows what it should not.
final class FakeKernel: MACsecKernel {
  struct State {
    var links: [UInt32: Link] = [:]
    var devices: [UInt32: MACsecDevice] = [:]
    var keys: [String: [UInt8]] = [:]
    var cutOff: Set<String> = []
    var nextIndex: UInt32 = 1
    /// What was asked of it, in order.
    var calls: [String] = []
    /// Refuses the next call of this name.
    var refuse: String?
  }

  let state = Mutex(State())

  init(parent: String = "eth0") {
    _ = state.withLock { $0.addLink(parent, mtu: 1_500, kind: nil, parent: nil) }
  }

  var calls: [String] { state.withLock { $0.calls } }
  func forgetCalls() { state.withLock { $0.calls = [] } }
  func refuse(_ call: String) { state.withLock { $0.refuse = call } }
  var device: MACsecDevice? { state.withLock { $0.devices.values.first } }
  func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

  private func call(_ name: String, _ body: (inout State) throws(NetlinkError) -> Void) throws(NetlinkError) {
    try state.withLock { (state) throws(NetlinkError) in
      state.calls.append(name)
      if let refused = state.refuse, name.hasPrefix(refused) {
        state.refuse = nil
        throw .refused(errorNumber: EPERM, reason: nil)
      }
      try body(&state)
    }
  }

  func devices(maximumAge: Duration) throws(NetlinkError) -> [UInt32: MACsecDevice] { state.withLock { $0.devices } }

  func add(_ device: NewMACsecDevice) throws(NetlinkError) {
    try call("add \(device.name)") { (state) throws(NetlinkError) in
      guard !state.links.values.contains(where: { $0.name == device.name }) else { throw refusal(EEXIST) }
      guard !state.devices.values.contains(where: { $0.sci == device.sci }) else { throw refusal(EBUSY) }
      let index = state.addLink(device.name, mtu: 1_468, kind: "macsec", parent: device.parent)
      state.devices[index] = MACsecDevice(
        index: index, sci: device.sci, cipherSuite: device.cipherSuite, settings: device.settings,
        encodingAssociation: 0, counters: MACsecCounters(), transmitCounters: MACsecCounters(), transmit: [],
        receive: [])
    }
  }

  func change(_ device: UInt32, _ settings: MACsecSettings) throws(NetlinkError) {
    try call("change") { (state) throws(NetlinkError) in
      guard state.devices[device] != nil else { throw refusal(ENODEV) }
      state.devices[device]?.settings = settings
    }
  }

  func change(_ device: UInt32, encodingAssociation: UInt8) throws(NetlinkError) {
    try call("encode \(encodingAssociation)") { (state) throws(NetlinkError) in
      guard state.devices[device] != nil else { throw refusal(ENODEV) }
      state.devices[device]?.encodingAssociation = encodingAssociation
    }
  }

  func setOperationalState(
    _ device: UInt32, isDormantByDefault: Bool?, _ operational: Link.OperationalState
  ) throws(NetlinkError) {
    try call("state \(operational)") { (state) throws(NetlinkError) in
      state.links[device]?.operationalState = operational
    }
  }

  func delete(_ device: UInt32) throws(NetlinkError) {
    try call("delete") { (state) throws(NetlinkError) in
      guard state.links.removeValue(forKey: device) != nil else { throw refusal(ENODEV) }
      state.devices[device] = nil
    }
  }

  func addChannel(_ sci: UInt64, to device: UInt32) throws(NetlinkError) {
    try call("add channel") { (state) throws(NetlinkError) in
      guard var found = state.devices[device] else { throw refusal(ENODEV) }
      guard !found.receive.contains(where: { $0.sci == sci }) else { throw refusal(EEXIST) }
      found.receive.append(
        MACsecDevice.ReceiveChannel(sci: sci, isActive: true, counters: MACsecCounters(), associations: []))
      state.devices[device] = found
    }
  }

  func deleteChannel(_ sci: UInt64, from device: UInt32) throws(NetlinkError) {
    try call("delete channel") { (state) throws(NetlinkError) in
      guard let place = state.devices[device]?.receive.firstIndex(where: { $0.sci == sci }) else {
        throw refusal(ENODEV)
      }
      state.devices[device]?.receive.remove(at: place)
    }
  }

  func add(
    _ association: NewMACsecAssociation, keyLength: Int, to device: UInt32, channel: UInt64?,
    withKey: ((UnsafeRawBufferPointer) -> Void) -> Void
  ) throws(NetlinkError) {
    var key: [UInt8] = []
    withKey { key = Array($0) }
    let copy = key
    try call("add \(channel == nil ? "transmit" : "receive") \(association.number)") { (state) throws(NetlinkError) in
      guard let suite = state.devices[device].flatMap({ CipherSuite(identifier: $0.cipherSuite) }) else {
        throw refusal(ENODEV)
      }
      guard copy.count == suite.keyLength, keyLength == suite.keyLength,
        suite.hasExtendedPacketNumbers == (association.extended != nil)
      else { throw refusal(EINVAL) }
      try state.associations(device, channel) { (list) throws(NetlinkError) in
        guard !list.contains(where: { $0.number == association.number }) else { throw refusal(EBUSY) }
        list.append(
          MACsecDevice.Association(
            number: association.number, isActive: association.isActive, packetNumber: association.packetNumber,
            keyIdentifier: association.keyIdentifier, counters: MACsecCounters()))
      }
      state.keys["\(channel.map(String.init) ?? "transmit") \(association.number)"] = copy
    }
  }

  func update(
    _ number: UInt8, isActive: Bool?, packetNumber: UInt64?, isExtended: Bool, of device: UInt32, channel: UInt64?
  ) throws(NetlinkError) {
    let what = isActive.map { $0 ? "activate" : "deactivate" } ?? "pn \(packetNumber ?? 0)"
    try call("\(what) \(channel == nil ? "transmit" : "receive") \(number)") { (state) throws(NetlinkError) in
      try state.associations(device, channel) { (list) throws(NetlinkError) in
        guard let place = list.firstIndex(where: { $0.number == number }) else { throw refusal(ENODEV) }
        if let isActive { list[place].isActive = isActive }
        // Also when it is lower.
        if let packetNumber { list[place].packetNumber = packetNumber }
      }
    }
  }

  func delete(_ number: UInt8, from device: UInt32, channel: UInt64?) throws(NetlinkError) {
    try call("delete \(channel == nil ? "transmit" : "receive") \(number)") { (state) throws(NetlinkError) in
      try state.associations(device, channel) { (list) throws(NetlinkError) in
        guard let place = list.firstIndex(where: { $0.number == number }) else { throw refusal(ENODEV) }
        guard !list[place].isActive else { throw refusal(EBUSY) }
        list.remove(at: place)
      }
    }
  }

  func link(named name: String) throws(NetlinkError) -> Link? {
    state.withLock { $0.links.values.first { $0.name == name } }
  }
  func link(index: UInt32) throws(NetlinkError) -> Link? { state.withLock { $0.links[index] } }

  func set(_ link: UInt32, _ settings: LinkSettings) throws(NetlinkError) {
    try call("set") { (state) throws(NetlinkError) in
      if settings.isUp == true { state.links[link]?.flags.insert(.up) }
      if let mtu = settings.mtu { state.links[link]?.mtu = mtu }
    }
  }
  func cutOffStack(_ link: String) throws(NetlinkError) { _ = state.withLock { $0.cutOff.insert(link) } }
  func reconnectStack(_ link: String) throws(NetlinkError) { _ = state.withLock { $0.cutOff.remove(link) } }
}

private func refusal(_ number: Int32) -> NetlinkError { .refused(errorNumber: number, reason: nil) }

extension FakeKernel.State {
  @discardableResult
  mutating func addLink(_ name: String, mtu: UInt32, kind: String?, parent: UInt32?) -> UInt32 {
    defer { nextIndex += 1 }
    links[nextIndex] = Link(
      index: nextIndex, name: name, flags: [], operationalState: .down, mtu: mtu, hardwareAddress: [], master: nil,
      parent: parent, kind: kind)
    return nextIndex
  }

  /// The transmit associations, or those of a channel.
  mutating func associations(
    _ device: UInt32, _ channel: UInt64?,
    _ body: (inout [MACsecDevice.Association]) throws(NetlinkError) -> Void
  ) throws(NetlinkError) {
    guard var found = devices[device] else { throw refusal(ENODEV) }
    if let channel {
      guard let place = found.receive.firstIndex(where: { $0.sci == channel }) else { throw refusal(ENODEV) }
      try body(&found.receive[place].associations)
    } else {
      try body(&found.transmit)
    }
    devices[device] = found
  }
}
