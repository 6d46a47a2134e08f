// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import MKA
import Models
import Netlink

/// Cisco-IOS-XR-crypto-macsec-mka-oper: what is configured and in use on an interface.
enum MKAInfo {
  static func info(_ port: Port, _ active: Port.Active, _ status: KaYStatus) -> MKAInterfaceModel.Info {
    MKAInterfaceModel.Info(
      macsecServiceInfo: .init(macsecServiceEnabled: false, portType: .none_), authInfo: authentication(port, status),
      secyIntf: .init(
        controlledInterfaceName: active.secY.controlledPortName, uncontrolledInterfaceName: active.link.name,
        uncontrolledIfh: hexadecimal(active.link.index)),
      bundleInfo: bundle(port), efdInfo: .init(enabled: false), interfaceName: port.name,
      interfaceHandle: hexadecimal(active.link.index),
      etherType: hexadecimal(UInt32(active.kay.configuration.etherType)),
      eapolDstAddr: active.kay.configuration.destination.dotted, policy: port.settings.policy.name,
      macsecShutdown: false, trafficStatus: traffic(status.portStatus), txSCI: "\(status.sci)",
      macsecPowerStatus: "Allocated")
  }

  /// The identifier is the number at the end of the bond's name.
  private static func bundle(_ port: Port) -> MKAInterfaceModel.Info.BundleInfo {
    guard let bond = port.membership.bond else { return .init(overheadEnabled: false) }
    let digits = String(bond.reversed().prefix { $0.isASCII && $0.isNumber }.reversed())
    let isMember = port.controlled?.master != nil && port.controlled?.master == port.bond?.index
    return .init(
      bundleID: UInt32(digits), overheadEnabled: false, status: isMember ? "Member of \(bond)" : "Not yet in \(bond)")
  }

  private static func traffic(_ status: PortStatus) -> CryptoMACsecMKAOper.MACsecTrafficStatus {
    switch status {
    case .blocked: .blocked
    case .unprotected: .unprotected
    case .protected: .protected
    }
  }

  private static func authentication(_ port: Port, _ status: KaYStatus) -> MKAInterfaceModel.Info.AuthInfo {
    func key(_ roles: [ParticipantStatus.Role]) -> ParticipantStatus? {
      roles.lazy.compactMap { role in status.participants.first { $0.role == role } }.first
    }
    let primary = key([.primary, .oldPrimary])
    let fallback = key([.fallback, .oldFallback])
    let actor: CryptoMACsecMKAOper.MKAPrincipalActor =
      switch status.participants.first(where: \.isPrincipal)?.role {
      case .primary, .next: .primary
      case .fallback: .fallback
      case .oldPrimary: .oldPrimary
      case .oldFallback: .oldFallback
      case nil: .none_
      }
    return .init(
      psk: .init(
        primaryKeychain: .init(
          keyInfo: .init(ckn: primary.map { "\($0.ckn)" }, mkaCipherSuite: primary?.algorithm),
          name: port.settings.binding.primary, keyStatus: primary == nil ? .notAvailable : .available),
        fallbackKeychain: .init(
          keyInfo: .init(ckn: fallback.map { "\($0.ckn)" }, mkaCipherSuite: fallback?.algorithm),
          name: port.settings.binding.fallback, keyStatus: fallback == nil ? .notAvailable : .available)),
      eap: .init(keyStatus: .notAvailable), authMode: .psk, principalActor: actor)
  }

  /// The form of Hex-integer.
  private static func hexadecimal(_ number: UInt32) -> String { String(number, radix: 16) }
}
