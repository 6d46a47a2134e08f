// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Synchronization
import Testing

@testable import KMESimulator

/// The KMEs without sockets: requests in, answers out, time and randomness from the test.
struct SimulationTests {
  /// Two KMEs, Alice and Bob, on numbered random bytes.
  final class Pair {
    var simulation: Simulation
    var now = Duration.zero

    init(_ change: (inout InstanceConfiguration) -> Void = { _ in }, systems: [(String, [String])]? = nil) {
      let counter = Mutex<UInt8>(0)
      let random: RandomSource = { count in
        let value = counter.withLock { counter in
          counter &+= 1
          return counter
        }
        return (0..<count).map { UInt8(truncatingIfNeeded: $0) &+ value &* 16 }
      }
      let instances = (systems ?? [("Alice", ["Bob"]), ("Bob", ["Alice"])]).map { id, remotes in
        var instance = InstanceConfiguration(name: id, localSystemID: id, remoteSystemIDs: remotes, listeners: [])
        change(&instance)
        return instance
      }
      simulation = Simulation(Configuration(instances: instances), random: random)
    }

    func effects(
      _ instance: Int, _ path: [String], _ query: [(String, String)] = [], method: String = "GET"
    ) -> [Simulation.Effect] {
      let request = HTTPRequest(method: method, path: path, query: query.map { QueryItem($0.0, $0.1) })
      return simulation.handle(request, context(instance))
    }

    func get(
      _ instance: Int, _ path: [String], _ query: [(String, String)] = [], method: String = "GET"
    ) -> Answer? {
      let effects = effects(instance, path, query, method: method)
      guard effects.count == 1, case .answer(7, let plan) = effects[0] else { return nil }
      return Answer(plan)
    }

    func context(_ instance: Int) -> Simulation.Context {
      Simulation.Context(instance: instance, connection: 7, client: "test", keepsAlive: true, now: now)
    }
  }

  /// An answer, read back with another JSON reader.
  struct Answer {
    var status: Int
    var object: [String: Any]
    var plan: AnswerPlan

    init(_ plan: AnswerPlan) {
      self.plan = plan
      let text = String(decoding: plan.bytes, as: UTF8.self)
      let parts = text.components(separatedBy: "\r\n\r\n")
      status = Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0
      let json = try? JSONSerialization.jsonObject(with: Data((parts.count > 1 ? parts[1] : "").utf8))
      object = json as? [String: Any] ?? [:]
    }

    var keyID: String { object["keyId"] as? String ?? "" }
    var key: String { object["key"] as? String ?? "" }
  }

  @Test func describesItself() throws {
    let pair = Pair { $0.algorithm = "PRF" }
    let answer = try #require(pair.get(0, ["capabilities"]))
    #expect(answer.status == 200)
    #expect(Set(answer.object.keys) == ["entropy", "key", "algorithm", "localSystemID", "remoteSystemID"])
    #expect(answer.object["entropy"] as? Bool == true && answer.object["key"] as? Bool == true)
    #expect(answer.object["algorithm"] as? String == "PRF")
    #expect(answer.object["localSystemID"] as? String == "Alice")
    #expect(answer.object["remoteSystemID"] as? [String] == ["Bob"])
  }

  @Test func givesAKeyOnceToEachSide() throws {
    let pair = Pair()
    let made = try #require(pair.get(0, ["key"], [("remoteSystemID", "Bob")]))
    #expect(made.status == 200 && made.keyID.count == 32 && made.key.count == 64)
    #expect(pair.get(0, ["key", made.keyID], [("remoteSystemID", "Bob")])?.status == 400, "the maker has had it")
    #expect(pair.get(1, ["key", made.keyID], [("remoteSystemID", "Carol")])?.status == 400, "no such remote system")
    #expect(pair.get(1, ["key", made.keyID.uppercased()], [("remoteSystemID", "Alice")])?.status == 400)
    let fetched = try #require(pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")]))
    #expect(fetched.status == 200 && fetched.keyID == made.keyID && fetched.key == made.key)
    #expect(
      pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")])?.status == 400, "the other side has had it")
    let statistics = pair.simulation.statistics()
    #expect(statistics["Alice"]?.keysMade == 1 && statistics["Bob"]?.keysFetched == 1)
    #expect(statistics["Bob"]?.requests["key-by-id"] == 4 && statistics["Bob"]?.answers == ["200": 1, "400": 3])
  }

  @Test func keysAreDifferentEachTime() throws {
    let pair = Pair()
    var seen: Set<String> = []
    for _ in 0..<5 {
      let made = try #require(pair.get(0, ["key"], [("remoteSystemID", "Bob")]))
      #expect(seen.insert(made.key).inserted && seen.insert(made.keyID).inserted)
    }
  }

