// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine
import Testing

/// Random settings, frames and damage. A failure names the seed that repeats it.
@Suite("Properties of a SecY")
struct PropertyTests {
  private func randomPair(_ random: inout Seeded) throws -> Pair {
    let suite = FrameCipherSuite.allCases.randomElement(using: &random)!
    let confidentiality = FrameConfidentiality.allCases.randomElement(using: &random)!
    let includesSCI = Bool.random(using: &random)
    let window = UInt32.random(in: 0...70, using: &random)
    let tags = UInt8.random(in: 0...2, using: &random)
    let start = UInt64.random(in: 1...0xFFFF_0000, using: &random)
    let nextPN = suite.hasExtendedPacketNumbers ? start << UInt64.random(in: 0...30, using: &random) : start
    return try Pair(suite, nextPN: nextPN) {
      $0.confidentiality = confidentiality
      $0.includesSCI = includesSCI
      $0.replayWindow = window
      $0.vlanTagsInClear = tags
    }
  }

  private func randomFrame(_ random: inout Seeded) -> [UInt8] {
    var frame = random.bytes(12)
    if Int.random(in: 0..<3, using: &random) == 0 { frame = Array(Pair.frame(0)[..<12]) }
    for _ in 0..<Int.random(in: 0...2, using: &random) { frame += [0x81, 0x00] + random.bytes(2) }
    let etherType: [UInt8] = [[0x08, 0], [0x86, 0xDD], [0x88, 0xE5], [0x12, 0x34]].randomElement(using: &random)!
    return frame + etherType + random.bytes(Int.random(in: 0...200, using: &random))
  }

  @Test("what is sent is received as it was, in every setting", arguments: seeds(200))
  func roundTrip(_ seed: Int) throws {
    var random = Seeded(UInt64(seed))
    let pair = try randomPair(&random)
    for count in 0..<20 {
      let frame = randomFrame(&random)
      let sent = try #require(pair.a.sent(frame))
      #expect(pair.b.received(sent) == frame, "frame \(count)")
    }
    #expect(pair.b.counts.receive[0].inPktsOK == 20)
  }

  @Test("a frame that is changed anywhere outside its clear tags is not delivered", arguments: seeds(200))
  func mutation(_ seed: Int) throws {
    var random = Seeded(UInt64(seed))
    let pair = try randomPair(&random)
    for _ in 0..<20 {
      let sent = try #require(pair.a.sent(randomFrame(&random)))
      let at = try #require((12..<sent.count - 1).first { sent[$0] == 0x88 && sent[$0 + 1] == 0xE5 })
      var changed = sent
      switch Int.random(in: 0..<3, using: &random) {
      case 0:
        let index = [Int](0..<12).randomElement(using: &random)!
        changed[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1:
        changed[Int.random(in: at..<sent.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
      default: changed.removeLast(Int.random(in: 1...(sent.count - 14), using: &random))
      }
      let delivered = pair.b.received(changed)
      #expect(delivered == nil, "seed \(seed): \(changed)")
      #expect(pair.b.received(sent) != nil, "seed \(seed): the frame itself came after it")
    }
  }

  @Test("no octets make it stop or deliver something", arguments: seeds(100))
  func noise(_ seed: Int) throws {
    var random = Seeded(UInt64(seed))
    let pair = try randomPair(&random)
    for _ in 0..<200 {
      var frame = random.bytes(Int.random(in: 0...120, using: &random))
      if frame.count >= 16, Bool.random(using: &random) {
        frame.replaceSubrange(12..<14, with: [0x88, 0xE5])
        frame[14] &= 0x2F
        if frame.count >= 28 { frame.replaceSubrange(20..<28, with: octets("0200000000010001")) }
      }
      #expect(pair.b.received(frame) == nil)
      _ = pair.a.sent(frame)
    }
  }

  /// What replay protection must take, by a list of everything proved so far.
  @Test("replay protection does as its window says, whatever the order", arguments: seeds(100))
  func replay(_ seed: Int) throws {
    var random = Seeded(UInt64(seed))
    let suite = FrameCipherSuite.allCases.randomElement(using: &random)!
    let window = UInt32.random(in: 0...20, using: &random)
    let first = suite.hasExtendedPacketNumbers ? 0x3_FFFF_FFE0 as UInt64 : 1
    let pair = try Pair(suite, nextPN: first) { $0.replayWindow = window }
    let frames = try (0..<64).map { _ in try #require(pair.a.sent(Pair.frame(4))) }
    var next = first
    for _ in 0..<300 {
      let index = Int.random(in: 0..<64, using: &random)
      let number = first + UInt64(index)
      // What the receiver was told at installation stays the least.
      let lowest = max(next > UInt64(window) ? next - UInt64(window) : 1, first)
      let isTaken = pair.b.received(frames[index]) != nil
      #expect(isTaken == (number >= lowest), "seed \(seed), number \(number), lowest \(lowest)")
      if isTaken { next = max(next, number + 1) }
    }
  }

  @Test("no two frames under one key have one packet number", arguments: FrameCipherSuite.allCases)
  func unique(_ suite: FrameCipherSuite) throws {
    let pair = try Pair(suite)
    var seen: Set<[UInt8]> = []
    for count in 0..<500 {
      if count % 50 == 0 {
        pair.a.setPort(count % 100 == 0 ? .blocked : .protected)
        _ = pair.a.sent(Pair.frame())
        pair.a.setPort(.protected)
      }
      guard let sent = pair.a.sent(Pair.frame()) else { continue }
      #expect(seen.insert(Array(sent[16..<20])).inserted)
    }
    #expect(seen.count == 500)
  }
}
