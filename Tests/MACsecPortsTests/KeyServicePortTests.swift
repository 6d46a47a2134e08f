// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import MKA
import Models
import Secrets
import Testing

@testable import MACsecPorts

/// Ports that take keys of a key service.
@Suite(.serialized) struct KeyServicePortTests {
  static func configuration(
    _ fixture: AgentFixture, _ change: (inout PolicyModel) -> Void = { _ in }
  ) throws -> ConfigurationFixture {
    var configuration = try PortTests.configuration(fixture) { policy in
      policy.ppk = .init(sksProfile: "q")
      policy.keyService.requestTimeout = 2
      policy.keyService.retryInterval = 1
      change(&policy)
    }
    configuration.sks.profiles.profile.set(.init(profileName: "q"))
    return configuration
  }

  static func lab(_ network: FakeKeyNetwork) throws -> Lab {
    try Lab(keys: [network.service("alice"), network.service("bob")])
  }

  @Test func theirSAKHoldsAKeyOfTheService() async throws {
    let network = FakeKeyNetwork()
    let services = [network.service("alice"), network.service("bob")]
    let lab = try Lab(keys: services)
    try lab.first.commit(Self.configuration(lab.first))
    try lab.second.commit(Self.configuration(lab.second))
    #expect(services.map { $0.registry.count(profile: "q") } == [1, 1])
    #expect(services[0].registry.clients(profile: "q") == [KeyClient(kind: .macsecPolicy, name: "p")])
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    let shown = try #require(try lab.first.port()).keyService
    #expect(shown.isInUse == true && shown.source == "q" && shown.isStalled == false && shown.fallbackCount == 0)
    let session = try #require(try lab.first.state(MKAInterfaceModel.self).first)
    #expect(session.session.vp.sakGenMode == "PPK")
    #expect(session.statistics.caStat.first?.keyDerivationStats.ppkTupleGenerated ?? 0 >= 1)
    #expect(session.statistics.caStat.first?.mkpduStats.caTX.ppkCapable ?? 0 > 0)
    #expect(network.state.withLock { $0.newKeyCount >= $0.fetchedCount && $0.fetchedCount >= 1 })
    #expect(try lab.first.eventNames().contains("PPK_IN_USE"))
    // The policy goes, and with it the client.
    var configuration = try Self.configuration(lab.first)
    configuration.interfaces = []
    try lab.first.commit(configuration)
    #expect(services[0].registry.count(profile: "q") == 0)
  }

  /// Also where the peer learns its own name only after the first keys were taken.
  @Test(arguments: [Duration.zero, .seconds(4)]) func theNextKeyComesFromTheBuffer(introduction: Duration) async throws
  {
    let network = FakeKeyNetwork()
    network.state.withLock { $0.introduction = introduction }
    let lab = try Self.lab(network)
    for fixture in [lab.first, lab.second] {
      try fixture.commit(
        Self.configuration(fixture) { policy in
          policy.keyLifetime.refreshInterval = 3_600
          policy.keyLifetime.buffer = .init(size: 3, alarmBelow: 3)
        })
    }
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    // What was fetched before the peer had told its name is dropped, so the buffer is full of keys for that name.
    try await wait("a full buffer") {
      let held = network.state.withLock { state in
        state.keys.keys.filter { state.remoteSystems[$0] == .some("bob") }.count
      }
      return try held == 3 && lab.first.port()?.keyService.bufferLevel == 3
    }
    #expect(try lab.second.port()?.keyService.bufferLevel == 0, "only the key server needs keys")
    _ = try lab.first.eventNames()
    // The next key comes from the buffer, and the buffer fills again.
    let newKeyCount = network.state.withLock { $0.newKeyCount }
    let before = lab.first.secY()?.transmitting
    // Another window size does not need a SAK; a suite does.
    for fixture in [lab.first, lab.second] {
      try fixture.commit(
        Self.configuration(fixture) { policy in
          policy.cipherSuite = .gcmAES256
          policy.keyLifetime.refreshInterval = 3_600
          policy.keyLifetime.buffer = .init(size: 3, alarmBelow: 3)
        })
    }
    try await wait("another key") { lab.isSecured && lab.first.secY()?.transmitting != before }
    var names: [String] = []
    try await wait("an alarm and its end") {
      names += try lab.first.eventNames()
      return names.contains("KEY_BUFFER_LOW") && names.contains("KEY_BUFFER_RESTORED")
    }
    #expect(network.state.withLock { $0.newKeyCount } > newKeyCount)
  }

