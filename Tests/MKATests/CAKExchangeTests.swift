// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Secrets
import Testing

@testable import MKA

/// CAK mode between two ports, in virtual time.
@Suite struct CAKExchangeTests {
  static let fallback = testChain("psk", testKey(0xFF, bits: 256))

  static func policy(
    _ role: CAKPolicy.Role = .automatic, refresh: Int? = 60, maximumAge: Int? = nil,
    onFailure: PPKPolicy.FailureAction = .stall
  ) -> CAKPolicy {
    CAKPolicy(
      role: role, system: "system", onFailure: onFailure, timeout: .seconds(5), retryInterval: .seconds(5),
      refreshInterval: refresh.map { .seconds($0) },
      lifetime: maximumAge.map { KeyLifetime(maximumAge: .seconds($0), alarmAge: .seconds($0 * 8 / 10)) })
  }

  static func names(_ end: CAKNetwork.End) -> [String] { end.events.map(\.mnemonic) }

  // MARK: Rollover

  /// Whoever takes the keys, whoever is MKA's key server: each key comes into use at both ends, and no frame is lost.
  @Test(arguments: [[16, 16], [16, 32], [32, 16]], [CAKPolicy.Role.automatic, .taker, .fetcher])
  func keysRollOverWithoutLoss(priorities: [UInt8], role: CAKPolicy.Role) {
    let other: CAKPolicy.Role = role == .taker ? .fetcher : role == .fetcher ? .taker : .automatic
    let network = CAKNetwork(
      seed: 1, policies: [Self.policy(role), Self.policy(other)], priorities: priorities)
    #expect(network.runUntilAgreed(limit: .seconds(20)), "\(network.summary)")
    let start = network.now
    var seen: [CKN] = []
    for _ in 0..<600 {
      network.run(for: .seconds(1))
      if let ckn = network.agreed, seen.last != ckn { seen.append(ckn) }
    }
    #expect(seen.count == Set(seen).count && (9...11).contains(seen.count), "\(seen.count) keys in ten minutes")
    #expect(network.lost(since: start).isEmpty, "\(network.lost(since: start).prefix(3))")
    #expect(network.violations.isEmpty, "\(network.violations.prefix(3))")
    let taker = role == .fetcher ? 1 : 0
    #expect(network.ends[taker].exchange.counters.keysFetched == 0)
    #expect(network.ends[1 - taker].exchange.counters.keysTaken == 0)
    #expect(network.ends[taker].exchange.counters.keysTaken == network.ends[1 - taker].exchange.counters.keysFetched)
    #expect(network.ends.allSatisfy { $0.exchange.counters.rollovers == UInt64(seen.count) })
    // What was before is gone.
    network.run(for: .seconds(20))
    #expect(network.ends.allSatisfy { $0.exchange.keys.count == 1 && $0.kay.participants.count == 1 })
    #expect(Self.names(network.ends[0]).contains("CAK_IN_USE"))
  }

  /// LLDP and MKPDUs are lost, and LLDP frames overtake each other: it takes longer, and both ends agree again.
  @Test(arguments: 0..<20) func lossAndReorderingOnlyDelay(seed: UInt64) {
    let network = CAKNetwork(seed: seed, policies: [Self.policy(refresh: 30), Self.policy(refresh: 30)])
    network.loss = 0.1
    network.lldpLoss = 0.3
    network.lldpDelay = 0.0001...6
    network.run(for: .seconds(300))
    network.loss = 0
    network.lldpLoss = 0
    network.lldpDelay = 0.0001...0.002
    network.run(for: .seconds(60))
    #expect(network.runUntilAgreed(limit: .seconds(18)), "\(network.summary)")
    #expect(network.violations.isEmpty, "\(network.violations.prefix(3))")
    #expect(network.ends[0].exchange.counters.rollovers >= 4)
    #expect(network.ends.allSatisfy { $0.exchange.keys.count <= CAKExchange.maximumKeyCount })
  }

  /// Loss of LLDP alone never costs a frame of the data.
  @Test(arguments: 100..<110) func lossOfLLDPLosesNoFrame(seed: UInt64) {
    let network = CAKNetwork(seed: seed, policies: [Self.policy(refresh: 20), Self.policy(refresh: 20)])
    #expect(network.runUntilAgreed(limit: .seconds(20)))
    let start = network.now
    network.lldpLoss = 0.5
    network.lldpDelay = 0.0001...4
    network.run(for: .seconds(300))
    #expect(network.lost(since: start).isEmpty, "\(network.lost(since: start).prefix(3))")
    #expect(network.ends[1].exchange.counters.rollovers >= 6)
  }

