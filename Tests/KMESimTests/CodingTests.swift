// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import KMESimulator

struct JSONTextTests {
  @Test func writesWhatAnotherReaderReads() throws {
    let strange = "quote \" backslash \\ newline \n nul \u{0} bell \u{7} ünï \u{1F511}"
    var text = JSONText()
    text.object { text in
      text.member("text", strange)
      text.member("number", -7)
      text.member("yes", true)
      text.member("list", ["a", strange])
      text.member("none", [])
      text.object("inner") { $0.member(plain, plain: Array("00ff".utf8)) }
    }
    let object = try #require(JSONSerialization.jsonObject(with: Data(text.bytes)) as? [String: Any])
    #expect(object["text"] as? String == strange)
    #expect(object["number"] as? Int == -7)
    #expect(object["yes"] as? Bool == true)
    #expect(object["list"] as? [String] == ["a", strange])
    #expect(object["none"] as? [String] == [])
    #expect((object["inner"] as? [String: String]) == [plain: "00ff"])
  }

  private let plain = "a\"b"
}

struct FaultCodingTests {
  @Test func everyKindSurvivesBothForms() throws {
    for line in Fault.catalogue {
      let kind = try #require(line.split(separator: ",").first.map(String.init))
      let form = try #require(FaultForm.all[kind])
      var text = kind
      switch form.parameter {
      case "part": text += ",part=body"
      case let parameter?: text += ",\(parameter)=\(form.range.upperBound / 8 * 8)"
      case nil: break
      }
      let fault = try Fault(parsing: text + ",count=3,skip=1,instance=A")
      #expect(fault.count == 3 && fault.skip == 1 && fault.instance == "A")
      let again = try Fault(parsing: String(decoding: encodeJSON(fault), as: UTF8.self))
      #expect(again == fault, "\(kind)")
      #expect(FaultForm.parts(of: fault.behaviour).kind == kind)
    }
  }

  @Test(arguments: [
    "", "nonsense", "status", "status,status=200", "status,status=x", "status,status=503,bits=1", "delay",
    "delay,milliseconds=0", "drop", "drop,part=middle", "refuse,call=key", "status,status=503,count=0",
    "status,status=503,skip=-1", "status,status=503,call=keys", "status,status=503,status=500", "status;503",
    "{\"kind\":\"refuse\",\"extra\":1}", "{\"kind\":7}", "{", "{}",
  ])
  func refuses(_ text: String) {
    #expect(throws: SimulatorError.self) { try Fault(parsing: text) }
  }

  @Test func countsAndSkips() throws {
    var table = FaultTable()
    _ = table.add(try Fault(parsing: "status,status=503,call=key,instance=A,skip=1,count=2"))
    let strikes = (0..<5).map { _ in table.strike(.key, of: "A").count }
    #expect(strikes == [0, 1, 1, 0, 0])
    #expect(table.entries.isEmpty)
  }

  @Test func strikesOnlyWhatItNames() throws {
    var table = FaultTable()
    _ = table.add(try Fault(parsing: "status,status=503,call=key,instance=A"))
    _ = table.add(try Fault(parsing: "refuse,instance=B"))
    #expect(table.strike(.key, of: "B").isEmpty)
    #expect(table.strike(.keyByID, of: "A").isEmpty)
    #expect(table.strike(.key, of: "A") == [.status(503)])
    #expect(table.strike(connectionOf: "A") == nil)
    #expect(table.strike(connectionOf: "B") == .refuse)
  }

  @Test func theTableIsBounded() throws {
    var table = FaultTable()
    for _ in 0..<FaultTable.capacity { #expect(table.add(Fault(.refuse)) != nil) }
    #expect(table.add(Fault(.refuse)) == nil)
  }
}

struct ConfigurationTests {
  private let instance = """
    {"name": "A", "local-system-id": "Alice", "remote-system-ids": ["Bob", "site-*"], "key-letters": "mixed",
     "listeners": [{"address": "127.0.0.1:0", "psk": [{"identity": "r", "key": "00ff", "hash": "sha384"}]},
                   {"address": "[::1]:0", "certificate": {"certificate": "a.pem", "key": "a-key.pem"}}]}
    """

