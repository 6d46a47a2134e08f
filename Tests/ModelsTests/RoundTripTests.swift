// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Models
import Testing
import YANG

/// Any configuration becomes Swift values and is the same tree again: nothing is lost, nothing is invented.
@Suite struct RoundTripTests {
  private static var seed: UInt64 {
    ProcessInfo.processInfo.environment["AGENTD_SEED"].flatMap { UInt64($0) } ?? .random(in: 0...UInt64(UInt32.max))
  }
  private static let isLong = ProcessInfo.processInfo.environment["AGENTD_LONG"] == "1"

  @Test func everything() throws {
    try check(
      Schemas.everything, modules: nil, documents: Self.isLong ? 3_000 : 200,
      of: [
        ExampleEverything.Everything.self, ExampleEverything.Everything.Types.self,
        ExampleEverything.Everything.ByThree.self, ExampleWhole.Whole.self, ExampleWhole.Whole.Values.self,
        ExampleWhole.Whole.ByReference.self, ExampleWhole.Whole.ByNothing.self, ExampleWhole.Whole.OnceMore.self,
        ExampleWhole.Whole.Way.Water.Lock.self,
      ])
  }

  @Test(arguments: [
    "Cisco-IOS-XR-um-sks-server-cfg", "Cisco-IOS-XR-um-ikev2-cfg", "Cisco-IOS-XR-um-ipsec-cfg",
    "Cisco-IOS-XR-um-key-chain-cfg", "Cisco-IOS-XR-um-macsec-cfg", "Cisco-IOS-XR-um-interface-cfg",
    "Cisco-IOS-XR-um-crypto-cfg", "ietf-system",
  ])
  func product(_ module: String) throws {
    let types: [any TreeRepresentable.Type] = [
      SKSServer.self, IKEv2.self, IPsec.self, KeyChain.Key.self, MACsec.self, Interface.Interfaces.Interface.self,
      Interface.Interfaces.InterfacePreconfigure.MACsec.self, Crypto.CA.Trustpoint.Trustpoints.self,
      IETFSystem.System.Authentication.self,
    ]
    let own = types.filter { $0.schemaPath.hasPrefix("/\(module):") }
    try check(Schemas.product, modules: [module], documents: Self.isLong ? 300 : 40, of: own)
  }

  private func check(
    _ schema: Schema, modules: [String]?, documents: Int, of types: [any TreeRepresentable.Type]
  ) throws {
    let seed = Self.seed
    let byPath = Dictionary(types.map { ($0.schemaPath, $0) }) { first, _ in first }
    var source = try Documents(schema, modules: modules, seed: seed)
    var seen: [String: Int] = [:]
    for _ in 0..<documents {
      guard let (tree, text) = try source.valid() else { continue }
      try tree.visit { node in
        guard let type = byPath[node.schema.path] else { return }
        seen[node.schema.path, default: 0] += 1
        try roundTrip(node, type, "seed \(seed): \(text)")
      }
    }
    #expect(seen.values.reduce(0, +) > documents / 8, "seed \(seed): \(seen)")
    // Rare ones are not in every small run.
    for path in byPath.keys where Self.isLong { #expect(seen[path, default: 0] > 0, "seed \(seed): no \(path)") }
  }

  private func roundTrip<T: TreeRepresentable>(_ node: InteriorNode, _ type: T.Type, _ text: String) throws {
    let value = try T(node)
    let again = value.interiorNode(node.schema)
    #expect(again == node, "\(T.schemaPath), \(text)")
    // The value of what was written is the value.
    #expect(try T(again) == value, "\(T.schemaPath), \(text)")
  }
}
