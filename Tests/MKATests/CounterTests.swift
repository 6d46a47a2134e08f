// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import MKA

/// What makes the counters count that other suites do not look at.
@Suite struct CounterTests {
  /// No random numbers are to be had.
  struct FailingRandomSource: RandomSource {
    mutating func bytes(_ count: Int) throws(MKAError) -> SecretBytes {
      throw MKAError(.cryptography, "no random numbers")
    }
  }

  /// A message of station 0, as a member that holds the CAK would send it after some changes, reaches station 1.
  static func forge(
    _ simulation: Simulation, _ recorder: HostilePeerTests.Recorder, _ change: (inout MKPDU) -> Void
  ) throws {
    let last = try #require(recorder.frames.last { $0.sender == 0 })
    let frame = try MKPDUFrame(received: last.frame, etherType: MKPDUFrame.etherType)
    var message = try MKPDU(decoding: frame.body)
    message.basic.messageNumber += 1_000
    change(&message)
    let sender = simulation.stations[0].kay
    let forged = try MKPDUFrame(
      message, source: sender.configuration.sci.address, ick: sender.participants[0].ick,
      destination: .paeGroup, etherType: MKPDUFrame.etherType, icvCoversStandardHeader: false)
    simulation.inject(forged.bytes, to: 1)
  }

  static func recordedPair(_ policy: Policy = Policy()) -> (Simulation, HostilePeerTests.Recorder) {
    let recorder = HostilePeerTests.Recorder()
    let simulation = Simulation(seed: 12)
    simulation.tap = { frame, sender in
      recorder.frames.append((frame, sender))
      return frame
    }
    for _ in 0..<2 { simulation.addStation(policy: policy, primary: testChain("primary", testKey(1))) }
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    simulation.run(for: .seconds(6))
    return (simulation, recorder)
  }

  @Test func sessionsCountTheirMessagesAndKeys() {
    let (simulation, _) = Self.recordedPair()
    simulation.perform(0) { kay, now in kay.rekey(now: now) }
    simulation.run(for: .seconds(10))
    let (server, client) = (simulation.stations[0].kay, simulation.stations[1].kay)
    #expect(server.participants[0].counters.sakGenerated == 2)
    #expect(server.participants[0].counters.sakResponses == 2)
    #expect(server.participants[0].counters.sakRekeyed == 1 && server.counters.sakRekeys == 1)
    #expect(client.participants[0].counters.sakReceived == 2)
    #expect(client.participants[0].counters.received.distributedSAK >= 2)
    #expect(server.participants[0].counters.sent.messages == server.counters.txSuccess)
    #expect(client.participants[0].counters.received.messages == client.counters.rxSuccess)
    #expect(client.counters.rxSuccess > 5 && client.counters.rxSuccess <= server.counters.txSuccess)
  }

  @Test func aSAKThatDoesNotUnwrapIsCountedOnce() throws {
    let (simulation, recorder) = Self.recordedPair()
    for offset in 0..<3 {
      try Self.forge(simulation, recorder) { message in
        message.basic.messageNumber += UInt32(offset)
        message.distributedSAK = .key(
          DistributedSAK.Key(
            associationNumber: .init(truncating: 2), confidentialityOffset: .zero, number: 77,
            cipherSuiteIdentifier: CipherSuite.gcmAESXPN256.identifier, wrapped: [UInt8](repeating: 7, count: 40)))
      }
    }
    #expect(simulation.stations[1].kay.counters.sakUnwrapFail == 1)
    #expect(simulation.whyNotSecured() == nil)
  }

  @Test func aCAKThatIsDistributedIsCountedAndNotTaken() throws {
    let (simulation, recorder) = Self.recordedPair()
    try Self.forge(simulation, recorder) { message in
      message.distributedCAK = DistributedCAK(wrapped: [UInt8](repeating: 7, count: 40), ckn: testKey(9).ckn)
    }
    #expect(simulation.stations[1].kay.participants[0].counters.received.distributedCAK == 1)
    #expect(simulation.stations[1].kay.participants.count == 1)
    #expect(simulation.whyNotSecured() == nil)
  }

