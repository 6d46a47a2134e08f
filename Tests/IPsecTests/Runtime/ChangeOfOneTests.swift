// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Interfaces
import Secrets
import Synchronization
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

/// A charon that remembers what it was given, and answers with that.
final class RememberingCharon: Sendable {
  private struct State {
    var connections: [String: String] = [:]
    var secrets: Set<String> = []
    var changes: [String] = []
    var count = 0
  }
  private final class Shared: Sendable {
    let state = Mutex(State())
  }

  private let directory = TestDirectory()
  private let shared = Shared()
  private let peer: ScriptedPeer

  var path: String { peer.path }
  /// The commands that changed something, with what they named, in order.
  var changes: [String] { shared.state.withLock { $0.changes } }
  /// How many commands there were in all.
  var count: Int { shared.state.withLock { $0.count } }

  init() throws {
    peer = try ScriptedPeer(path: directory.path + "/vici") { [shared] _, packet in
      guard case .request(let command, let message) = packet else { return ScriptedPeer.greeting(packet) }
      return try? shared.state.withLock { state in try Self.answer(command, message, &state) }
        ?? ScriptedPeer.greeting(packet)
    }
  }

  func stop() { peer.stop() }

  private static func answer(_ command: String, _ message: VICIMessage, _ state: inout State) throws -> [UInt8]? {
    state.count += 1
    var done = VICIMessage()
    done.add("success", true)
    switch command {
    case "load-conn":
      for (name, connection) in message.sections {
        state.connections[name] = connection.section("children")?.sections.first?.name
        state.changes.append("\(command) \(name)")
      }
    case "unload-conn":
      state.connections[message["name"] ?? ""] = nil
      state.changes.append("\(command) \(message["name"] ?? "")")
    case "load-shared":
      state.secrets.insert(message["id"] ?? "")
      state.changes.append("\(command) \(message["id"] ?? "")")
    case "unload-shared":
      state.secrets.remove(message["id"] ?? "")
      state.changes.append("\(command) \(message["id"] ?? "")")
    case "list-conns":
      var stream: [UInt8] = []
      for (name, child) in state.connections {
        var children = VICIMessage()
        children.add(child, VICIMessage())
        var connection = VICIMessage()
        connection.add("children", children)
        var part = VICIMessage()
        part.add(name, connection)
        stream += try VICIPacket.event("list-conn", part).framed()
      }
      return stream + (try VICIPacket.response(VICIMessage()).framed())
    case "get-shared":
      var answer = VICIMessage()
      answer.add("keys", Array(state.secrets))
      return try VICIPacket.response(answer).framed()
    case "version", "list-sas", "get-keys": return nil
    default: state.changes.append(command)
    }
    return try VICIPacket.response(done).framed()
  }
}
