// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Interfaces
import Netlink

/// The addresses that interfaces have now, for tunnels that name an interface as their source.
struct SourceAddresses: Sendable {
  private let ports: PortDirectory

  init(_ ports: PortDirectory) { self.ports = ports }

  /// The first IPv4 address of the link that carries an interface's layer 3; nil when there is none.
  func address(of interface: String) -> IPv4Address? {
    guard let name = ports.layer3Link(of: interface), let link = try? RTNetlink.link(named: name),
      let addresses = try? RTNetlink.addresses(of: link)
    else { return nil }
    let mine = addresses.filter { $0.family == .ipv4 && $0.bytes.count == 4 && !$0.isTentative }
    return (mine.first { !$0.isSecondary } ?? mine.first).map { address in
      IPv4Address(bits: address.bytes.reduce(0) { $0 << 8 | UInt32($1) })
    }
  }
}
