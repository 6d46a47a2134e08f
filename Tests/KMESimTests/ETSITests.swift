// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import KMESimulator

/// ETSI GS QKD 014 without sockets.
struct ETSITests {
  /// Two KMEs: kme-a serves sae-a and sae-x, kme-b serves sae-b and sae-c.
  static func configure(_ instance: inout InstanceConfiguration) {
    let isFirst = instance.localSystemID == "Alice"
    let (own, other) = isFirst ? (["sae-a", "sae-x"], ["sae-b", "sae-c"]) : (["sae-b", "sae-c"], ["sae-a", "sae-x"])
    instance.etsi = ETSIConfiguration(
      kmeID: isFirst ? "kme-a" : "kme-b", saes: own,
      peers: [
        ETSIConfiguration.Peer(
          kmeID: isFirst ? "kme-b" : "kme-a", systemID: isFirst ? "Bob" : "Alice", saes: other)
      ])
    instance.etsi?.maximumKeysPerRequest = 4
  }

  private final class Pair {
    let pair: SimulationTests.Pair

    init(_ change: (inout InstanceConfiguration) -> Void = { _ in }) {
      pair = SimulationTests.Pair {
        ETSITests.configure(&$0)
        change(&$0)
      }
    }

    /// Asks as an SAE, with a query or, if it begins with a brace, a body.
    func ask(_ sae: String?, _ path: String, _ text: String = "", method: String? = nil) throws
      -> SimulationTests.Answer
    {
      let isBody = text.hasPrefix("{")
      let target = Array((isBody || text.isEmpty ? path : path + "?" + text).utf8)
      let parsed = try HTTPRequestTarget(target[...])
      let request = HTTPRequest(
        method: method ?? (isBody ? "POST" : "GET"), path: parsed.path, query: parsed.query,
        body: isBody ? Array(text.utf8) : [])
      var context = pair.context(["sae-b", "sae-c"].contains(sae) ? 1 : 0)
      context.client = sae
      let effects = pair.simulation.handle(request, context)
      guard case .answer(_, let plan) = try #require(effects.first) else { throw CancellationError() }
      return SimulationTests.Answer(plan)
    }

    func keys(_ answer: SimulationTests.Answer) -> [[String: String]] {
      answer.object["keys"] as? [[String: String]] ?? []
    }
  }

