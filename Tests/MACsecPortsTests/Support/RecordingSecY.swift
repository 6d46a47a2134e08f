// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Synchronization

@testable import MACsecPorts

/// A SecY that holds what it is told, counts as a test says, and outlives whoever drives it.
final class RecordingSecY: SecY {
  struct Held {
    var state = SecYState()
    var isOpen = false
    var commands: [String] = []
    var nextPN: [SAKIdentifier: UInt64] = [:]
    var statistics: SecYStatistics?
    /// Every transmit SAK that was ever installed: none may come twice.
    var installed: [SAKIdentifier] = []
    var isBroken = false
    var refuses: (@Sendable (SecYCommand) -> Bool)?
  }

  let kind: SecYKind
  let capability = SecYCapability(
    cipherSuites: Set(CipherSuite.allCases), confidentialityOffsets: Set(ConfidentialityOffset.allCases),
    maximumVLANTagsInClear: 2)
  let controlledPortName: String
  let sci: SCI
  let held = Mutex(Held())

  /// Told when it is made and when it is taken away.
  private let onChange: @Sendable (_ isThere: Bool) -> Void

  init(
    name: String, sci: SCI, kind: SecYKind = .userspace, onChange: @escaping @Sendable (Bool) -> Void = { _ in }
  ) {
    self.onChange = onChange
    self.kind = kind
    controlledPortName = name
    self.sci = sci
  }

  func open(_ initial: SecYConfiguration) throws(SecYError) -> SecYState {
    held.withLock { held in
      if !held.isOpen {
        held.state = SecYState(configuration: initial)
        onChange(true)
      }
      held.isOpen = true
      held.isBroken = false
      return held.state
    }
  }

  func perform(_ commands: [SecYCommand]) -> [SecYFailure] {
    held.withLock { held in
      var failures: [SecYFailure] = []
      for command in commands {
        if held.isBroken || !held.isOpen {
          failures.append(SecYFailure(command: command, error: SecYError(.unreachable, "it is gone")))
        } else if held.refuses?(command) == true {
          failures.append(SecYFailure(command: command, error: SecYError(.refused, "it was told to refuse")))
        } else {
          carryOut(command, &held)
        }
      }
      return failures
    }
  }

  private func carryOut(_ command: SecYCommand, _ held: inout Held) {
    switch command {
    case .configure(let configuration): held.state.configuration = configuration
    case .setPort(let status):
      held.state.status = status
      held.commands.append("port \(status)")
    case .addReceiveChannel(let sci): held.state.receive[sci] = []
    case .removeReceiveChannel(let sci): held.state.receive[sci] = nil
    case .addReceiveAssociation(let sci, let sak):
      held.state.receive[sci, default: []].append(
        .init(number: sak.associationNumber, key: sak.identifier, isInUse: true, nextPN: 1))
    case .removeReceiveAssociation(let sci, let number, _): held.state.receive[sci]?.removeAll { $0.number == number }
    case .raiseLowestPN: break
    case .addTransmitAssociation(let sak):
      held.state.transmit.append(.init(number: sak.associationNumber, key: sak.identifier, isInUse: false, nextPN: 1))
      held.installed.append(sak.identifier)
      held.nextPN[sak.identifier] = 1
    case .enableTransmit(let number, _):
      for index in held.state.transmit.indices {
        held.state.transmit[index].isInUse = held.state.transmit[index].number == number
      }
    case .removeTransmitAssociation(let number, let key):
      held.state.transmit.removeAll { $0.number == number }
      held.nextPN[key] = nil
    }
  }

  func nextPacketNumbers() throws(SecYError) -> [SAKIdentifier: UInt64] {
    let (numbers, isBroken) = held.withLock { ($0.nextPN, $0.isBroken) }
    if isBroken { throw SecYError(.unreachable, "it is gone") }
    return numbers
  }

  func statistics() throws(SecYError) -> SecYStatistics {
    held.withLock { $0.statistics } ?? SecYStatistics(transmit: .init(sci: sci))
  }

  func state() throws(SecYError) -> SecYState {
    let (state, isBroken) = held.withLock { ($0.state, $0.isBroken) }
    if isBroken { throw SecYError(.unreachable, "it is gone") }
    return state
  }

  func remove() throws(SecYError) {
    held.withLock { held in
      if held.isOpen { onChange(false) }
      held.isOpen = false
      held.state = SecYState()
      held.nextPN = [:]
    }
  }

  var status: PortStatus { held.withLock { $0.state.status } }
  var transmitting: SAKIdentifier? { held.withLock { $0.state.transmit.first(where: \.isInUse)?.key } }
  var installed: [SAKIdentifier] { held.withLock { $0.installed } }
}