  @Test func readsAndWrites() throws {
    let text = """
      {"control": "unix:/run/kmesim.sock", "network": {"listen": "unix:/run/network.sock"}, "instances": [\(instance)],
       "faults": [{"kind": "delay", "milliseconds": 5, "instance": "A"}]}
      """
    let configuration = try Configuration(json: Array(text.utf8))
    #expect(configuration.control == .unix(path: "/run/kmesim.sock"))
    #expect(configuration.network == .listen(.unix(path: "/run/network.sock")))
    #expect(configuration.faults == [Fault(.delay(milliseconds: 5), instance: "A")])
    let first = try #require(configuration.instances.first)
    #expect(first.keyLetters == .mixed && first.keyBits == 256 && first.listeners.count == 2)
    #expect(first.listeners[1].address == .tcp(host: "::1", port: 0))
    #expect(try Configuration(json: encodeJSON(configuration)) == configuration)
  }

  private static let noListener = #"{"local-system-id": "a", "remote-system-ids": ["b"], "listeners": []}"#

  private static func listener(_ text: String) -> String {
    noListener.replacingOccurrences(of: "[]", with: "[\(text)]")
  }

  @Test(arguments: [
    ("{", "no JSON"),
    ("{}", "instances"),
    (#"{"instances": []}"#, "no instance"),
    (#"{"instances": 3}"#, "wrong type"),
    (#"{"instances": [$], "extra": 1}"#, "unknown member 'extra'"),
    (#"{"instances": [$, $]}"#, "same name"),
    (#"{"instances": [$], "control": "0.0.0.0:80"}"#, "loopback"),
    (#"{"instances": [$], "control": "localhost:80"}"#, "not an IPv4"),
    (#"{"instances": [$], "control": "127.0.0.1:99999"}"#, "not of the form"),
    (#"{"instances": [$], "network": {}}"#, "exactly one"),
    (#"{"instances": [$], "network": {"join": "127.0.0.1:1"}}"#, "Unix socket"),
    (#"{"instances": [$], "faults": [{"kind": "refuse", "instance": "Z"}]}"#, "'Z'"),
    (#"{"instances": [\#(noListener)]}"#, "listeners"),
    (#"{"instances": [\#(listener(#"{"address": "10.0.0.1:1", "plain": true}"#))]}"#, "loopback"),
    (#"{"instances": [\#(listener(#"{"address": "127.0.0.1:1"}"#))]}"#, "exactly one"),
  ])
  func saysWhatIsWrong(_ text: String, _ reason: String) {
    let full = text.replacingOccurrences(of: "$", with: instance)
    do throws(SimulatorError) {
      _ = try Configuration(json: Array(full.utf8))
      Issue.record("accepted: \(text)")
    } catch {
      #expect(error.description.contains(reason), "\(error.description)")
    }
  }
}

struct OfferedPreSharedKeyTests {
  private func hello(identity: String, binderLength: Int) -> [UInt8] {
    let name = Array(identity.utf8)
    let identities = [0, UInt8(name.count)] + name + [0, 0, 0, 0]
    let binder = [UInt8(binderLength)] + [UInt8](repeating: 9, count: binderLength)
    return [0, UInt8(identities.count)] + identities + [0, UInt8(binder.count)] + binder
  }

  @Test(arguments: [32, 48])
  func seesTheHashInTheBinder(_ length: Int) {
    let offer = OfferedPreSharedKey(hello(identity: "router", binderLength: length))
    #expect(offer?.identity == "router" && offer?.binderLength == length)
  }

  @Test func takesNoCutExtension() {
    let bytes = hello(identity: "router", binderLength: 32)
    let needed = bytes.count - 32
    for count in 0..<needed { #expect(OfferedPreSharedKey(bytes.prefix(count)) == nil, "\(count) bytes") }
  }
}

struct TimerQueueTests {
  @Test(arguments: [UInt64(1), 2, 3])
  func firesInOrderAndNotWhenCancelled(seed: UInt64) {
    var generator = SplitMix(seed: seed)
    var queue = TimerQueue()
    var fired: [Int] = []
    var expected: [Int] = []
    var cancelled: [TimerQueue.Token] = []
    for time in (0..<200).shuffled(using: &generator) {
      let token = queue.schedule(at: .milliseconds(time)) { fired.append(time) }
      if Bool.random(using: &generator) { cancelled.append(token) } else { expected.append(time) }
    }
    for token in cancelled { queue.cancel(token) }
    while let action = queue.popDue(now: .milliseconds(99)) { action() }
    #expect(fired == expected.filter { $0 <= 99 }.sorted(), "seed \(seed)")
    while let action = queue.popDue(now: .seconds(1)) { action() }
    #expect(fired == expected.sorted(), "seed \(seed)")
    #expect(queue.nextDeadline == nil)
  }
}