  @Test func keysOf128BitsDo() {
    var policy = Self.policy()
    policy.keyLength = 16
    let network = CAKNetwork(seed: 3, policies: [policy, policy])
    #expect(network.runUntilAgreed(limit: .seconds(20)), "\(network.summary)")
    #expect(network.ends[0].requests.allSatisfy { $0.bits == 128 })
    #expect(network.ends[0].exchange.keys[0].cak.bits == 128)
  }

  @Test func bothOfOneRoleAgreeByTheirAddresses() {
    for role in [CAKPolicy.Role.taker, .fetcher] {
      let network = CAKNetwork(seed: 4, policies: [Self.policy(role), Self.policy(role)])
      network.run(for: .seconds(100))
      #expect(network.agreed != nil, "\(network.summary)")
      #expect(network.ends[1].exchange.counters.keysTaken == 0)
    }
  }

  // MARK: What is told

  @Test func theKeyIsNeverTold() throws {
    let network = CAKNetwork(seed: 5, policies: [Self.policy(refresh: 10), Self.policy(refresh: 10)])
    network.run(for: .seconds(60))
    let secrets = network.ends.flatMap { $0.exchange.keys }.map { $0.cak.secret.withUnsafeBytes { Array($0) } }
    #expect(!secrets.isEmpty)
    for end in network.ends {
      for frame in end.lldp {
        for secret in secrets { #expect(!contains(frame, secret)) }
        let (source, message) = try LLDPFrame.decode(frame)
        #expect(source == end.exchange.address && message.chassis == .chassis(source))
        #expect(message.timeToLive == 21)
      }
    }
    // Nothing new to say: one frame in each interval.
    let before = network.ends[0].lldp.count
    network.ends[0].exchange.setPolicy(Self.policy(refresh: nil))
    network.ends[1].exchange.setPolicy(Self.policy(refresh: nil))
    network.run(for: .seconds(30))
    let middle = network.ends[0].lldp.count
    network.run(for: .seconds(100))
    #expect((19...21).contains(network.ends[0].lldp.count - middle), "\(network.ends[0].lldp.count - middle)")
    #expect(middle - before < 15)
    let farewell = try LLDPFrame.decode(try #require(network.ends[0].exchange.farewell()))
    #expect(farewell.message.timeToLive == 0)
    network.inject(lldp: try #require(network.ends[0].exchange.farewell()), to: 1)
    #expect(network.ends[1].exchange.station.neighbours.isEmpty)
  }

  private func contains(_ frame: [UInt8], _ part: [UInt8]) -> Bool {
    frame.count >= part.count
      && (0...frame.count - part.count).contains { frame[$0..<$0 + part.count].elementsEqual(part) }
  }

  // MARK: Failures

  @Test func anUnknownIdentifierIsToldAndAnotherKeyTaken() {
    let network = CAKNetwork(seed: 6, policies: [Self.policy(), Self.policy()])
    network.keyService.modes[1] = .forgetful
    network.run(for: .seconds(30))
    #expect(network.agreed == nil)
    #expect(network.ends[0].exchange.counters.refused >= 2)
    #expect(network.ends[0].exchange.reason?.contains("could not get") == true)
    #expect(network.ends[1].kay.counters.ppkFailures.retrievalFail >= 2)
    #expect(network.ends[1].requests.count < 10, "each identifier once")
    #expect(network.ends.allSatisfy { $0.kay.counters.ppkFailures.retryFail == 1 })
    #expect(network.ends.allSatisfy { $0.secY.status == .blocked })
    network.keyService.modes[1] = .working
    #expect(network.runUntilAgreed(limit: .seconds(20)), "\(network.summary)")
    #expect(network.ends[0].exchange.reason == nil)
  }

  @Test(arguments: [SimulatedKeyService.Mode.silent, .unavailable, .failing], [0, 1])
  func anOutageLetsTheKeyServeOn(mode: SimulatedKeyService.Mode, end: Int) {
    let network = CAKNetwork(seed: 7, policies: [Self.policy(refresh: 20), Self.policy(refresh: 20)])
    #expect(network.runUntilAgreed(limit: .seconds(20)))
    let start = network.now
    network.run(for: .seconds(5))
    network.keyService.modes[end] = mode
    network.run(for: .seconds(90))
    let key = network.agreed
    #expect(key != nil, "\(network.summary)")
    let counters = network.ends[end].kay.counters.ppkFailures
    #expect(counters.requestTimeout + counters.connectionDown + counters.tupleFail + counters.retrievalFail > 0)
    #expect(Self.names(network.ends[end]).contains("PPK_FAILURE"))
    network.keyService.modes[end] = .working
    network.run(for: .seconds(60))
    #expect(network.agreed != nil && network.agreed != key)
    #expect(network.lost(since: start).isEmpty, "\(network.lost(since: start).prefix(3))")
  }

  @Test func anotherKeyThanThePeersIsNeverUsed() {
    let network = CAKNetwork(seed: 8, policies: [Self.policy(refresh: 20), Self.policy(refresh: 20)])
    #expect(network.runUntilAgreed(limit: .seconds(20)))
    network.run(for: .seconds(10))
    let key = network.agreed
    let start = network.now
    network.keyService.modes[1] = .lying
    network.run(for: .seconds(120))
    #expect(network.agreed == key && network.lost(since: start).isEmpty, "\(network.summary)")
    #expect(network.ends[0].exchange.counters.abandoned > 0)
    network.keyService.modes[1] = .working
    network.run(for: .seconds(90))
    #expect(network.agreed != nil && network.agreed != key, "\(network.summary)")
    #expect(network.lost(since: start).isEmpty)
  }

  @Test(arguments: [SecurityPolicy.mustSecure, .shouldSecure])
  func anExhaustedKeyStallsThePort(security: SecurityPolicy) {
    let policy = Self.policy(refresh: 20, maximumAge: 60)
    let network = CAKNetwork(seed: 9, policies: [policy, policy], security: security, fallback: Self.fallback)
    #expect(network.runUntilAgreed(limit: .seconds(20)))
    network.run(for: .seconds(30))
    network.keyService.modes = [0: .unavailable, 1: .unavailable]
    network.run(for: .seconds(100))
    for end in network.ends {
      #expect(end.secY.status == .blocked, "\(network.summary)")
      #expect(end.kay.status(now: network.moment).isStalled && end.exchange.age.isStalled)
      #expect(Self.names(end).contains("KEY_AGE_ALARM") && Self.names(end).contains("KEY_LIFETIME_EXHAUSTED"))
      #expect(!Self.names(end).contains("PPK_FALLBACK") && end.kay.participants.isEmpty)
    }
    network.keyService.modes = [:]
    #expect(network.runUntilAgreed(limit: .seconds(30)), "\(network.summary)")
    #expect(network.ends.allSatisfy { !$0.exchange.age.isStalled && $0.secY.status == .protected })
  }

  /// On the wire and off it again without a lost frame, and told each time.
  @Test func wherePolicySaysSoThePresharedKeysTakeOver() {
    let policy = Self.policy(refresh: 20, maximumAge: 60, onFailure: .fallBack)
    let network = CAKNetwork(seed: 10, policies: [policy, policy], fallback: Self.fallback)
    #expect(network.runUntilAgreed(limit: .seconds(20)))
    let start = network.now
    network.run(for: .seconds(30))
    #expect(network.ends.allSatisfy { $0.kay.participants.count <= 2 && $0.exchange.lastFallback == nil })
    network.keyService.modes = [0: .unavailable, 1: .unavailable]
    network.run(for: .seconds(100))
    for end in network.ends {
      #expect(end.kay.inUseCKN == Self.fallback.keys[0].ckn, "\(network.summary)")
      #expect(end.exchange.lastFallback?.count == 1 && Self.names(end).contains("PPK_FALLBACK"))
      #expect(Self.names(end).contains("SESSION_SECURED_WITH_FALLBACK_PSK"))
    }
    network.keyService.modes = [:]
    network.run(for: .seconds(40))
    #expect(network.agreed != nil, "\(network.summary)")
    #expect(network.lost(since: start).isEmpty, "\(network.lost(since: start).prefix(3))")
    #expect(network.ends.allSatisfy { $0.kay.participant(Self.fallback.keys[0].ckn) == nil })
  }

  @Test func withoutAnyKeyAttemptsCount() {
    let policy = Self.policy(onFailure: .fallBack)
    let network = CAKNetwork(seed: 11, policies: [policy, policy], fallback: Self.fallback)
    network.keyService.modes = [0: .unavailable, 1: .unavailable]
    network.run(for: .seconds(8))
    #expect(network.ends.allSatisfy { $0.kay.participants.isEmpty }, "not before the attempts are used up")
    network.run(for: .seconds(40))
    #expect(network.ends.allSatisfy { $0.kay.inUseCKN == Self.fallback.keys[0].ckn }, "\(network.summary)")
    network.keyService.modes = [:]
    #expect(network.runUntilAgreed(limit: .seconds(30)), "\(network.summary)")
  }

  @Test func aPeerThatIsNotHeardIsToldOf() {
    let network = CAKNetwork(seed: 12, policies: [Self.policy(), Self.policy()], lldpLoss: 1)
    network.run(for: .seconds(60))
    for end in network.ends {
      #expect(end.requests.isEmpty && end.exchange.reason == "no peer has been heard by LLDP")
      #expect(Self.names(end).filter { $0 == "PPK_FAILURE" }.count == 1)
    }
    #expect(network.ends[0].exchange.status(now: network.moment).duty == .none)
  }

  // MARK: Restarts

  @Test(arguments: [0, 1]) func aRestartInTimeLosesNoFrame(index: Int) throws {
    let network = CAKNetwork(seed: 13, policies: [Self.policy(), Self.policy()])
    #expect(network.runUntilAgreed(limit: .seconds(20)))
    network.run(for: .seconds(10))
    let key = network.agreed
    let start = network.now
    network.kill(index)
    network.run(for: .seconds(2))
    try network.start(index)
    network.run(for: .seconds(20))
    #expect(network.agreed == key, "\(network.summary)")
    network.run(for: .seconds(120))
    #expect(network.agreed != nil && network.agreed != key)
    #expect(network.lost(since: start).isEmpty, "\(network.lost(since: start).prefix(3))")
  }

  @Test(arguments: [0, 1]) func aLateRestartNeedsNoNewKey(index: Int) throws {
    let network = CAKNetwork(seed: 14, policies: [Self.policy(refresh: 600), Self.policy(refresh: 600)])
    #expect(network.runUntilAgreed(limit: .seconds(20)))
    let key = network.agreed
    network.kill(index)
    network.run(for: .seconds(30))
    try network.start(index)
    #expect(network.runUntilAgreed(limit: .seconds(20)), "\(network.summary)")
    #expect(network.agreed == key && network.ends[0].exchange.counters.keysTaken <= 1)
  }

  @Test(arguments: [0, 1]) func whoForgotAllIsGivenANewKey(index: Int) throws {
    let network = CAKNetwork(seed: 15, policies: [Self.policy(refresh: 600), Self.policy(refresh: 600)])
    #expect(network.runUntilAgreed(limit: .seconds(20)))
    let key = network.agreed
    network.kill(index)
    network.run(for: .seconds(10))
    try network.start(index, forgetting: true)
    #expect(network.runUntilAgreed(limit: .seconds(40)), "\(network.summary)")
    #expect(network.agreed != key)
  }

  @Test func whatIsKeptIsReadAsItWas() throws {
    let network = CAKNetwork(seed: 16, policies: [Self.policy(refresh: 20), Self.policy(refresh: 20)])
    network.run(for: .seconds(100))
    let exchange = network.ends[0].exchange
    #expect(!exchange.keys.isEmpty && !exchange.spent.isEmpty)
    var other = CAKExchange(policy: exchange.policy, address: exchange.address, portName: "e", chainName: "q")
    let bytes = exchange.encoded()
    try other.restore(bytes)
    #expect(other.mark == exchange.mark && other.encoded().isEqual(to: bytes))
    for length in 0..<bytes.count {
      let cut = SecretBytes(copying: bytes.withUnsafeBytes { Array($0.prefix(length)) })
      #expect(throws: MKAError.self) { try other.restore(cut) }
    }
    #expect(other.mark == exchange.mark, "nothing changed")
  }
}
