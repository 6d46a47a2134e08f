// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Logging
import MKA
import Models
import YANG

/// Events of ports as log lines with the published mnemonics, and as notifications of agentd-macsec.
enum EventReport {
  static func listener(schema: Schema, events: EventBus, logger: Logger) -> PortDriver.Listener {
    PortDriver.Listener(
      event: { interface, event, isLogged in
        let line = event.line(interface: interface)
        if isLogged { logger.log(level: event.severity.level, "\(line)") }
        guard let kind = AgentdMACsec.MKAEvent.Event(rawValue: event.mnemonic) else { return }
        publish(
          AgentdMACsec.MKAEvent(
            interfaceName: interface, event: kind, severity: .init(event.severity),
            ckn: event.ckn.map { "\($0)" }, peerSCI: event.peer.map { "\($0)" },
            keyIdentifier: event.key.map { "\($0)" }, message: line), schema, events)
      },
      note: { interface, note in
        switch note {
        case .rekeySummary(let count):
          logger.info("%L2-MKA-6-SAK_REKEY : (\(interface)) \(count) SAK rekeys since the last summary")
        case .restarted(true, _): logger.notice("MACsec on \(interface) goes on as the same member")
        case .restarted(false, let reason):
          logger.warning("MACsec on \(interface) begins as a new member: \(reason ?? "unknown")")
        case .bufferLow(let level):
          let line = "%L2-MKA-4-KEY_BUFFER_LOW : (\(interface)) \(level) keys in the buffer"
          logger.warning("\(line)")
          publish(
            AgentdMACsec.MKAEvent(
              interfaceName: interface, event: .keyBufferLow, severity: .warning, message: line), schema, events)
        case .bufferRestored:
          let line = "%L2-MKA-5-KEY_BUFFER_RESTORED : (\(interface)) the buffer of keys is full again"
          logger.notice("\(line)")
          publish(
            AgentdMACsec.MKAEvent(
              interfaceName: interface, event: .keyBufferRestored, severity: .notice, message: line), schema, events)
        }
      })
  }

  private static func publish(_ notification: AgentdMACsec.MKAEvent, _ schema: Schema, _ events: EventBus) {
    guard let node = schema.notifications.first(where: { $0.path == AgentdMACsec.MKAEvent.schemaPath }) else { return }
    events.publish(NotificationEvent(schema: node, content: notification.interiorNode(node), time: .now))
  }
}

extension EngineEvent {
  /// The peer that it is about.
  var peer: SCI? {
    switch kind {
    case .icvSuccess(let peer, _), .icvFailure(let peer, _), .peerLost(let peer): peer
    default: nil
    }
  }

  /// The SAK that it is about.
  var key: SAKIdentifier? { if case .sakRekey(let key, _) = kind { key } else { nil } }
}

extension EngineEvent.Severity {
  var level: Logger.Level {
    switch self {
    case .error: .error
    case .warning: .warning
    case .notice: .notice
    case .information: .info
    }
  }
}

extension AgentdMACsec.MKAEvent.Severity {
  init(_ severity: EngineEvent.Severity) {
    switch severity {
    case .error: self = .error
    case .warning: self = .warning
    case .notice: self = .notice
    case .information: self = .informational
    }
  }
}