  @Test(
    arguments: [
      (["nothing"], [], "GET", 404), (["key", "a", "b"], [], "GET", 404), ([""], [], "GET", 404),
      (["capabilities"], [], "POST", 405), (["key"], [("remoteSystemID", "Bob")], "DELETE", 405),
      (["key"], [], "GET", 400), (["key"], [("remoteSystemId", "Bob")], "GET", 400),
      (["key"], [("remoteSystemID", "")], "GET", 400),
      (["key"], [("remoteSystemID", "Bob"), ("remoteSystemID", "Bob")], "GET", 400),
      (["key"], [("remoteSystemID", "Carol")], "GET", 400),
      (["key"], [("remoteSystemID", "Bob"), ("size", "0")], "GET", 400),
      (["key"], [("remoteSystemID", "Bob"), ("size", "-8")], "GET", 400),
      (["key"], [("remoteSystemID", "Bob"), ("size", "12")], "GET", 400),
      (["key"], [("remoteSystemID", "Bob"), ("size", "8200")], "GET", 400),
      (["key"], [("remoteSystemID", "Bob"), ("size", "99999999999999999999")], "GET", 400),
      (["key", "xyz"], [("remoteSystemID", "Bob")], "GET", 400),
      (["key", "ab"], [], "GET", 400), (["key", ""], [("remoteSystemID", "Bob")], "GET", 400),
      (["entropy"], [("minentropy", "x")], "GET", 400), (["entropy"], [("minentropy", "100000")], "GET", 503),
    ] as [([String], [(String, String)], String, Int)])
  func refuses(_ path: [String], _ query: [(String, String)], _ method: String, _ status: Int) throws {
    let pair = Pair()
    let answer = try #require(pair.get(0, path, query, method: method))
    #expect(answer.status == status, "\(method) \(path) \(query)")
    #expect(pair.simulation.instances[1].store.count == 0, "no key was made")
  }

  @Test func sizesAreInBits() throws {
    let pair = Pair { $0.keyIDBits = 192 }
    let key = try #require(pair.get(0, ["key"], [("remoteSystemID", "Bob"), ("size", "512")]))
    #expect(key.key.count == 128 && key.keyID.count == 48)
    let entropy = try #require(pair.get(0, ["entropy"]))
    #expect((entropy.object["randomStr"] as? String)?.count == 64 && entropy.object["minentropy"] as? Int == 256)
    let more = try #require(pair.get(0, ["entropy"], [("minentropy", "1000")]))
    #expect((more.object["randomStr"] as? String)?.count == 250 && more.object["minentropy"] as? Int == 1_000)
  }

  @Test func whatIsNotOfferedIsRefused() throws {
    let pair = Pair {
      $0.offersKey = false
      $0.offersEntropy = false
    }
    #expect(pair.get(0, ["entropy"])?.status == 503)
    #expect(pair.get(0, ["key"], [("remoteSystemID", "Bob")])?.status == 404)
    #expect(pair.get(0, ["capabilities"])?.object["key"] as? Bool == false)
  }

  @Test func patternsNameRemoteSystems() throws {
    let pair = Pair(systems: [("Alice", ["site-[12]", "Alice"]), ("site-1", ["*"]), ("site-3", ["*"])])
    #expect(pair.get(0, ["key"], [("remoteSystemID", "site-1")])?.status == 200)
    #expect(pair.get(0, ["key"], [("remoteSystemID", "site-2")])?.status == 500, "known by pattern, but not there")
    #expect(pair.get(0, ["key"], [("remoteSystemID", "site-3")])?.status == 400)
    let own = try #require(pair.get(0, ["key"], [("remoteSystemID", "Alice")]))
    #expect(pair.get(0, ["key", own.keyID], [("remoteSystemID", "Alice")])?.key == own.key, "its own peer")
  }

  @Test func keysRunOut() throws {
    let pair = Pair { $0.keyLifetimeSeconds = 10 }
    let first = try #require(pair.get(0, ["key"], [("remoteSystemID", "Bob")]))
    pair.now = .seconds(9)
    #expect(pair.get(1, ["key", first.keyID], [("remoteSystemID", "Alice")])?.status == 200)
    let second = try #require(pair.get(0, ["key"], [("remoteSystemID", "Bob")]))
    pair.now = .seconds(19)
    #expect(pair.get(1, ["key", second.keyID], [("remoteSystemID", "Alice")])?.status == 400)
    #expect(pair.simulation.statistics()["Bob"]?.keysExpired == 1)
  }

  @Test func aFullStoreRefusesAndCounts() throws {
    let pair = Pair { $0.capacity = 1 }
    #expect(pair.get(0, ["key"], [("remoteSystemID", "Bob")])?.status == 200)
    #expect(pair.get(0, ["key"], [("remoteSystemID", "Bob")])?.status == 500)
    #expect(pair.simulation.statistics()["Alice"]?.keysMade == 1)
  }

  @Test func aBrokenGeneratorIsAnInternalError() throws {
    let instance = InstanceConfiguration(name: "A", localSystemID: "A", remoteSystemIDs: ["A"], listeners: [])
    var simulation = Simulation(Configuration(instances: [instance]), random: { _ in [] })
    let request = HTTPRequest(method: "GET", path: ["entropy"])
    let effects = simulation.handle(
      request, Simulation.Context(instance: 0, connection: 1, keepsAlive: true, now: .zero))
    guard case .answer(_, let plan) = try #require(effects.first) else { return #expect(Bool(false), "no answer") }
    #expect(Answer(plan).status == 500)
  }

  @Test func theLogShowsIdentifiersAndIsBounded() throws {
    let pair = Pair()
    let made = try #require(pair.get(0, ["key"], [("remoteSystemID", "Bob")]))
    let entry = try #require(pair.simulation.log.first)
    #expect(entry.call == .key && entry.keyID == made.keyID && entry.remote == "Bob" && entry.status == 200)
    #expect(!String(decoding: encodeJSON(pair.simulation.log), as: UTF8.self).contains(made.key))
    for _ in 0..<(2 * Simulation.logCapacity) { _ = pair.get(0, ["capabilities"]) }
    #expect(pair.simulation.log.count <= Simulation.logCapacity)
    #expect(pair.simulation.log.last?.number == 2 * Simulation.logCapacity + 1)
  }
}