  @Test func elementsOfPPKThatAreWrongAreCounted() throws {
    let (simulation, recorder) = Self.recordedPair(PPKTests.policy())
    try Self.forge(simulation, recorder) { message in
      message.announcement = [
        .organizationallySpecific(
          OrganizationallySpecificTLV(organization: PPKAnnouncement.organization, subtype: 2, data: [1, 0, 0]))
      ]
    }
    #expect(simulation.stations[1].kay.counters.ppkFailures.idUnwrap == 1)
    try Self.forge(simulation, recorder) { message in
      message.basic.messageNumber += 1
      message.announcement = [
        PPKAnnouncement.distribution(
          .init(
            associationNumber: .init(truncating: 2), confidentialityOffset: .zero, number: 50,
            cipherSuite: .gcmAESXPN256, nonce: [UInt8](repeating: 0, count: 32),
            check: [UInt8](repeating: 0, count: 16), keyIdentifier: [])
        ).element
      ]
    }
    #expect(simulation.stations[1].kay.counters.ppkFailures.idNullReceived == 1)
    #expect(simulation.stations[1].kay.participants[0].counters.ppkFailures.idNullReceived == 1)
  }

  @Test func aKeyIdentifierThatCannotBeAnnouncedIsCounted() {
    let simulation = PPKTests.pair(PPKTests.policy("a"), PPKTests.policy("b"))
    simulation.keyService.modes[0] = .silent
    simulation.run(for: .seconds(2))
    let transaction = simulation.stations[0].keyRequests.last?.transaction ?? 0
    simulation.perform(0) { kay, now in
      kay.complete(
        transaction,
        with: .key(
          identifier: [UInt8](repeating: 1, count: 2_000),
          secret: SecretBytes(copying: [UInt8](repeating: 1, count: 32))), now: now)
    }
    #expect(simulation.stations[0].kay.counters.ppkFailures.idWrap == 1)
    #expect(simulation.stations[0].kay.counters.ppkFailures.tupleFail == 1)
  }

  @Test func aSAKThatCannotBeMadeOfAServicesKeyIsCounted() {
    let simulation = PPKTests.pair(PPKTests.policy("a"), PPKTests.policy("b"))
    #expect(simulation.runUntilSecured(limit: .seconds(5)))
    simulation.stations[0].kay.random = FailingRandomSource()
    simulation.perform(0) { kay, now in kay.rekey(now: now) }
    simulation.run(for: .seconds(2))
    #expect(simulation.stations[0].kay.counters.ppkFailures.hashKeyGeneration >= 1)
    #expect(simulation.stations[0].kay.counters.sakGenerationFail >= 1)
  }

  @Test func failuresOfThisSystemAreCounted() throws {
    let (simulation, _) = Self.recordedPair()
    simulation.perform(0) { kay, _ in kay.sendFailed() }
    #expect(simulation.stations[0].kay.counters.txFail == 1)
    // A KEK and an ICK that the cryptographic library refuses.
    let kek = simulation.stations[0].kay.participants[0].kek
    simulation.stations[0].kay.participants[0].kek = KeyEncryptingKey(secret: SecretBytes(copying: [1, 2, 3]))
    simulation.perform(0) { kay, now in kay.rekey(now: now) }
    #expect(simulation.stations[0].kay.counters.sakWrapFail == 1)
    #expect(simulation.stations[0].kay.counters.sakGenerationFail == 1)
    simulation.stations[0].kay.participants[0].kek = kek
    let ick = simulation.stations[1].kay.participants[0].ick
    simulation.stations[1].kay.participants[0].ick = IntegrityCheckKey(secret: SecretBytes(copying: [1, 2, 3]))
    simulation.run(for: .seconds(3))
    #expect(simulation.stations[1].kay.counters.rxError > 0)
    #expect(simulation.stations[1].kay.counters.txBuildFail > 0)
    simulation.stations[1].kay.participants[0].ick = ick
    simulation.run(for: .seconds(20))
    #expect(simulation.whyNotSecured() == nil)
    // No random numbers: no SAK, and no new member.
    simulation.stations[0].kay.random = FailingRandomSource()
    simulation.perform(0) { kay, now in kay.rekey(now: now) }
    #expect(simulation.stations[0].kay.counters.sakGenerationFail == 2)
    var kay = KaY(configuration: simulation.stations[0].kay.configuration, random: FailingRandomSource())
    kay.setKeyChains(primary: testChain("primary", testKey(1)), fallback: nil, now: simulation.moment(0))
    #expect(kay.counters.hashKeyGenerationFail > 0)
  }
}
