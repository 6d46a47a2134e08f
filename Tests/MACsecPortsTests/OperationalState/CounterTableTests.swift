// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import Netlink
import Secrets
import Testing
import YANG

@testable import MACsecPorts
@testable import MKA

/// Every counter of the served models, by its leaf: where it comes from, or why it stays 0. docs/macsec.md says the
/// latter too.
struct CounterTable {
  /// A leaf and the count that it shows, of one of these.
  typealias Rows<Root> = [(leaf: String, count: WritableKeyPath<Root, UInt32>)]
  typealias WideRows<Root> = [(leaf: String, count: WritableKeyPath<Root, UInt64>)]

  /// Below `statistics/idb-stats`.
  static var port: Rows<PortCounters> {
    var rows = ownPort
    let base: WritableKeyPath<PortCounters, ReceiveFailures> = \.failures
    let ppkBase: WritableKeyPath<PortCounters, PPKFailures> = \.ppkFailures
    for row in failures {
      rows.append(("mkpdu-stats/\(row.leaf)", base.appending(path: row.count)))
    }
    for row in ppkFailures {
      rows.append(("failure-stats/ppk-failure/\(row.leaf)", ppkBase.appending(path: row.count)))
    }
    return rows
  }

  private static var ownPort: Rows<PortCounters> {
    [
      ("mkpdu-stats/tx-success", \.txSuccess), ("mkpdu-stats/rx-success", \.rxSuccess),
      ("mkpdu-stats/no-tx-on-intf-down", \.noTxOnInterfaceDown),
      ("mkpdu-stats/no-rx-on-intf-down", \.noRxOnInterfaceDown), ("mkpdu-stats/tx-fail", \.txFail),
      ("mkpdu-stats/tx-pkt-build-fail", \.txBuildFail), ("mkpdu-stats/rx-ca-not-found", \.rxCANotFound),
      ("mkpdu-stats/rx-error", \.rxError), ("mkpdu-stats/rx-invalid-length", \.rxInvalidLength),
      ("mkpdu-stats/rx-invalid-ckn", \.rxInvalidCKN),
      ("mkpdu-stats/rx-pkt-sak-use-ethertype-mismatch", \.rxEtherTypeMismatch),
      ("mkpdu-stats/rx-pkt-source-mac-null", \.rxSourceMACNull),
      ("mkpdu-stats/rx-pkt-dest-mac-null", \.rxDestinationMACNull), ("mkpdu-stats/rx-pkt-pyld-null", \.rxPayloadNull),
      ("mkpdu-stats/rx-eapol-drop-unknown-destmac", \.rxUnknownDestination),
      ("failure-stats/sak-failure/sak-gen", \.sakGenerationFail),
      ("failure-stats/sak-failure/hash-key-gen", \.hashKeyGenerationFail),
      ("failure-stats/sak-failure/sak-encr-wrap", \.sakWrapFail),
      ("failure-stats/sak-failure/sak-decr-unwrap", \.sakUnwrapFail),
      ("failure-stats/macsec-failure/rx-sc-creation", \.rxSCCreationFail),
      ("failure-stats/macsec-failure/tx-sc-creation", \.txSCCreationFail),
      ("failure-stats/macsec-failure/rx-sa-install", \.rxSAInstallFail),
      ("failure-stats/macsec-failure/tx-sa-install", \.txSAInstallFail),
      ("failure-stats/ppk-failure/ppk-hash-key-gen", \.ppkFailures.hashKeyGeneration),
      ("failure-stats/ppk-failure/ppk-id-encr-wrap", \.ppkFailures.idWrap),
      ("failure-stats/ppk-failure/ppk-id-decr-unwrap", \.ppkFailures.idUnwrap),
    ]
  }

