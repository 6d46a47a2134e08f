// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import YANG

/// The notifications of agentd-ipsec.
struct TunnelNotifications: Sendable {
  private let schema: Schema

  init(_ schema: Schema) { self.schema = schema }

  /// What is told of a notice; nil for those that only the log has, or when the module is not in force.
  func event(_ notice: TunnelKeeper.Notice) -> Event? {
    switch notice {
    case .up(let tunnel, let sa, let resistance):
      make(
        AgentdIPsec.TunnelUp(
          interfaceName: tunnel, localAddress: sa.local.address, remoteAddress: sa.remote.address,
          localIdentity: sa.localIdentity, remoteIdentity: sa.remoteIdentity, initiatorSPI: Self.spi(sa.initiatorSPI),
          responderSPI: Self.spi(sa.responderSPI), quantumResistance: .init(resistance)))
    case .down(let tunnel, let reason): make(AgentdIPsec.TunnelDown(interfaceName: tunnel, reason: reason))
    case .rekeyed(let tunnel, let sa, let isChild):
      make(
        AgentdIPsec.TunnelRekeyed(
          interfaceName: tunnel, localAddress: sa.local.address, remoteAddress: sa.remote.address,
          localIdentity: sa.localIdentity, remoteIdentity: sa.remoteIdentity, initiatorSPI: Self.spi(sa.initiatorSPI),
          responderSPI: Self.spi(sa.responderSPI), scope: isChild ? .childSA : .ikeSA))
    case .negotiationFailed(let tunnel, let reason, let count):
      make(
        AgentdIPsec.NegotiationFailed(
          interfaceName: tunnel, kind: Self.kind(reason), reason: reason, failures: UInt32(clamping: count)))
    case .ppkFallback(let tunnel): make(AgentdIPsec.PPKFallback(interfaceName: tunnel))
    case .ppkFetchFailed(let tunnel, let reason):
      make(AgentdIPsec.PPKFetchFailed(interfaceName: tunnel, reason: reason))
    case .convergenceFailed: nil
    }
  }

  private func make<Notification: NotificationRepresentable>(_ notification: Notification) -> Event? {
    guard let node = schema.notifications.first(where: { $0.path == Notification.schemaPath }) else { return nil }
    return Event(schema: node, content: notification.interiorNode(node), time: .now)
  }

  private static func spi(_ text: String) -> String? { text.utf8.count == 16 ? text : nil }

  /// What a reason of `NegotiationReport`, or of a key service, is about.
  static func kind(_ reason: String) -> AgentdIPsec.NegotiationFailed.Kind {
    if reason == NegotiationReport.noAnswer || reason.hasPrefix("no tunnel within") { return .noAnswer }
    let isAuthentication = ["authentication", "preshared key", "certificate", "private key", "identity"]
    if isAuthentication.contains(where: reason.contains) { return .authentication }
    if reason.contains("PPK") { return .ppk }
    let isProposal = ["proposals", "algorithms", "Diffie-Hellman", "traffic"]
    return isProposal.contains(where: reason.contains) ? .proposal : .other
  }
}

extension AgentdIPsec.QuantumResistance {
  init(_ resistance: QuantumResistance) {
    switch resistance {
    case .disabled: self = .disabled
    case .manual: self = .manualPPK
    case .dynamic: self = .dynamicPPK
    }
  }
}

extension TunnelKeeper.Notice {
  /// How the log tells it.
  var line: (level: IPsecLogLevel, text: String) {
    switch self {
    case .up(let tunnel, let sa, let resistance):
      (.notice, "\(tunnel) is up with \(sa.remoteIdentity) at \(sa.remote); quantum resistance: \(resistance.text)")
    case .down(let tunnel, let reason): (.warning, "\(tunnel) is down: \(reason)")
    case .rekeyed(let tunnel, _, let isChild): (.info, "\(tunnel): new keys of the \(isChild ? "child" : "IKE") SA")
    case .negotiationFailed(let tunnel, let reason, let count):
      (.warning, "\(tunnel): negotiation failed (\(count) so far): \(reason)")
    case .ppkFallback(let tunnel): (.warning, "\(tunnel) came up without its PPK, which is not required")
    case .ppkFetchFailed(let tunnel, let reason): (.warning, "\(tunnel): \(reason)")
    case .convergenceFailed(let reason): (.warning, "charon: \(reason)")
    }
  }
}
