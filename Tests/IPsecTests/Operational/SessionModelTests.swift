// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Models
import Testing

@testable import IPsec

/// What operators read, from what charon tells: the published guides' examples as far as they go.
@Suite struct SessionModelTests {
  private func facts(_ fixture: Fixture) -> ConfiguredFacts { ConfiguredFacts(fixture.configuration, fixture.mapping) }

  private func fixture(ppk: Keyring.PPK? = nil) throws -> Fixture {
    var fixture = try Fixture()
    try fixture.addTunnel(1, ppk: ppk)
    fixture.configuration.global.dpd = 30
    fixture.configuration.global.dpdRetryInterval = 5
    return fixture
  }

  private func session(_ sas: IKESA...) -> SessionState { SessionState(number: 9, owner: "tunnel-ip1", sas: sas) }

  @Test func aSessionThatIsUp() throws {
    let model = SessionModel(session(SAMaker.sa(21077, pairs: [(641, 6000)])), facts(try fixture()))
    #expect(model.id == 9)
    #expect(model.sessionID == 9)
    #expect(model.sessionStatus == "UP-ACTIVE")
    #expect(model.ikeCnt == 1)
    #expect(model.childCnt == 1)
    #expect(model.tunnel == "tunnel-ip1")
    let sa = try #require(model.sa.first)
    #expect(sa.tunnelID == 21077)
    #expect(sa.localAddrPort == "192.0.2.1/500")
    #expect(sa.remoteAddrPort == "192.0.2.2/500")
    #expect(sa.fvrf == "Default")
    #expect(sa.state == "READY")
    #expect(sa.statusDesc == "Negotiation done")
    #expect(sa.encr == "AES-CBC")
    #expect(sa.keysize == 256)
    #expect(sa.prf == "SHA512")
    #expect(sa.hash == "SHA384")
    #expect(sa.dhGroup == 20)
    #expect(sa.authSign == "PSK")
    #expect(sa.authVerify == "PSK")
    #expect(sa.lifeActive == "86400/100")
    #expect(sa.sessionID == 9)
    #expect(sa.localSPI == "CC62360E42BA0EA9")
    #expect(sa.remoteSPI == "EA645C05F42A23BA")
    #expect(sa.localID == "a.example")
    #expect(sa.remoteID == "b.example")
    #expect(sa.saInitiator == true)
    #expect(sa.quantumResistance == "Disabled")
    #expect(sa.dpdInterval == 30)
    #expect(sa.dpdRetry == 5)
    #expect(sa.rekeyTime == 80_000)
    #expect(sa.isBehindNAT == false)
    let child = try #require(model.childSA.first)
    #expect(child.localSelector == "0.0.0.0/0 - 255.255.255.255/65535")
    #expect(child.remoteSelector == "0.0.0.0/0 - 255.255.255.255/65535")
    #expect(child.espSPIInOut == "0x50571841 / 0x190c759d")
    #expect(child.encr == "AES-CBC")
    #expect(child.keysize == 256)
    #expect(child.hmac == "SHA384")
    #expect(child.traffic.inOctets == 6000)
    #expect(child.traffic.inPackets == 60)
    #expect(child.traffic.outOctets == 12_000)
    #expect(child.traffic.outPackets == 120)
    #expect(child.traffic.inIdle == 3)
    #expect(child.traffic.outIdle == nil, "there was no packet")
    #expect(child.state == "INSTALLED")
    #expect(child.installedFor == 10)
    #expect(child.isInUDP == false)
  }

  @Test func theResponderHasTheSPIsTheOtherWay() throws {
    var sa = SAMaker.sa(1)
    sa.role = .responder
    let model = SessionModel(session(sa), facts(try fixture()))
    #expect(model.sa.first?.saInitiator == false)
    #expect(model.sa.first?.localSPI == "EA645C05F42A23BA")
  }

  @Test func whatIsBeingNegotiatedLacksWhatIsNotKnown() throws {
    var sa = SAMaker.sa(1, state: "CONNECTING")
    sa.responderSPI = "0000000000000000"
    sa.remoteIdentity = "%any"
    let model = SessionModel(session(sa), facts(try fixture()))
    #expect(model.sessionStatus == "DOWN-NEGOTIATING")
    #expect(model.childCnt == 0)
    let shown = try #require(model.sa.first)
    #expect(shown.state == "IN-NEG")
    #expect(shown.remoteSPI == nil)
    #expect(shown.remoteID == nil)
    #expect(shown.encr == nil)
    #expect(shown.lifeActive == nil)
    #expect(shown.quantumResistance == nil, "that is not known before the end")
  }

  @Test(arguments: [
    ("ESTABLISHED", "READY", "Negotiation done"), ("REKEYING", "READY", "Rekey in progress"),
    ("REKEYED", "DELETE", "Replaced by a rekey"), ("DELETING", "DELETE", "Deletion in progress"),
    ("PASSIVE", "PASSIVE", "PASSIVE"),
  ])
  func states(word: String, state: String, description: String) {
    let sa = SAMaker.sa(1, state: word)
    #expect(sa.stateAndDescription == (state, description))
  }

