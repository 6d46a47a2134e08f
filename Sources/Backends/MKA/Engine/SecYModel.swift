// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

/// What the SecY has been told to hold.
struct SecYModel: Sendable {
  struct Slot: Hashable, Sendable {
    var sci: SCI
    var associationNumber: AssociationNumber
  }

  var configuration: SecYConfiguration?
  var status: PortStatus?
  var channels: Set<SCI> = []
  var receive: [Slot: SAKIdentifier] = [:]
  var transmit: [AssociationNumber: SAKIdentifier] = [:]
  var enabled: SAKIdentifier?
  var lowestPN: [Slot: UInt64] = [:]

  /// Takes back a command that was not carried out.
  mutating func forget(_ command: SecYCommand) {
    switch command {
    case .configure: configuration = nil
    case .setPort: break
    case .addReceiveChannel(let sci): channels.remove(sci)
    case .addReceiveAssociation(let sci, let sak):
      receive[Slot(sci: sci, associationNumber: sak.associationNumber)] = nil
    case .addTransmitAssociation(let sak): transmit[sak.associationNumber] = nil
    case .enableTransmit: enabled = nil
    case .removeReceiveChannel, .removeReceiveAssociation, .raiseLowestPN, .removeTransmitAssociation: break
    }
  }
}

extension KaY {
  /// What is to pass the controlled port.
  public var portStatus: PortStatus {
    if controlledPort.controlledPortEnabled, controlledPort.latest != nil { return .protected }
    // What was secured with keys of the key service does not go on in clear when they run out.
    return policy.securityPolicy == .mustSecure || keyAge.isStalled || isKeptShut ? .blocked : .unprotected
  }

  /// Brings the SecY to hold what the CP state machine holds.
  ///
  /// An association once installed stays until its SAK goes: to install it again would let packet numbers repeat.
  /// First what stands in the way is removed, then added, then the new transmit association enabled, then the rest
  /// removed.
  mutating func synchronizeSecY(_ now: Moment) {
    let keys = [controlledPort.old, controlledPort.latest].compactMap { $0 }.filter(\.receives)
    var receive: [SecYModel.Slot: SAK] = [:]
    for key in keys { for sci in channels(of: key) { receive[slot(sci, key)] = key.sak } }
    var transmit: [AssociationNumber: SAK] = [:]
    for key in keys { transmit[key.sak.associationNumber] = key.sak }

    let configuration = keys.isEmpty ? nil : wantedConfiguration
    let suiteChanges = configuration.map { $0.cipherSuite != secY.configuration?.cipherSuite } ?? false
    removeAssociations(
      receive: { slot, key in receive[slot].map { $0.identifier != key } ?? suiteChanges },
      transmit: { number, key in transmit[number].map { $0.identifier != key } ?? suiteChanges })
    let status = portStatus
    if status != .protected { setPort(status) }
    if let configuration, configuration != secY.configuration {
      secY.configuration = configuration
      effects.append(.secY(.configure(configuration)))
    }

    let live = holdUntil == nil ? principal.flatMap { participant($0) }?.peers.live.map(\.sci) ?? [] : []
    for sci in Set(receive.keys.map(\.sci)).union(live).subtracting(secY.channels).sorted() {
      secY.channels.insert(sci)
      effects.append(.secY(.addReceiveChannel(sci)))
    }
    for (slot, sak) in receive.sorted(by: {
      ($0.key.sci, $0.key.associationNumber.rawValue)
        < ($1.key.sci, $1.key.associationNumber.rawValue)
    }) where secY.receive[slot] == nil {
      secY.receive[slot] = sak.identifier
      effects.append(.secY(.addReceiveAssociation(slot.sci, sak)))
    }
    for key in keys where secY.transmit[key.sak.associationNumber] == nil {
      secY.transmit[key.sak.associationNumber] = key.identifier
      effects.append(.secY(.addTransmitAssociation(key.sak)))
    }
    let transmitting = keys.last(where: \.transmits)
    if let transmitting, secY.enabled != transmitting.identifier {
      secY.enabled = transmitting.identifier
      effects.append(.secY(.enableTransmit(transmitting.sak.associationNumber, transmitting.identifier)))
    }
    if status == .protected { setPort(status) }
    raiseLowestPNs(keys)

    removeAssociations(receive: { slot, _ in receive[slot] == nil }, transmit: { number, _ in transmit[number] == nil })
    let needed = Set(secY.receive.keys.map(\.sci)).union(live)
    for sci in secY.channels.subtracting(needed).sorted() {
      secY.channels.remove(sci)
      effects.append(.secY(.removeReceiveChannel(sci)))
    }
    packetNumbers = packetNumbers.filter { held($0.key) != nil }
  }

  private func slot(_ sci: SCI, _ key: ControlledPort.Held) -> SecYModel.Slot {
    SecYModel.Slot(sci: sci, associationNumber: key.sak.associationNumber)
  }

  /// The channels that receive with a key: those that do already, and the live peers that can have it.
  private func channels(of key: ControlledPort.Held) -> Set<SCI> {
    var channels = Set(secY.receive.filter { $0.value == key.identifier }.map(\.key.sci))
    for peer in participant(key.ckn)?.peers.live ?? [] {
      if key.sak.cipherSuite.hasExtendedPacketNumbers, key.sak.ssci[peer.sci] == nil { continue }
      channels.insert(peer.sci)
    }
    return channels
  }

  private mutating func setPort(_ status: PortStatus) {
    guard secY.status != status else { return }
    secY.status = status
    effects.append(.secY(.setPort(status)))
  }

  private var wantedConfiguration: SecYConfiguration? {
    controlledPort.protection.map {
      SecYConfiguration(
        cipherSuite: $0.cipherSuite, confidentialityOffset: $0.offset, replayProtect: policy.replayProtect,
        replayWindow: policy.replayWindow)
    }
  }

  /// Tells the SecY the lowest packet numbers that peers with delay protection told us.
  private mutating func raiseLowestPNs(_ keys: [ControlledPort.Held]) {
    for key in keys {
      let extended = key.sak.cipherSuite.hasExtendedPacketNumbers
      for peer in participant(key.ckn)?.peers.live ?? [] where peer.sakUse?.delayProtect ?? false {
        let slot = slot(peer.sci, key)
        guard secY.receive[slot] == key.identifier,
          let lowest = peer.lowestAcceptablePN(of: key.identifier, extended: extended),
          lowest > secY.lowestPN[slot] ?? 1
        else { continue }
        secY.lowestPN[slot] = lowest
        effects.append(.secY(.raiseLowestPN(peer.sci, key.sak.associationNumber, lowest)))
      }
    }
  }

  private mutating func removeAssociations(
    receive isReceiveGone: (SecYModel.Slot, SAKIdentifier) -> Bool,
    transmit isTransmitGone: (AssociationNumber, SAKIdentifier) -> Bool
  ) {
    for (number, key) in secY.transmit.sorted(by: { $0.key.rawValue < $1.key.rawValue })
    where isTransmitGone(number, key) {
      secY.transmit[number] = nil
      if secY.enabled == key { secY.enabled = nil }
      effects.append(.secY(.removeTransmitAssociation(number, key)))
    }
    for (slot, key) in secY.receive.sorted(by: {
      ($0.key.sci, $0.key.associationNumber.rawValue)
        < ($1.key.sci, $1.key.associationNumber.rawValue)
    }) where isReceiveGone(slot, key) {
      secY.receive[slot] = nil
      secY.lowestPN[slot] = nil
      effects.append(.secY(.removeReceiveAssociation(slot.sci, slot.associationNumber, key)))
    }
  }
}
