// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Models

/// Cisco-IOS-XR-crypto-macsec-mka-oper: the session of an interface.
enum MKAState {
  /// Nil while the link is not there: then there is no session, and macsec-state says why.
  static func interface(_ port: Port, now: Moment) -> MKAInterfaceModel? {
    guard let active = port.active else { return nil }
    let status = active.kay.status(now: now)
    return MKAInterfaceModel(
      name: port.name, session: session(port, active, status),
      statistics: MKAStatistics.statistics(port, status, now: now), info: MKAInfo.info(port, active, status))
  }

  private static func session(
    _ port: Port, _ active: Port.Active, _ status: KaYStatus
  ) -> MKAInterfaceModel.Session {
    let policy = status.policy
    let principal = status.participants.first(where: \.isPrincipal) ?? status.participants.first
    let summary = MKAInterfaceModel.Session.SessionSummary(
      interfaceName: port.name, inheritedPolicy: false, policy: port.settings.policy.name,
      priority: UInt32(policy.keyServerPriority), myMAC: status.sci.address.dotted,
      delayProtection: policy.delayProtection, replayProtect: policy.replayProtect, windowSize: policy.replayWindow,
      includeICVIndicator: policy.includesICVIndicator, confidentialityOffset: policy.confidentialityOffset.octets,
      algoAgility: MKPDU.algorithmAgility, capability: UInt32(active.kay.configuration.capability.rawValue),
      mkaCipherSuite: principal?.algorithm, configuredMACSecCipherSuite: "\(policy.cipherSuite)", macSecDesired: true)
    return MKAInterfaceModel.Session(
      sessionSummary: summary, vp: virtualPort(status),
      ca: status.participants.enumerated().map { connectivityAssociation($1, status, isFirst: $0 == 0) })
  }

  private static func virtualPort(_ status: KaYStatus) -> MKAInterfaceModel.Session.Vp {
    let (latest, old) = (status.latest, status.old)
    var port = MKAInterfaceModel.Session.Vp(
      mySCI: "\(status.sci)", virtualPortID: UInt32(status.sci.port), latestRX: latest?.receives ?? false,
      latestTX: latest?.transmits ?? false, latestAn: UInt32(latest?.associationNumber.rawValue ?? 0),
      latestKi: latest.map { "\($0.identifier)" }, latestKn: latest?.identifier.number ?? 0,
      oldRX: old?.receives ?? false, oldTX: old?.transmits ?? false,
      oldAn: UInt32(old?.associationNumber.rawValue ?? 0), oldKi: old.map { "\($0.identifier)" } ?? "FIRST-SAK",
      oldKn: old?.identifier.number ?? 0, waitTime: status.transmitWait?.wholeSeconds ?? 0,
      retireTime: status.retireWait?.wholeSeconds ?? 0, macsecCipherSuite: .init(latest?.cipherSuite),
      ssci: latest?.ssci ?? 0, timeToSAKRekey: StateText.seconds(status.timeToRekey),
      timeToExitSuspension: StateText.seconds(status.timeToExitSuspension), sakGenMode: distributionMode(status))
    for participant in status.participants where participant.role == .fallback && !participant.isPrincipal {
      port.fallbackKeepalive.append(
        .init(
          peersStatus: .init(
            txMkpduTimestamp: participant.lastSent.map { StateText.timestamp($0.wallClock) },
            peerCount: UInt32(participant.peerKeys.count),
            peer: participant.peerKeys.map {
              .init(
                peerData: .init(
                  mi: "\($0.memberIdentifier)", icvStatus: $0.matches ? "Match" : "Mismatch",
                  icvCheckTimestamp: StateText.timestamp($0.checked.wallClock)), sci: $0.sci.digits)
            }), ckn: "\(participant.ckn)", mi: "\(participant.memberIdentifier)", mn: participant.messageNumber))
    }
    return port
  }

  private static func distributionMode(_ status: KaYStatus) -> String {
    if case .ppk = status.policy.keyDistribution { "PPK" } else { "SAK" }
  }

  private static func connectivityAssociation(
    _ participant: ParticipantStatus, _ status: KaYStatus, isFirst: Bool
  ) -> MKAInterfaceModel.Session.CA {
    let suspended = participant.livePeers.filter(\.isSuspended)
    return .init(
      peersStatus: .init(
        txMkpduTimestamp: participant.lastSent.map { StateText.timestamp($0.wallClock) },
        peerCount: UInt32(participant.peerKeys.count),
        peer: participant.peerKeys.map {
          .init(
            peerData: .init(
              mi: "\($0.memberIdentifier)", icvStatus: $0.matches ? "Match" : "Mismatch",
              icvCheckTimestamp: StateText.timestamp($0.checked.wallClock)), sci: $0.sci.digits)
        }),
      isKeyServer: participant.isKeyServer, status: participant.state.rawValue,
      numLivePeers: UInt32(participant.livePeers.count), firstCA: isFirst,
      peerSCI: (participant.livePeers + participant.potentialPeers).first.map { "\($0.sci)" },
      numLivePeersResponded: UInt32(participant.respondedCount), ckn: "\(participant.ckn)",
      myMi: "\(participant.memberIdentifier)", myMn: participant.messageNumber, authenticator: false,
      numSuspendRequest: UInt32(suspended.count), statusDescription: participant.state.words,
      authenticationMode: participant.role.words, keyChain: participant.keyChain,
      livePeer: participant.livePeers.map {
        .init(
          mi: "\($0.memberIdentifier)", sci: "\($0.sci)", mn: $0.messageNumber, priority: UInt32($0.keyServerPriority),
          ssci: $0.ssci ?? 0)
      },
      potentialPeer: participant.potentialPeers.map {
        .init(
          mi: "\($0.memberIdentifier)", sci: "\($0.sci)", mn: $0.messageNumber, priority: UInt32($0.keyServerPriority),
          ssci: $0.ssci ?? 0)
      }, suspendPeer: suspended.map { .init(rxSCI: $0.sci.rawValue, rxSsci: $0.ssci ?? 0) })
  }
}

extension SessionState {
  /// What the state means, as operators know it.
  var words: String {
    switch self {
    case .initial: "Initializing MKA Session"
    case .pending: "Waiting for the peer to hear this device"
    case .active: "Marked Peer as Live (Waiting for SAK generation/distribution)"
    case .secured: "Secured MKA Session with MACsec"
    }
  }
}

extension ParticipantStatus.Role {
  var words: String { isFallback ? "FALLBACK-PSK" : "PRIMARY-PSK" }
  var isFallback: Bool { self == .fallback || self == .oldFallback }
}

extension MACAddress {
  /// Three groups of four digits.
  var dotted: String { String("\(SCI(address: self, port: 0))".prefix { $0 != "/" }) }
}
