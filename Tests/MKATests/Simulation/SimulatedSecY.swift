// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

@testable import MKA

/// A SecY that does as it is told and notices what nobody must tell it.
struct SimulatedSecY {
  struct Slot: Hashable {
    var sci: SCI
    var associationNumber: AssociationNumber
  }

  struct Association {
    var identifier: SAKIdentifier
    var key: String
    var suite: CipherSuite
    var ssci: UInt32?
  }

  let sci: SCI
  private(set) var status: PortStatus?
  private(set) var configuration: SecYConfiguration?
  private(set) var channels: Set<SCI> = []
  private(set) var receive: [Slot: Association] = [:]
  private(set) var transmit: [AssociationNumber: Association] = [:]
  private(set) var enabled: AssociationNumber?
  private(set) var lowestPN: [Slot: UInt64] = [:]
  var nextPN: [SAKIdentifier: UInt64] = [:]
  /// Keys that were ever installed here, in either direction: installed again, packet numbers would repeat.
  private var usedForTransmit: Set<String> = []
  private var usedForReceive: Set<String> = []
  private(set) var violations: [String] = []
  private var hasRefused = false

  init(sci: SCI) { self.sci = sci }

  /// What it would tell an agent that comes back.
  var content: SecYState {
    func state(_ number: AssociationNumber, _ association: Association, _ isInUse: Bool) -> SecYState.Association {
      SecYState.Association(
        number: number, key: association.identifier, isInUse: isInUse,
        nextPN: nextPN[association.identifier] ?? 1)
    }
    var channels: [SCI: [SecYState.Association]] = [:]
    for sci in self.channels { channels[sci] = [] }
    for (slot, association) in receive {
      channels[slot.sci, default: []].append(state(slot.associationNumber, association, true))
    }
    return SecYState(
      configuration: configuration, status: status ?? .blocked,
      transmit: transmit.map { state($0.key, $0.value, $0.key == enabled) }, receive: channels)
  }

  mutating func clearViolations() { violations = [] }

  /// The association that frames are protected with.
  var transmitting: (number: AssociationNumber, association: Association)? {
    guard status == .protected, let enabled, let association = transmit[enabled] else { return nil }
    return (enabled, association)
  }

  private mutating func check(_ condition: Bool, _ violation: @autoclosure () -> String) {
    if !condition { violations.append("\(sci): \(violation())") }
  }

  private static func association(_ sak: SAK, of sci: SCI) -> Association {
    Association(identifier: sak.identifier, key: sak.key.hex, suite: sak.cipherSuite, ssci: sak.ssci[sci])
  }

  /// Commands that follow a refused one need not make sense, and are then not checked.
  mutating func carryOut(_ command: SecYCommand, afterRefusal: Bool = false) {
    let before = violations
    defer { if afterRefusal || hasRefused { violations = before } }
    hasRefused = hasRefused || afterRefusal
    switch command {
    case .configure(let new):
      let isNewSuite =
        new.cipherSuite != configuration?.cipherSuite
        || new.confidentialityOffset != configuration?.confidentialityOffset
      check(!isNewSuite || (receive.isEmpty && transmit.isEmpty), "suite changed under installed associations")
      configuration = new
    case .setPort(let new):
      check(new != .protected || enabled != nil, "protected without a transmit association")
      status = new
    case .addReceiveChannel(let sci):
      check(channels.insert(sci).inserted, "receive channel \(sci) added twice")
    case .removeReceiveChannel(let sci):
      check(channels.remove(sci) != nil, "unknown receive channel removed")
      check(!receive.keys.contains { $0.sci == sci }, "receive channel removed with its associations")
    case .addReceiveAssociation(let sci, let sak): addReceive(sci, sak)
    case .removeReceiveAssociation(let sci, let number, let key):
      let slot = Slot(sci: sci, associationNumber: number)
      check(receive[slot]?.identifier == key, "another receive association removed than installed")
      receive[slot] = nil
      lowestPN[slot] = nil
    case .raiseLowestPN(let sci, let number, let value):
      let slot = Slot(sci: sci, associationNumber: number)
      check(receive[slot] != nil && value > lowestPN[slot] ?? 1, "lowest PN lowered")
      lowestPN[slot] = value
    case .addTransmitAssociation(let sak): addTransmit(sak)
    case .enableTransmit(let number, let key):
      check(transmit[number]?.identifier == key, "an association enabled that is not installed")
      enabled = number
    case .removeTransmitAssociation(let number, let key):
      check(transmit[number]?.identifier == key, "another transmit association removed than installed")
      transmit[number] = nil
      if enabled == number { enabled = nil }
    }
  }

  private mutating func addReceive(_ sci: SCI, _ sak: SAK) {
    let slot = Slot(sci: sci, associationNumber: sak.associationNumber)
    let new = Self.association(sak, of: sci)
    check(channels.contains(sci), "an association without its channel")
    check(receive[slot] == nil, "a receive association over another")
    check(configuration?.cipherSuite == sak.cipherSuite, "an association of another suite than configured")
    check(usedForReceive.insert("\(sci) \(new.key)").inserted, "a key installed for receiving again")
    check(!sak.cipherSuite.hasExtendedPacketNumbers || new.ssci != nil, "no SSCI")
    receive[slot] = new
  }

  private mutating func addTransmit(_ sak: SAK) {
    let new = Self.association(sak, of: sci)
    check(transmit[sak.associationNumber] == nil, "a transmit association over another")
    check(usedForTransmit.insert(new.key).inserted, "packet numbers used again under \(sak)")
    check(configuration?.cipherSuite == sak.cipherSuite, "an association of another suite than configured")
    check(!sak.cipherSuite.hasExtendedPacketNumbers || new.ssci != nil, "no SSCI of our own")
    transmit[sak.associationNumber] = new
    nextPN[sak.identifier] = 1
  }
}
