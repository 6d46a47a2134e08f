// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Interfaces
import Secrets
import Testing
import YANG

@testable import IPsec

/// What a commit costs charon: the commands that it is given are counted.
@Suite struct ChangeOfOneTests {
  private static let count = 40
  private let charon: RememberingCharon
  private let backend: IPsecBackend
  private var fixture: ModelFixture

  init() throws {
    let sealer = try Sealer(MasterKey())
    fixture = ModelFixture(sealer: sealer)
    for number in 1...Self.count {
      try fixture.addTunnel(number, destination: "10.10.11.\(number)")
      var profile = try #require(fixture.ipsec.profiles.profile[key: "ip\(number)"])
      profile.set.responderOnly = .init()
      fixture.ipsec.profiles.profile.set(profile)
    }
    charon = try RememberingCharon()
    backend = IPsecBackend(
      schema: productSchema, sealer: sealer, events: EventBus(), service: EmptyKeyService(), ports: PortDirectory(),
      links: NotedLinks(hasXFRMInterfaces: true), charon: .shared(socket: charon.path))
  }

  /// Applies the fixture and waits until charon is asked no more; the commands that changed something.
  private func commands(of changes: ChangeSet) async -> [String] {
    let before = charon.changes.count
    let asked = charon.count
    backend.apply(changes)
    _ = await eventually { self.charon.count > asked }
    var last = -1
    while last != charon.count {
      last = charon.count
      try? await Task.sleep(for: .milliseconds(300))
    }
    return Array(charon.changes[before...])
  }

  @Test mutating func aCommitTouchesWhatItChanges() async throws {
    let first = await commands(of: try fixture.changes())
    #expect(first.count == 2 * Self.count, "one key and one connection each: \(first.prefix(5))")
    #expect(Set(first).count == first.count, "each once")

    // One tunnel's lifetime, one tunnel's key, one tunnel gone; each alone.
    var before = try fixture.root
    var profile = try #require(fixture.ipsec.profiles.profile[key: "ip7"])
    profile.set.securityAssociation.lifetime.seconds = 7200
    fixture.ipsec.profiles.profile.set(profile)
    #expect(await commands(of: try fixture.changes(from: before)) == ["load-conn agentd:tunnel-ip7:1"])

    before = try fixture.root
    var keyring = try #require(fixture.keyrings.keyring[key: "k9"])
    var peer = try #require(keyring.peers.peer[key: "init"])
    peer.preSharedKey.password = try fixture.seal("another long preshared key")
    keyring.peers.peer.set(peer)
    fixture.keyrings.keyring.set(keyring)
    let keys = await commands(of: try fixture.changes(from: before)).map { $0.split(separator: " ")[0] }
    #expect(keys == ["load-shared", "unload-shared"])

    before = try fixture.root
    fixture.tunnels["tunnel-ip3"] = nil
    let gone = await commands(of: try fixture.changes(from: before))
    #expect(gone.count == 2 && gone.first == "unload-conn agentd:tunnel-ip3:1", "\(gone)")

    // What changes nothing of the tunnels asks charon for nothing but what it has.
    before = try fixture.root
    fixture.ikev2.referenceCheck = .warn
    #expect(await commands(of: try fixture.changes(from: before)).isEmpty)
    await backend.leave()
    charon.stop()
  }
}