  @Test func tellsItsStatus() throws {
    let pair = Pair { $0.poolSize = 50 }
    let answer = try pair.ask("sae-a", "/api/v1/keys/sae-b/status")
    #expect(answer.status == 200)
    for (name, value) in [
      ("source_KME_ID", "kme-a"), ("target_KME_ID", "kme-b"), ("master_SAE_ID", "sae-a"), ("slave_SAE_ID", "sae-b"),
    ] { #expect(answer.object[name] as? String == value, "\(name)") }
    for (name, value) in [
      ("key_size", 256), ("stored_key_count", 50), ("max_key_count", 50), ("max_key_per_request", 4),
      ("max_key_size", 8_192), ("min_key_size", 8), ("max_SAE_ID_count", 0),
    ] { #expect(answer.object[name] as? Int == value, "\(name)") }
    #expect(answer.object.count == 11)
  }

  @Test(arguments: ["number=3&size=128", #"{"number": 3, "size": 128, "vendor": null}"#])
  func sharesKeysOnce(_ request: String) throws {
    let pair = Pair()
    let made = pair.keys(try pair.ask("sae-a", "/api/v1/keys/sae-b/enc_keys", request))
    #expect(made.count == 3 && Set(made.compactMap { $0["key"] }).count == 3)
    for key in made {
      #expect(UUID(uuidString: key["key_ID"] ?? "") != nil)
      #expect(Data(base64Encoded: key["key"] ?? "")?.count == 16)
    }
    let ids = made.compactMap { $0["key_ID"] }
    let first = pair.keys(try pair.ask("sae-b", "/api/v1/keys/sae-a/dec_keys", "key_ID=\(ids[0])"))
    #expect(first == [made[0]])
    let rest = #"{"key_IDs": [{"key_ID": "\#(ids[1])"}, {"key_ID": "\#(ids[2])", "key_ID_extension": null}]}"#
    #expect(pair.keys(try pair.ask("sae-b", "/api/v1/keys/sae-a/dec_keys", rest)) == [made[1], made[2]])
    #expect(try pair.ask("sae-b", "/api/v1/keys/sae-a/dec_keys", rest).status == 400)
    #expect(pair.pair.simulation.statistics()["Bob"]?.keysFetched == 3)
  }

  @Test func allKeysOrNone() throws {
    let pair = Pair()
    let made = pair.keys(try pair.ask("sae-a", "/api/v1/keys/sae-b/enc_keys"))
    let id = try #require(made.first?["key_ID"])
    let missing = #"{"key_IDs": [{"key_ID": "\#(id)"}, {"key_ID": "3f2a0000-0000-4000-8000-000000000000"}]}"#
    #expect(try pair.ask("sae-b", "/api/v1/keys/sae-a/dec_keys", missing).status == 400)
    #expect(pair.keys(try pair.ask("sae-b", "/api/v1/keys/sae-a/dec_keys", "key_ID=\(id)")) == made)
  }

  @Test func keysAreForOneSAE() throws {
    let pair = Pair()
    let id = try #require(pair.keys(try pair.ask("sae-a", "/api/v1/keys/sae-b/enc_keys")).first?["key_ID"])
    let other = try pair.ask("sae-c", "/api/v1/keys/sae-a/dec_keys", "key_ID=\(id)")
    #expect(other.status == 401 && !String(decoding: other.plan.bytes, as: UTF8.self).contains("{"), "no body")
    #expect(try pair.ask("sae-b", "/api/v1/keys/sae-x/dec_keys", "key_ID=\(id)").status == 401, "another master")
    #expect(try pair.ask("sae-b", "/api/v1/keys/sae-a/dec_keys", "key_ID=\(id)").status == 200)
  }

  @Test(
    arguments: [
      ("sae-a", "/api/v1/keys/nobody/status", "", 400), ("nobody", "/api/v1/keys/sae-b/status", "", 401),
      (nil, "/api/v1/keys/sae-b/enc_keys", "", 401), ("sae-a", "/api/v1/keys/sae-b/other", "", 404),
      ("sae-a", "/api/v2/keys/sae-b/status", "", 404), ("sae-a", "/api/v1/keys/sae-b/enc_keys", "number=0", 400),
      ("sae-a", "/api/v1/keys/sae-b/enc_keys", "number=5", 400),
      ("sae-a", "/api/v1/keys/sae-b/enc_keys", "size=9", 400),
      ("sae-a", "/api/v1/keys/sae-b/enc_keys", "size=x", 400), ("sae-a", "/api/v1/keys/sae-b/enc_keys", "extra=1", 400),
      ("sae-a", "/api/v1/keys/sae-b/enc_keys", "size=-8", 400), ("sae-a", "/api/v1/keys/sae-b/enc_keys", "{", 400),
      ("sae-a", "/api/v1/keys/sae-b/enc_keys", #"{"additional_slave_SAE_IDs": ["sae-c"]}"#, 400),
      ("sae-a", "/api/v1/keys/sae-b/enc_keys", #"{"extension_mandatory": [{"v_x": 1}]}"#, 400),
      ("sae-b", "/api/v1/keys/sae-a/dec_keys", "", 400), ("sae-b", "/api/v1/keys/sae-a/dec_keys", "{}", 400),
      ("sae-b", "/api/v1/keys/sae-a/dec_keys", #"{"key_IDs": []}"#, 400),
      ("sae-b", "/api/v1/keys/sae-a/dec_keys", "key_ID=a&key_ID=b", 400),
    ] as [(String?, String, String, Int)])
  func refuses(_ sae: String?, _ path: String, _ text: String, _ status: Int) throws {
    #expect(try Pair().ask(sae, path, text).status == status, "\(sae ?? "nobody"): \(path) \(text)")
  }

  @Test func methodsAreChecked() throws {
    #expect(try Pair().ask("sae-a", "/api/v1/keys/sae-b/status", method: "POST").status == 405)
    #expect(try Pair().ask("sae-a", "/api/v1/keys/sae-b/enc_keys", method: "DELETE").status == 405)
  }

  @Test func anInstanceWithoutItKnowsNoSuchPath() throws {
    #expect(try Pair { $0.etsi = nil }.ask("sae-a", "/api/v1/keys/sae-b/status").status == 404)
  }

  @Test func thePoolRunsDryAndFillsAgain() throws {
    let pair = Pair {
      $0.poolSize = 3
      $0.poolKeysPerSecond = 2
    }
    #expect(try pair.ask("sae-a", "/api/v1/keys/sae-b/enc_keys", "number=2").status == 200)
    #expect(try pair.ask("sae-a", "/api/v1/keys/sae-b/enc_keys", "number=2").status == 503)
    #expect(try pair.ask("sae-a", "/api/v1/keys/sae-b/status").object["stored_key_count"] as? Int == 1)
    #expect(pair.pair.get(0, ["key"], [("remoteSystemID", "Bob")])?.status == 200, "the pool is the same for SKIP")
    #expect(pair.pair.get(0, ["key"], [("remoteSystemID", "Bob")])?.status == 503)
    pair.pair.now = .milliseconds(1_100)
    #expect(try pair.ask("sae-a", "/api/v1/keys/sae-b/status").object["stored_key_count"] as? Int == 2)
    pair.pair.now = .seconds(1_000_000_000)
    #expect(try pair.ask("sae-a", "/api/v1/keys/sae-b/status").object["stored_key_count"] as? Int == 3)
  }

  @Test func faultsStrikeHereToo() throws {
    func first(_ fault: String) throws -> (status: Int, key: [String: Any]) {
      let pair = Pair()
      _ = try pair.pair.simulation.add(Fault(parsing: fault + ",call=etsi-enc-keys"))
      let answer = try pair.ask("sae-a", "/api/v1/keys/sae-b/enc_keys")
      return (answer.status, (answer.object["keys"] as? [[String: Any]])?.first ?? [:])
    }
    #expect(try first("status,status=503").status == 503)
    #expect(try first("malformed-json").key.isEmpty)
    #expect(try first("wrong-types").key["key"] is Int)
    #expect(try first("missing-member").key["key_ID"] == nil)
    #expect(
      (try first("wrong-length-key,bits=8").key["key"] as? String).flatMap { Data(base64Encoded: $0) }?.count == 1)
    #expect((try first("not-hexadecimal").key["key"] as? String)?.hasPrefix("!") == true)
    #expect((try first("odd-digits").key["key"] as? String).flatMap { Data(base64Encoded: $0) } == nil)
    #expect(try first("synchronisation-failure").status == 503)
  }
}

/// ETSI GS QKD 014 with curl, over mutual TLS.
@Suite(.serialized) struct ETSIClientTests {
  @Test func sharesKeys() throws {
    let lab = try LiveLab(.certificate(.required), change: ETSITests.configure)
    func sae(_ name: String) -> [String] {
      ["--cert", lab.certificates.certificate(of: name), "--key", lab.certificates.key(of: name)]
    }
    let status = try lab.curl("A", "/api/v1/keys/sae-b/status", sae("sae-a"), showsCertificate: false)
    #expect(object(status.output)["target_KME_ID"] as? String == "kme-b", "\(status)")
    let json = ["-H", "Content-Type: application/json", "-d", #"{"number": 2}"#]
    let made = try lab.curl("A", "/api/v1/keys/sae-b/enc_keys", sae("sae-a") + json, showsCertificate: false)
    let keys = try #require(object(made.output)["keys"] as? [[String: String]])
    #expect(keys.count == 2)
    for key in keys {
      let path = "/api/v1/keys/sae-a/dec_keys?key_ID=\(key["key_ID"] ?? "")"
      let fetched = try lab.curl("B", path, sae("sae-b"), showsCertificate: false)
      #expect(object(fetched.output)["keys"] as? [[String: String]] == [key])
    }
    let stranger = try lab.curl("A", "/api/v1/keys/sae-b/status", ["-w", "%{http_code} %{size_download}"])
    #expect(stranger.output == "401 0")
  }
}
