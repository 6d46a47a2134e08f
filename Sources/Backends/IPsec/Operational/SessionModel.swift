// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models

/// One owner's SAs with what is known of it, as the model of IKEv2 counts sessions.
struct SessionState: Sendable {
  /// 1 to 65535.
  let number: UInt32
  /// The tunnel interface, or a connection that is not ours.
  let owner: String
  /// The oldest first; never empty.
  let sas: [IKESA]

  /// The pairs that may carry packets.
  var children: [(sa: IKESA, child: ChildSA)] {
    sas.flatMap { sa in sa.children.filter(\.carriesPackets).map { (sa, $0) } }
  }

  /// As operators of routers read it.
  var status: String {
    guard sas.contains(where: \.isUsable) else { return "DOWN-NEGOTIATING" }
    return sas.contains { $0.isUsable && $0.children.contains(where: \.isInstalled) } ? "UP-ACTIVE" : "UP-IDLE"
  }
}

extension IKESA {
  /// It is set up, and not about to go.
  var isUsable: Bool { state == "ESTABLISHED" || state == "REKEYING" }

  /// charon's state in two words of routers' operators.
  var stateAndDescription: (state: String, description: String) {
    switch state {
    case "ESTABLISHED": ("READY", "Negotiation done")
    case "REKEYING": ("READY", "Rekey in progress")
    case "CREATED", "CONNECTING": ("IN-NEG", "Negotiation in progress")
    case "REKEYED": ("DELETE", "Replaced by a rekey")
    case "DELETING", "DESTROYING": ("DELETE", "Deletion in progress")
    default: (state, state)
    }
  }
}

extension ChildSA {
  var carriesPackets: Bool { ["INSTALLED", "UPDATING", "REKEYING", "REKEYED"].contains(state) }
}

extension Duration {
  /// Whole seconds, none below zero.
  var wholeSeconds: UInt32 { UInt32(clamping: max(components.seconds, 0)) }
}

// MARK: Model

typealias IKEv2Node = IKEv2Oper.IKEv2.Nodes.Node
typealias SessionModel = IKEv2Node.SessionIDs.SessionID

/// The leafs of an IKE SA, which the model has in four places.
protocol IKESALeafs {
  var tunnelID: UInt32? { get set }
  var localAddrPort: String? { get set }
  var remoteAddrPort: String? { get set }
  var fvrf: String? { get set }
  var state: String? { get set }
  var encr: String? { get set }
  var keysize: UInt32? { get set }
  var prf: String? { get set }
  var hash: String? { get set }
  var dhGroup: UInt32? { get set }
  var authSign: String? { get set }
  var authVerify: String? { get set }
  var lifeActive: String? { get set }
  var sessionID: UInt32? { get set }
  var statusDesc: String? { get set }
  var localSPI: String? { get set }
  var remoteSPI: String? { get set }
  var localID: String? { get set }
  var remoteID: String? { get set }
  var saInitiator: Bool? { get set }
  var quantumResistance: String? { get set }
  var dpdInterval: UInt32? { get set }
  var dpdRetry: UInt32? { get set }
}

extension SessionModel.SA: IKESALeafs {}
extension IKEv2Node.SA.LocalV4.IP.SA: IKESALeafs {}
extension IKEv2Node.SA.RemoteV4.IP.SA: IKESALeafs {}
extension IKEv2Node.SA.All.SA: IKESALeafs {}

extension IKESALeafs {
  /// The leafs filled in; what is not known yet stays absent.
  func showing(_ sa: IKESA, of session: SessionState, _ facts: ConfiguredFacts) -> Self {
    var leafs = self
    let connection = facts.connections[sa.connection]
    leafs.tunnelID = sa.uniqueID
    leafs.localAddrPort = sa.local.description
    leafs.remoteAddrPort = sa.remote.description
    leafs.fvrf = facts.fvrf(of: session.owner)
    (leafs.state, leafs.statusDesc) = sa.stateAndDescription
    if let algorithms = sa.algorithms {
      leafs.encr = AlgorithmName.encryption(algorithms.encryption)
      leafs.keysize = algorithms.keySize.map { UInt32(clamping: $0) }
      leafs.prf = AlgorithmName.hash(algorithms.prf)
      leafs.hash = AlgorithmName.hash(algorithms.integrity)
      leafs.dhGroup = AlgorithmName.group(algorithms.group)
    }
    leafs.authSign = connection?.localAuthentication
    leafs.authVerify = connection?.remoteAuthentication
    if let active = sa.established {
      leafs.lifeActive = "\(connection?.lifetime.map { "\($0)" } ?? "unknown")/\(active.wholeSeconds)"
    }
    leafs.sessionID = session.number
    leafs.localSPI = Self.spi(sa.localSPI)
    leafs.remoteSPI = Self.spi(sa.remoteSPI)
    leafs.localID = Self.identity(sa.localIdentity)
    leafs.remoteID = Self.identity(sa.remoteIdentity)
    leafs.saInitiator = sa.role == .initiator
    // What a negotiation will come to is not known before its end.
    if sa.isUsable { leafs.quantumResistance = facts.quantumResistance(sa)?.text ?? "Enabled" }
    leafs.dpdInterval = connection?.dpdInterval
    if connection?.dpdInterval != nil {
      leafs.dpdRetry = facts.configuration.global.dpdRetryInterval.map { UInt32(clamping: $0) }
    }
    return leafs
  }

  /// In capitals; none before the far end has chosen its own.
  private static func spi(_ text: String) -> String? {
    text.isEmpty || text.allSatisfy { $0 == "0" } ? nil : text.uppercased()
  }

  private static func identity(_ text: String) -> String? { text.isEmpty || text == "%any" ? nil : text }
}

extension SessionModel {
  init(_ session: SessionState, _ facts: ConfiguredFacts) {
    let children = session.children
    self.init(
      id: session.number, sessionID: session.number, sessionStatus: session.status,
      ikeCnt: UInt32(clamping: session.sas.count), childCnt: UInt32(clamping: children.count),
      sa: session.sas.map { sa in
        var leafs = SA().showing(sa, of: session, facts)
        leafs.rekeyTime = sa.rekeysIn?.wholeSeconds
        leafs.isBehindNAT = sa.isBehindNAT
        return leafs
      },
      childSA: children.map { ChildSA($0.child) }, tunnel: session.owner)
  }
}

extension SessionModel.ChildSA {
  init(_ child: ChildSAState) {
    self.init(
      localSelector: SelectorText.text(child.localSelectors), remoteSelector: SelectorText.text(child.remoteSelectors),
      espSPIInOut: "0x\(child.inboundSPI) / 0x\(child.outboundSPI)",
      encr: child.algorithms.map { AlgorithmName.encryption($0.encryption) },
      keysize: child.algorithms?.keySize.map { UInt32(clamping: $0) },
      hmac: child.algorithms.map { AlgorithmName.hash($0.integrity) },
      traffic: Traffic(
        inPackets: child.inbound.packets, inOctets: child.inbound.bytes, outPackets: child.outbound.packets,
        outOctets: child.outbound.bytes, inIdle: child.inbound.idle?.wholeSeconds,
        outIdle: child.outbound.idle?.wholeSeconds),
      state: child.state, installedFor: child.installed?.wholeSeconds, isInUDP: child.isInUDP)
  }
}

/// The value type of this module, which generated types of the same name would hide in their extensions.
typealias ChildSAState = ChildSA
