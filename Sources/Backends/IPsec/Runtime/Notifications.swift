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
    case .ppkRenewed(let tunnel, let sa, let ppkID):
      make(
        AgentdIPsec.PPKRenewed(
          interfaceName: tunnel, localAddress: sa.local.address, remoteAddress: sa.remote.address,
          localIdentity: sa.localIdentity, remoteIdentity: sa.remoteIdentity, initiatorSPI: Self.spi(sa.initiatorSPI),
          responderSPI: Self.spi(sa.responderSPI), ppkID: ppkID))
    case .ppkRenewalFailed(let tunnel, let reason, let count):
      make(
        AgentdIPsec.PPKRenewalFailed(interfaceName: tunnel, reason: reason, failures: UInt32(clamping: count)))
    case .ppkAged(let tunnel, let age, let isExhausted):
      make(
        AgentdIPsec.PPKAgeAlarm(
          interfaceName: tunnel, age: UInt32(clamping: age.components.seconds), isExhausted: isExhausted))
    case .ppkBuffer(let owner, let level, true):
      make(
        AgentdIPsec.PPKBufferLow(
          sksProfile: owner.profile, remoteSystemID: owner.remoteSystem, level: UInt8(clamping: level)))
    case .ppkBuffer(let owner, _, false):
      make(AgentdIPsec.PPKBufferRestored(sksProfile: owner.profile, remoteSystemID: owner.remoteSystem))
    case .convergenceFailed, .protected: nil
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
    case .ppkRenewed(let tunnel, let sa, _):
      (.notice, "\(tunnel) has a fresh PPK with \(sa.remoteIdentity) at \(sa.remote)")
    case .ppkRenewalFailed(let tunnel, let reason, let count):
      (.warning, "\(tunnel) keeps its PPK for now (\(count) in a row): \(reason)")
    case .ppkAged(let tunnel, let age, let isExhausted):
      (
        .warning,
        "\(tunnel): its PPK \(isExhausted ? "has reached its maximum age" : "is old"), \(age.components.seconds) s"
      )
    case .ppkBuffer(let owner, let level, let isLow):
      (
        isLow ? .warning : .notice,
        "SKS profile '\(owner.profile)': \(isLow ? "only \(level) PPKs are held ready" : "all PPKs are held ready again")"
      )
    case .protected(let tunnel, let selectors):
      (.info, "\(tunnel): the far end protects \(selectors.isEmpty ? "nothing" : selectors.joined(separator: ", "))")
    case .convergenceFailed(let reason): (.warning, "charon: \(reason)")
    }
  }
}
