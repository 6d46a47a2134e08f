// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import KMESimulator
import Models
import Secrets
import Testing
import YANG

@testable import SKS

/// The backend with simulated key management entities, from configuration to counters.
@Suite(.serialized) struct KMETests {
  private static let digits = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
  let fixture: BackendFixture
  let simulator: Simulator

  /// KMEs Alice, who may share keys with the remotes, and Bob.
  private init(remotes: [String]) throws {
    fixture = try BackendFixture()
    let listener = ListenerConfiguration(
      address: .tcp(host: "127.0.0.1", port: 0),
      security: .psk([KMESimulator.PreSharedKey(identity: "router", source: .hexadecimal(Self.digits), hash: .any)]),
      tlsVersions: ListenerConfiguration.TLSVersion.allCases, keepsAlive: true)
    simulator = try Simulator(
      KMESimulator.Configuration(
        instances: [
          InstanceConfiguration(name: "A", localSystemID: "Alice", remoteSystemIDs: remotes, listeners: [listener]),
          InstanceConfiguration(name: "B", localSystemID: "Bob", remoteSystemIDs: ["Alice"], listeners: [listener]),
        ], control: .tcp(host: "127.0.0.1", port: 0)))
    try simulator.start()
  }

  init() throws { try self.init(remotes: ["Bob"]) }

  private func port(_ instance: String) throws -> UInt32 {
    guard case .tcp(_, let port)? = simulator.endpoints(of: instance).first else { return 0 }
    return UInt32(port)
  }

  private func configuration(_ change: (inout KMEModel) -> Void = { _ in }) throws -> ConfigurationFixture {
    var configuration = ConfigurationFixture()
    let key = try fixture.seal(Self.digits)
    for (name, instance) in [("toA", "A"), ("toB", "B")] {
      let port = try port(instance)
      configuration.setRemote(name) {
        $0.server = .init(ipv4: "127.0.0.1", port: port)
        $0.psk = .init(id: "router", key: .init(seven: key))
        $0.client.tls.pskEncoding = .hexadecimal
        change(&$0)
      }
    }
    return configuration
  }