  @Test func aSessionWithoutPairsIsIdle() throws {
    let model = SessionModel(session(SAMaker.sa(1), SAMaker.sa(2, state: "CONNECTING")), facts(try fixture()))
    #expect(model.sessionStatus == "UP-IDLE")
    #expect(model.ikeCnt == 2)
  }

  @Test func aPairThatIsDeletedCarriesNothing() throws {
    var sa = SAMaker.sa(1, pairs: [(1, 100)])
    sa.children.append(SAMaker.child(2, 5, state: "DELETED"))
    sa.children.append(SAMaker.child(3, 5, state: "REKEYED"))
    #expect(SessionModel(session(sa), facts(try fixture())).childSA.map(\.state) == ["INSTALLED", "REKEYED"])
  }

  @Test func quantumResistanceSaysWhichKey() throws {
    let fixture = try fixture()
    let manual = Keyring.PPK.manual(
      id: "one", key: try fixture.seal("averylongpostquantumpresharedkey"), isRequired: true)
    for (ppk, text) in [
      (manual, "Enabled with manual PPK"), (.dynamic(sksProfile: "s", isRequired: false), "Enabled with dynamic PPK"),
    ] {
      var fixture = try self.fixture(ppk: ppk)
      fixture.configuration.sksProfiles = ["s"]
      var sa = SAMaker.sa(1, pairs: [(1, 0)])
      let facts = facts(fixture)
      #expect(facts.connections[sa.connection]?.ppk != nil, "\(fixture.mapping.corrections)")
      #expect(SessionModel(session(sa), facts).sa.first?.quantumResistance == "Disabled", "it fell back")
      #expect(TunnelSAModel(session(sa), facts, link: nil)?.sa.first?.quantumResistant == "No")
      sa.usesPPK = true
      #expect(SessionModel(session(sa), facts).sa.first?.quantumResistance == text)
      #expect(TunnelSAModel(session(sa), facts, link: nil)?.sa.first?.quantumResistant == "Yes")
    }
    var foreign = SAMaker.sa(1)
    foreign.connection = "by hand"
    foreign.usesPPK = true
    #expect(SessionModel(session(foreign), ConfiguredFacts()).sa.first?.quantumResistance == "Enabled")
  }

  @Test func certificatesAreRSA() throws {
    let connection = try DesiredConnection(
      tunnel: "tunnel-ip1", number: 1, initiates: true, ppk: nil,
      settings: {
        var settings = VICIMessage()
        settings.add("rekey_time", 3240)
        settings.add("over_time", 360)
        for (side, word) in [("local", "pubkey"), ("remote", "rsa")] {
          var section = VICIMessage()
          section.add("auth", word)
          settings.add(side, section)
        }
        return settings
      }(), child: VICIMessage())
    let facts = ConfiguredFacts.Connection(connection)
    #expect(facts.localAuthentication == "RSA")
    #expect(facts.remoteAuthentication == "RSA")
    #expect(facts.lifetime == 3600)
    #expect(facts.dpdInterval == nil)
  }

  // MARK: SAs by tunnel interface

  @Test func thePairsOfATunnelInterface() throws {
    let link = TunnelLink(name: "ipsec0", index: 17)
    let session = session(SAMaker.sa(5, pairs: [(641, 100)]))
    let model = try #require(TunnelSAModel(session, facts(try fixture()), link: link))
    #expect(model.name == "tunnel-ip1")
    let sa = try #require(model.sa.first)
    #expect(sa.saID == 641)
    #expect(sa.interface == "tunnel-ip1")
    #expect(sa.ifh == 17)
    #expect(sa.mode == "Tunnel")
    #expect(sa.pfsEnabled == "No")
    #expect(sa.pfsGroup == "None")
    #expect(sa.inSA.spi == 0x5057_1841)
    #expect(sa.outSA.spi == 0x190c_759d)
    #expect(sa.inSA.prot == "ESP")
    #expect(sa.inSA.encr == "ESP_256_AES")
    #expect(sa.inSA.auth == "HMAC_SHA_384")
    #expect(sa.inSA.lifetime == 3600)
    #expect(sa.inSA.rekeyTime == 3200)
    #expect(sa.outSA.lifetime == 3600)
    #expect(sa.outSA.encr == "ESP_256_AES")
    #expect(sa.localIdentity == "0.0.0.0/0 - 255.255.255.255/65535")
    #expect(sa.traffic.inOctets == 100)
    #expect(TunnelSAModel(self.session(SAMaker.sa(5)), facts(try fixture()), link: nil) == nil, "there are none")
  }

  @Test func aRekeyedPairHasAGroupOfItsOwn() throws {
    var sa = SAMaker.sa(5, pairs: [(641, 100)])
    sa.children[0].algorithms?.group = "ECP_521"
    sa.children[0].algorithms?.integrity = nil
    sa.children[0].algorithms?.encryption = "AES_GCM_16"
    let model = try #require(TunnelSAModel(session(sa), facts(try fixture()), link: nil)?.sa.first)
    #expect(model.pfsEnabled == "Yes")
    #expect(model.pfsGroup == "21")
    #expect(model.inSA.encr == "ESP_256_AES_GCM")
    #expect(model.inSA.auth == "None")
  }
}
