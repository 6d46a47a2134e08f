// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import IPsec

/// The answers to what charon's plugin asks.
@Suite struct PPKAnswerTests {
  /// A command that waits for the very IKE SA whose thread waits for the key must not keep the key from it.
  @Test func aKeyIsGivenWhateverCharonIsDoing() async throws {
    let charon = try RememberingCharon { command, message in
      command == "load-shared" && message["id"]?.hasPrefix(DynamicPPKs.prefix) == true
    }
    defer { charon.stop() }
    let keys = SharedKeys()
    let sealer = try Sealer(MasterKey())
    let keeper = TunnelKeeper(sealer: sealer, source: keys) { _ in }
    let notices = NoticeLog()
    let client = try VICIClient(path: charon.path, events: []) { notices.append($0) }
    try client.start()
    defer { client.stop() }
    try #require(await notices.waitForReady())
    var fixture = try Fixture(sealer: sealer)
    try fixture.addTunnel(
      1, source: "192.0.2.1", destination: "192.0.2.2", ppk: .dynamic(sksProfile: "Qkd", isRequired: true))
    fixture.configuration.ipsecProfiles[0].isResponderOnly = true
    fixture.configuration.sksProfiles = ["Qkd"]
    await keeper.configure(IPsecMapping(fixture.configuration, dataPlane: .kernel))
    for notice in notices.all { await keeper.take(.vici(notice), client: client) }
    try #require(charon.changes.contains("load-conn agentd:tunnel-ip1:1"), "\(charon.changes)")

    let id = try await keys.newPPK(profile: "Qkd", remoteSystem: nil).id
    let begun = ContinuousClock.now
    let answer = await keeper.answer(PPKQuestion(id: id, connection: "agentd:tunnel-ip1:1"))
    #expect(begun.duration(to: .now) < .seconds(3), "the plugin waits 5 s in all")
    guard case .found(let key) = answer else {
      Issue.record("expected a key, got \(answer)")
      return
    }
    #expect(key.count == 32)
    // The key service gives it once: who asks again gets no other.
    guard case .notFound = await keeper.answer(PPKQuestion(id: id, connection: "agentd:tunnel-ip1:1")) else {
      Issue.record("expected none")
      return
    }
  }
}