  /// Below `statistics/ca-stat`.
  static var association: Rows<ParticipantCounters> {
    var rows = ownAssociation
    let base: WritableKeyPath<ParticipantCounters, ReceiveFailures> = \.failures
    let ppkBase: WritableKeyPath<ParticipantCounters, PPKFailures> = \.ppkFailures
    for row in failures {
      rows.append(("mkpdu-stats/ca-rx-fail/\(row.leaf)", base.appending(path: row.count)))
    }
    for row in ppkFailures {
      rows.append(("ppk-failure/\(row.leaf)", ppkBase.appending(path: row.count)))
    }
    return rows
  }

  private static var ownAssociation: Rows<ParticipantCounters> {
    [
      ("key-derivation-stats/sak-generated", \.sakGenerated), ("key-derivation-stats/sak-rekeyed", \.sakRekeyed),
      ("key-derivation-stats/sak-received", \.sakReceived), ("key-derivation-stats/sak-resp-rvcd", \.sakResponses),
      ("key-derivation-stats/ppk-tuple-generated", \.ppkTupleGenerated),
      ("key-derivation-stats/ppk-retrieved", \.ppkRetrieved),
      ("mkpdu-stats/ca-tx/mkpdu-transmitted", \.sent.messages),
      ("mkpdu-stats/ca-tx/dist-sak", \.sent.distributedSAK), ("mkpdu-stats/ca-tx/dist-ppk", \.sent.distributedPPK),
      ("mkpdu-stats/ca-tx/ppk-capable", \.sent.ppkCapable),
      ("mkpdu-stats/ca-rx/mkpdu-received", \.received.messages),
      ("mkpdu-stats/ca-rx/dist-sak", \.received.distributedSAK),
      ("mkpdu-stats/ca-rx/dist-ppk", \.received.distributedPPK),
      ("mkpdu-stats/ca-rx/dist-cak", \.received.distributedCAK),
      ("mkpdu-stats/ca-rx/ppk-capable", \.received.ppkCapable),
    ]
  }

  private static var failures: Rows<ReceiveFailures> {
    [
      ("rx-icv-validation-fail", \.icvValidation), ("rx-pkt-validation-fail", \.packetValidation),
      ("rx-bad-peer-mn", \.badPeerMN), ("rx-non-recent-peerlist-mn", \.nonRecentPeerListMN),
      ("rx-sak-use-kn-mismatch", \.sakUseKNMismatch), ("rx-sak-use-rx-not-set", \.sakUseRxNotSet),
      ("rx-sak-use-key-mi-mismatch", \.sakUseKeyMIMismatch), ("rx-sak-use-an-not-in-use", \.sakUseANNotInUse),
      ("rx-sak-use-ks-rx-tx-not-set", \.sakUseKeyServerRxTxNotSet), ("ppk-id-nak", \.ppkIDNAK),
      ("ppk-id-not-found", \.ppkIDNotFound),
    ]
  }

  private static var ppkFailures: Rows<PPKFailures> {
    [
      ("ppk-id-null-recv", \.idNullReceived), ("ppk-id-mismatch", \.idMismatch),
      ("ppk-req-timeout", \.requestTimeout), ("ppk-tuple-fail", \.tupleFail),
      ("ppk-retrieval-fail", \.retrievalFail), ("ppk-retry-fail", \.retryFail),
      ("ppk-tid-mismatch", \.transactionMismatch), ("ppk-aipc-conn-down", \.connectionDown),
    ]
  }

