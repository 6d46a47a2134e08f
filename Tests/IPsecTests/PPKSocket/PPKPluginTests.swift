// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import IPsec

/// charon's plugin, where it has been built: the test run names it.
private let plugin = ProcessInfo.processInfo.environment["AGENTD_CHARON_PLUGIN"]

/// Two charons with the plugin, of which the far one learns the key of an ID when the near one names it.
@Suite(
  .serialized, .enabled(if: plugin != nil && tunnelsCanBeMade, "the plugin, charon or namespaces are not to be had"))
struct PPKPluginTests {
  private struct Ends {
    let far: TunnelKeeper
    let farLog: KeeperLog
    let near: TunnelKeeper
    let nearLog: KeeperLog
  }

  /// Runs a test between two configured ends; the near one is configured by `body`'s call of its argument.
  private func between(
    isRequired: Bool, _ body: (TunnelLab, Ends, SharedKeys, () async throws -> Void) async throws -> Void
  ) async throws {
    let lab = try await TunnelLab(plugin: plugin)
    do {
      let keys = SharedKeys()
      let (far, farLog) = lab.keeper(lab.far, source: keys)
      let (near, nearLog) = lab.keeper(lab.near, source: keys)
      let ppk = Keyring.PPK.dynamic(sksProfile: "Qkd", isRequired: isRequired)
      var farConfiguration = try lab.configuration(lab.far, to: lab.near, ppk: ppk)
      farConfiguration.ipsecProfiles[0].isResponderOnly = true
      farConfiguration.sksProfiles = ["Qkd"]
      await far.configure(IPsecMapping(farConfiguration, dataPlane: .userspace))
      let farDriver = try lab.driver(lab.far)
      try #require(await eventually { (try? await farDriver.loaded().connections.count) == 1 })
      let ends = Ends(far: far, farLog: farLog, near: near, nearLog: nearLog)
      guard case .running(let process, _) = lab.far.charon.status else { throw CharonError(.system, "no charon") }
      try await body(lab, ends, keys) {
        var configuration = try lab.configuration(lab.near, to: lab.far, ppk: ppk)
        configuration.sksProfiles = ["Qkd"]
        await near.configure(IPsecMapping(configuration, dataPlane: .userspace))
      }
      // The same charon still: with a sanitizer, an error would have ended it.
      #expect(lab.far.charon.status == .running(process, isAdopted: false))
    } catch {
      await lab.takeDown()
      throw error
    }
    await lab.takeDown()
  }

  @Test func theFirstAttemptSucceeds() async throws {
    try await between(isRequired: true) { lab, ends, keys, begin in
      try await begin()
      try #require(await ends.nearLog.waitForUp(count: 1), "\(ends.nearLog.all)\n\(lab.log(lab.far))")
      #expect(lab.log(lab.far).contains("agentd has the PPK"))
      #expect(!ends.nearLog.all.contains { if case .negotiationFailed = $0 { true } else { false } })
      #expect(await ends.near.states["tunnel-ip1"]?.quantumResistance == .dynamic)
      #expect(await eventually { await ends.far.states["tunnel-ip1"]?.quantumResistance == .dynamic })
      #expect(await keys.issued == 1)
      #expect(await keys.delivered == 1)
      #expect(lab.ping())
    }
  }

  @Test func aSlowKeyServiceHoldsUpNothingElse() async throws {
    try await between(isRequired: true) { lab, ends, keys, begin in
      await keys.setDelay(.seconds(3))
      try await begin()
      try #require(await eventually { await keys.isLookingUp }, "\(lab.log(lab.far))")
      // Commands that take the locks around credentials are answered while the look-up waits.
      let client = try #require(lab.far.charon.client)
      var answered = 0
      while await keys.isLookingUp, answered < 50 {
        var message = VICIMessage()
        message.add("id", "other-\(answered)")
        message.add("type", "ppk")
        message.add("data", "0123456789abcdef0123456789abcdef")
        message.add("owners", ["other-\(answered)"])
        try await client.call("load-shared", message)
        try await client.call("version")
        answered += 1
      }
      #expect(answered == 50, "charon answered \(answered) commands in the time")
      #expect(ends.nearLog.upCount == 0)
      try #require(await ends.nearLog.waitForUp(count: 1), "\(ends.nearLog.all)\n\(lab.log(lab.far))")
      #expect(!ends.nearLog.all.contains { if case .negotiationFailed = $0 { true } else { false } })
    }
  }

  @Test func aKeyThatComesTooLateServesTheNextAttempt() async throws {
    try await between(isRequired: true) { lab, ends, keys, begin in
      await keys.setDelay(.seconds(7))
      try await begin()
      try #require(
        await ends.nearLog.waitForUp(count: 1, atMost: .seconds(40)), "\(ends.nearLog.all)\n\(lab.log(lab.far))")
      #expect(lab.log(lab.far).contains("agentd did not say the PPK"))
      #expect(await keys.delivered == 1)
    }
  }

  @Test func withoutAKeyRequiredDecides() async throws {
    try await between(isRequired: false) { lab, ends, keys, begin in
      // The near end gets its key, the far one none.
      await keys.setDelay(.milliseconds(200))
      try await begin()
      try #require(await eventually { await keys.isLookingUp }, "\(lab.log(lab.far))")
      await keys.setDown(true)
      try #require(await ends.nearLog.waitForUp(count: 1), "\(ends.nearLog.all)\n\(lab.log(lab.far))")
      #expect(lab.log(lab.far).contains("agentd has no PPK"))
      #expect(ends.nearLog.all.contains(.ppkFallback(tunnel: "tunnel-ip1")))
      #expect(ends.farLog.all.contains { if case .ppkFetchFailed = $0 { true } else { false } })
    }
  }

  @Test func anAgentThatIsGoneCostsNoTime() async throws {
    try await between(isRequired: true) { lab, ends, keys, begin in
      lab.stopAnswering()
      try await begin()
      // charon goes on at once, and the slower way brings the key for the next attempt.
      try #require(
        await ends.nearLog.waitForUp(count: 1, atMost: .seconds(40)), "\(ends.nearLog.all)\n\(lab.log(lab.far))")
      #expect(lab.log(lab.far).contains("agentd did not say the PPK"))
      #expect(ends.nearLog.all.contains { if case .negotiationFailed = $0 { true } else { false } })
    }
  }
}
