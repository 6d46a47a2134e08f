// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Models
import Testing
import YANG

@testable import MACsecPorts

/// Which leafs of Cisco-IOS-XR-crypto-macsec-mka-oper an interface shows. Its counters are the matter of
/// ``CounterTableTests``.
@Suite struct SessionLeafTests {
  /// Those that a session of two with a fallback key does not show, and why.
  static let absent: [String: String] = [
    "session/session-summary/outer-tag/ether-type": "MKPDUs are sent without VLAN tags",
    "session/session-summary/outer-tag/priority": "MKPDUs are sent without VLAN tags",
    "session/session-summary/outer-tag/cfi": "MKPDUs are sent without VLAN tags",
    "session/session-summary/outer-tag/vlan-id": "MKPDUs are sent without VLAN tags",
    "session/session-summary/inner-tag/ether-type": "MKPDUs are sent without VLAN tags",
    "session/session-summary/inner-tag/priority": "MKPDUs are sent without VLAN tags",
    "session/session-summary/inner-tag/cfi": "MKPDUs are sent without VLAN tags",
    "session/session-summary/inner-tag/vlan-id": "MKPDUs are sent without VLAN tags",
    "session/ca/suspend-peer/rx-sci": "while a peer asks for suspension",
    "session/ca/suspend-peer/rx-ssci": "while a peer asks for suspension",
    "info/macsec-service-info/decrypt-interface-info/interface-name": "there is no MACsec as a service",
    "info/macsec-service-info/decrypt-interface-info/interface-handle": "there is no MACsec as a service",
    "info/secy-intf/controlled-ifh": "the controlled port is named; its index changes with the cipher suite",
    "info/bundle-info/bundle-id": "for members of a bond: BondTests",
    "info/bundle-info/status": "for members of a bond: BondTests",
    "info/efd-info/status": "faults are not signalled to upper layers",
  ]

  @Test func everyLeafIsShownOrListed() async throws {
    let lab = try Lab()
    try lab.first.commit(PortTests.configuration(lab.first, fallback: true))
    try lab.second.commit(PortTests.configuration(lab.second, fallback: true))
    lab.setLinks()
    var shown: Set<String> = []
    func look() throws {
      let schema = try #require(productSchema.node(at: MKAInterfaceModel.schemaPath))
      for fixture in [lab.first, lab.second] {
        for entry in try fixture.state(MKAInterfaceModel.self) {
          shown.formUnion(leafValues(entry.interiorNode(schema)).keys)
        }
      }
    }
    // A peer is potential for the moment until it answers.
    try await wait("secured") {
      try look()
      return lab.isSecured
    }
    try await wait("the fallback keys") {
      try look()
      return shown.contains("session/vp/fallback-keepalive/peers-status/peer/sci")
    }
    let list = try #require(productSchema.node(at: MKAInterfaceModel.schemaPath))
    let missing = leafPaths(list).subtracting(shown).filter { !$0.hasPrefix("session/ca/potential-peer/") }
    #expect(missing.subtracting(Self.absent.keys).sorted() == [])
    #expect(Set(Self.absent.keys).subtracting(leafPaths(list)).sorted() == [], "there is no such leaf")
  }
}
