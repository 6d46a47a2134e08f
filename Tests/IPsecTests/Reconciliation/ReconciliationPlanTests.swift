// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import IPsec

/// A charon as far as loading goes.
private struct ModelCharon {
  var loaded = LoadedState()

  mutating func carryOut(_ plan: ReconciliationPlan, _ desired: DesiredState) {
    for step in plan.steps {
      switch step {
      case .loadSecret(let id): loaded.secrets.insert(id)
      case .loadKey(let id): loaded.keys.insert(id)
      case .loadConnection(let name):
        loaded.connections[name] = Set(desired.connections.filter { $0.name == name }.map(\.childName))
      case .unloadConnection(let name): loaded.connections[name] = nil
      case .terminate(let name): loaded.sessions.remove(name)
      case .unloadSecret(let id): loaded.secrets.remove(id)
      case .unloadKey(let id): loaded.keys.remove(id)
      }
    }
  }
}

@Suite struct ReconciliationPlanTests {
  private func connection(_ tunnel: Int, _ variant: Int) throws -> DesiredConnection {
    var settings = VICIMessage()
    settings.add("variant", variant)
    return try DesiredConnection(
      tunnel: "tunnel-ip\(tunnel)", number: 1, initiates: true, ppk: nil, settings: settings, child: VICIMessage())
  }

  private func desired(_ random: inout SplitMix, _ seals: [Sealed]) throws -> DesiredState {
    var desired = DesiredState()
    for tunnel in 0..<6 where random.next() % 2 == 0 {
      desired.connections.append(try connection(tunnel, Int(random.next() % 3)))
    }
    for (index, seal) in seals.enumerated() where random.next() % 2 == 0 {
      let group = random.next() % 2 == 0 ? "g" : nil
      desired.secrets.append(
        DesiredSecret(kind: .ike, label: "\(index)", group: group, owners: ["a"], content: .sealed(seal)))
    }
    if random.next() % 2 == 0, let seal = seals.first { desired.keys.append(DesiredKey(identifier: "k1", key: seal)) }
    return desired
  }

  @Test func anyStateIsBroughtToAnyOtherWithoutTouchingWhatIsEqualOrForeign() throws {
    let sealer = try Sealer(MasterKey())
    let seals = try (0..<5).map { index in try sealer.parse(written: "!secret\(index)", encoding: .type7) }
    for seed in 0..<1000 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      var charon = ModelCharon()
      charon.loaded.connections["foreign"] = ["c1"]
      charon.loaded.secrets = ["ike-foreign"]
      charon.loaded.sessions = ["foreign"]
      for round in 0..<4 {
        let wanted = try desired(&random, seals)
        let before = charon.loaded
        let plan = ReconciliationPlan(desired: wanted, loaded: before)
        charon.carryOut(plan, wanted)
        for connection in wanted.connections {
          #expect(charon.loaded.connections[connection.name] == [connection.childName], "seed \(seed), round \(round)")
          let wasEqual = before.connections[connection.name] == [connection.childName]
          #expect(plan.steps.contains(.loadConnection(connection.name)) == !wasEqual, "seed \(seed), round \(round)")
          if random.next() % 2 == 0 { charon.loaded.sessions.insert(connection.name) }
        }
        #expect(charon.loaded.connections.count == wanted.connections.count + 1, "seed \(seed), round \(round)")
        #expect(charon.loaded.connections["foreign"] == ["c1"])
        #expect(charon.loaded.secrets == Set(wanted.secrets.map(\.id)).union(["ike-foreign"]), "seed \(seed)")
        #expect(charon.loaded.keys == Set(wanted.keys.map(\.identifier)), "seed \(seed)")
        let names = Set(wanted.connections.map(\.name)).union(["foreign"])
        #expect(charon.loaded.sessions.isSubset(of: names), "seed \(seed), round \(round)")
        #expect(ReconciliationPlan(desired: wanted, loaded: charon.loaded).isEmpty, "seed \(seed), round \(round)")
        // A charon that has died has nothing.
        if random.next() % 4 == 0 { charon = ModelCharon() }
        charon.loaded.connections["foreign"] = ["c1"]
        charon.loaded.secrets.insert("ike-foreign")
      }
    }
  }

  @Test func secretsComeBeforeConnectionsAndGoAfterThem() throws {
    let sealer = try Sealer(MasterKey())
    let seal = try sealer.parse(written: "!secret", encoding: .type7)
    var wanted = DesiredState()
    wanted.connections = [try connection(1, 1)]
    wanted.secrets = [DesiredSecret(kind: .ike, label: "x", owners: ["a"], content: .sealed(seal))]
    var loaded = LoadedState()
    loaded.connections = ["agentd:old:1": ["old.1"]]
    loaded.sessions = ["agentd:old:1"]
    loaded.secrets = ["agentd:ike:old:1"]
    let plan = ReconciliationPlan(desired: wanted, loaded: loaded)
    #expect(
      plan.steps == [
        .loadSecret(wanted.secrets[0].id), .loadConnection("agentd:tunnel-ip1:1"), .unloadConnection("agentd:old:1"),
        .terminate("agentd:old:1"), .unloadSecret("agentd:ike:old:1"),
      ])
  }

  @Test func aGroupIsLoadedTogetherAndInOrder() throws {
    let sealer = try Sealer(MasterKey())
    let seals = try (0..<2).map { index in try sealer.parse(written: "!secret\(index)", encoding: .type7) }
    var wanted = DesiredState()
    wanted.secrets = seals.enumerated().map { index, seal in
      DesiredSecret(kind: .ike, label: "\(index)", group: "g", owners: ["a"], content: .sealed(seal))
    }
    var loaded = LoadedState()
    loaded.secrets = [wanted.secrets[1].id]
    #expect(
      ReconciliationPlan(desired: wanted, loaded: loaded).steps
        == [.loadSecret(wanted.secrets[0].id), .loadSecret(wanted.secrets[1].id)])
  }

  @Test func anotherSecretUnderOneLabelHasAnotherName() throws {
    let sealer = try Sealer(MasterKey())
    let seals = try (0..<2).map { index in try sealer.parse(written: "!secret\(index)", encoding: .type7) }
    let ids = seals.map { DesiredSecret(kind: .ike, label: "x", owners: ["a"], content: .sealed($0)).id }
    #expect(ids[0] != ids[1])
    let again = try sealer.parse(written: "!secret0", encoding: .type7)
    #expect(DesiredSecret(kind: .ike, label: "x", owners: ["a"], content: .sealed(again)).id == ids[0])
    #expect(DesiredSecret(kind: .ike, label: "x", owners: ["b"], content: .sealed(again)).id != ids[0])
    #expect(DesiredSecret(kind: .ppk, label: "x", owners: ["a"], content: .sealed(again)).id != ids[0])
  }

  @Test func privateKeysOfOthersAreLeftInTheirCharon() {
    var loaded = LoadedState()
    loaded.keys = ["ours", "theirs"]
    let nothing = DesiredState()
    #expect(ReconciliationPlan(desired: nothing, loaded: loaded, ourKeys: []).isEmpty)
    #expect(
      ReconciliationPlan(desired: nothing, loaded: loaded, ourKeys: ["ours", "gone"]).steps == [.unloadKey("ours")])
    #expect(
      ReconciliationPlan(desired: nothing, loaded: loaded).steps == [.unloadKey("ours"), .unloadKey("theirs")],
      "in a charon of our own all are ours")
  }
}
