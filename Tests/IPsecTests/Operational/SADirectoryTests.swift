// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

@Suite struct SADirectoryTests {
  typealias Instant = ContinuousClock.Instant

  private static let start = Instant.now
  private func at(_ seconds: Int) -> Instant { Self.start.advanced(by: .seconds(seconds)) }

  private func directory(isListening: Bool = true) -> SADirectory {
    var directory = SADirectory()
    directory.isListening = isListening
    return directory
  }

  private func total(_ directory: SADirectory, _ owner: String = "tunnel-ip1") -> UInt64? {
    directory.traffic[owner]?.inBytes
  }

  @Test func anSAThatIsBusyIsKeptAsItWas() {
    var directory = directory()
    directory.take(listing: [SAMaker.sa(1, pairs: [(11, 100)]), SAMaker.sa(2, tunnel: 2)], now: at(0))
    for miss in 1...SADirectory.mostMisses {
      directory.take(listing: [SAMaker.sa(2, tunnel: 2)], now: at(miss))
      #expect(directory.sessions(now: at(miss))["tunnel-ip1"]?.map(\.uniqueID) == [1])
    }
    let shown = directory.sessions(now: at(8))["tunnel-ip1"]?.first
    #expect(shown?.established == .seconds(108), "it is as much older as it was told earlier")
    #expect(shown?.children.first?.expiresIn == .seconds(3592))
    directory.take(listing: [SAMaker.sa(2, tunnel: 2)], now: at(9))
    #expect(directory.sessions(now: at(9))["tunnel-ip1"] == nil, "not for ever")
    #expect(total(directory) == 100)
  }

  @Test func whatIsMissingIsGoneWhereEventsMayHaveBeenMissed() {
    var directory = directory(isListening: false)
    directory.take(listing: [SAMaker.sa(1)], now: at(0))
    directory.take(listing: [], now: at(1))
    #expect(directory.entries.isEmpty)
    directory.isListening = true
    directory.take(listing: [SAMaker.sa(2)], now: at(2))
    directory.isListening = false
    directory.isListening = true
    directory.take(listing: [], now: at(3))
    #expect(directory.entries.isEmpty, "events were missed while nobody listened")
  }

  @Test func anSAThatIsBusyWithARekeyIsKept() {
    var directory = directory()
    directory.take(listing: [SAMaker.sa(1, state: "REKEYING")], now: at(0))
    directory.take(listing: [], now: at(1))
    #expect(directory.entries.count == 1)
  }

  @Test func aNegotiationThatIsMissingIsOver() {
    var directory = directory()
    directory.take(listing: [SAMaker.sa(1, state: "CONNECTING")], now: at(0))
    directory.take(listing: [], now: at(1))
    #expect(directory.entries.isEmpty)
  }

  @Test func aListingThatWasOnItsWayDoesNotBringBackWhatIsGone() {
    var directory = directory()
    let listing = [SAMaker.sa(1, pairs: [(11, 100)])]
    directory.take(listing: listing, now: at(0))
    directory.take(.childDown(SAMaker.sa(1, pairs: [(11, 130)])), now: at(1))
    directory.take(.sessionDown(SAMaker.sa(1, pairs: [])), now: at(1))
    directory.take(listing: listing, now: at(2))
    #expect(directory.entries.isEmpty)
    #expect(total(directory) == 130, "counted once, with what the event told")
    directory.take(listing: listing, now: at(60))
    #expect(directory.entries.count == 1, "a number is not remembered for ever")
  }

  @Test func anIKERekeyTakesTheChildrenAlong() {
    var directory = directory()
    directory.take(listing: [SAMaker.sa(1, pairs: [(11, 100)])], now: at(0))
    directory.take(.rekeyed(old: SAMaker.sa(1), new: SAMaker.sa(5)), now: at(1))
    #expect(directory.sessions(now: at(1))["tunnel-ip1"]?.map(\.uniqueID) == [5])
    #expect(directory.entries[5]?.sa.children.map(\.uniqueID) == [11])
    #expect(directory.owners["tunnel-ip1"]?.ikeRekeys == 1)
    directory.take(listing: [SAMaker.sa(5, pairs: [(11, 150)])], now: at(2))
    #expect(total(directory) == 150)
  }

