// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import Testing

@testable import IPsec

/// Mutations of what charon really sends, by seeds that a failure prints: nothing traps, nothing is read beyond its end,
/// and what is taken is taken alike again.
@Suite struct VICIFuzzTests {
  private static let seeds = 5000 as UInt64

  /// Packets as charon sends them.
  private static func corpus() throws -> [[UInt8]] {
    var rekey = VICIMessage()
    let sa = FakeCharon.listing(of: 1, bytes: 9).sections[0].message
    rekey.add("agentd:tunnel-ip1:1", VICIMessage([.section(name: "old", sa), .section(name: "new", sa)]))
    var log = VICIMessage()
    for (name, value) in [
      ("group", "IKE"), ("level", "1"), ("ikesa-name", "agentd:tunnel-ip1:1"), ("ikesa-uniqueid", "1"),
      ("msg", "PPK required but no PPK found for 'AbCd'"),
    ] { log.add(name, value) }
    var version = VICIMessage()
    version.add("daemon", "charon-systemd")
    version.add("version", "5.9.8")
    let packets: [VICIPacket] = [
      .event("list-sa", FakeCharon.listing(of: 1, bytes: 9)), .response(StatisticsModelTests.counters),
      .event("child-updown", FakeCharon.listing(of: 2, bytes: 1, isUp: true)), .event("ike-rekey", rekey),
      .event("log", log), .response(version), .confirmed, .unknownCommand, .unknownEvent,
    ]
    return try packets.map { packet in try packet.framed() }
  }

  private static func mutate(_ bytes: [UInt8], with other: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<random.next() % 3 + 1 {
      guard !bytes.isEmpty else { return other }
      let place = Int(random.next() % UInt64(bytes.count))
      switch random.next() % 7 {
      case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
      case 1: bytes[place] ^= 1 << (random.next() % 8)
      case 2: bytes[place] = UInt8(random.next() % 8)
      case 3: bytes.removeSubrange(place..<min(place + Int(random.next() % 16), bytes.count))
      case 4: bytes.insert(contentsOf: bytes[place..<min(place + Int(random.next() % 64), bytes.count)], at: place)
      case 5: bytes.replaceSubrange(place..., with: other.suffix(Int(random.next() % 64)))
      // The length of the whole, right or not.
      default:
        let length = bytes.count - 4 + Int(random.next() % 3) - 1
        for index in 0..<min(4, bytes.count) { bytes[index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * index)) }
      }
    }
    return bytes
  }

  @Test func streamsGivePacketsOrAnError() throws {
    let corpus = try Self.corpus()
    var taken = 0
    for seed in 0..<Self.seeds {
      var random = SplitMix(seed: seed)
      let base = corpus[Int(random.next() % UInt64(corpus.count))]
      let stream =
        Self.mutate(base, with: corpus[Int(random.next() % UInt64(corpus.count))], &random)
        + corpus[Int(random.next() % UInt64(corpus.count))]
      var reader = VICIPacketReader()
      var rest = stream[...]
      feeding: while !rest.isEmpty {
        let size = Int(random.next() % 300) + 1
        reader.feed(rest.prefix(size))
        rest = rest.dropFirst(size)
        while true {
          do throws(VICIError) {
            guard let packet = try reader.next() else { continue feeding }
            taken += 1
            let again = try VICIPacket(decoding: try packet.framed().dropFirst(4))
            #expect(again == packet, "seed \(seed)")
            Self.interpret(packet)
          } catch {
            #expect(error.code == .malformed, "seed \(seed): \(error)")
            break feeding
          }
        }
      }
    }
    // Many mutations leave something to take: the test reaches what it is about.
    #expect(taken > Int(Self.seeds) / 4)
  }

  /// Everything that is made of charon's messages.
  private static func interpret(_ packet: VICIPacket) {
    switch packet {
    case .event(let name, let message):
      _ = CharonEvent(name, message)
      for sa in IKESA.list(message) { _ = sa.stateAndDescription }
      var directory = SADirectory()
      directory.take(listing: IKESA.list(message), now: .now)
      for (owner, sas) in directory.sessions(now: .now) {
        let session = SessionState(number: 1, owner: owner, sas: sas)
        _ = SessionModel(session, ConfiguredFacts())
        _ = TunnelSAModel(session, ConfiguredFacts(), link: nil)
      }
    case .response(let message):
      _ = CharonCounters(message)
      _ = CharonStatistics(message)
      _ = try? VICIVersion(message)
    default: break
    }
  }

  /// Selectors and names come from the far end, too.
  @Test func anyTextIsASelectorOrStaysAsItIs() {
    let signs = Array("0123456789./[]-:tcp*é ")
    for seed in 0..<Self.seeds {
      var random = SplitMix(seed: seed)
      let text = String((0..<random.next() % 24).map { _ in signs[Int(random.next() % UInt64(signs.count))] })
      let shown = SelectorText.text(text)
      #expect(shown == text || shown.contains(" - "), "seed \(seed): \(text)")
      _ = AlgorithmName.encryption(text)
      _ = AlgorithmName.hash(text)
      _ = AlgorithmName.group(text)
      _ = ProcessStart.ticksAtStart(text)
    }
  }
}
