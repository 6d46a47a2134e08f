// Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

import SecYEngine
import Testing

@Suite("Programming a SecY")
struct CommandTests {
  private func code(_ body: () throws -> Void) -> SecYEngineError.Code? {
    do {
      try body()
      return nil
    } catch { return (error as? SecYEngineError)?.code }
  }

  @Test("a key is never installed twice for transmission")
  func noReuse() throws {
    let pair = try Pair()
    pair.a.removeTransmitAssociation(0, key: pair.key.name)
    #expect(pair.a.sent(Pair.frame()) == nil)
    for number in UInt8(0)..<4 { #expect(code { try pair.a.addTransmit(number, pair.key) } == .exists) }
    try pair.a.addTransmit(0, TestKey(.gcmAES128, seed: 2))
  }

  @Test("enabling takes effect with the next frame, and removing another's key does nothing")
  func switching() throws {
    let pair = try Pair()
    let next = TestKey(.gcmAES128, seed: 2)
    try pair.a.addTransmit(1, next)
    try pair.b.addReceive(Pair.left, 1, next)
    #expect(try #require(pair.a.sent(Pair.frame()))[14] & 3 == 0)
    #expect(code { try pair.a.enableTransmit(1, key: pair.key.name) } == .absent)
    try pair.a.enableTransmit(1, key: next.name)
    let sent = try #require(pair.a.sent(Pair.frame()))
    #expect(sent[14] & 3 == 1)
    pair.a.removeTransmitAssociation(1, key: pair.key.name)
    pair.b.removeReceiveAssociation(Pair.left, 1, key: pair.key.name)
    #expect(pair.b.received(sent) == Pair.frame())
    #expect(pair.a.counts.transmit.associations.map(\.isEnabled) == [false, true])
    pair.a.removeTransmitAssociation(0, key: pair.key.name)
    #expect(pair.a.sent(Pair.frame()) != nil)
  }

  @Test("the lowest packet number rises and never falls")
  func raising() throws {
    let pair = try Pair { $0.replayWindow = 100 }
    let frames = try (0..<5).map { _ in try #require(pair.a.sent(Pair.frame())) }
    try pair.b.raiseLowestPN(Pair.left, 0, 4)
    try pair.b.raiseLowestPN(Pair.left, 0, 2)
    #expect(pair.b.received(frames[2]) == nil)
    #expect(pair.b.received(frames[3]) != nil)
    #expect(pair.b.counts.receive[0].associations[0].lowestPN == 4)
    #expect(pair.b.counts.receive[0].associations[0].nextPN == 5)
    #expect(code { try pair.b.raiseLowestPN(Pair.left, 1, 9) } == .absent)
    #expect(code { try pair.b.raiseLowestPN(1, 0, 9) } == .absent)
  }

  @Test("what does not fit is refused")
  func refusals() throws {
    let pair = try Pair()
    var other = SecYSettings()
    other.cipherSuite = .gcmAES256
    #expect(code { try pair.a.configure(other) } == .state)
    var tags = SecYSettings()
    tags.vlanTagsInClear = 3
    #expect(code { try pair.a.configure(tags) } == .state)
    #expect(code { try pair.a.addReceiveChannel(Pair.right) } == .exists)
    let next = TestKey(.gcmAES128, seed: 2)
    #expect(code { try pair.a.addReceive(1, 0, next) } == .absent)
    #expect(code { try pair.a.addReceive(Pair.right, 0, next) } == .exists)
    #expect(code { try pair.a.addReceive(Pair.right, 4, next) } == .state)
    #expect(code { try pair.a.addTransmit(0, next) } == .exists)
    #expect(code { try pair.a.addTransmit(1, TestKey(.gcmAES256, seed: 2)) } == .invalidKey)
    var short = next
    short.octets.removeLast()
    #expect(code { try pair.a.addTransmit(1, short) } == .invalidKey)
    var extended = TestKey(.gcmAESXPN128, seed: 3)
    #expect(code { try pair.a.addTransmit(1, extended) } == .invalidKey, "a salt without extended numbers")
    extended.suite = .gcmAES128
    let entity = SecurityEntity(sci: 1)
    other.cipherSuite = .gcmAESXPN128
    try entity.configure(other)
    #expect(code { try entity.addTransmit(1, extended) } == .invalidKey, "extended numbers without a salt")
  }

  @Test("channels are bounded")
  func bounds() throws {
    let entity = SecurityEntity(sci: 1)
    for sci in 0..<SecurityEntity.mostReceiveChannels { try entity.addReceiveChannel(UInt64(sci)) }
    #expect(code { try entity.addReceiveChannel(999) } == .limit)
    entity.removeReceiveChannel(0)
    try entity.addReceiveChannel(999)
  }

  @Test("the suite changes once nothing is installed")
  func suiteChange() throws {
    let pair = try Pair()
    pair.a.removeTransmitAssociation(0, key: pair.key.name)
    pair.a.removeReceiveAssociation(Pair.right, 0, key: pair.key.name)
    var settings = SecYSettings()
    settings.cipherSuite = .gcmAESXPN256
    try pair.a.configure(settings)
    try pair.a.addTransmit(0, TestKey(.gcmAESXPN256, seed: 9))
  }
}