  @Test func aChildRekeyDoesNotLoseWhatWasCounted() {
    var directory = directory()
    directory.take(listing: [SAMaker.sa(1, pairs: [(11, 100)])], now: at(0))
    let (old, new) = (SAMaker.child(11, 160, state: "REKEYED"), SAMaker.child(12, 0))
    directory.take(.childRekeyed(session: SAMaker.sa(1), old: old, new: new), now: at(1))
    #expect(total(directory) == 160)
    // The old pair takes what was under way.
    var both = SAMaker.sa(1, pairs: [(12, 7)])
    both.children.append(SAMaker.child(11, 163, state: "REKEYED"))
    directory.take(listing: [both], now: at(2))
    #expect(total(directory) == 170)
    directory.take(listing: [SAMaker.sa(1, pairs: [(12, 10)])], now: at(8))
    #expect(total(directory) == 173)
    #expect(directory.owners["tunnel-ip1"]?.childRekeys == 1)
  }

  @Test func anotherCharonCountsFromOneAgain() {
    var directory = directory()
    directory.take(listing: [SAMaker.sa(1, pairs: [(1, 100)])], now: at(0))
    directory.lose()
    #expect(directory.entries.isEmpty)
    directory.take(listing: [SAMaker.sa(1, pairs: [(1, 5)])], now: at(1))
    #expect(total(directory) == 105)
  }

  @Test func whoIsNeitherConfiguredNorThereIsForgotten() {
    var directory = directory()
    directory.take(listing: [SAMaker.sa(1, pairs: [(1, 100)]), SAMaker.sa(2, tunnel: 2)], now: at(0))
    directory.lose()
    directory.take(listing: [SAMaker.sa(3, tunnel: 3)], now: at(1))
    directory.forget(except: ["tunnel-ip1"])
    #expect(Set(directory.owners.keys) == ["tunnel-ip1", "tunnel-ip3"])
  }

  @Test func countingBeginsWithTheSAsThatWereFound() {
    var directory = directory()
    directory.take(listing: [SAMaker.sa(1, pairs: [(1, 100)])], now: at(100))
    #expect(directory.owners["tunnel-ip1"]?.since == at(90), "the pair was installed 10 s before")
  }

  /// Whatever comes in whatever order, a total never falls, never exceeds what was carried, and ends at it when the
  /// last events are told.
  @Test func totalsAreRightWhateverHappens() {
    for seed in 0..<300 as Range<UInt64> {
      var random = SplitMix(seed: seed)
      var charon = SimulatedCharon()
      var directory = directory()
      var shown: UInt64 = 0
      var pending: (listing: [IKESA], since: Int)?
      for second in 0..<80 {
        let now = at(second)
        switch random.next() % 8 {
        case 0: directory.take(charon.setUp(), now: now)
        case 1: if let event = charon.rekeyChild() { directory.take(event, now: now) }
        case 2: if let event = charon.rekeyIKE() { directory.take(event, now: now) }
        case 3: for event in charon.takeDown() { directory.take(event, now: now) }
        case 4: charon.carry(random.next() % 1000)
        case 5: pending = (charon.listing(skipping: random.next() % 3 == 0), second)
        case 6:
          // One that takes longer is given up.
          if let (listing, since) = pending, second - since < 5 { directory.take(listing: listing, now: now) }
          pending = nil
        default: directory.take(listing: charon.listing(skipping: random.next() % 4 == 0), now: now)
        }
        let total = directory.traffic["tunnel-ip1"]?.inBytes ?? 0
        #expect(total >= shown, "seed \(seed), second \(second)")
        #expect(total <= charon.carried, "seed \(seed), second \(second)")
        shown = total
      }
      for event in charon.takeDown() { directory.take(event, now: at(90)) }
      directory.take(listing: [], now: at(91))
      #expect(directory.entries.isEmpty, "seed \(seed)")
      #expect(directory.traffic["tunnel-ip1"]?.inBytes ?? 0 == charon.carried, "seed \(seed)")
    }
  }
}

