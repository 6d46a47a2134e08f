// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Datastore
import Foundation
import MKA
import Models
import Secrets
import Testing
import YANG

@testable import MACsecPorts

/// Two agents on a wire: configuration in, protected ports and state out.
@Suite(.serialized) struct PortTests {
  static func configuration(
    _ fixture: AgentFixture, fallback: Bool = false, cak: String = cakOfTests,
    _ change: (inout PolicyModel) -> Void = { _ in }
  ) throws -> ConfigurationFixture {
    var configuration = ConfigurationFixture()
    configuration.setChain("mac_chain", [try keyModel(fixture.sealer, ckn: "abcd", cak: cak)])
    if fallback {
      configuration.setChain("fallback", [try keyModel(fixture.sealer, ckn: "ffff", cak: cakOfTests)])
    }
    configuration.setPolicy("p", change)
    configuration.protect("eth0", chain: "mac_chain", fallback: fallback ? "fallback" : nil, policy: "p")
    return configuration
  }

  @Test func theyProtectTheirFramesAndShowIt() async throws {
    let lab = try Lab()
    try lab.first.commit(Self.configuration(lab.first) { $0.keyServerPriority = 1 })
    try lab.second.commit(Self.configuration(lab.second))
    try await wait("a port without link") { try lab.first.port()?.reason == "there is no link eth0" }
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    let session = try #require(try lab.first.state(MKAInterfaceModel.self, key: "eth0").first)
    #expect(session.session.sessionSummary.policy == "p" && session.session.sessionSummary.priority == 1)
    #expect(session.session.vp.latestTX == true && session.session.vp.macsecCipherSuite == .cipherSuiteGCMAES256XPN)
    #expect(session.session.vp.mySCI == "0200.0000.0001/0001" && session.session.vp.sakGenMode == "SAK")
    let ca = try #require(session.session.ca.first)
    #expect(ca.isKeyServer == true && ca.status == "Secured" && ca.ckn == "ABCD" && ca.keyChain == "mac_chain")
    #expect(ca.authenticationMode == "PRIMARY-PSK" && ca.livePeer.first?.sci == "0200.0000.0002/0001")
    #expect(ca.peersStatus.peer.first?.peerData.icvStatus == "Match")
    #expect(ca.peersStatus.peer.first?.sci == "0200000000020001")
    #expect(session.info.trafficStatus == .protected && session.info.authInfo.principalActor == .primary)
    #expect(session.info.secyIntf.controlledInterfaceName == "ms-eth0" && session.info.etherType == "888e")
    #expect(session.statistics.caStat.first?.keyDerivationStats.sakGenerated == 1)
    #expect(session.statistics.idbStats.mkpduStats.txSuccess ?? 0 > 0)
    let port = try #require(try lab.first.port())
    #expect(port.isSecured && port.reason == nil && port.dataPlane == .userspace && port.controlledLink == "ms-eth0")
    #expect(lab.first.ports.layer3Link(of: "eth0") == "ms-eth0")
    #expect(lab.first.filters.withLock { $0.links } == ["eth0": .protectedOnly(.init())])
    let names = try lab.first.eventNames()
    #expect(names.contains("SESSION_START") && names.contains("SESSION_SECURED") && names.contains("MKPDU_ICV_SUCCESS"))
    // Everything that is shown is what the models have.
    for entry in [session] { #expect(try MKAInterfaceModel(entry.interiorNode(schema: productSchema)) == entry) }
  }

  @Test func withoutTheKeysOfTheOtherTheFallbackServes() async throws {
    let lab = try Lab()
    try lab.first.commit(Self.configuration(lab.first, fallback: true))
    try lab.second.commit(Self.configuration(lab.second, fallback: true, cak: String(cakOfTests.reversed())))
    lab.setLinks()
    try await wait("secured with the fallback key") { lab.isSecured }
    let session = try #require(try lab.first.state(MKAInterfaceModel.self, key: "eth0").first)
    #expect(session.info.authInfo.principalActor == .fallback)
    #expect(session.session.ca.map(\.ckn).contains("FFFF"))
    #expect(session.session.ca.first { $0.ckn == "ABCD" }?.peersStatus.peer.first?.peerData.icvStatus == "Mismatch")
    #expect(session.statistics.idbStats.mkpduStats.rxICVValidationFail ?? 0 > 0)
    let names = try lab.first.eventNames()
    #expect(names.contains("SESSION_SECURED_WITH_FALLBACK_PSK") && names.contains("MKPDU_ICV_FAILURE"))
    #expect(names.contains("FALLBACK_PSK_MKPDU_ICV_SUCCESS"))
  }

  @Test func theirConfigurationChangesAndGoes() async throws {
    let lab = try Lab()
    try lab.first.commit(Self.configuration(lab.first))
    try lab.second.commit(Self.configuration(lab.second))
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    let key = lab.first.secY()?.transmitting
    var configuration = try Self.configuration(lab.first) { $0.cipherSuite = .gcmAES128 }
    try lab.first.commit(configuration)
    try lab.second.commit(Self.configuration(lab.second) { $0.cipherSuite = .gcmAES128 })
    try await wait("another suite") { lab.isSecured && lab.first.secY()?.transmitting != key }
    #expect(lab.first.secY()?.held.withLock { $0.state.configuration?.cipherSuite } == .gcmAES128)
    configuration.device.shutdown = .init()
    try lab.first.commit(configuration)
    try await wait("shut down") { try lab.first.port()?.reason == "MACsec is shut down on this device" }
    #expect(lab.first.secY()?.held.withLock { $0.isOpen } == false)
    #expect(lab.first.filters.withLock { $0.links.isEmpty })
    #expect(lab.first.ports.layer3Link(of: "eth0") == "eth0")
    configuration.device.shutdown = nil
    try lab.first.commit(configuration)
    try await wait("secured again") { lab.isSecured }
    configuration.interfaces = []
    try lab.first.commit(configuration)
    try await wait("gone") { try lab.first.port() == nil }
    #expect(lab.first.secY()?.held.withLock { $0.isOpen } == false)
    let installed = lab.second.secY()?.installed ?? []
    #expect(Set(installed).count == installed.count, "no SAK is installed twice")
  }

  @Test func linksComeAndGo() async throws {
    let lab = try Lab()
    try lab.first.commit(Self.configuration(lab.first))
    try lab.second.commit(Self.configuration(lab.second))
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    lab.first.backend.links([:])
    try await wait("no link") { try lab.first.port()?.linkPresent == false }
    try await wait("layer 3 off the bare link") { lab.first.ports.layer3Link(of: "eth0") == nil }
    lab.first.setLink("eth0", number: 1, index: 99)
    try await wait("secured again") { lab.isSecured }
    lab.first.setLink("eth0", number: 3, index: 99)
    try await wait("with the new address") {
      try lab.isSecured && lab.first.state(MKAInterfaceModel.self).first?.session.vp.mySCI == "0200.0000.0003/0001"
    }
    lab.first.setLink("eth0", number: 3, isUp: false, index: 99)
    try await wait("down") {
      try lab.first.state(MKAInterfaceModel.self).first?.statistics.idbStats.mkpduStats.noTXOnIntfDown ?? 0 >= 0
    }
  }

  @Test func aRefusingSecYIsShown() async throws {
    let lab = try Lab()
    try lab.first.commit(Self.configuration(lab.first))
    try lab.second.commit(Self.configuration(lab.second))
    lab.setLinks()
    try await wait("a SecY") { lab.first.secY() != nil }
    lab.first.secY()?.held.withLock { held in
      held.refuses = { if case .addTransmitAssociation = $0 { true } else { false } }
    }
    lab.first.setLink("eth0", number: 1, index: 77)
    try await wait("the failure is counted") {
      try lab.first.state(MKAInterfaceModel.self).first?.statistics.idbStats.failureStats.macsecFailure.txSAInstall ?? 0
        > 0
    }
    try await wait("the reason") { try lab.first.port()?.reason == "it was told to refuse" }
    #expect(try lab.first.eventNames().contains("FAILURE"))
    lab.first.secY()?.held.withLock { $0.refuses = nil }
    try await wait("secured") { lab.isSecured }
  }

  @Test func aLostSecYIsMadeAnewWithAnotherSAK() async throws {
    let lab = try Lab()
    try lab.first.commit(Self.configuration(lab.first))
    try lab.second.commit(Self.configuration(lab.second))
    lab.setLinks()
    try await wait("secured") { lab.isSecured }
    let key = lab.first.secY()?.transmitting
    lab.first.secY()?.held.withLock { held in
      held.isBroken = true
      held.isOpen = false
      held.state = SecYState()
    }
    try await wait("secured with another SAK") { lab.isSecured && lab.first.secY()?.transmitting != key }
    let installed = lab.first.secY()?.installed ?? []
    #expect(Set(installed).count == installed.count, "packet numbers would repeat")
  }

  @Test func countersOfTheSecYAreShown() async throws {
    let lab = try Lab()
    try lab.first.commit(Self.configuration(lab.first))
    lab.setLinks()
    try await wait("a SecY") { try lab.first.port()?.controlledLink != nil }
    var statistics = SecYStatistics(transmit: .init(sci: SCI(rawValue: 77)))
    statistics.transmit.outPacketsEncrypted = 5
    statistics.transmit.associations = [.init(number: .zero)]
    statistics.transmit.associations[0].nextPN = 6
    statistics.interface.inPacketsNoTag = 3
    var channel = SecYStatistics.ReceiveChannel(sci: SCI(rawValue: 78))
    channel.inPacketsOK = 9
    statistics.receive = [channel]
    lab.first.secY()?.held.withLock { $0.statistics = statistics }
    let shown = try #require(try lab.first.state(SecYInterfaceModel.self, key: "eth0").first).stats
    #expect(shown.txScStats.outPktsEncrypted == 5 && shown.txScStats.txsaStat.first?.nextPN == 6)
    #expect(shown.txScStats.txSCI == 77 && shown.intfStats.inPktsNoTag == 3)
    #expect(shown.rxScStats.first?.rxSCI == 78 && shown.rxScStats.first?.inPktsOk == 9)
    #expect(try lab.first.state(SecYInterfaceModel.self, key: "eth9").isEmpty)
  }

  @Test func policiesAndKeyChainsAreShown() throws {
    let fixture = try AgentFixture(wires: { _ in -1 })
    try fixture.commit(Self.configuration(fixture) { $0.delayProtection = .init() })
    let policy = try #require(try fixture.state(MKAPolicyModel.self, key: "p").first).detail
    #expect(policy.macsecCipherSuite == .cipherSuiteGCMAES256XPN && policy.windowSize == 64 && policy.mustSecure == 1)
    #expect(policy.delayProtect == true && policy.sakRekeyInterval == "OFF")
    let chain = try #require(try fixture.state(KeyChainStateModel.self).first)
    let key = try #require(chain.key.keyID.first)
    #expect(chain.keyName == "mac_chain" && chain.timezone == .gmt && key.keyID == "abcd")
    #expect(
      key.sendLifetime.isValidNow == true && key.sendLifetime.isAlwaysValid == true && key.macsec.isMACsecKey == true)
    #expect(
      key.type == .passwordType7 && key.keyString?.contains(cakOfTests) == false && key.keyString?.isEmpty == false)
    #expect(key.sendLifetime.start == "00:00:00, 01 Jan 2020" && key.cryptographicAlgorithm == .aes256Cmac)
  }
}