  /// Below `statistics`: those that stay 0.
  static let zero: [String: String] = [
    "session-stats/sak-rekey-count-ha": "there is no second route processor",
    "idb-stats/mkpdu-stats/tx-force-suspended": "there is no command that suspends by force",
    "idb-stats/mkpdu-stats/rx-force-suspended": "there is no command that suspends by force",
    "idb-stats/efd-stats/shutdown-request": "faults are not signalled to upper layers",
    "idb-stats/efd-stats/shutdown-success": "faults are not signalled to upper layers",
    "idb-stats/efd-stats/shutdown-failure": "faults are not signalled to upper layers",
    "idb-stats/efd-stats/bringup-request": "faults are not signalled to upper layers",
    "idb-stats/efd-stats/bringup-success": "faults are not signalled to upper layers",
    "idb-stats/efd-stats/bringup-failure": "faults are not signalled to upper layers",
    "ca-stat/mkpdu-stats/ca-tx/dist-cak": "this device gives no CAK to others",
    "ca-stat/key-derivation-stats/pairwise-cak-derived": "CAKs are configured, not derived from EAP",
    "ca-stat/key-derivation-stats/pairwise-cak-rekey": "CAKs are configured, not derived from EAP",
  ]

  /// Below `stats` of secy-oper.
  static var secY: WideRows<SecYStatistics> {
    [
      ("intf-stats/in-pkts-untagged", \.interface.inPacketsUntagged),
      ("intf-stats/in-pkts-no-tag", \.interface.inPacketsNoTag),
      ("intf-stats/in-pkts-bad-tag", \.interface.inPacketsBadTag),
      ("intf-stats/in-pkts-unknown-sci", \.interface.inPacketsUnknownSCI),
      ("intf-stats/in-pkts-no-sci", \.interface.inPacketsNoSCI),
      ("intf-stats/in-pkts-overrun", \.interface.inPacketsOverrun),
      ("intf-stats/in-octets-validated", \.interface.inOctetsValidated),
      ("intf-stats/in-octets-decrypted", \.interface.inOctetsDecrypted),
      ("intf-stats/out-pkts-untagged", \.interface.outPacketsUntagged),
      ("intf-stats/out-pkts-too-long", \.interface.outPacketsTooLong),
      ("intf-stats/out-octets-protected", \.interface.outOctetsProtected),
      ("intf-stats/out-octets-encrypted", \.interface.outOctetsEncrypted),
      ("tx-sc-stats/out-pkts-protected", \.transmit.outPacketsProtected),
      ("tx-sc-stats/out-pkts-encrypted", \.transmit.outPacketsEncrypted),
      ("tx-sc-stats/out-octets-protected", \.transmit.outOctetsProtected),
      ("tx-sc-stats/out-octets-encrypted", \.transmit.outOctetsEncrypted),
      ("tx-sc-stats/out-pkts-too-long", \.transmit.outPacketsTooLong),
      ("tx-sc-stats/txsa-stat[0]/out-pkts-protected", \.transmit.associations[0].outPacketsProtected),
      ("tx-sc-stats/txsa-stat[0]/out-pkts-encrypted", \.transmit.associations[0].outPacketsEncrypted),
      ("tx-sc-stats/txsa-stat[0]/next-pn", \.transmit.associations[0].nextPN),
      ("rx-sc-stats[0]/in-pkts-unchecked", \.receive[0].inPacketsUnchecked),
      ("rx-sc-stats[0]/in-pkts-delayed", \.receive[0].inPacketsDelayed),
      ("rx-sc-stats[0]/in-pkts-late", \.receive[0].inPacketsLate),
      ("rx-sc-stats[0]/in-pkts-ok", \.receive[0].inPacketsOK),
      ("rx-sc-stats[0]/in-pkts-invalid", \.receive[0].inPacketsInvalid),
      ("rx-sc-stats[0]/in-pkts-not-valid", \.receive[0].inPacketsNotValid),
      ("rx-sc-stats[0]/in-pkts-not-using-sa", \.receive[0].inPacketsNotUsingSA),
      ("rx-sc-stats[0]/in-pkts-unused-sa", \.receive[0].inPacketsUnusedSA),
      ("rx-sc-stats[0]/in-pkts-untagged-hit", \.receive[0].inPacketsUntaggedHit),
      ("rx-sc-stats[0]/in-octets-validated", \.receive[0].inOctetsValidated),
      ("rx-sc-stats[0]/in-octets-decrypted", \.receive[0].inOctetsDecrypted),
      ("rx-sc-stats[0]/rxsa-stat[0]/in-pkts-ok", \.receive[0].associations[0].inPacketsOK),
      ("rx-sc-stats[0]/rxsa-stat[0]/in-pkts-invalid", \.receive[0].associations[0].inPacketsInvalid),
      ("rx-sc-stats[0]/rxsa-stat[0]/in-pkts-not-valid", \.receive[0].associations[0].inPacketsNotValid),
      ("rx-sc-stats[0]/rxsa-stat[0]/in-pkts-not-using-sa", \.receive[0].associations[0].inPacketsNotUsingSA),
      ("rx-sc-stats[0]/rxsa-stat[0]/in-pkts-unused-sa", \.receive[0].associations[0].inPacketsUnusedSA),
      ("rx-sc-stats[0]/rxsa-stat[0]/next-pn", \.receive[0].associations[0].nextPN),
    ]
  }
}

