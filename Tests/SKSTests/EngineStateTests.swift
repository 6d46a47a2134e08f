// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import KeyService
import Secrets
import Testing

@testable import SKS

/// One reference test for each connection state and each refresh reason.
@Suite struct EngineStateTests {
  private func seal(_ text: String) throws -> Sealed {
    try Self.sealer.get().seal(SecretBytes(copying: Array(text.utf8)))
  }
  private static let sealer = Result { try Sealer(try MasterKey()) }

  @Test func unknownWithoutServer() {
    var harness = EngineHarness(ProfileConfiguration())
    #expect(harness.state == [ConnectionStatus.unknown, RefreshReason.unknown])
    #expect(harness.engine.pollDue == nil)
    harness.poll()
    #expect(harness.effects.isEmpty)
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    #expect(harness.errors == [.notConfigured(profile: "P")])
  }

  @Test func serverUpdateConnects() {
    var harness = EngineHarness()
    #expect(harness.state == [ConnectionStatus.connecting, RefreshReason.serverUpdate])
    #expect(harness.engine.pollDue == harness.now)
    harness.poll()
    #expect(harness.state == [ConnectionStatus.connecting, RefreshReason.serverUpdate])
    harness.answer(200, EngineHarness.capabilities)
    #expect(harness.state == [ConnectionStatus.connected, RefreshReason.serverUpdate])
    #expect(harness.events == [.connected] && harness.engine.capabilities?.localSystem == "Alice")
  }

