// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import KMESimulator

/// What each fault makes of an answer, without sockets.
struct FaultSimulationTests {
  typealias Pair = SimulationTests.Pair
  typealias Answer = SimulationTests.Answer

  private func key(_ fault: String) throws -> (pair: Pair, answer: Answer?) {
    let pair = Pair()
    _ = try pair.simulation.add(Fault(parsing: fault + ",instance=Alice"))
    let answer = pair.get(0, ["key"], [("remoteSystemID", "Bob")])
    return (pair, answer)
  }

  @Test(arguments: ["status,status=503", "redirect", "garbage", "no-answer", "drop,part=request"])
  func someUseUpNoKey(_ fault: String) throws {
    let (pair, _) = try key(fault)
    #expect(pair.simulation.instances[1].store.count == 0 && pair.simulation.statistics()["Alice"]?.keysMade == 0)
    #expect(pair.simulation.statistics()["Alice"]?.requests["key"] == 1, "the request was seen all the same")
  }

  @Test(arguments: ["drop,part=header", "drop,part=body", "drop,part=after-answer", "malformed-json", "empty-body"])
  func othersUseUpAKey(_ fault: String) throws {
    let (pair, _) = try key(fault)
    #expect(pair.simulation.instances[1].store.count == 1 && pair.simulation.statistics()["Alice"]?.keysMade == 1)
  }

  @Test func answersAreShaped() throws {
    #expect(try key("no-answer").answer == nil)
    let delayed = try #require(try key("delay,milliseconds=250").answer)
    #expect(delayed.plan.delay == .milliseconds(250) && delayed.status == 200)
    #expect(try key("status,status=429").answer?.status == 429)
    #expect(try key("malformed-json").answer?.object.isEmpty == true)
    #expect(try key("wrong-types").answer?.object["key"] is Int)
    #expect(try key("missing-member").answer?.object.keys.contains("keyId") == false)
    #expect(try key("wrong-length-key").answer?.key.count == 16)
    #expect(try key("wrong-length-key,bits=0").answer?.key.isEmpty == true)
    #expect(try key("odd-digits").answer?.key.count == 63)
    #expect(try key("not-hexadecimal").answer?.key.hasPrefix("zx") == true)
    let trickle = try #require(try key("trickle,milliseconds=3").answer)
    #expect(trickle.plan.byteInterval == .milliseconds(3))
    let oversized = try #require(try key("oversized-body,bytes=5000").answer)
    #expect(oversized.plan.bytes.count > 5_000 && oversized.key.count == 64, "white space before a right answer")
  }

  @Test func dropsEndWithoutAClosingAlert() throws {
    let whole = try #require(try key("delay,milliseconds=1").answer).plan.bytes.count
    let request = try #require(try key("drop,part=request").answer).plan
    #expect(request.bytes.isEmpty && request.ending == .abort)
    let header = try #require(try key("drop,part=header").answer).plan
    #expect(header.bytes.count > 10 && header.bytes.count < 100 && header.ending == .abort)
    let body = try #require(try key("drop,part=body").answer)
    #expect(body.plan.bytes.count < whole && body.status == 200 && body.object.isEmpty && body.plan.ending == .abort)
    let after = try #require(try key("drop,part=after-answer").answer)
    #expect(after.plan.bytes.count == whole && after.plan.ending == .abort && !after.key.isEmpty)
  }

  @Test func theTwoSidesGetDifferentThings() throws {
    var (pair, answer) = try key("wrong-key")
    var made = try #require(answer)
    let other = pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")])
    #expect(other?.status == 200 && other?.key != made.key)
    (pair, answer) = try key("wrong-key-id")
    made = try #require(answer)
    #expect(pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")])?.status == 400)
    (pair, answer) = try key("expired-key")
    made = try #require(answer)
    #expect(made.status == 200)
    #expect(pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")])?.status == 400)
  }

  @Test func fetchedKeysCanBeWrongToo() throws {
    for (fault, check) in [
      ("wrong-key-id", { $0.status == 200 && $0.keyID != $1.keyID && $0.key == $1.key }),
      ("wrong-key", { $0.status == 200 && $0.keyID == $1.keyID && $0.key != $1.key }),
      ("expired-key", { fetched, _ in fetched.status == 400 }),
    ] as [(String, (Answer, Answer) -> Bool)] {
      let pair = Pair()
      _ = try pair.simulation.add(Fault(parsing: fault + ",call=key-by-id"))
      let made = try #require(pair.get(0, ["key"], [("remoteSystemID", "Bob")]))
      let fetched = try #require(pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")]))
      #expect(check(fetched, made), "\(fault)")
      #expect(pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")])?.status == 400, "\(fault): used up")
    }
  }

  @Test func synchronisationCanBeSlowLostOrRefused() throws {
    var (pair, answer) = try key("synchronisation-delay,milliseconds=500")
    var made = try #require(answer)
    #expect(made.status == 200)
    #expect(pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")])?.status == 400, "not there yet")
    pair.now = .milliseconds(500)
    #expect(pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")])?.key == made.key)
    (pair, answer) = try key("synchronisation-loss")
    made = try #require(answer)
    pair.now = .seconds(60)
    #expect(made.status == 200 && pair.get(1, ["key", made.keyID], [("remoteSystemID", "Alice")])?.status == 400)
    #expect(try key("synchronisation-failure").answer?.status == 500)
  }

