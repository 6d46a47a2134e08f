// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models
import Netlink

/// The state of a Linux link in the terms of agentd-interfaces.
enum LinkState {
  /// A link that cannot be looked at is shown as not present.
  static func of(link linuxName: String, named xrName: String) -> AgentdInterfaces.InterfacesState.InterfaceState {
    guard let link = try? RTNetlink.link(named: linuxName) else {
      return .init(xrName: xrName, linuxName: linuxName, operStatus: .notPresent)
    }
    let isUp = link.flags.contains(.up)
    let addresses = (try? RTNetlink.addresses(of: link)) ?? []
    return .init(
      xrName: xrName, linuxName: linuxName, ifIndex: link.index,
      // A link that does not say, such as the loopback, is up when its administrator says so.
      operStatus: link.operationalState == .up || link.operationalState == .unknown && isUp ? .up : .down,
      adminStatus: isUp ? .up : .down, macAddress: hexadecimal(link.hardwareAddress), mtu: link.mtu,
      address: addresses.compactMap(\.text))
  }

  /// The form of ietf-yang-types' mac-address; nil for a link without one.
  private static func hexadecimal(_ bytes: [UInt8]) -> String? {
    guard bytes.count == 6 else { return nil }
    return bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined(separator: ":")
  }
}
