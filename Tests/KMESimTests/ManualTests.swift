// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Foundation
import Testing

@testable import KMESimulator

/// The manual names everything that can be configured.
struct ManualTests {
  private let manual: String

  init() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    manual = try String(contentsOf: root.appendingPathComponent("docs/kmesim.md"), encoding: .utf8)
  }

  @Test func namesEveryFaultAndCall() {
    for kind in FaultForm.all.keys {
      #expect(manual.contains("`\(kind)`") || manual.contains("`\(kind),"), "the fault '\(kind)'")
    }
    for call in Call.allCases { #expect(manual.contains("`\(call.rawValue)`"), "the call '\(call.rawValue)'") }
  }

  @Test func namesEveryMemberOfTheConfiguration() throws {
    var instance = InstanceConfiguration(
      name: "A", localSystemID: "A", remoteSystemIDs: ["B"],
      listeners: [
        ListenerConfiguration(
          address: .tcp(host: "127.0.0.1", port: 0),
          security: .psk([PreSharedKey(identity: "a", source: .file("b"))]), tls12Ciphers: "ALL"),
        ListenerConfiguration(
          address: .tcp(host: "127.0.0.1", port: 0),
          security: .certificate(CertificateConfiguration(certificate: "a", key: "b", clientAuthorities: "c"))),
      ])
    instance.poolSize = 1
    instance.etsi = ETSIConfiguration(
      kmeID: "a", saes: ["b"], peers: [ETSIConfiguration.Peer(kmeID: "c", systemID: "d", saes: ["e"])])
    let configuration = Configuration(
      instances: [instance], control: .unix(path: "/c"), network: .join(.unix(path: "/n")), faults: [Fault(.refuse)])
    let object = try JSONSerialization.jsonObject(with: Data(encodeJSON(configuration)))
    let names = members(object)
    #expect(names.count > 30)
    for name in names where name != "instances" && name != "kind" {
      #expect(manual.contains("`\(name)`"), "the member '\(name)'")
    }
  }

  @Test func itsExampleIsAConfiguration() throws {
    let start = try #require(manual.range(of: "    {\n      \"control\""))
    let end = try #require(manual.range(of: "\n    }\n", range: start.lowerBound..<manual.endIndex))
    let example = manual[start.lowerBound..<end.upperBound]
    let configuration = try Configuration(json: Array(example.utf8))
    #expect(configuration.instances.first?.listeners.count == 2)
  }

  private func members(_ value: Any) -> Set<String> {
    if let object = value as? [String: Any] {
      return object.reduce(into: Set(object.keys)) { $0.formUnion(members($1.value)) }
    }
    return (value as? [Any] ?? []).reduce(into: []) { $0.formUnion(members($1)) }
  }
}