  @Test func anOutageIsBridgedByTheBuffer() async throws {
    let network = FakeKeyNetwork()
    let lab = try Self.lab(network)
    func configure(_ suite: PolicyModel.CipherSuite) throws {
      for fixture in [lab.first, lab.second] {
        try fixture.commit(
          Self.configuration(fixture) { policy in
            policy.cipherSuite = suite
            policy.keyService.remoteSystemID = fixture === lab.first ? "bob" : "alice"
            policy.keyLifetime.refreshInterval = 3_600
            policy.keyLifetime.buffer = .init(size: 2, alarmBelow: 2)
          })
      }
    }
    try configure(.gcmAESXPN256)
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    try await wait("a full buffer") { try lab.first.port()?.keyService.bufferLevel == 2 }
    // Nothing new from now on; what was given can be fetched.
    network.state.withLock { $0.newKeyFailure = .notConnected("no route") }
    var names: [String] = []
    for suite in [PolicyModel.CipherSuite.gcmAES256, .gcmAESXPN256] {
      let before = lab.first.secY()?.transmitting
      try configure(suite)
      try await wait("another key") { lab.isSecured && lab.first.secY()?.transmitting != before }
      names += try lab.first.eventNames()
    }
    #expect(try lab.first.port()?.keyService.isInUse == true)
    try await wait("an alarm") {
      names += try lab.first.eventNames()
      return names.contains("KEY_BUFFER_LOW")
    }
    #expect(!names.contains("KEY_BUFFER_RESTORED") && !names.contains("PPK_FAILURE"), "\(names)")
    #expect(try lab.first.port()?.keyService.bufferLevel == 0)
    network.state.withLock { $0.newKeyFailure = nil }
    try await wait("the alarm's end") { try lab.first.eventNames().contains("KEY_BUFFER_RESTORED") }
  }

  @Test func whatTheServiceSaysIsShown() async throws {
    let network = FakeKeyNetwork()
    network.state.withLock { $0.failure = .notConnected("no route") }
    let lab = try Self.lab(network)
    try lab.first.commit(Self.configuration(lab.first))
    try lab.second.commit(Self.configuration(lab.second))
    lab.setLinks()
    try await wait("the reason") { try lab.first.port()?.reason?.contains("no route") == true }
    #expect(lab.first.secY()?.status == .blocked)
    try await wait("the counter") {
      try lab.first.state(MKAInterfaceModel.self).first?.statistics.idbStats.failureStats.ppkFailure.ppkAipcConnDown
        ?? 0 > 0
    }
    network.state.withLock { $0.failure = nil }
    try await wait("secured") { lab.isSecured }
    #expect(try lab.first.port()?.reason == nil)
  }

  @Test func whereThePolicySaysSoItFallsBack() async throws {
    let network = FakeKeyNetwork()
    network.state.withLock { $0.failure = .notConnected("no route") }
    let lab = try Self.lab(network)
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
    #expect(
      shown.isInUse == false && shown.fallbackCount == 1 && shown.lastFallbackReason?.contains("no route") == true)
    #expect(try lab.first.eventNames().contains("PPK_FALLBACK"))
    network.state.withLock { $0.failure = nil }
    try await wait("a key of the service") { try lab.isSecured && lab.first.port()?.keyService.isInUse == true }
  }

  @Test func errorsOfTheServiceAreAnswersOfTheirKind() throws {
    func kind(_ error: KeyServiceError) -> String {
      switch KeyFetch.answer(to: error) {
      case .key: "key"
      case .notFound: "not found"
      case .failed: "failed"
      case .unavailable: "unavailable"
      }
    }
    let identifier = try #require(KeyIdentifier("x"))
    #expect(kind(.keyNotFound(identifier)) == "not found")
    #expect(kind(.notConnected("")) == "unavailable" && kind(.busy) == "unavailable")
    #expect(kind(.unknownProfile("")) == "unavailable" && kind(.cancelled("")) == "unavailable")
    #expect(kind(.refused(status: 500)) == "failed" && kind(.deliveryInDoubt("")) == "failed")
    #expect(kind(.invalidAnswer("")) == "failed" && kind(.notOffered("")) == "failed")
  }
}
