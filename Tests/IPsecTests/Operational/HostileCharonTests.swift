// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Synchronization
import Testing
import YANG

@testable import IPsec

/// Reads while the peer on charon's socket misbehaves: they end, show what is known, and the next one works.
@Suite struct HostileCharonTests {
  enum Mischief: String, CaseIterable, Sendable {
    case hangsUp, isSilent, stopsInAStream, sendsRubbish, sendsHugeLength, answersTwice, nestsDeep, repeatsNumbers
    case namesNothing, tellsNegativeTimes, namesForever

    /// What is sent instead of the answer to `list-sas`; nil hangs up.
    func answer() throws -> [UInt8]? {
      let good = try VICIPacket.event("list-sa", FakeCharon.listing(of: 1, bytes: 1)).framed()
      let end = try VICIPacket.response(VICIMessage()).framed()
      switch self {
      case .hangsUp: return nil
      case .isSilent: return []
      case .stopsInAStream: return good + good.prefix(100)
      case .sendsRubbish: return good + [0, 0, 0, 5, 7, 7, 1, 2, 3] + end
      case .sendsHugeLength: return [0xff, 0xff, 0xff, 0xff]
      case .answersTwice: return good + end + end
      case .nestsDeep:
        var message = VICIMessage()
        for _ in 0..<12 { message = VICIMessage([.section(name: "child-sas", message)]) }
        return try VICIPacket.event("list-sa", message).framed() + end
      case .repeatsNumbers: return Array(repeatElement(good, count: 500).joined()) + end
      case .namesNothing:
        var message = VICIMessage()
        message.add("", VICIMessage([.value(name: "uniqueid", Array("7".utf8)), .value(name: "state", [])]))
        return try VICIPacket.event("list-sa", message).framed() + end
      case .tellsNegativeTimes:
        var sa = FakeCharon.listing(of: 3, bytes: 1).sections[0].message
        sa.elements = sa.elements.filter { !["established", "rekey-time", "local-port"].contains($0.name) }
        for (name, value) in [("established", "-5"), ("rekey-time", "-2147483648"), ("local-port", "-1")] {
          sa.add(name, value)
        }
        return try VICIPacket.event("list-sa", VICIMessage([.section(name: "x", sa)])).framed() + end
      case .namesForever:
        let name = String(repeating: "n", count: 255)
        var sa = FakeCharon.listing(of: 3, bytes: 1).sections[0].message
        sa.elements.removeAll { $0.name == "remote-id" }
        sa.add("remote-id", String(repeating: "é", count: 30_000))
        return try VICIPacket.event("list-sa", VICIMessage([.section(name: name, sa)])).framed() + end
      }
    }
  }

  @Test(arguments: Mischief.allCases)
  func aReadEndsAndTheNextOneWorks(mischief: Mischief) async throws {
    let misbehaves = Mutex(false)
    let bad = try mischief.answer()
    var limits = ViewBench.patient
    limits.answer = .seconds(1)
    limits.connection = .seconds(1)
    let bench = try await ViewBench(tunnels: 2, limits: limits) { packet in
      guard case .request("list-sas", _) = packet, misbehaves.withLock({ $0 }) else { return .default }
      return .instead(bad)
    }
    defer { bench.stop() }
    await bench.refresh()
    misbehaves.withLock { $0 = true }
    bench.event()
    let begun = ContinuousClock.now
    await bench.refresh()
    #expect(begun.duration(to: .now) < .seconds(90))
    // Whatever it was, everything can still be shown.
    for path in IPsecOperationalView.paths {
      let request = OperationalRequest(path: path, schema: try ViewBench.schema(path), keys: nil)
      for node in bench.view.operational(request) { #expect(node.schema.path == path) }
    }
    misbehaves.withLock { $0 = false }
    let isBack = await eventually {
      bench.event()
      await bench.refresh()
      let charon = try? bench.entries(IPsecOperationalView.Paths.charon, as: CharonStateModel.self).first
      let sessions = try? bench.entries(IPsecOperationalView.Paths.session, as: SessionModel.self)
      return charon?.lastError == nil && sessions?.filter { $0.sessionStatus == "UP-ACTIVE" }.count ?? 0 >= 2
    }
    #expect(isBack)
  }

  @Test func aListingWithoutEndIsLetGo() async throws {
    let directory = TestDirectory()
    let peer = try ScriptedPeer(path: directory.path + "/vici") { _, packet in
      guard case .request("list-sas", _) = packet else { return ScriptedPeer.greeting(packet) }
      let event = try? VICIPacket.event("list-sa", FakeCharon.listing(of: 1, bytes: 1)).framed()
      let end = (try? VICIPacket.response(VICIMessage()).framed()) ?? []
      return Array(repeatElement(event ?? [], count: 2000).joined()) + end
    }
    defer { peer.stop() }
    let log = NoticeLog()
    let client = try VICIClient(path: peer.path, events: []) { log.append($0) }
    try client.start()
    defer { client.stop() }
    #expect(await log.waitForReady())
    await #expect(throws: VICIError(.tooLong, "")) {
      try await client.list("list-sas", event: "list-sa", maximumBytes: 1 << 20)
    }
    #expect(try await client.list("list-sas", event: "list-sa").count == 2000, "the connection lives on")
  }
}