/// One tunnel of a charon, with what it really carries: at most one IKE SA with at most one pair.
private struct SimulatedCharon {
  private(set) var carried: UInt64 = 0
  private var sa: IKESA?
  private var next: UInt32 = 1

  private mutating func number() -> UInt32 {
    next += 1
    return next
  }

  mutating func setUp() -> CharonEvent {
    if let sa { return .sessionUp(sa) }
    let made = SAMaker.sa(number(), pairs: [(number(), 0)])
    sa = made
    return .childUp(made)
  }

  mutating func carry(_ bytes: UInt64) {
    guard sa?.children.isEmpty == false else { return }
    sa?.children[0].inbound.bytes += bytes
    carried += bytes
  }

  mutating func rekeyChild() -> CharonEvent? {
    guard let session = sa, let old = session.children.first else { return nil }
    let new = SAMaker.child(number(), 0)
    sa?.children = [new]
    return .childRekeyed(session: session, old: old, new: new)
  }

  mutating func rekeyIKE() -> CharonEvent? {
    guard let old = sa else { return nil }
    var new = SAMaker.sa(number())
    new.children = []
    sa = new
    sa?.children = old.children
    return .rekeyed(old: old, new: new)
  }

  mutating func takeDown() -> [CharonEvent] {
    guard let gone = sa else { return [] }
    sa = nil
    return [.childDown(gone), .sessionDown(gone)]
  }

  func listing(skipping: Bool) -> [IKESA] { skipping ? [] : sa.map { [$0] } ?? [] }
}

/// Makes SAs as charon would tell them.
enum SAMaker {
  static func sa(
    _ id: UInt32, tunnel: Int = 1, state: String = "ESTABLISHED", pairs: [(UInt32, UInt64)] = []
  ) -> IKESA {
    IKESA(
      uniqueID: id, connection: "agentd:tunnel-ip\(tunnel):1", state: state, role: .initiator,
      local: .init(address: "192.0.2.1", port: 500), remote: .init(address: "192.0.2.\(tunnel + 1)", port: 500),
      localIdentity: "a.example", remoteIdentity: "b.example", initiatorSPI: "cc62360e42ba0ea9",
      responderSPI: "ea645c05f42a23ba",
      algorithms: state == "CONNECTING"
        ? nil
        : Algorithms(
          encryption: "AES_CBC", keySize: 256, integrity: "HMAC_SHA2_384_192", prf: "PRF_HMAC_SHA2_512",
          group: "ECP_384"),
      usesPPK: false, established: state == "CONNECTING" ? nil : .seconds(100), rekeysIn: .seconds(80_000),
      isBehindNAT: false, children: pairs.map { child($0.0, $0.1) })
  }

  static func child(_ id: UInt32, _ bytes: UInt64, state: String = "INSTALLED") -> ChildSA {
    ChildSA(
      uniqueID: id, name: "tunnel-ip1.0123456789abcdef", state: state, protocolName: "ESP", inboundSPI: "50571841",
      outboundSPI: "190c759d", isInUDP: false,
      algorithms: Algorithms(
        encryption: "AES_CBC", keySize: 256, integrity: "HMAC_SHA2_384_192", prf: nil, group: nil),
      inbound: .init(bytes: bytes, packets: bytes / 100, idle: .seconds(3)),
      outbound: .init(bytes: 2 * bytes, packets: bytes / 50, idle: nil), installed: .seconds(10),
      rekeysIn: .seconds(3200), expiresIn: .seconds(3600), interfaceID: nil, localSelectors: ["0.0.0.0/0"],
      remoteSelectors: ["0.0.0.0/0"])
  }
}
