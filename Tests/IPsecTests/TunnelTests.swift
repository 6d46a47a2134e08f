// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Secrets
import Testing

@testable import IPsec

/// Charon on both ends, brought to the mapping of the models by our client, with packets through the tunnel.
@Suite(.serialized, .enabled(if: tunnelsCanBeMade, "charon, namespaces, TUN or python3 cannot be had here"))
struct TunnelTests {
  @Test func aPreSharedKeyTunnelCarriesPacketsAndOutlivesTheAgent() async throws {
    let lab = try await TunnelLab()
    do {
      var far = try lab.configuration(lab.far, to: lab.near)
      far.ipsecProfiles[0].isResponderOnly = true
      try await lab.load(far, at: lab.far)
      let near = try await lab.load(try lab.configuration(lab.near, to: lab.far), at: lab.near)
      try await lab.driver(lab.near).initiate(try #require(near.desired.connections.first))
      let session = try #require(await lab.established(lab.near), "\(lab.log(lab.near))")
      #expect(lab.ping(), "\(lab.log(lab.near))")

      #expect(session.role == .initiator)
      #expect(session.connection == "agentd:tunnel-ip1:1")
      #expect(session.localIdentity == "192.0.2.1")
      #expect(session.remoteIdentity == "192.0.2.2")
      #expect(session.local.description == "192.0.2.1/4500")
      #expect(!session.usesPPK)
      #expect(session.algorithms?.encryption == "AES_GCM_16")
      #expect(session.algorithms?.integrity == nil)
      #expect(session.algorithms?.group == "ECP_384")
      #expect(session.established != nil)
      let child = try #require(try await lab.established(lab.near)?.children.first)
      #expect(child.algorithms == Algorithms(encryption: "AES_CBC", keySize: 256, integrity: "HMAC_SHA2_256_128"))
      #expect(child.inbound.packets >= 3)
      #expect(child.outbound.bytes >= 3 * 84)
      #expect(child.localSelectors == ["0.0.0.0/0"])
      #expect((1...14_400).contains(try #require(child.expiresIn).components.seconds))
      let farSession = try #require(try await lab.established(lab.far))
      #expect(farSession.role == .responder)
      #expect(farSession.localSPI == session.remoteSPI)
      #expect(farSession.children.first?.inboundSPI == child.outboundSPI)

      // The agent goes and another comes: nothing is to be done, and the same SA is there.
      try await lab.restartNearSupervisor()
      let plan = try await lab.driver(lab.near).converge(to: near.desired).plan
      #expect(plan.isEmpty, "\(plan)")
      #expect(try await lab.established(lab.near)?.uniqueID == session.uniqueID)
      #expect(lab.ping())

      // What is taken away goes down with its SAs.
      try await lab.driver(lab.near).converge(to: DesiredState())
      let driver = try lab.driver(lab.near)
      #expect(await eventually { (try? await driver.sessions().isEmpty) == true })
      #expect(try await driver.loaded() == LoadedState())
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test(arguments: [true, false])
  func aManualPPKIsUsedWhicheverSideStarts(nearStarts: Bool) async throws {
    let lab = try await TunnelLab()
    do {
      let ppk = try lab.ppk("Key/1+", "0123456789abcdef0123456789abcdef", isRequired: true)
      let far = try await lab.load(try lab.configuration(lab.far, to: lab.near, ppk: ppk), at: lab.far)
      let near = try await lab.load(try lab.configuration(lab.near, to: lab.far, ppk: ppk), at: lab.near)
      let starter = nearStarts ? (lab.near, near) : (lab.far, far)
      try await lab.driver(starter.0).initiate(try #require(starter.1.desired.connections.first))
      for end in [lab.near, lab.far] {
        #expect(try await lab.established(end)?.usesPPK == true, "\(lab.log(lab.far))")
      }
      #expect(lab.ping())
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test func aWrongOrMissingPPKIsRefusedWhereItIsRequiredAndLeftOutWhereNot() async throws {
    let lab = try await TunnelLab()
    do {
      let good = "0123456789abcdef0123456789abcdef"
      func attempt(near: Keyring.PPK?, far: Keyring.PPK?) async throws -> IKESA? {
        for (end, other, ppk) in [(lab.near, lab.far, near), (lab.far, lab.near, far)] {
          try await lab.driver(end).converge(to: DesiredState())
          var configuration = try lab.configuration(end, to: other, ppk: ppk)
          configuration.ipsecProfiles[0].isResponderOnly = end.namespace == lab.far.namespace
          try await lab.load(configuration, at: end)
        }
        let connection = try #require(
          IPsecMapping(try lab.configuration(lab.near, to: lab.far, ppk: near), dataPlane: .userspace)
            .desired.connections.first)
        try await lab.driver(lab.near).initiate(connection)
        return try await lab.established(lab.near, atMost: .seconds(2))
      }
      // The same key for one ID on both sides.
      let isRequired = try lab.ppk("1", good, isRequired: true)
      #expect(try await attempt(near: isRequired, far: isRequired)?.usesPPK == true)
      // Another key.
      let wrong = try lab.ppk("1", "fedcba9876543210fedcba9876543210", isRequired: true)
      #expect(try await attempt(near: isRequired, far: wrong) == nil)
      // The far end has none.
      #expect(try await attempt(near: isRequired, far: nil) == nil)
      let optional = try lab.ppk("1", good, isRequired: false)
      let session = try await attempt(near: optional, far: nil)
      #expect(session != nil, "\(lab.log(lab.near))")
      #expect(session?.usesPPK == false)
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test func namesDomainsAndSeparateKeysAreUnderstood() async throws {
    let lab = try await TunnelLab()
    do {
      let (nearKey, farKey) = (
        try lab.sealer.seal(SecretBytes(copying: Array("the key of the near end".utf8))),
        try lab.sealer.seal(SecretBytes(copying: Array("the key of the far end".utf8)))
      )
      var far = try lab.configuration(lab.far, to: lab.near)
      far.profiles[0].localIdentity = .fqdn("RouterB.example.com")
      far.profiles[0].matches = [.domain("Example.com")]
      far.keyrings[0].peers[0].preSharedKey = .separate(local: farKey, remote: nearKey)
      far.ipsecProfiles[0].isResponderOnly = true
      try await lab.load(far, at: lab.far)
      var near = try lab.configuration(lab.near, to: lab.far)
      near.profiles[0].localIdentity = .fqdn("ROUTERA.example.com")
      near.profiles[0].matches = [.fqdn("routerb.EXAMPLE.com")]
      near.keyrings[0].peers[0].preSharedKey = .separate(local: nearKey, remote: farKey)
      let mapping = try await lab.load(near, at: lab.near)
      try await lab.driver(lab.near).initiate(try #require(mapping.desired.connections.first))
      let session = try #require(await lab.established(lab.near), "\(lab.log(lab.near))\n\(lab.log(lab.far))")
      #expect(session.remoteIdentity.lowercased() == "routerb.example.com")
      #expect(try await lab.established(lab.far)?.remoteIdentity == "ROUTERA.example.com")
      #expect(lab.ping())
      try await lab.driver(lab.near).terminate(session.connection)

      // The domain's own name is not below it.
      near.profiles[0].localIdentity = .fqdn("example.com")
      let refused = try await lab.load(near, at: lab.near)
      try await Task.sleep(for: .milliseconds(200))
      try await lab.driver(lab.near).initiate(try #require(refused.desired.connections.first))
      #expect(try await lab.established(lab.near, atMost: .seconds(2)) == nil)
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test(.enabled(if: CertificateLab.canBeMade, "openssl is not installed"))
  func certificatesAndKeysGoOverTheSocketAlone() async throws {
    let lab = try await TunnelLab()
    do {
      let certificates = try CertificateLab()
      var mappings: [IPsecMapping] = []
      for (end, other, name, otherName) in [
        (lab.far, lab.near, "hostb", "hosta"), (lab.near, lab.far, "hosta", "hostb"),
      ] {
        var configuration = try lab.configuration(end, to: other)
        configuration.profiles[0].localIdentity = .fqdn("\(name).example.com")
        configuration.profiles[0].matches = [.fqdn("\(otherName).example.com")]
        configuration.profiles[0].localAuthentication = .rsaSignature
        configuration.profiles[0].trustpoints = ["tp"]
        configuration.profiles[0].keyring = nil
        configuration.trustpoints = [try certificates.trustpoint("tp", name, lab.sealer)]
        mappings.append(try await lab.load(configuration, at: end))
        // charon's own name for the key is the one that we computed.
        #expect(try await lab.driver(end).loaded().keys == Set(mappings.last?.desired.keys.map(\.identifier) ?? []))
        #expect(try await lab.driver(end).converge(to: mappings[mappings.count - 1].desired).plan.isEmpty)
      }
      try await lab.driver(lab.near).initiate(try #require(mappings[1].desired.connections.first))
      let session = try #require(await lab.established(lab.near), "\(lab.log(lab.near))\n\(lab.log(lab.far))")
      #expect(session.remoteIdentity == "hostb.example.com")
      #expect(lab.ping())
      try await lab.driver(lab.near).converge(to: DesiredState())
      #expect(try await lab.driver(lab.near).loaded().keys.isEmpty)
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test func theWrongPreSharedKeyIsRefused() async throws {
    let lab = try await TunnelLab()
    do {
      try await lab.load(try lab.configuration(lab.far, to: lab.near, key: "one preshared key"), at: lab.far)
      let near = try await lab.load(
        try lab.configuration(lab.near, to: lab.far, key: "another preshared key"), at: lab.near)
      try await lab.driver(lab.near).initiate(try #require(near.desired.connections.first))
      #expect(try await lab.established(lab.near, atMost: .seconds(2)) == nil)
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }
}
