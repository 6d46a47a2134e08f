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
    // What waits for the look-up does so each time; what else the machine does holds it up in some rounds only.
    var delays: [String] = []
    for _ in 0..<3 {
      delays = try await delaysOfOthersDuringALookUp()
      if delays.isEmpty { break }
    }
    #expect(delays.isEmpty)
  }

  /// What takes 5 ms more while the key service is asked than before.
  private func delaysOfOthersDuringALookUp() async throws -> [String] {
    var delays: [String] = []
    try await between(isRequired: true) { lab, ends, keys, begin in
      let other = try await OtherSession(lab)
      let calm = try await other.quickest()
      await keys.setDelay(.milliseconds(4500))
      try await begin()
      try #require(await eventually { await keys.isLookingUp }, "\(lab.log(lab.far))")
      let busy = try await other.quickest()
      if await !keys.isLookingUp { delays.append("the look-up was over before") }
      for what in OtherSession.kinds {
        let times = [calm[what], busy[what]]
        guard let before = times[0], let during = times[1], during < before + .milliseconds(5) else {
          delays.append("\(what): \(times)")
          continue
        }
      }
      try #require(
        await ends.nearLog.waitForUp(count: 1, atMost: .seconds(60)), "\(ends.nearLog.all)\n\(lab.log(lab.far))")
    }
    return delays
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

/// An IKE SA between the charons of a lab that has nothing to do with PPKs, and commands to the far one.
private struct OtherSession {
  /// Commands to the far end, and the rekey of this SA.
  static let kinds = ["version", "load-shared", "load-conn", "rekey"]

  private let lab: TunnelLab
  private let near: VICIClient
  private let far: VICIClient

  /// Brings it up.
  init(_ lab: TunnelLab) async throws {
    self.lab = lab
    near = try #require(lab.near.charon.client)
    far = try #require(lab.far.charon.client)
    for (client, here, there) in [(near, lab.near, lab.far), (far, lab.far, lab.near)] {
      var secret = Self.secret("others")
      secret.add("owners", ["other.example.org"])
      try await client.call("load-shared", secret)
      try await client.call("load-conn", Self.connection(here.address, there.address))
    }
    var initiate = VICIMessage()
    initiate.add("ike", "other")
    initiate.add("timeout", 5000)
    try await near.call("initiate", initiate)
  }

  private static func secret(_ id: String) -> VICIMessage {
    var message = VICIMessage()
    message.add("id", id)
    message.add("type", "ike")
    message.add("data", "0123456789abcdef0123456789abcdef")
    return message
  }

  /// One without a child: the data plane has room for one tunnel.
  private static func connection(_ here: String, _ there: String) -> VICIMessage {
    var connection = VICIMessage()
    connection.add("version", 2)
    connection.add("local_addrs", [here])
    connection.add("remote_addrs", [there])
    connection.add("proposals", ["aes128-sha256-ecp256"])
    for end in ["local", "remote"] {
      var identity = VICIMessage()
      identity.add("auth", "psk")
      identity.add("id", "other.example.org")
      connection.add(end, identity)
    }
    return VICIMessage([.section(name: "other", connection)])
  }

  /// What each kind of thing takes, the quickest of several.
  func quickest() async throws -> [String: Duration] {
    var times: [String: Duration] = [:]
    func time(_ what: String, _ body: () async throws -> Void) async rethrows {
      let begun = ContinuousClock.now
      try await body()
      times[what] = min(times[what] ?? .seconds(60), begun.duration(to: .now))
    }
    for _ in 0..<20 {
      try await time("version") { try await far.call("version") }
      try await time("load-shared") { try await far.call("load-shared", Self.secret("more")) }
      try await time("load-conn") {
        try await far.call("load-conn", Self.connection(lab.far.address, lab.near.address))
      }
    }
    // The far end takes part in the rekey of the other SA. One that meets the end of the rekey before is not done.
    let end = ContinuousClock.now.advanced(by: .milliseconds(1500))
    while ContinuousClock.now < end {
      let before = rekeys
      var rekey = VICIMessage()
      rekey.add("ike", "other")
      let begun = ContinuousClock.now
      try await near.call("rekey", rekey)
      while rekeys == before, begun.duration(to: .now) < .milliseconds(250) {
        try await Task.sleep(for: .microseconds(500))
      }
      guard rekeys > before else { continue }
      times["rekey"] = min(times["rekey"] ?? .seconds(60), begun.duration(to: .now))
    }
    return times
  }

  private var rekeys: Int {
    lab.near.notices.all.count { if case .event("ike-rekey", _) = $0 { true } else { false } }
  }
}
