// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models

typealias TunnelSAModel = IPsecXROper.IPsec.IPsecSA.Interfaces.Interface

/// The Linux link that carries a tunnel.
public struct TunnelLink: Sendable, Equatable {
  public var name: String
  /// Nil while the link is not there.
  public var index: UInt32?

  public init(name: String, index: UInt32?) {
    self.name = name
    self.index = index
  }
}

extension TunnelSAModel {
  /// The pairs of a tunnel interface that may carry packets; nil when there are none.
  init?(_ session: SessionState, _ facts: ConfiguredFacts, link: TunnelLink?) {
    let pairs = session.children.filter { $0.child.protocolName != "AH" }
    guard !pairs.isEmpty else { return nil }
    self.init(name: session.owner, sa: pairs.map { SA($0.child, of: $0.sa, session.owner, facts, link: link) })
  }
}

extension TunnelSAModel.SA {
  fileprivate init(
    _ child: ChildSA, of sa: IKESA, _ interface: String, _ facts: ConfiguredFacts, link: TunnelLink?
  ) {
    let encryption = child.algorithms.map { AlgorithmName.espEncryption($0.encryption, keySize: $0.keySize) }
    let authentication = child.algorithms.map { AlgorithmName.espAuthentication($0.integrity) }
    let lifetime = child.expiresIn?.wholeSeconds
    let rekeyTime = child.rekeysIn?.wholeSeconds
    // A pair has an exchange of its own only if it was not made along with its IKE SA.
    let group = AlgorithmName.group(child.algorithms?.group)
    let isProtected = facts.quantumResistance(sa) != .disabled
    self.init(
      inSA: InSA(
        spi: UInt32(child.inboundSPI, radix: 16), lifetime: lifetime, rekeyTime: rekeyTime, prot: child.protocolName,
        encr: encryption, auth: authentication),
      outSA: OutSA(
        spi: UInt32(child.outboundSPI, radix: 16), lifetime: lifetime, rekeyTime: rekeyTime, prot: child.protocolName,
        encr: encryption, auth: authentication),
      saID: child.uniqueID, interface: interface, ifh: link?.index,
      pfsEnabled: child.algorithms?.group == nil ? "No" : "Yes", pfsGroup: group.map { "\($0)" } ?? "None",
      mode: "Tunnel", quantumResistant: isProtected ? "Yes" : "No",
      localIdentity: SelectorText.text(child.localSelectors), remoteIdentity: SelectorText.text(child.remoteSelectors),
      traffic: Traffic(
        inPackets: child.inbound.packets, inOctets: child.inbound.bytes, outPackets: child.outbound.packets,
        outOctets: child.outbound.bytes, inIdle: child.inbound.idle?.wholeSeconds,
        outIdle: child.outbound.idle?.wholeSeconds),
      state: child.state, installedFor: child.installed?.wholeSeconds, isInUDP: child.isInUDP)
  }
}
