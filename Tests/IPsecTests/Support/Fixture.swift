// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import IPsec

/// Makes configurations of the published guides' shape.
struct Fixture {
  let sealer: Sealer
  var configuration = IPsecConfiguration()

  init() throws { sealer = try Sealer(MasterKey()) }
  init(sealer: Sealer) throws { self.sealer = sealer }

  func seal(_ clear: String) throws -> Sealed { try sealer.parse(written: "!" + clear, encoding: .type7) }

  /// A transform set, an IPsec profile, an IKEv2 profile with its keyring, and a tunnel, that fit together.
  mutating func addTunnel(
    _ number: Int = 1, source: String = "10.10.10.3", destination: String = "10.10.10.1",
    ppk: Keyring.PPK? = nil
  ) throws {
    var set = TransformSet(name: "ts\(number)")
    set.encryption = .aes256
    set.integrity = .sha256
    configuration.transformSets.append(set)
    var keyring = Keyring(name: "k\(number)")
    var peer = Keyring.Peer(name: "init")
    peer.range = IPv4Range(destination, "255.255.255.255")
    peer.preSharedKey = .both(try seal("averylongpresharedkey\(number)"))
    peer.ppk = ppk
    keyring.peers = [peer]
    configuration.keyrings.append(keyring)
    var profile = IKEv2Profile(name: "p\(number)")
    profile.keyring = keyring.name
    profile.ppkKeyring = ppk == nil ? nil : keyring.name
    profile.matches = [.address(try #require(IPv4Range(destination, "255.255.255.255")))]
    configuration.profiles.append(profile)
    var ipsec = IPsecProfile(name: "test\(number)")
    ipsec.transformSets = [set.name]
    ipsec.ikev2Profile = profile.name
    configuration.ipsecProfiles.append(ipsec)
    var tunnel = TunnelInterface(name: "tunnel-ip\(number)")
    tunnel.source = .address(try #require(IPv4Address(source)))
    tunnel.destination = IPv4Address(destination)
    tunnel.profile = ipsec.name
    configuration.tunnels.append(tunnel)
  }

  var mapping: IPsecMapping { IPsecMapping(configuration, dataPlane: .kernel) }
}

extension IPsecMapping {
  /// Of warnings only the paths matter little; of the rest, all.
  var faults: [Correction] { corrections.filter { $0.severity != .warning } }
}

extension VICIMessage {
  /// The settings of the only connection of a `load-conn` message.
  var connection: VICIMessage { sections.first?.message ?? VICIMessage() }
  var child: VICIMessage { connection.section("children")?.sections.first?.message ?? VICIMessage() }
}
