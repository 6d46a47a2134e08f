// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import IPsec

/// Keepers on both ends, with charons that die and configurations that change.
@Suite(.serialized, .enabled(if: tunnelsCanBeMade, "charon, namespaces, TUN or python3 cannot be had here"))
struct TunnelKeeperTests {
  @Test func aTunnelComesUpByItselfAndComesBackAfterItsCharonIsKilled() async throws {
    let lab = try await TunnelLab()
    do {
      let ppk = try lab.ppk("1", "0123456789abcdef0123456789abcdef", isRequired: true)
      let (far, farLog) = lab.keeper(lab.far)
      var farConfiguration = try lab.configuration(lab.far, to: lab.near, ppk: ppk)
      farConfiguration.ipsecProfiles[0].isResponderOnly = true
      await far.configure(IPsecMapping(farConfiguration, dataPlane: .userspace))
      let (near, nearLog) = lab.keeper(lab.near)
      let configuration = try lab.configuration(lab.near, to: lab.far, ppk: ppk)
      await near.configure(IPsecMapping(configuration, dataPlane: .userspace))
      try #require(await nearLog.waitForUp(count: 1), "\(nearLog.all)\n\(lab.log(lab.near))")
      try #require(await farLog.waitForUp(count: 1))
      #expect(lab.ping())
      let state = try #require(await near.states["tunnel-ip1"])
      #expect(state.quantumResistance == .manual)
      #expect(state.reason == nil)

      // The near charon is killed: all is loaded and up again within 5 s.
      guard case .running(let process, _) = lab.near.charon.status else {
        Issue.record("expected a running charon, got \(lab.near.charon.status)")
        return await lab.takeDown()
      }
      let killed = ContinuousClock.now
      kill(process, SIGKILL)
      try #require(await nearLog.waitForUp(count: 2), "\(nearLog.all)\n\(lab.log(lab.near))")
      let back = killed.duration(to: .now)
      #expect(back < .seconds(5), "it took \(back)")
      #expect(nearLog.all.contains(.down(tunnel: "tunnel-ip1", reason: "charon has ended")))
      try await lab.giveInnerAddress(lab.near)
      // The far end drops the SA that the near one lost.
      let farDriver = try lab.driver(lab.far)
      #expect(await eventually { (try? await farDriver.sessions().count) == 1 }, "\(lab.log(lab.far))")
      #expect(lab.ping(), "\(lab.log(lab.far))")
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test func aChangedConfigurationReplacesTheSessionWithoutLoss() async throws {
    let lab = try await TunnelLab()
    do {
      let (far, _) = lab.keeper(lab.far)
      let (near, nearLog) = lab.keeper(lab.near)
      var farConfiguration = try lab.configuration(lab.far, to: lab.near)
      farConfiguration.ipsecProfiles[0].isResponderOnly = true
      await far.configure(IPsecMapping(farConfiguration, dataPlane: .userspace))
      var configuration = try lab.configuration(lab.near, to: lab.far)
      await near.configure(IPsecMapping(configuration, dataPlane: .userspace))
      try #require(await nearLog.waitForUp(count: 1), "\(nearLog.all)")
      let first = try #require(await near.states["tunnel-ip1"]?.session)

      configuration.ipsecProfiles[0].lifetime = 5000
      configuration.profiles[0].lifetime = 5000
      await near.configure(IPsecMapping(configuration, dataPlane: .userspace))
      let isReplaced = await eventually {
        let current = await near.states["tunnel-ip1"]?.session
        return current != nil && current?.uniqueID != first.uniqueID
      }
      #expect(isReplaced, "\(lab.log(lab.near))")
      let driver = try lab.driver(lab.near)
      #expect(await eventually { (try? await driver.sessions().count) == 1 })
      #expect(!nearLog.all.contains { if case .down = $0 { true } else { false } })
      #expect(lab.ping())

      // Without the tunnel there is no session.
      await near.configure(IPsecMapping(IPsecConfiguration(), dataPlane: .userspace))
      #expect(await eventually { (try? await driver.sessions().isEmpty) == true })
      #expect(await near.states.isEmpty)
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test func rekeysAreFollowedAndDeadPeersNoticed() async throws {
    let lab = try await TunnelLab()
    do {
      let (far, _) = lab.keeper(lab.far)
      let (near, nearLog) = lab.keeper(lab.near)
      var farConfiguration = try lab.configuration(lab.far, to: lab.near)
      farConfiguration.ipsecProfiles[0].isResponderOnly = true
      await far.configure(IPsecMapping(farConfiguration, dataPlane: .userspace))
      var configuration = try lab.configuration(lab.near, to: lab.far)
      // Shorter than the model allows, so that the test is.
      configuration.global.dpd = 1
      await near.configure(IPsecMapping(configuration, dataPlane: .userspace))
      try #require(await nearLog.waitForUp(count: 1), "\(nearLog.all)")
      let client = try #require(lab.near.charon.client)
      let first = try #require(await near.states["tunnel-ip1"]?.session)

      var message = VICIMessage()
      message.add("ike-id", Int(first.uniqueID))
      try await client.call("rekey", message)
      let isRekeyed = await eventually {
        let current = await near.states["tunnel-ip1"]?.session
        return current != nil && current?.initiatorSPI != first.initiatorSPI
      }
      #expect(isRekeyed, "\(lab.log(lab.near))")
      let second = try #require(await near.states["tunnel-ip1"]?.session)
      message = VICIMessage()
      message.add("child-id", Int(try #require(second.children.first).uniqueID))
      try await client.call("rekey", message)
      let isChildRekeyed = await eventually {
        let current = await near.states["tunnel-ip1"]?.session
        return current?.children.first.map { $0.inboundSPI != second.children.first?.inboundSPI } == true
      }
      #expect(isChildRekeyed, "\(lab.log(lab.near))")
      #expect(lab.ping(count: 10))
      #expect(!nearLog.all.contains { if case .down = $0 { true } else { false } })

      // What the keeper has followed is what charon has.
      let session = try #require(await lab.established(lab.near))
      let known = await near.states["tunnel-ip1"]?.session
      #expect(known?.uniqueID == session.uniqueID)
      #expect(
        known?.children.filter(\.isInstalled).map(\.inboundSPI)
          == session.children.filter(\.isInstalled).map(\.inboundSPI))

      // The far end vanishes.
      try TunnelLab.ip("-n", lab.far.namespace, "link", "set", "lo", "up")
      try TunnelLab.ip("-n", lab.far.namespace, "addr", "del", "192.0.2.2/24", "dev", lab.far.link)
      let isDown = await eventually(atMost: .seconds(20)) {
        nearLog.all.contains { if case .down = $0 { true } else { false } }
      }
      #expect(isDown, "\(lab.log(lab.near))")
      #expect(await near.states["tunnel-ip1"]?.session == nil)
      // And is there again.
      try TunnelLab.ip("-n", lab.far.namespace, "addr", "add", "192.0.2.2/24", "dev", lab.far.link)
      #expect(await nearLog.waitForUp(count: 2, atMost: .seconds(30)), "\(lab.log(lab.near))")
      #expect(await eventually { lab.ping() }, "\(lab.log(lab.far))")
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test func aDynamicPPKIsFetchedByBothEnds() async throws {
    let lab = try await TunnelLab()
    do {
      let keys = SharedKeys()
      let (far, farLog) = lab.keeper(lab.far, source: keys)
      let (near, nearLog) = lab.keeper(lab.near, source: keys)
      let ppk = Keyring.PPK.dynamic(sksProfile: "Qkd", isRequired: true)
      var farConfiguration = try lab.configuration(lab.far, to: lab.near, ppk: ppk)
      farConfiguration.ipsecProfiles[0].isResponderOnly = true
      farConfiguration.sksProfiles = ["Qkd"]
      await far.configure(IPsecMapping(farConfiguration, dataPlane: .userspace))
      let farDriver = try lab.driver(lab.far)
      #expect(await eventually { (try? await farDriver.loaded().connections.count) == 1 })

      // While the KME is down, a tunnel that requires it stays down and says why.
      await keys.setDown(true)
      var configuration = try lab.configuration(lab.near, to: lab.far, ppk: ppk)
      configuration.sksProfiles = ["Qkd"]
      await near.configure(IPsecMapping(configuration, dataPlane: .userspace))
      let isTold = await eventually { await near.states["tunnel-ip1"]?.reason?.contains("the KME is down") == true }
      #expect(isTold)
      #expect(nearLog.upCount == 0)
      await keys.setDown(false)
      try #require(await nearLog.waitForUp(count: 1, atMost: .seconds(20)), "\(nearLog.all)\n\(lab.log(lab.near))")
      #expect(await farLog.waitForUp(count: 1))
      #expect(await near.states["tunnel-ip1"]?.quantumResistance == .dynamic)
      #expect(await far.states["tunnel-ip1"]?.quantumResistance == .dynamic)
      #expect(await keys.issued == 1, "one key is enough")
      // The IKE SA itself is covered by a rekey right after.
      let first = nearLog.all.compactMap { if case .up(_, let sa, _) = $0 { sa } else { nil } }.first
      let isCovered = await eventually {
        let current = await near.states["tunnel-ip1"]?.session
        return current?.usesPPK == true && current?.initiatorSPI != first?.initiatorSPI
      }
      #expect(isCovered, "\(lab.log(lab.near))")
      #expect(await keys.delivered == 1)
      #expect(lab.ping())
      // The keys have done their work: only the placeholder and the preshared key stay.
      let nearDriver = try lab.driver(lab.near)
      for driver in [nearDriver, farDriver] {
        #expect(
          await eventually {
            (try? await driver.loaded().secrets.filter { !$0.hasPrefix(SetUpNote.prefix) }.count) == 2
          })
      }
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test func theReasonOfAFailureIsTold() async throws {
    let lab = try await TunnelLab()
    do {
      let (far, _) = lab.keeper(lab.far)
      let (near, nearLog) = lab.keeper(lab.near)
      var farConfiguration = try lab.configuration(lab.far, to: lab.near, key: "one preshared key")
      farConfiguration.ipsecProfiles[0].isResponderOnly = true
      await far.configure(IPsecMapping(farConfiguration, dataPlane: .userspace))
      let optional = try lab.ppk("1", "0123456789abcdef0123456789abcdef", isRequired: false)
      var configuration = try lab.configuration(lab.near, to: lab.far, key: "another preshared key", ppk: optional)
      await near.configure(IPsecMapping(configuration, dataPlane: .userspace))
      let isTold = await eventually {
        await near.states["tunnel-ip1"]?.reason == "the far end refuses our authentication"
      }
      #expect(isTold, "\(lab.log(lab.near))")
      let isToldThere = await eventually {
        await far.states["tunnel-ip1"]?.reason == "the far end has another preshared key, or another PPK"
      }
      #expect(isToldThere, "\(lab.log(lab.far))")

      // With the right key it comes up, but without the PPK that only this end has.
      configuration = try lab.configuration(lab.near, to: lab.far, key: "one preshared key", ppk: optional)
      configuration.ipsecProfiles[0].lifetime = 5000
      await near.configure(IPsecMapping(configuration, dataPlane: .userspace))
      try #require(await nearLog.waitForUp(count: 1), "\(nearLog.all)\n\(lab.log(lab.near))")
      #expect(nearLog.all.contains(.ppkFallback(tunnel: "tunnel-ip1")))
      #expect(await near.states["tunnel-ip1"]?.quantumResistance == .disabled)
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }
}