  @Test func serverRemoved() {
    var harness = EngineHarness.connected()
    harness.change { $0.server = nil }
    #expect(harness.state == [ConnectionStatus.unknown, RefreshReason.serverRemoved])
    #expect(harness.engine.capabilities == nil && harness.engine.pollDue == nil)
    #expect(
      harness.events == [.lost(.serverRemoved, detail: "the server was removed from the configuration")])
  }

  @Test func everyChangeOfTheConfigurationHasItsReason() throws {
    let psk = Authentication.psk(try PreSharedKey(identity: "r1", key: try seal("k1")))
    let otherPSK = Authentication.psk(try PreSharedKey(identity: "r1", key: try seal("k2")))
    let certificates = Authentication.certificates(try CertificateCredentials(authorities: [1]))
    let eth = SourceInterface(name: "HundredGigE0/1/0/17", link: "eth0")
    let proxy = Endpoint(host: .hostname("proxy"), port: 804)
    let steps: [(RefreshReason, (inout ProfileConfiguration) -> Void)] = [
      (.serverUpdate, { $0.server = EngineHarness.endpoint(10_002) }),
      (.serverUpdate, { $0.server = Endpoint(host: .hostname("kme"), port: 10_002) }),
      (.vrfUpdate, { $0.vrf = "red" }), (.vrfUpdate, { $0.vrf = nil }),
      (.sourceInterfaceUpdate, { $0.sourceInterface = eth }),
      (.sourceInterfaceUpdate, { $0.sourceInterface = SourceInterface(name: eth.name, link: nil) }),
      (.sourceInterfaceRemoved, { $0.sourceInterface = nil }),
      (.proxyUpdate, { $0.proxy = proxy }), (.proxyRemoved, { $0.proxy = nil }),
      (.tlsPSKUpdate, { $0.authentication = psk }), (.tlsPSKUpdate, { $0.authentication = otherPSK }),
      (.tlsPSKUpdate, { $0.authentication = certificates }), (.tlsPSKRemoved, { $0.authentication = .systemTrust }),
    ]
    var harness = EngineHarness.connected()
    for (reason, step) in steps {
      harness.effects = []
      harness.change(step)
      #expect(harness.state == [ConnectionStatus.connecting, reason])
      #expect(harness.events == [.lost(reason, detail: "the configuration was changed")])
      #expect(harness.engine.pollDue == harness.now, "a changed profile is tried at once")
      harness.poll()
      harness.answer(200, EngineHarness.capabilities)
      #expect(harness.state == [ConnectionStatus.connected, reason], "the reason tells why the session was rebuilt")
    }
  }

  @Test func theSameSecretWrittenAgainChangesNothing() throws {
    let first = Authentication.psk(try PreSharedKey(identity: "r1", key: try seal("k1")))
    let again = Authentication.psk(try PreSharedKey(identity: "r1", key: try seal("k1")))
    var harness = EngineHarness.connected(
      ProfileConfiguration(server: EngineHarness.endpoint(), authentication: first))
    harness.change { $0.authentication = again }
    #expect(harness.engine.status == .connected && harness.effects.isEmpty)
  }

  @Test func sendRequestAndReceiveResponseMarkThePeriodicRefresh() {
    var harness = EngineHarness.connected()
    let due = harness.engine.pollDue ?? harness.now
    #expect(due.since(harness.now) >= .seconds(270) && due.since(harness.now) <= .seconds(300))
    harness.pollWhenDue()
    #expect(harness.state == [ConnectionStatus.capabilityRefresh, RefreshReason.sendRequest])
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    #expect(harness.started.last?.request == .newKey(remote: "Bob", sizeInBits: nil), "keys can be had meanwhile")
    harness.answer(200, EngineHarness.capabilities, transaction: 2)
    #expect(harness.state == [ConnectionStatus.connected, RefreshReason.receiveResponse])
    #expect(harness.events.isEmpty, "the connection neither came nor went")
  }

  @Test func sendRequestFailedWhileNeverConnected() {
    var harness = EngineHarness()
    harness.poll()
    harness.fail(.notSent)
    #expect(harness.state == [ConnectionStatus.connecting, RefreshReason.sendRequestFailed])
    #expect(harness.events.isEmpty)
  }

  @Test func clientDownAndUp() {
    var harness = EngineHarness.connected()
    harness.pollWhenDue()
    harness.fail(.notSent)
    #expect(harness.state == [ConnectionStatus.connecting, RefreshReason.clientDown])
    #expect(harness.events == [.lost(.clientDown, detail: "no connection to the server")])
    harness.pollWhenDue()
    harness.fail(.notSent)
    #expect(harness.state == [ConnectionStatus.connecting, RefreshReason.clientDown])
    harness.pollWhenDue()
    harness.answer(200, EngineHarness.capabilities)
    #expect(harness.state == [ConnectionStatus.connected, RefreshReason.clientUp])
    #expect(harness.events.last == .connected && harness.events.count == 2)
  }

  @Test func receiveResponseFailed() {
    for (status, text) in [
      (500, "500 Internal Server Error"), (200, "200 OK, invalid answer: it is not a JSON object"),
    ] {
      var harness = EngineHarness.connected()
      harness.pollWhenDue()
      harness.answer(UInt16(status), "oops")
      #expect(harness.state == [ConnectionStatus.capabilityFailed, RefreshReason.receiveResponseFailed])
      #expect(harness.events == [.lost(.receiveResponseFailed, detail: text)])
      harness.pollWhenDue()
      harness.answer(200, EngineHarness.capabilities)
      #expect(harness.state == [ConnectionStatus.connected, RefreshReason.clientUp])
    }
    var silent = EngineHarness()
    silent.poll()
    silent.fail(.noAnswer, .timeout)
    #expect(silent.state == [ConnectionStatus.capabilityFailed, RefreshReason.receiveResponseFailed])
  }

  @Test func registrationFailed() {
    var harness = EngineHarness()
    harness.poll()
    harness.fail(.refused, .sourceInterface, code: 45)
    #expect(harness.state == [ConnectionStatus.registrationFailed, RefreshReason.clientRegistrationFailed])
    #expect(harness.engine.pollDue != nil, "it is tried again")
    var connected = EngineHarness.connected()
    connected.request(.newKey(remote: nil, sizeInBits: nil))
    connected.fail(.refused, .credential, code: 58)
    #expect(connected.state == [ConnectionStatus.registrationFailed, RefreshReason.clientRegistrationFailed])
    #expect(connected.errors == [.notConnected("the TLS credential is unusable")])
    #expect(connected.events.count == 1 && connected.engine.pollDue != nil)
  }

  @Test func receiveKeyResponseFailedRefreshesTheCapabilities() {
    var harness = EngineHarness.connected()
    harness.advance(.seconds(5))
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.answer(500)
    #expect(harness.state == [ConnectionStatus.capabilityRefresh, RefreshReason.receiveKeyResponseFailed])
    #expect(harness.engine.pollDue == harness.now && harness.engine.capabilities != nil)
    harness.poll()
    #expect(harness.state == [ConnectionStatus.capabilityRefresh, RefreshReason.receiveKeyResponseFailed])
    harness.answer(200, EngineHarness.capabilities)
    #expect(harness.state == [ConnectionStatus.connected, RefreshReason.receiveResponse])
  }

  @Test func keyRequestThatCannotBeSentRefreshesToo() {
    var harness = EngineHarness.connected()
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    harness.fail(.notSent)
    #expect(harness.state == [ConnectionStatus.capabilityRefresh, RefreshReason.sendRequestFailed])
    let due = harness.engine.pollDue ?? .init(nanoseconds: 0)
    #expect(due.since(harness.now) == ProfileEngine.minimumPollInterval, "failing requests make no storm of others")
    harness.pollWhenDue()
    harness.fail(.notSent)
    #expect(harness.state == [ConnectionStatus.connecting, RefreshReason.clientDown])
  }

  @Test func everyStateAndReasonIsReachable() {
    // The two tests above and the ones before name them all; this one keeps the lists complete.
    #expect(ConnectionStatus.allCases.count == 6 && RefreshReason.allCases.count == 18)
    #expect(RefreshReason.tlsPSKRemoved.rawValue == 17 && ConnectionStatus.registrationFailed.rawValue == 5)
  }

  @Test func backOffDoublesUpToItsLimitWithJitter() throws {
    let settings = try ProfileSettings(minimumBackOff: .seconds(1), maximumBackOff: .seconds(60))
    var harness = EngineHarness(ProfileConfiguration(server: EngineHarness.endpoint(), settings: settings))
    var pauses: [Duration] = []
    for _ in 0..<40 {
      harness.pollWhenDue()
      harness.fail(.notSent)
      pauses.append((harness.engine.pollDue ?? harness.now).since(harness.now))
    }
    for (index, pause) in pauses.enumerated() {
      let full = min(Duration.seconds(1) * (1 << min(index, 10)), .seconds(60))
      #expect(pause >= full / 2 && pause <= full, "pause \(index)")
    }
    #expect(Set(pauses.suffix(30)).count > 25, "no two profiles should keep step")
  }

  @Test func waitingConsumersHurryTheConnection() throws {
    let settings = try ProfileSettings(minimumBackOff: .seconds(1), maximumBackOff: .seconds(300))
    var harness = EngineHarness(ProfileConfiguration(server: EngineHarness.endpoint(), settings: settings))
    harness.request(.capabilities, deadline: .seconds(3_000))
    #expect(harness.engine.pollDue == MonotonicInstant(nanoseconds: 0), "before all profiles that are due now")
    for _ in 0..<12 {
      harness.pollWhenDue()
      harness.fail(.notSent)
      #expect((harness.engine.pollDue ?? harness.now).since(harness.now) <= .seconds(8))
    }
    var idle = EngineHarness(ProfileConfiguration(server: EngineHarness.endpoint(), settings: settings))
    for _ in 0..<12 {
      idle.pollWhenDue()
      idle.fail(.notSent)
    }
    #expect((idle.engine.pollDue ?? idle.now).since(idle.now) >= .seconds(150))
    let last = idle.now
    idle.request(.capabilities)
    #expect(idle.engine.pollDue == last + ProfileEngine.minimumPollInterval, "soon, but no storm")
  }

  @Test func automaticHashTriesBothAndStaysWithWhatWorks() throws {
    let key = Authentication.psk(try PreSharedKey(identity: "r1", key: try seal("k")))
    var harness = EngineHarness(ProfileConfiguration(server: EngineHarness.endpoint(), authentication: key))
    harness.poll()
    #expect(harness.started.last?.hash == .sha384)
    harness.fail(.notSent, .tls, code: 35)
    #expect(harness.engine.pollDue == harness.now, "the other hash is tried at once")
    harness.poll()
    #expect(harness.started.last?.hash == .sha256 && harness.statistics.retryCount == 1)
    harness.answer(200, EngineHarness.capabilities)
    harness.request(.newKey(remote: nil, sizeInBits: nil))
    #expect(harness.started.last?.hash == .sha256)
    // Where neither works, the back-off holds.
    var failing = EngineHarness(ProfileConfiguration(server: EngineHarness.endpoint(), authentication: key))
    failing.poll()
    failing.fail(.notSent, .tls)
    failing.poll()
    failing.fail(.notSent, .tls)
    #expect((failing.engine.pollDue ?? failing.now) > failing.now)
    failing.pollWhenDue()
    #expect(failing.started.map(\.hash) == [.sha384, .sha256, .sha384])
  }

  @Test func fixedHashIsKept() throws {
    for (hash, expected) in [(PreSharedKey.Hash.sha256, TLSHash.sha256), (.sha384, .sha384)] {
      let key = Authentication.psk(try PreSharedKey(identity: "r1", key: try seal("k"), hash: hash))
      var harness = EngineHarness(ProfileConfiguration(server: EngineHarness.endpoint(), authentication: key))
      harness.poll()
      harness.fail(.notSent, .tls)
      harness.pollWhenDue()
      #expect(harness.started.map(\.hash) == [expected, expected])
    }
  }
}