  @Test func aKeyIsTakenAtOneEndAndFetchedAtTheOther() async throws {
    defer { simulator.stop() }
    try fixture.commit(try configuration())
    for name in ["toA", "toB"] { try await fixture.wait(name) { $0.state == .stateConnected } }
    let made = try await fixture.testKey(.init(profileName: "toA", size: 256))
    #expect(made.size == 256 && made.remoteSystemID == "Bob" && made.fingerprint.utf8.count == 32)
    let fetched = try await fixture.testKey(.init(profileName: "toB", keyID: made.keyID))
    #expect(fetched.fingerprint == made.fingerprint && fetched.keyID == made.keyID && fetched.remoteSystemID == "Alice")
    #expect(made.responseTime ?? 0 > 0)
    let other = try await fixture.testKey(.init(profileName: "toA"))
    #expect(other.fingerprint != made.fingerprint && other.keyID != made.keyID)

    let statistics = try fixture.statistics("toA")
    #expect(
      statistics.httpTransactionRequestCounters == .init(getCapability: 1, getKey: 2, getKeyWithID: 0, getEntropy: 0))
    #expect(statistics.httpTransactionResponseCounters.getKey == 2)
    #expect(statistics.httpCounters.requestTotal == 3 && statistics.httpCounters.responseSuccess == 3)
    #expect(statistics.httpCounters.requestFailed == 0 && statistics.httpCounters.retryCount == 0)
    #expect(statistics.responseTime.maxTime ?? 0 >= statistics.responseTime.minTime ?? .max)
    #expect(
      statistics.lastTranInfo
        == .init(tid: 3, transType: .transactionGetKey, status: 0, statusCode: 200, statusString: "200 OK"))
    #expect(statistics.profileNameXR == "toA" && statistics.myIdentifier == "Alice")
    #expect(statistics.remoteProfileInfo.state == .stateConnected)

    let profile = try fixture.profile("toA")
    let remote = profile.remoteProfileInfo
    #expect(profile.profileType == .profileTypeRemote && profile.regClientCount == 0 && profile.myIdentifier == "Alice")
    #expect(remote.capability.keySupported == true && remote.capability.localIdentifier == "Alice")
    #expect(remote.capability.remoteID.map(\.remoteIdentifier) == ["Bob"])
    #expect(try remote.serverAddr == "127.0.0.1" && remote.serverPort == UInt16(port("A")))
    #expect(remote.serverVRF == nil && remote.serverIntf == nil && remote.httpProxy == .init())
    #expect(remote.authInfo == .init(pskAuth: .init(pskIdentity: "router"), authType: .sksTLSAuthPSK))
    #expect(remote.reason == .refreshServerUpdate)
    let client = remote.client
    #expect(client.tls.version == "TLSv1.3" && client.tls.cipherSuite == "TLS_AES_256_GCM_SHA384")
    #expect(client.tls.serverCertificateExpiry == nil && client.consecutiveFailures == 0 && client.lastError == nil)
    #expect(client.remoteSystemID == "Bob" && client.remoteSystemSource == .inferred)
    #expect(client.connectedSince == client.capabilityTime && client.nextAttempt ?? "" > client.connectedSince ?? "~")

    // Each connection is told once, with what it is about.
    var connected: [String: AgentdSKS.KMEConnected] = [:]
    while let event = fixture.events.next() {
      let told = try AgentdSKS.KMEConnected(event.content)
      #expect(event.schema.path == AgentdSKS.KMEConnected.schemaPath && connected[told.profileName] == nil)
      connected[told.profileName] = told
    }
    #expect(
      connected["toA"]
        == .init(
          profileName: "toA", serverAddress: "127.0.0.1", serverPort: UInt16(try port("A")), localSystemID: "Alice",
          remoteSystem: ["Bob"]))
    #expect(connected.count == 2)
  }

  @Test func anUnknownKeyIsAnErrorWithTheReason() async throws {
    defer { simulator.stop() }
    try fixture.commit(try configuration { $0.client.timers.synchronizationWindow = 0 })
    let error = await #expect(throws: DatastoreError.self) {
      try await fixture.testKey(.init(profileName: "toB", keyID: "00112233445566778899aabbccddeeff"))
    }
    #expect(error?.tag == .operationFailed)
    #expect(error?.message == "the key management entity does not give key 00112233445566778899aabbccddeeff")
    #expect(try fixture.profile("toB").remoteProfileInfo.client.lastError == "400 Bad Request")
  }

  @Test func threeRemotesAndItselfNeedAChoice() async throws {
    simulator.stop()
    let lab = try KMETests(remotes: ["Alice", "Bob", "Carol", "Dave*"])
    defer { lab.simulator.stop() }
    try lab.fixture.commit(try lab.configuration())
    let state = try await lab.fixture.wait("toA") { $0.state == .stateConnected }
    #expect(state.remoteProfileInfo.client.remoteSystemSource == .ambiguous)
    #expect(state.remoteProfileInfo.client.remoteSystemID == nil)
    let error = await #expect(throws: DatastoreError.self) { try await lab.fixture.testKey(.init(profileName: "toA")) }
    #expect(error?.tag == .operationFailed)
    #expect(
      error?.message == "no remote system is configured and several are possible: Bob, Carol, Dave*")
    let named = try await lab.fixture.testKey(.init(profileName: "toA", remoteSystemID: "Bob"))
    #expect(named.remoteSystemID == "Bob")
    try lab.fixture.commit(try lab.configuration { $0.client.remoteSystemID = "Dave7" })
    let chosen = try lab.fixture.profile("toA").remoteProfileInfo.client
    #expect(chosen.remoteSystemID == "Dave7" && chosen.remoteSystemSource == .configured)
    #expect(chosen.remoteSystemPattern == "Dave*")
    try lab.fixture.commit(try lab.configuration { $0.client.remoteSystemID = "Eve" })
    let wrong = try lab.fixture.profile("toA").remoteProfileInfo.client
    #expect(wrong.remoteSystemID == nil && wrong.remoteSystemSource == .notServed)
  }

  @Test func anotherSystemThanThePinnedOneIsRefused() async throws {
    defer { simulator.stop() }
    try fixture.commit(try configuration { $0.client.localSystemID = "Alice" })
    try await fixture.wait("toA") { $0.state == .stateConnected }
    let other = try await fixture.wait("toB") { $0.state == .stateCapabilityFailed }.remoteProfileInfo
    #expect(other.reason == .refreshHTTPCRecvResFailed && other.capability == .init())
    #expect(other.client.lastError == "200 OK, invalid answer: localSystemID is Bob, not Alice as configured")
    #expect(other.client.consecutiveFailures ?? 0 >= 1 && other.client.connectedSince == nil)
    #expect(other.client.nextAttempt != nil)
    #expect(try fixture.statistics("toB").httpCounters.validationFailed ?? 0 >= 1)
    // A pin that comes later ends what does not fit.
    try fixture.commit(try configuration { $0.client.localSystemID = "Mallory" })
    try await fixture.wait("toA") { $0.state == .stateCapabilityFailed }
  }

  @Test func aLostConnectionIsTold() async throws {
    try fixture.commit(try configuration())
    for name in ["toA", "toB"] { try await fixture.wait(name) { $0.state == .stateConnected } }
    while fixture.events.next() != nil {}
    simulator.stop()
    // A request notices that it is gone.
    let request = Task { try await fixture.testKey(.init(profileName: "toA")) }
    defer { request.cancel() }
    let down = try await fixture.wait("toA") { $0.reason == .refreshHTTPCDown }.remoteProfileInfo
    #expect(down.state == .stateConnecting && down.client.lastError?.hasPrefix("no connection to the server") == true)
    var lost: AgentdSKS.KMELost?
    for _ in 0..<300 where lost == nil {
      if let event = fixture.events.next() { lost = try AgentdSKS.KMELost(event.content) }
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(lost?.profileName == "toA" && lost?.reason == .refreshHTTPCDown && lost?.localSystemID == "Alice")
    #expect(lost?.error?.hasPrefix("no connection to the server") == true)
  }

  @Test func theTLSVersionIsKept() async throws {
    defer { simulator.stop() }
    try fixture.commit(try configuration { $0.client.tls.version = .tls1_2 })
    let state = try await fixture.wait("toA") { $0.state == .stateConnected }
    #expect(state.remoteProfileInfo.client.tls.version == "TLSv1.2")
    #expect(state.remoteProfileInfo.client.tls.cipherSuite?.contains("PSK") == true)
    try fixture.commit(try configuration { $0.client.tls.version = .tls1_3 })
    let changed = try await fixture.wait("toA") { $0.state == .stateConnected && $0.client.tls.version == "TLSv1.3" }
    #expect(changed.remoteProfileInfo.reason == .refreshTLSPSKUpdate)
  }
}