  @Test func faultsAddUp() throws {
    let pair = Pair()
    _ = try pair.simulation.add(Fault(parsing: "delay,milliseconds=10"))
    _ = try pair.simulation.add(Fault(parsing: "status,status=500,call=entropy,count=1"))
    let first = try #require(pair.get(0, ["entropy"]))
    #expect(first.status == 500)
    let second = try #require(pair.get(0, ["entropy"]))
    #expect(second.status == 200 && second.plan.delay == .milliseconds(10))
    #expect(pair.simulation.statistics()["Alice"]?.faults == ["delay": 2, "status": 1])
  }
}

/// Keys between processes, with the links replaced by a loop in the test.
struct KeySharingTests {
  /// A star of three processes: the hub serves Hub, the others Alice and Bob.
  private final class Star {
    var processes: [Simulation]
    var isBobConnected = true
    private(set) var answers: [AnswerPlan] = []

    init() {
      processes = [("Hub", ["*"]), ("Alice", ["*"]), ("Bob", ["*"])].map { id, remotes in
        Simulation(
          Configuration(instances: [
            InstanceConfiguration(name: id, localSystemID: id, remoteSystemIDs: remotes, listeners: [])
          ]))
      }
      // Link 1 leads from the hub to Alice and back, link 2 to Bob and back.
      for index in [1, 2] {
        processes[index].sharing.hub = UInt64(index)
        _ = processes[0].receive(processes[index].greeting, link: UInt64(index), now: .zero)
        _ = processes[index].receive(processes[0].greeting, link: UInt64(index), now: .zero)
      }
    }

    func get(_ process: Int, _ path: [String], remote: String) -> AnswerPlan? {
      answers = []
      let request = HTTPRequest(method: "GET", path: path, query: [QueryItem("remoteSystemID", remote)])
      let context = Simulation.Context(instance: 0, connection: 1, keepsAlive: true, now: .zero)
      carryOut(processes[process].handle(request, context), of: process)
      return answers.first
    }

    func carryOut(_ effects: [Simulation.Effect], of process: Int) {
      for effect in effects {
        switch effect {
        case .answer(_, let plan): answers.append(plan)
        case .send(let message, let link):
          if link == 2 && !isBobConnected { continue }
          guard let copy = LinkMessage(line: message.line.dropLast()) else {
            Issue.record("a message cannot be read back: \(message)")
            continue
          }
          #expect(copy == message)
          let next = process == 0 ? Int(link) : 0
          carryOut(processes[next].receive(copy, link: link, now: .zero), of: next)
        }
      }
    }
  }

  @Test func keysGoOverTheHub() throws {
    let star = Star()
    for (from, to, names) in [(1, 2, ("Alice", "Bob")), (2, 1, ("Bob", "Alice")), (0, 2, ("Hub", "Bob"))] {
      let made = SimulationTests.Answer(try #require(star.get(from, ["key"], remote: names.1)))
      #expect(made.status == 200)
      let fetched = SimulationTests.Answer(try #require(star.get(to, ["key", made.keyID], remote: names.0)))
      #expect(fetched.key == made.key && !made.key.isEmpty)
      #expect(SimulationTests.Answer(try #require(star.get(to, ["key", made.keyID], remote: names.0))).status == 400)
    }
    #expect(star.processes.allSatisfy { $0.sharing.waiting.isEmpty && $0.sharing.relays.isEmpty })
  }

  @Test func anUnknownSystemIsAnError() throws {
    let star = Star()
    #expect(SimulationTests.Answer(try #require(star.get(1, ["key"], remote: "Carol"))).status == 500)
    #expect(SimulationTests.Answer(try #require(star.get(0, ["key"], remote: "Carol"))).status == 500)
  }

  @Test func aSilentProcessIsNotWaitedForForEver() throws {
    let star = Star()
    star.isBobConnected = false
    #expect(star.get(1, ["key"], remote: "Bob") == nil)
    #expect(star.processes[1].sharing.nextTimeout == KeySharing.patience)
    star.carryOut(star.processes[1].handleTimeout(now: .seconds(4)), of: 1)
    #expect(star.answers.isEmpty)
    star.carryOut(star.processes[1].handleTimeout(now: .seconds(5)), of: 1)
    #expect(star.answers.map { SimulationTests.Answer($0).status } == [500])
    _ = star.processes[0].handleTimeout(now: .seconds(5))
    #expect(star.processes[0].sharing.relays.isEmpty)
  }

  @Test func aLostLinkIsNoRoute() throws {
    let star = Star()
    star.processes[0].forget(link: 2)
    #expect(SimulationTests.Answer(try #require(star.get(1, ["key"], remote: "Bob"))).status == 500)
  }

  @Test(arguments: ["", "{}", "[]", #"{"type":"share"}"#, #"{"type":"outcome","token":"a"}"#, #"{"type":"x"}"#])
  func readsNoOtherLine(_ line: String) {
    #expect(LinkMessage(line: Array(line.utf8)) == nil)
  }
}
