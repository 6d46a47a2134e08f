// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import MKA
import Models
import Secrets
import Testing

@testable import MACsecPorts

/// Ports whose CAK is a key of the key service.
@Suite(.serialized) struct CAKModeTests {
  static func configuration(
    _ fixture: AgentFixture, _ change: (inout PolicyModel) -> Void = { _ in }
  ) throws -> ConfigurationFixture {
    try KeyServicePortTests.configuration(fixture) { policy in
      policy.keyService.mode = .cak
      policy.keyService.cak.lldpInterval = 1
      change(&policy)
    }
  }

  @Test func theKeyOfTheServiceIsTheCAK() async throws {
    let network = FakeKeyNetwork()
    let lab = try KeyServicePortTests.lab(network)
    for fixture in [lab.first, lab.second] { try fixture.commit(Self.configuration(fixture)) }
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    for (fixture, duty) in [(lab.first, "taker"), (lab.second, "fetcher")] {
      try await wait("in use") { try fixture.port()?.keyService.isInUse == true }
      let shown = try #require(try fixture.port()).keyService
      #expect(shown.source == "q" && shown.isStalled == false && shown.cakExchange.duty?.rawValue == duty)
      let key = try #require(shown.cakExchange.key.first)
      #expect(shown.cakExchange.key.count == 1 && key.taken == (duty == "taker") && key.inUseSince != nil)
      let session = try #require(try fixture.state(MKAInterfaceModel.self).first)
      #expect(session.session.ca.map(\.ckn) == [key.ckn], "the pre-shared key has no session")
      #expect(session.session.ca.first?.keyChain == "q" && session.session.vp.sakGenMode == "SAK")
      #expect(try fixture.eventNames().contains("CAK_IN_USE"))
      #expect(shown.cakExchange.neighbour.count == 1)
      // LLDP is let through where nothing else is.
      #expect(
        fixture.filters.withLock { $0.links["eth0"] } == .protectedOnly(ClearExceptions(lldp: true)))
    }
    // More where the machine is so slow that an announcement is taken for lost; but each by its one end.
    #expect(network.state.withLock { $0.newKeyCount >= 1 && (1...$0.newKeyCount).contains($0.fetchedCount) })
  }

  @Test func keysRollOverAndABufferServes() async throws {
    let network = FakeKeyNetwork()
    let lab = try KeyServicePortTests.lab(network)
    for fixture in [lab.first, lab.second] {
      try fixture.commit(
        Self.configuration(fixture) { policy in
          policy.keyLifetime.refreshInterval = 3
          policy.keyLifetime.buffer = .init(size: 2, alarmBelow: 2)
          policy.keyService.remoteSystemID = fixture === lab.first ? "bob" : "alice"
        })
    }
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    try await wait("a full buffer") { try lab.first.port()?.keyService.bufferLevel == 2 }
    let before = try #require(try lab.first.port()?.keyService.cakExchange.key.first?.ckn)
    let blocked = lab.second.secY()?.held.withLock { $0.commands.count }
    network.state.withLock { $0.newKeyFailure = .notConnected("no route") }
    try await wait("a rollover") { try lab.second.port()?.keyService.cakExchange.rollovers ?? 0 >= 2 }
    let keys = try #require(try lab.second.port()).keyService.cakExchange.key.filter { $0.inUseSince != nil }
    #expect(keys.contains { $0.ckn != before })
    #expect(lab.second.secY()?.held.withLock { $0.commands.count } == blocked, "the port was open all the time")
    #expect(try lab.first.eventNames().contains("CAK_REKEY"))
    #expect(network.state.withLock { $0.fetchedCount } >= 2)
  }

  @Test func whatTheServiceSaysIsShown() async throws {
    let network = FakeKeyNetwork()
    network.state.withLock { $0.failure = .notConnected("no route") }
    let lab = try KeyServicePortTests.lab(network)
    for fixture in [lab.first, lab.second] { try fixture.commit(Self.configuration(fixture)) }
    lab.setLinks()
    try await wait("the reason") { try lab.first.port()?.reason?.contains("no route") == true }
    #expect(lab.first.secY()?.status == .blocked)
    try await wait("the counter") {
      try lab.first.state(MKAInterfaceModel.self).first?.statistics.idbStats.failureStats.ppkFailure.ppkAipcConnDown
        ?? 0 > 0
    }
    network.state.withLock { $0.failure = nil }
    try await wait("secured") { lab.isSecured }
    try await wait("no reason") { try lab.first.port()?.reason == nil }
  }

  @Test func whereThePolicySaysSoThePresharedKeysServe() async throws {
    let network = FakeKeyNetwork()
    network.state.withLock { $0.failure = .notConnected("no route") }
    let lab = try KeyServicePortTests.lab(network)
    for fixture in [lab.first, lab.second] {
      try fixture.commit(
        Self.configuration(fixture) { policy in
          policy.keyService.onFailure = .fallBack
          policy.keyService.attempts = 2
        })
    }
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    let shown = try #require(try lab.first.port()).keyService
    #expect(shown.isInUse == false && shown.fallbackCount == 1)
    #expect(try lab.first.eventNames().contains("PPK_FALLBACK"))
    network.state.withLock { $0.failure = nil }
    try await wait("a key of the service") { try lab.isSecured && lab.first.port()?.keyService.isInUse == true }
  }

  @Test func whatCannotBeIsRefused() throws {
    let fixture = try AgentFixture(wires: { _ in -1 })
    var configuration = try Self.configuration(fixture)
    configuration.setChain("other", [try keyModel(fixture.sealer, ckn: "ff", cak: cakOfTests)])
    configuration.protect("eth0", chain: "mac_chain", fallback: "other", policy: "p")
    #expect(try fixture.refusals(configuration).contains { $0.contains("fallback-psk-keychain") })
    configuration = try Self.configuration(fixture) { policy in
      policy.keyService.mode = nil
    }
    #expect(try fixture.refusals(configuration).contains { $0.contains("key-service/cak") })
    configuration = try Self.configuration(fixture) { policy in policy.keyLifetime.maximumAge = 100 }
    #expect(try fixture.refusals(configuration).contains { $0.contains("maximum-age") })
  }

  @Test func theModeCanChange() async throws {
    let network = FakeKeyNetwork()
    let lab = try KeyServicePortTests.lab(network)
    for fixture in [lab.first, lab.second] { try fixture.commit(Self.configuration(fixture)) }
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    for fixture in [lab.first, lab.second] { try fixture.commit(KeyServicePortTests.configuration(fixture)) }
    try await wait("mode sak") {
      let modes = try [lab.first, lab.second].map { fixture in
        try fixture.state(MKAInterfaceModel.self).first?.session.vp.sakGenMode
      }
      return try modes == ["PPK", "PPK"] && lab.isSecured && lab.first.port()?.keyService.isInUse == true
    }
    #expect(lab.first.filters.withLock { $0.links["eth0"] } == .protectedOnly(ClearExceptions()))
  }
}