@Suite struct CounterTableTests {
  private static func withoutNumbers(_ path: String) -> String { path.replacing("[0]", with: "") }

  /// The port of a device that is configured, with a primary and a fallback key, and what its engine says.
  private static func portAndStatus() throws -> (MACsecPorts.Port, KaYStatus) {
    let binding = try #require(
      PortBinding(InterfaceMACsecModel(pskKeychain: .init(keychainName: "a", fallbackPSKKeychain: "b"))))
    let settings = PortSettings(
      binding: binding, primary: nil, fallback: nil, policy: PortPolicy(), isShutDown: false, dataPlane: .automatic)
    var configuration = PortConfiguration(sci: SCI(rawValue: 1), policy: Policy())
    configuration.capability = .confidentialityWithOffsets
    var kay = KaY(configuration: configuration)
    let now = SystemClock.now()
    func chain(_ name: String) throws -> EngineKeyChain {
      try EngineKeyChain(
        name: name,
        keys: [
          .init(
            ckn: try CKN(hexadecimal: name + name),
            cak: try CAK(hexadecimal: SecretBytes(copying: Array(cakOfTests.utf8))), start: .zero, end: nil)
        ])
    }
    kay.setKeyChains(primary: try chain("a"), fallback: try chain("b"), now: now)
    return (Port(name: "eth0", settings: settings, linkName: "eth0"), kay.status(now: now))
  }

  private static func statistics(_ port: MACsecPorts.Port, _ status: KaYStatus) throws -> [String: Value] {
    let schema = try #require(productSchema.node(at: MKAInterfaceModel.schemaPath))
    let model = MKAInterfaceModel(
      name: "eth0", statistics: MKAStatistics.statistics(port, status, now: SystemClock.now()))
    return leafValues(model.interiorNode(schema), numbered: true)
  }

  /// What is counted once is shown at its leaf, and nowhere else.
  @Test func everyCounterOfMKAHasItsLeaf() throws {
    let (port, status) = try Self.portAndStatus()
    #expect(status.participants.count == 2)
    let before = try Self.statistics(port, status)
    func check(_ leaf: String, _ change: (inout KaYStatus) -> Void) throws {
      var changed = status
      change(&changed)
      let after = try Self.statistics(port, changed)
      let differing = after.keys.filter { after[$0] != before[$0] }
      #expect(differing == [leaf])
      #expect(after[leaf] == Value.uint(41), "\(leaf)")
    }
    for row in CounterTable.port {
      try check("statistics/idb-stats/\(row.leaf)") { $0.counters[keyPath: row.count] = 41 }
    }
    for row in CounterTable.association {
      for place in 0..<2 {
        try check("statistics/ca-stat[\(place)]/\(row.leaf)") {
          $0.participants[place].counters[keyPath: row.count] = 41
        }
      }
    }
    try check("statistics/session-stats/sak-rekey-count") { $0.counters.sakRekeys = 41 }
    for leaf in CounterTable.zero.keys {
      #expect(before["statistics/\(leaf.replacing("ca-stat", with: "ca-stat[0]"))"] == Value.uint(0), "\(leaf)")
    }
  }

  @Test func noCounterOfMKAIsUnlisted() throws {
    let list = try #require(productSchema.node(at: MKAInterfaceModel.schemaPath))
    let leafs = leafPaths(list).filter { $0.hasPrefix("statistics/") }
    var listed = Set(CounterTable.port.map { "statistics/idb-stats/\($0.leaf)" })
    listed.formUnion(CounterTable.association.map { "statistics/ca-stat/\($0.leaf)" })
    listed.formUnion(CounterTable.zero.keys.map { "statistics/\($0)" })
    listed.formUnion([
      "statistics/session-stats/sak-rekey-count",
      // Names and times, which LeafTableTests look at.
      "statistics/interface-name", "statistics/ca-stat/ckn", "statistics/ca-stat/ca-type",
      "statistics/session-stats/sak-data/an", "statistics/session-stats/sak-data/sa-install-time",
      "statistics/session-stats/link-secure-up-time", "statistics/session-stats/session-up-time",
    ])
    #expect(leafs.subtracting(listed).sorted() == [])
    #expect(listed.subtracting(leafs).sorted() == [])
  }

  /// That it counts is shown by a test of the engine which expects something of it.
  @Test func everyCounterOfMKAIsMadeToCount() throws {
    let folder = URL(filePath: #filePath).appending(path: "../../../MKATests").standardizedFileURL
    var expectations = ""
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".swift") {
      let lines = try String(contentsOf: folder.appending(path: name), encoding: .utf8).split(separator: "\n")
      expectations += lines.filter { $0.contains("#expect(") }.joined(separator: "\n")
    }
    var counts = CounterTable.port.map { ($0.leaf, "\($0.count)") }
    counts += CounterTable.association.map { ($0.leaf, "\($0.count)") }
    for (leaf, path) in counts {
      let property = try #require(path.split(separator: ".").last)
      let isExpected = [" ", ")", "\n"].contains { expectations.contains(".\(property)\($0)") }
      #expect(isExpected, "no test expects \(leaf) (\(property)) to count")
    }
  }

  @Test func everyCounterOfASecYHasItsLeaf() throws {
    let schema = try #require(productSchema.node(at: SecYInterfaceModel.schemaPath))
    var statistics = SecYStatistics(transmit: .init(sci: SCI(rawValue: 7)))
    statistics.transmit.associations = [.init(number: .zero)]
    statistics.receive = [.init(sci: SCI(rawValue: 8))]
    statistics.receive[0].associations = [.init(number: .zero)]
    func shown(_ statistics: SecYStatistics) -> [String: Value] {
      leafValues(SecYInterfaceModel(name: "e", stats: .init(statistics)).interiorNode(schema), numbered: true)
    }
    let before = shown(statistics)
    for row in CounterTable.secY {
      var changed = statistics
      // More than 32 bits hold.
      changed[keyPath: row.count] = 41 << 32
      let after = shown(changed)
      #expect(after.keys.filter { after[$0] != before[$0] } == ["stats/\(row.leaf)"])
      #expect(
        after["stats/\(row.leaf)"] == Value.uint(41 << 32) && before["stats/\(row.leaf)"] == Value.uint(0),
        "\(row.leaf)")
    }
    let listed = Set(CounterTable.secY.map { "stats/\(Self.withoutNumbers($0.leaf))" })
      .union(["name", "stats/tx-sc-stats/tx-sci", "stats/rx-sc-stats/rx-sci"])
    #expect(leafPaths(schema).symmetricDifference(listed).sorted() == [])
    #expect(
      before["stats/tx-sc-stats/tx-sci"] == Value.uint(7) && before["stats/rx-sc-stats[0]/rx-sci"] == Value.uint(8))
  }
}
