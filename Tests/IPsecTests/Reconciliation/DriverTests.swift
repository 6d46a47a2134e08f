// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Secrets
import Testing

@testable import IPsec

@Suite(
  .serialized, .enabled(if: charonIsInstalled, "charon-systemd is not installed, or these tests are not run as root"))
struct DriverTests {
  @Test func aThousandTunnelsAreLoadedAndOneChangeTouchesOne() async throws {
    let directory = TestDirectory()
    let log = NoticeLog()
    let charon = try Charon(settings: privateCharon(directory)) { notice in
      if case .vici(let notice) = notice { log.append(notice) }
    }
    try charon.start()
    defer { charon.stop() }
    #expect(await log.waitForReady())
    let client = try #require(charon.client)
    var foreign = VICIMessage()
    foreign.add("remote_addrs", ["203.0.113.1"])
    try await client.call("load-conn", VICIMessage([.section(name: "foreign", foreign)]))

    var fixture = try Fixture()
    for number in 0..<1000 {
      try fixture.addTunnel(number, destination: "10.\(20 + number / 250).\(number % 250).1")
      fixture.configuration.tunnels[number].interfaceID = UInt32(number + 1)
    }
    let clock = ContinuousClock()
    var mapping = fixture.mapping
    #expect(mapping.faults.isEmpty)
    let mapped = clock.measure { mapping = fixture.mapping }
    let driver = Driver(client: client, sealer: fixture.sealer)
    var result = try await driver.converge(to: mapping.desired)
    #expect(result.failures.isEmpty)
    #expect(result.plan.steps.count == 2000)
    let begin = clock.now
    result = try await driver.converge(to: mapping.desired)
    let asked = begin.duration(to: clock.now)
    #expect(result.plan.isEmpty)
    print("1,000 tunnels: mapped in \(mapped), compared with charon's in \(asked)")

    fixture.configuration.ipsecProfiles[500].lifetime = 3600
    result = try await driver.converge(to: fixture.mapping.desired)
    #expect(result.plan.steps == [.loadConnection("agentd:tunnel-ip500:1")])
    fixture.configuration.keyrings[7].peers[0].preSharedKey = .both(try fixture.seal("anotherpresharedkey"))
    result = try await driver.converge(to: fixture.mapping.desired)
    #expect(result.plan.steps.count == 2, "the new key is loaded, the old one unloaded: \(result.plan.steps)")
    fixture.configuration.tunnels.removeLast(999)
    result = try await driver.converge(to: fixture.mapping.desired)
    #expect(result.plan.steps.count == 2 * 999)
    let loaded = try await driver.loaded()
    #expect(loaded.connections.keys.sorted() == ["agentd:tunnel-ip0:1", "foreign"])
    #expect(loaded.secrets.count == 1)
  }

  @Test func whatCharonRefusesIsSaidAndTheRestIsDone() async throws {
    let directory = TestDirectory()
    let log = NoticeLog()
    let charon = try Charon(settings: privateCharon(directory)) { notice in
      if case .vici(let notice) = notice { log.append(notice) }
    }
    try charon.start()
    defer { charon.stop() }
    #expect(await log.waitForReady())
    var fixture = try Fixture()
    try fixture.addTunnel(1)
    var desired = fixture.mapping.desired
    var nonsense = VICIMessage()
    nonsense.add("proposals", ["rot13"])
    let bad = try DesiredConnection(
      tunnel: "bad", number: 1, initiates: true, ppk: nil, settings: nonsense, child: VICIMessage())
    desired.connections.insert(bad, at: 0)
    let driver = Driver(client: try #require(charon.client), sealer: fixture.sealer)
    let result = try await driver.converge(to: desired)
    #expect(result.failures.map(\.step) == [.loadConnection("agentd:bad:1")])
    #expect(result.failures.first?.reason.contains("proposals") == true)
    #expect(try await driver.loaded().connections.keys.sorted() == ["agentd:tunnel-ip1:1"])
    // A secret that another master key sealed cannot be opened: said, and no other is held up.
    let stranger = Driver(client: try #require(charon.client), sealer: try Sealer(MasterKey()))
    try await driver.converge(to: DesiredState())
    let failures = try await stranger.converge(to: fixture.mapping.desired).failures
    #expect(failures.map(\.step) == [.loadSecret(fixture.mapping.desired.secrets[0].id)])
  }
}
